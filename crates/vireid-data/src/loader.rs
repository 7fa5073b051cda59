//! Training batches, made ahead on threads of their own.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, unbounded};
use vireid_core::{PerModality, Streams};

use crate::sampler::StepPlan;
use crate::transform::{Recipe, apply, to_planar};
use crate::{DataError, ImageList};

/// The recipes of a training batch: one per view of each modality's images.
#[derive(Debug, Clone, PartialEq)]
pub struct ViewRecipes {
    /// Views of a visible image, drawn independently.
    pub visible: Vec<Recipe>,
    /// Views of an infrared image, drawn independently.
    pub infrared: Vec<Recipe>,
}

/// How far ahead and how widely batches are prepared, and what their augmentations draw from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoaderConfig {
    /// Name of the random stream that augmentations draw from. If one epoch passes over the same images twice, each
    /// pass needs its own.
    pub stream: &'static str,
    /// How many threads make batches, at least 1.
    pub workers: usize,
    /// How many batches may be ready or in the making at a time, at least 1.
    pub prefetch: usize,
}

/// The pixels of one training step, planar f32, view after view: all images of the first view, then of the second.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// The images of the step, as the sampler planned them.
    pub plan: StepPlan,
    /// `views * images x 3 x height x width` values of each modality.
    pub pixels: PerModality<Vec<f32>>,
}

/// Prepares the batches of an epoch ahead of time on its own threads and hands them out in order.
///
/// Each image view draws from the configured stream at (epoch, step, slot), so batches don't depend on the threads.
/// At most `prefetch` batches exist at a time. Dropping the loader stops its threads.
pub struct Loader {
    tickets: Option<Sender<usize>>,
    delivered: Receiver<(usize, Result<Batch, DataError>)>,
    early: BTreeMap<usize, Result<Batch, DataError>>,
    next: usize,
    prefetch: usize,
    steps: usize,
    workers: Vec<JoinHandle<()>>,
}

struct Work {
    stream: &'static str,
    images: PerModality<Arc<ImageList>>,
    recipes: ViewRecipes,
    plans: Vec<StepPlan>,
    streams: Streams,
    epoch: u64,
}

impl Loader {
    /// Starts preparing the steps of `epoch` from `first_step` on.
    pub fn start(
        images: PerModality<Arc<ImageList>>,
        recipes: ViewRecipes,
        plans: Vec<StepPlan>,
        streams: Streams,
        epoch: u64,
        first_step: usize,
        config: LoaderConfig,
    ) -> Self {
        let steps = plans.len();
        let work = Arc::new(Work { stream: config.stream, images, recipes, plans, streams, epoch });
        let (tickets, taken) = unbounded::<usize>();
        let (deliver, delivered) = unbounded();
        let prefetch = config.prefetch.max(1);
        for step in first_step..steps.min(first_step + prefetch) {
            // The receiver lives in the workers that are about to start.
            let _ = tickets.send(step);
        }
        let workers = (0..config.workers.max(1))
            .map(|_| {
                let (work, taken, deliver) = (work.clone(), taken.clone(), deliver.clone());
                std::thread::spawn(move || {
                    for step in taken {
                        if deliver.send((step, work.batch(step))).is_err() {
                            break;
                        }
                    }
                })
            })
            .collect();
        Self { tickets: Some(tickets), delivered, early: BTreeMap::new(), next: first_step, prefetch, steps, workers }
    }
}

impl Iterator for Loader {
    type Item = Result<Batch, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.steps {
            return None;
        }
        let step = self.next;
        while !self.early.contains_key(&step) {
            match self.delivered.recv() {
                Ok((number, batch)) => {
                    self.early.insert(number, batch);
                }
                Err(_) => {
                    self.next = self.steps;
                    return Some(Err(DataError::Loader { step }));
                }
            }
        }
        self.next += 1;
        let ahead = step + self.prefetch;
        if let Some(tickets) = self.tickets.as_ref().filter(|_| ahead < self.steps) {
            let _ = tickets.send(ahead);
        }
        self.early.remove(&step)
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        self.tickets = None;
        for worker in self.workers.drain(..) {
            let _ = worker.join();
        }
    }
}

