//! What the engine lends a method between steps.

use std::sync::Arc;
use std::time::Instant;

use burn::tensor::Device;
use vireid_backbone::Backbone;
use vireid_backbone::parameters::fill_parameters;
use vireid_core::{Camera, Embeddings, Modality, PerModality, Streams};
use vireid_data::sampler::StepPlan;
use vireid_data::{ImageList, Loader, LoaderConfig, ViewRecipes};

use crate::epoch::{Epoch, EpochAt, Labelling};
use crate::events::{ClusterReport, EarlierLabels, Event, Observer};
use crate::learner::Learner;
use crate::method::Outputs;
use crate::quiet::read_off_device;
use crate::replicas::{copy_to, forward};
use crate::{Devices, EngineConfig, MethodError, extract};

/// What the engine lends a method for one call between steps: an [`Epoch`].
pub(crate) struct EngineEpoch<'a, B: Backbone> {
    pub(crate) stage: &'static str,
    pub(crate) at: EpochAt,
    pub(crate) config: &'a EngineConfig,
    pub(crate) devices: &'a Devices,
    pub(crate) streams: Streams,
    pub(crate) train: &'a PerModality<Arc<ImageList>>,
    pub(crate) observer: &'a mut dyn Observer,
    pub(crate) learner: &'a mut Learner<B>,
    pub(crate) extraction_seconds: f64,
    pub(crate) earlier: &'a mut EarlierLabels,
}

impl<B: Backbone> Epoch for EngineEpoch<'_, B> {
    fn at(&self) -> EpochAt {
        self.at
    }

    fn config(&self) -> &EngineConfig {
        self.config
    }

    fn device(&self) -> &Device {
        self.devices.first()
    }

    fn streams(&self) -> Streams {
        self.streams
    }

    fn cameras(&self) -> PerModality<Vec<Camera>> {
        self.train.as_ref().map(|list| list.samples().iter().map(|sample| sample.camera).collect())
    }

    fn embeddings(&mut self) -> Result<PerModality<Embeddings>, MethodError> {
        let clock = Instant::now();
        let network = self.learner.network.valid();
        let total = self.train.visible.len() + self.train.infrared.len();
        let settings = &self.config.extraction;
        let mut embed = |modality: Modality, before: usize| -> Result<Embeddings, MethodError> {
            let progress = |done| self.observer.tick("embedding", before + done, total);
            let images = self.train.get(modality);
            extract(&network, images, modality, settings.batch, settings.flip_average, self.devices, progress)
        };
        let visible = embed(Modality::Visible, 0)?;
        let infrared = embed(Modality::Infrared, self.train.visible.len())?;
        self.extraction_seconds += clock.elapsed().as_secs_f64();
        Ok(PerModality { visible, infrared })
    }

    fn report(&mut self, labelling: &Labelling<'_>) {
        let report = ClusterReport::new(self.stage, self.at.epoch, labelling, self.train, self.earlier);
        self.observer.event(&Event::Clusters(Box::new(report)));
    }

    fn pass(
        &mut self,
        stream: &'static str,
        recipes: ViewRecipes,
        plans: Vec<StepPlan>,
        each: &mut dyn FnMut(&StepPlan, Outputs),
    ) -> Result<(), MethodError> {
        // A forward pass on the autodiff device that no backward pass follows would keep its graph for ever, so the pass
        // runs on copies without one and hands the running statistics back.
        let before = read_off_device(|| self.learner.running_statistics())?;
        let shadows: Vec<_> =
            self.devices.iter().map(|device| copy_to(&*self.learner, device).in_training_mode()).collect();
        let sizes = self.train.as_ref().map(|list| list.size());
        let config = LoaderConfig { stream, workers: self.config.input.workers, prefetch: self.config.input.prefetch };
        let total = plans.len();
        let epoch = self.at.epoch as u64;
        let loader = Loader::start(self.train.clone(), recipes, plans, self.streams, epoch, 0, config);
        for (done, batch) in loader.enumerate() {
            let batch = batch?;
            each(&batch.plan, forward(&shadows, self.devices, batch.pixels, sizes));
            self.observer.tick(stream, done + 1, total);
        }
        let mut statistics = read_off_device(|| shadows[0].running_statistics())?;
        if total > 0 && !before.is_empty() && before == statistics {
            return Err(MethodError::StillStatistics(self.config.backbone.name.clone()));
        }
        *self.learner = fill_parameters(self.learner.clone(), |name, _| statistics.remove(name));
        Ok(())
    }

    fn tick(&mut self, activity: &'static str, done: usize, total: usize) {
        self.observer.tick(activity, done, total);
    }
}
