//! Trained networks, for Python.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use numpy::{PyReadonlyArray3, PyUntypedArrayMethods};
use pyo3::prelude::*;
use vireid::calibration::Calibration;
use vireid::{EmbeddingsFile, ProgramError, nearest};
use vireid_core::{Camera, Embeddings, Modality, follow};
use vireid_data::{CacheBudget, DataError, ImageList, ImageSize, Sample};
use vireid_methods::{CheckpointKind, EmbeddingRecipe, EngineConfig, MethodError, TrainedNetwork, parse_device};

use crate::arrays::{Matrix, Rows, contiguous, embeddings, matrix};
use crate::call::Call;
use crate::failure::Failure;

/// A trained network, on the CPU.
#[pyclass(frozen)]
pub struct Network {
    /// Taken by workers alone, for a batch: nobody waits for it with the interpreter's lock.
    trained: Arc<Mutex<TrainedNetwork>>,
    run: PathBuf,
    best: bool,
    config: EngineConfig,
    recipe: EmbeddingRecipe,
    dim: usize,
}

/// An image: a file, or pixels of height x width x 3 bytes.
#[derive(FromPyObject)]
enum Image<'py> {
    #[pyo3(transparent)]
    Pixels(PyReadonlyArray3<'py, u8>),
    #[pyo3(transparent)]
    File(PathBuf),
}

/// False acceptance rate, threshold, false rejection rate, pairs of one person and of different people, and ends of bins with
/// their probabilities.
type CalibrationParts = (f64, f64, f64, usize, usize, Vec<(f64, f64)>);

#[pymethods]
impl Network {
    #[staticmethod]
    fn open(py: Python<'_>, run: PathBuf, best: bool) -> PyResult<Self> {
        let kind = if best { CheckpointKind::Best } else { CheckpointKind::Last };
        let folder = run.clone();
        let trained = Call::new(py, 0, None).run(move || TrainedNetwork::open(&folder, kind, parse_device("cpu")?))?;
        let (config, recipe, dim) = (trained.config().clone(), trained.recipe().clone(), trained.dim());
        Ok(Self { trained: Arc::new(Mutex::new(trained)), run, best, config, recipe, dim })
    }

    /// Numbers of an embedding, height and width of images, method, and fingerprint of the parameters.
    fn facts(&self) -> (usize, usize, usize, String, String) {
        let ImageSize { height, width } = self.config.size();
        (self.dim, height, width, self.config.method.clone(), self.recipe.weights.clone())
    }