impl Work {
    fn batch(&self, step: usize) -> Result<Batch, DataError> {
        let plan = self.plans[step].clone();
        let slots = Cell::new(0u64);
        let views = |images: &ImageList, recipes: &[Recipe], positions: &[usize]| {
            let mut pixels = Vec::with_capacity(recipes.len() * positions.len() * 3 * images.size().area());
            for recipe in recipes {
                for &position in positions {
                    let slot = slots.replace(slots.get() + 1);
                    let bytes = images.get(position).map_err(DataError::Image)?;
                    let mut view = to_planar(&bytes);
                    let mut stream = self.streams.stream(self.stream, [self.epoch, step as u64, slot]);
                    apply(recipe, &mut view, images.size(), &mut stream);
                    pixels.extend_from_slice(&view);
                }
            }
            Ok::<_, DataError>(pixels)
        };
        let visible = views(&self.images.visible, &self.recipes.visible, &plan.visible)?;
        let infrared = views(&self.images.infrared, &self.recipes.infrared, &plan.infrared)?;
        Ok(Batch { plan, pixels: PerModality { visible, infrared } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transform::{Transform, plain};
    use crate::{CacheBudget, ImageSize, ResizeFilter, Sample};
    use vireid_core::Camera;

    fn image_list(folder: &std::path::Path, budget: usize) -> Arc<ImageList> {
        let samples = (0..6u8)
            .map(|i| {
                let path = folder.join(format!("{i}.png"));
                image::RgbImage::from_fn(16, 32, |x, y| image::Rgb([i * 20, x as u8, y as u8])).save(&path).unwrap();
                Sample { path, identity: None, camera: Camera(1) }
            })
            .collect();
        let size = ImageSize { height: 24, width: 12 };
        Arc::new(ImageList::new(samples, size, ResizeFilter::Lanczos, CacheBudget::new(budget)))
    }

    fn batches(folder: &std::path::Path, budget: usize, workers: usize, first: usize) -> Vec<Batch> {
        let list = image_list(folder, budget);
        let recipes = ViewRecipes { visible: vec![vec![Transform::PadCrop(2)], plain()], infrared: vec![plain()] };
        let plans =
            (0..9).map(|s| StepPlan { visible: vec![s % 6, (s + 1) % 6], infrared: vec![s % 5], part: 0 }).collect();
        let images = PerModality { visible: list.clone(), infrared: list };
        let config = LoaderConfig { stream: "augment", workers, prefetch: 3 };
        Loader::start(images, recipes, plans, Streams::new(5), 2, first, config).map(|b| b.unwrap()).collect()
    }

    #[test]
    fn batches_do_not_depend_on_threads_cache_or_the_first_step() {
        let folder = tempfile::tempdir().unwrap();
        let reference = batches(folder.path(), usize::MAX, 1, 0);
        assert_eq!(reference.len(), 9);
        assert_eq!(reference[0].pixels.visible.len(), 2 * 2 * 3 * 24 * 12);
        assert_eq!(batches(folder.path(), 0, 4, 0), reference);
        assert_eq!(batches(folder.path(), 2000, 2, 4), reference[4..]);
    }

    #[test]
    fn an_image_that_vanishes_is_an_error_and_the_loader_can_be_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let list = image_list(folder.path(), 0);
        std::fs::remove_file(folder.path().join("1.png")).unwrap();
        let recipes = ViewRecipes { visible: vec![plain()], infrared: vec![plain()] };
        let plan = |s| StepPlan { visible: vec![s], infrared: vec![0], part: 0 };
        let images = PerModality { visible: list.clone(), infrared: list };
        let config = LoaderConfig { stream: "augment", workers: 2, prefetch: 2 };
        let plans = (0..6).map(plan).collect();
        let mut loader = Loader::start(images, recipes, plans, Streams::new(5), 0, 0, config);
        assert!(loader.next().unwrap().is_ok());
        let error = loader.next().unwrap().unwrap_err().to_string();
        assert!(error.starts_with("VR0113") && error.contains("1.png: No such file"), "{error}");
    }
}
