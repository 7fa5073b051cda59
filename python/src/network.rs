use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use numpy::{PyReadonlyArray3, PyUntypedArrayMethods};
use pyo3::prelude::*;
use vireid::calibration::Calibration;
use vireid::{EmbeddingsFile, ProgramError, nearest};
use vireid_core::{Camera, Embeddings, Modality, follow};
use vireid_data::{CacheBudget, DataError, ImageList, ImageSize, Sample};
use vireid_methods::{CheckpointKind, MethodError, TrainedNetwork, parse_device};

use crate::arrays::{Matrix, Rows, contiguous, embeddings, matrix};
use crate::call::Call;
use crate::failure::Failure;

/// A trained network, on the CPU.
#[pyclass(frozen)]
pub struct Network {
    trained: Arc<Mutex<TrainedNetwork>>,
    run: PathBuf,
    best: bool,
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
        Ok(Self { trained: Arc::new(Mutex::new(trained)), run, best })
    }

    /// Numbers of an embedding, height and width of images, method, and fingerprint of the parameters.
    fn facts(&self) -> (usize, usize, usize, String, String) {
        let trained = self.trained.lock().unwrap_or_else(PoisonError::into_inner);
        let ImageSize { height, width } = trained.size();
        (trained.dim(), height, width, trained.config().method.clone(), trained.hash().to_string())
    }

    fn embed<'py>(
        &self,
        py: Python<'py>,
        images: Vec<Image<'py>>,
        infrared: bool,
        threads: usize,
        report: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Matrix<'py, f32>> {
        let list = self.list(&images)?;
        drop(images);
        let trained = self.trained.clone();
        let modality = if infrared { Modality::Infrared } else { Modality::Visible };
        let rows = Call::new(py, threads, report).run(move || -> Result<Embeddings, MethodError> {
            let trained = trained.lock().unwrap_or_else(PoisonError::into_inner);
            // Whole batches, so that a row does not depend on where the work may be stopped.
            let batch = trained.config().extraction.batch;
            let starts = (0..list.len()).step_by(batch);
            let steps = follow("embedding", starts.len());
            let mut values = Vec::with_capacity(list.len() * trained.dim());
            for start in starts.take_while(|_| steps.step()) {
                let part = list.select(start..(start + batch).min(list.len()));
                values.extend_from_slice(trained.embed_usable(&part, modality, false, |_| ())?.0.as_slice());
            }
            steps.check()?;
            Ok(Embeddings::new(values, list.len(), trained.dim())?)
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
        let trained = self.trained.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(unfit) = kept.unfit_for(trained.recipe()) {
            return Ok((None, Some(unfit)));
        }
        let Calibration { far, threshold, frr, same, different, probabilities, .. } = kept;
        Ok((Some((far, threshold, frr, same, different, probabilities)), None))
    }

    /// The rows of an index that this network wrote, and the paths of their images.
    fn index<'py>(&self, py: Python<'py>, path: PathBuf) -> PyResult<(Matrix<'py, f32>, Vec<PathBuf>)> {
        let trained = self.trained.clone();
        let file = Call::new(py, 0, None).run(move || -> Result<EmbeddingsFile, ProgramError> {
            let file = EmbeddingsFile::load(&path)?;
            file.check_recipe(&path, trained.lock().unwrap_or_else(PoisonError::into_inner).recipe())?;
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

impl Network {
    /// The images as the network reads them.
    fn list(&self, images: &[Image]) -> Result<ImageList, Failure> {
        let sample = |(number, image): (usize, &Image)| Sample {
            path: match image {
                Image::File(path) => path.clone(),
                Image::Pixels(_) => format!("image {number}").into(),
            },
            identity: None,
            camera: Camera(0),
        };
        let samples = images.iter().enumerate().map(sample).collect();
        let trained = self.trained.lock().unwrap_or_else(PoisonError::into_inner);
        let (config, size) = (trained.config(), trained.size());
        let list = ImageList::new(samples, size, config.filter()?, CacheBudget::new(0));
        let mut list = list.with_range(config.range()?);
        for (position, image) in images.iter().enumerate() {
            let Image::Pixels(pixels) = image else { continue };
            let from = ImageSize { height: pixels.shape()[0], width: pixels.shape()[1] };
            let held = list.hold(position, from, contiguous(pixels.as_slice())?);
            held.map_err(|bad| DataError::BadImages { images: vec![bad], total: images.len() })?;
        }
        Ok(list)
    }
}
