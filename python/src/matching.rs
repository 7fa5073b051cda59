//! Matching clusters across the modalities, for Python.

use numpy::{PyArray1, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::prelude::*;
use vireid_clustering::{
    ClusterMemories, ClusteringError, CostDirection, Expansion, JaccardEncoding, LabelTransfer, MatchOrientation,
    MemoryMatching, Sinkhorn, TransferInput, TransportKernel, bilateral_match, cluster_means, match_by_costs,
    memory_costs, sinkhorn_log,
};
use vireid_core::{PerModality, PseudoLabels};

use crate::arrays::{
    Matrix, Rows, SparseParts, Vector, contiguous, embeddings, label_array, labels, matrix, sides, sparse_rows,
};
use crate::call::Call;
use crate::failure::Failure;

/// Whether each infrared cluster and each visible one are partners.
#[pyfunction]
pub fn bilateral<'py>(
    py: Python<'py>,
    infrared: Rows<'py>,
    visible: Rows<'py>,
    mirrored: bool,
) -> PyResult<Matrix<'py, bool>> {
    let (infrared, visible) = (embeddings(&infrared)?, embeddings(&visible)?);
    let shape = [infrared.rows(), visible.rows()];
    let orientation = if mirrored { MatchOrientation::Mirrored } else { MatchOrientation::AsReleased };
    let association = Call::new(py, 0, None).run(move || bilateral_match(&infrared, &visible, orientation))?;
    let mut values = vec![false; shape[0] * shape[1]];
    for (i, v) in association.pairs() {
        values[i.index() * shape[1] + v.index()] = true;
    }
    matrix(py, values, shape)
}

/// The infrared cluster of every visible one, and the costs of all pairs.
#[pyfunction]
pub fn multi_memory<'py>(
    py: Python<'py>,
    visible: Vec<Rows<'py>>,
    infrared: Vec<Rows<'py>>,
    direction: &str,
    hungarian: bool,
    threads: usize,
) -> PyResult<(Vector<'py, i64>, Matrix<'py, f64>)> {
    let memories = |clusters: &[Rows]| -> Result<Vec<ClusterMemories>, Failure> {
        clusters.iter().map(|rows| embeddings(rows).map(ClusterMemories::Points)).collect()
    };
    let shape = [visible.len(), infrared.len()];
    let (visible, infrared) = (memories(&visible)?, memories(&infrared)?);
    let direction = match direction {
        "infrared" => CostDirection::SumOverInfrared,
        "visible" => CostDirection::SumOverVisible,
        _ => CostDirection::Symmetric,
    };
    let matching = if hungarian { MemoryMatching::Hungarian } else { MemoryMatching::Nearest };
    let (matched, costs) = Call::new(py, threads, None).run(move || {
        let costs = memory_costs(&visible, &infrared, direction)?;
        Ok::<_, ClusteringError>((match_by_costs(&costs, shape[0], shape[1], matching)?, costs))
    })?;
    Ok((label_array(py, matched), matrix(py, costs, shape)?))
}

/// What is of the visible images, and of the infrared ones.
type Both<T> = (T, T);

/// Of one label space after the other, visible clusters first: soft labels of visible and of infrared images.
type SoftArrays<'py> = Vec<(Matrix<'py, f32>, Matrix<'py, f32>)>;