    fn embed<'py>(
        &self,
        py: Python<'py>,
        images: Vec<Image<'py>>,
        infrared: bool,
        threads: usize,
        report: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Matrix<'py, f32>> {
        let held = images.iter().map(Held::of).collect::<Result<Vec<Held>, Failure>>()?;
        drop(images);
        let (trained, config, dim) = (self.trained.clone(), self.config.clone(), self.dim);
        let modality = if infrared { Modality::Infrared } else { Modality::Visible };
        let rows = Call::new(py, threads, report).run(move || -> Result<Embeddings, MethodError> {
            let list = list(&held, &config)?;
            drop(held);
            // Whole batches, so that a row does not depend on where the work may be stopped.
            let batch = config.extraction.batch;
            let starts = (0..list.len()).step_by(batch);
            let steps = follow("embedding", starts.len());
            let mut values = Vec::with_capacity(list.len() * dim);
            for start in starts.take_while(|_| steps.step()) {
                let part = list.select(start..(start + batch).min(list.len()));
                let trained = trained.lock().unwrap_or_else(PoisonError::into_inner);
                values.extend_from_slice(trained.embed_usable(&part, modality, false, |_| ())?.0.as_slice());
            }
            steps.check()?;
            Ok(Embeddings::new(values, list.len(), dim)?)
        })?;
        let shape = [rows.rows(), rows.dim()];
        matrix(py, rows.into_values(), shape)
    }

    /// The calibration that is kept with the network; none where there is none, and what is wrong with one that does not fit.
    fn calibration(&self) -> PyResult<(Option<CalibrationParts>, Option<String>)> {
        let name = if self.best { "calibration-best.json" } else { "calibration.json" };
        let Some(kept) = Calibration::load(&self.run.join(name)).map_err(Failure::from)? else {
            return Ok((None, None));
        };
        if let Some(unfit) = kept.unfit_for(&self.recipe) {
            return Ok((None, Some(unfit)));
        }
        let Calibration { far, threshold, frr, same, different, probabilities, .. } = kept;
        Ok((Some((far, threshold, frr, same, different, probabilities)), None))
    }

    /// The rows of an index that this network wrote, and the paths of their images.
    fn index<'py>(&self, py: Python<'py>, path: PathBuf) -> PyResult<(Matrix<'py, f32>, Vec<PathBuf>)> {
        let recipe = self.recipe.clone();
        let file = Call::new(py, 0, None).run(move || -> Result<EmbeddingsFile, ProgramError> {
            let file = EmbeddingsFile::load(&path)?;
            file.check_recipe(&path, &recipe)?;
            Ok(file)
        })?;
        let shape = [file.embeddings.rows(), file.embeddings.dim()];
        let paths = file.images.into_iter().map(|image| image.path).collect();
        Ok((matrix(py, file.embeddings.into_values(), shape)?, paths))
    }

    /// The rows of a gallery most similar to each query, the best first, and their similarities.
    #[staticmethod]
    fn nearest<'py>(
        py: Python<'py>,
        queries: Rows<'py>,
        gallery: Rows<'py>,
        top: usize,
    ) -> PyResult<(Matrix<'py, i64>, Matrix<'py, f32>)> {
        let (queries, gallery) = (embeddings(&queries)?, embeddings(&gallery)?);
        let shape = [queries.rows(), top.min(gallery.rows())];
        let (rows, similarities) = Call::new(py, 0, None).run(move || -> Result<_, MethodError> {
            let steps = follow("searching", queries.rows());
            let hits = (0..queries.rows()).take_while(|_| steps.step());
            let hits = hits.flat_map(|row| nearest(&gallery, queries.row(row), top));
            let found: (Vec<i64>, Vec<f32>) = hits.map(|hit| (hit.row as i64, hit.similarity)).unzip();
            steps.check()?;
            Ok(found)
        })?;
        Ok((matrix(py, rows, shape)?, matrix(py, similarities, shape)?))
    }
}

/// An image without Python: a file, or pixels and their size.
enum Held {
    File(PathBuf),
    Pixels(ImageSize, Vec<u8>),
}

impl Held {
    fn of(image: &Image) -> Result<Self, Failure> {
        Ok(match image {
            Image::File(path) => Self::File(path.clone()),
            Image::Pixels(pixels) => {
                let size = ImageSize { height: pixels.shape()[0], width: pixels.shape()[1] };
                Self::Pixels(size, contiguous(pixels.as_slice())?.to_vec())
            }
        })
    }
}

/// The images as a network reads them.
fn list(images: &[Held], config: &EngineConfig) -> Result<ImageList, MethodError> {
    let sample = |(number, image): (usize, &Held)| Sample {
        path: match image {
            Held::File(path) => path.clone(),
            Held::Pixels(..) => format!("image {number}").into(),
        },
        identity: None,
        camera: Camera(0),
    };
    let samples = images.iter().enumerate().map(sample).collect();
    let list = ImageList::new(samples, config.size(), config.filter()?, CacheBudget::new(0));
    let mut list = list.with_range(config.range()?);
    for (position, image) in images.iter().enumerate() {
        let Held::Pixels(from, pixels) = image else { continue };
        let held = list.hold(position, *from, pixels);
        held.map_err(|bad| DataError::BadImages { images: vec![bad], total: images.len() })?;
    }
    Ok(list)
}
