//! Distances, clusters and neighbours, for Python.

use numpy::PyReadonlyArray1;
use pyo3::prelude::*;
use rayon::prelude::*;
use vireid_clustering::{
    ClusteringError, Expansion, JaccardDbscan, JaccardEncoding, KMeans, NeighbourGraph, Origin, ReRanking,
    nearest_across, nearest_neighbours,
};
use vireid_core::{Embeddings, Streams, follow};

use crate::arrays::{
    Matrix, Rows, SparseArrays, SparseVectors, Vector, contiguous, embeddings, label_array, matrix, origins,
    stored_rows,
};
use crate::call::Call;
use crate::failure::Failure;

/// Name, k2, k3, cameras and modalities of an expansion.
type ExpansionArguments<'py> = (String, usize, usize, PyReadonlyArray1<'py, u16>, PyReadonlyArray1<'py, u8>);

/// An expansion that owns what it looks at.
struct OwnedExpansion {
    name: String,
    k2: usize,
    k3: usize,
    origins: Vec<Origin>,
}

impl OwnedExpansion {
    fn new((name, k2, k3, cameras, modalities): ExpansionArguments) -> Result<Self, Failure> {
        Ok(Self { name, k2, k3, origins: origins(&cameras, &modalities)? })
    }

    fn get(&self) -> Result<Expansion<'_>, ClusteringError> {
        Expansion::by_name(&self.name, self.k2, self.k3, &self.origins)
    }
}

/// Values, columns and starts of the Jaccard distances of at most `limit`.
#[pyfunction]
pub fn jaccard<'py>(
    py: Python<'py>,
    features: Rows<'py>,
    k1: usize,
    expansion: ExpansionArguments<'py>,
    limit: f32,
    threads: usize,
    report: Option<Bound<'py, PyAny>>,
) -> PyResult<SparseArrays<'py>> {
    let (features, expansion) = (embeddings(&features)?, OwnedExpansion::new(expansion)?);
    let distances = Call::new(py, threads, report).run(move || {
        let distances = JaccardEncoding::new(&features, k1, &expansion.get()?)?.try_within(limit);
        distances.map(SparseVectors::of)
    })?;
    Ok(distances.arrays(py))
}

/// Labels, and values, columns and starts of the distances of at most `eps`.
#[pyfunction]
pub fn cluster<'py>(
    py: Python<'py>,
    features: Rows<'py>,
    settings: (usize, f64, usize),
    expansion: ExpansionArguments<'py>,
    threads: usize,
    report: Option<Bound<'py, PyAny>>,
) -> PyResult<(Vector<'py, i64>, SparseArrays<'py>)> {
    let (features, expansion) = (embeddings(&features)?, OwnedExpansion::new(expansion)?);
    let (k1, eps, min_samples) = settings;
    let settings = JaccardDbscan { k1, eps, min_samples };
    let found = Call::new(py, threads, report).run(move || {
        let found = settings.fit(&features, &expansion.get()?)?;
        Ok::<_, ClusteringError>((found.labels, SparseVectors::of(found.distances)))
    })?;
    Ok((label_array(py, found.0), found.1.arrays(py)))
}

/// Labels of a graph: columns and starts of its rows.
#[pyfunction]
pub fn dbscan<'py>(
    py: Python<'py>,
    columns: PyReadonlyArray1<'py, i64>,
    starts: PyReadonlyArray1<'py, i64>,
    min_samples: usize,
) -> PyResult<Vector<'py, i64>> {
    let columns = contiguous(columns.as_slice())?;
    let stored = stored_rows(&vec![0.0; columns.len()], columns, contiguous(starts.as_slice())?)?;
    let labels = Call::new(py, 0, None)
        .run(move || vireid_clustering::dbscan(&NeighbourGraph::from_distances(&stored, 0.0), min_samples))?;
    Ok(label_array(py, labels))
}

/// Rows of neighbours, nearest first, and their squared distances where they are asked for.
#[pyfunction]
pub fn nearest<'py>(
    py: Python<'py>,
    features: Rows<'py>,
    gallery: Option<Rows<'py>>,
    k: usize,
    with_distances: bool,
    threads: usize,
    report: Option<Bound<'py, PyAny>>,
) -> PyResult<(Matrix<'py, i64>, Option<Matrix<'py, f32>>)> {
    let features = embeddings(&features)?;
    let gallery = gallery.as_ref().map(embeddings).transpose()?;
    let (ranking, distances) = Call::new(py, threads, report).run(move || {
        let ranking = match &gallery {
            Some(gallery) => nearest_across(&features, gallery, k)?,
            None => nearest_neighbours(&features, k)?,
        };
        if !with_distances {
            return Ok((ranking, None));
        }
        let candidates = gallery.as_ref().unwrap_or(&features);
        let steps = follow("distances", ranking.rows());
        let squared = |row: usize| {
            let near = if steps.step() { ranking.row(row) } else { &[] };
            let to = |&other: &u32| {
                let pairs = features.row(row).iter().zip(candidates.row(other as usize));
                pairs.map(|(a, b)| (a - b) * (a - b)).sum::<f32>()
            };
            near.iter().map(to).collect::<Vec<f32>>()
        };
        let distances: Vec<Vec<f32>> = (0..ranking.rows()).into_par_iter().map(squared).collect();
        steps.check()?;
        Ok::<_, ClusteringError>((ranking, Some(distances.concat())))
    })?;
    let shape = [ranking.rows(), ranking.k()];
    let indices = ranking.into_indices().into_iter().map(i64::from).collect();
    let distances = distances.map(|distances| matrix(py, distances, shape)).transpose()?;
    Ok((matrix(py, indices, shape)?, distances))
}

/// Distances of queries to a gallery after k-reciprocal re-ranking, or the gallery's rows in their order.
#[pyfunction]
pub fn re_rank<'py>(
    py: Python<'py>,
    query: Rows<'py>,
    gallery: Rows<'py>,
    settings: (usize, usize, f64),
    ranked: bool,
    threads: usize,
    report: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let (query, gallery) = (embeddings(&query)?, embeddings(&gallery)?);
    let shape = [query.rows(), gallery.rows()];
    let (k1, k2, lambda) = settings;
    let settings = ReRanking { k1, k2, lambda };
    let call = Call::new(py, threads, report);
    if !ranked {
        let distances = call.run(move || settings.distances(&query, &gallery))?;
        return Ok(matrix(py, distances, shape)?.into_any());
    }
    let order = call.run(move || settings.ranking(&query, &gallery))?;
    Ok(matrix(py, order.into_iter().map(i64::from).collect(), shape)?.into_any())
}

/// Labels, centroids and inertia.
#[pyfunction]
pub fn kmeans<'py>(
    py: Python<'py>,
    features: Rows<'py>,
    settings: (usize, usize, usize, f64),
    seed: u64,
    threads: usize,
    report: Option<Bound<'py, PyAny>>,
) -> PyResult<(Vector<'py, i64>, Matrix<'py, f32>, f64)> {
    let features: Embeddings = embeddings(&features)?;
    let (k, restarts, max_iterations, tolerance) = settings;
    let settings = KMeans { k, restarts, max_iterations, tolerance };
    let found = Call::new(py, threads, report)
        .run(move || settings.fit(&features, &mut Streams::new(seed).stream("kmeans", [0; 3])))?;
    let labels = found.labels.into_iter().map(Some).collect();
    let shape = [found.centroids.rows(), found.centroids.dim()];
    Ok((label_array(py, labels), matrix(py, found.centroids.into_values(), shape)?, found.inertia))
}