/// Soft labels of both modalities in both label spaces, and the rounds taken in each. Centroids and distances are made where
/// none are given.
#[pyfunction]
pub fn label_transfer<'py>(
    py: Python<'py>,
    features: (Rows<'py>, Rows<'py>),
    clusters: (PyReadonlyArray1<'py, i64>, PyReadonlyArray1<'py, i64>),
    known: (Option<Both<Rows<'py>>>, Option<Both<SparseParts<'py>>>),
    settings: (usize, usize, f64, f64, f64, usize),
    threads: usize,
    report: Option<Bound<'py, PyAny>>,
) -> PyResult<(SoftArrays<'py>, (usize, usize))> {
    let rows = PerModality { visible: embeddings(&features.0)?, infrared: embeddings(&features.1)? };
    let found = PerModality { visible: labels(&clusters.0)?, infrared: labels(&clusters.1)? };
    let (centroids, distances) = known;
    let centroids = match &centroids {
        Some((visible, infrared)) => {
            Some(PerModality { visible: embeddings(visible)?, infrared: embeddings(infrared)? })
        }
        None => None,
    };
    let distances = match &distances {
        Some((visible, infrared)) => {
            Some(PerModality { visible: sparse_rows(visible)?, infrared: sparse_rows(infrared)? })
        }
        None => None,
    };
    let (k1, k2, alpha, temperature, tolerance, max_rounds) = settings;
    let settings = LabelTransfer { alpha, temperature, tolerance, max_rounds, ..LabelTransfer::mult() };
    let moved = Call::new(py, threads, report).run(move || {
        let distances = match distances {
            Some(distances) => distances,
            None => {
                let of = |rows| JaccardEncoding::new(rows, k1, &Expansion::Mean { k2 })?.try_within(1.0);
                PerModality { visible: of(&rows.visible)?, infrared: of(&rows.infrared)? }
            }
        };
        let centroids = match centroids {
            Some(centroids) => centroids,
            None => PerModality {
                visible: cluster_means::<()>(&rows.visible, &PseudoLabels::new(&found.visible)?)?,
                infrared: cluster_means::<()>(&rows.infrared, &PseudoLabels::new(&found.infrared)?)?,
            },
        };
        settings.run(TransferInput { embeddings: &rows, centroids: &centroids, distances: &distances })
    })?;
    let spaces = [(moved.own.visible, moved.cross.infrared), (moved.cross.visible, moved.own.infrared)];
    let array = |soft: vireid_clustering::SoftLabels| {
        let shape = [soft.samples(), soft.classes()];
        matrix(py, soft.into_values(), shape)
    };
    let arrays: PyResult<SoftArrays> =
        spaces.into_iter().map(|(visible, infrared)| Ok((array(visible)?, array(infrared)?))).collect();
    Ok((arrays?, (moved.rounds.visible, moved.rounds.infrared)))
}

/// The plan, how many steps it took and whether the stopping rule was met.
#[pyfunction]
pub fn sinkhorn<'py>(
    py: Python<'py>,
    cost: Rows<'py>,
    settings: (f64, f64, usize),
    logarithmic: bool,
    threads: usize,
) -> PyResult<(Matrix<'py, f32>, usize, bool)> {
    let [rows, columns] = sides(&cost);
    let cost = contiguous(cost.as_slice())?.to_vec();
    let (lambda, tolerance, max_steps) = settings;
    let settings = Sinkhorn { lambda, tolerance, max_steps };
    let (plan, steps, converged) = Call::new(py, threads, None).run(move || -> Result<_, ClusteringError> {
        if !logarithmic {
            let kernel = TransportKernel::of_costs(&cost, rows, columns, settings)?;
            let scaling = kernel.solve()?;
            return Ok((kernel.plan(&scaling), scaling.steps, scaling.converged));
        }
        let scaling = sinkhorn_log(&cost, rows, columns, settings)?;
        Ok((scaling.plan(&cost, settings.lambda), scaling.steps, scaling.converged))
    })?;
    Ok((matrix(py, plan, [rows, columns])?, steps, converged))
}

/// Rows, ascending, and their columns.
#[pyfunction]
pub fn linear_assignment<'py>(
    py: Python<'py>,
    cost: PyReadonlyArray2<'py, f64>,
) -> PyResult<(Vector<'py, i64>, Vector<'py, i64>)> {
    let [rows, columns] = sides(&cost);
    let cost = contiguous(cost.as_slice())?.to_vec();
    let pairs = Call::new(py, 0, None).run(move || vireid_clustering::linear_assignment(&cost, rows, columns))?;
    let (rows, columns) = pairs.into_iter().map(|(row, column)| (row as i64, column as i64)).unzip();
    Ok((PyArray1::from_vec(py, rows), PyArray1::from_vec(py, columns)))
}
