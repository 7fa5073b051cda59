//! Networks, engines and embedders without their types: what lets one program train and use networks of any kind.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use burn::module::Module;
use burn::tensor::Device;
use vireid_backbone::onnx::{Graph, Value};
use vireid_backbone::parameters::{NamedParameter, load_parameters, named_parameters};
use vireid_backbone::{Backbone, WeightReport};
use vireid_core::{Embeddings, Modality, PerModality, Streams};
use vireid_data::{ImageList, ImageSize};
use vireid_eval::Distances;

use super::{Footprint, NetworkKind};
use crate::event_history::GoesOn;
use crate::events::{Observer, Seconds};
use crate::extract::embed_batch;
use crate::replicas::stage_backbone;
use crate::running::AnyMethod;
use crate::step_timing::{StepTiming, time_network};
use crate::{
    BackboneSettings, Devices, Engine, EngineConfig, MethodError, Outcome, RunDir, Score, StageSettings, TestImages,
    evaluate_by, extract,
};

/// Named tensors of a checkpoint: shape and values by name.
pub(crate) type NamedTensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// Parameters of a network with its starting weights, and what was read of their file.
pub(crate) type ImportedParameters = (Vec<NamedParameter>, Option<WeightReport>);

/// What [`Engine::new`] takes, besides a function that makes the network.
pub(crate) struct EngineParts {
    pub(crate) config: EngineConfig,
    pub(crate) method: Box<dyn AnyMethod>,
    pub(crate) devices: Devices,
    pub(crate) train: PerModality<Arc<ImageList>>,
    pub(crate) test: TestImages,
    pub(crate) run: RunDir,
}

/// A [`NetworkKind`] of any type of network.
pub(crate) trait AnyNetworkKind: Send + Sync {
    fn names(&self) -> Vec<String>;
    fn footprint(&self, settings: &BackboneSettings, size: ImageSize) -> Result<Option<Footprint>, MethodError>;
    /// An engine with a network of the kind.
    fn engine(self: Arc<Self>, parts: EngineParts) -> Result<Box<dyn TrainingEngine>, MethodError>;
    /// A network of the kind off the autodiff side, with the parameters of a checkpoint; or why they are not its own.
    fn trained(
        &self,
        settings: &BackboneSettings,
        size: ImageSize,
        device: &Device,
        parameters: NamedTensors,
    ) -> Result<Result<Box<dyn Embedder>, String>, MethodError>;
    /// The parameters of a network of the kind with its starting weights.
    fn imported(
        &self,
        settings: &BackboneSettings,
        size: ImageSize,
        streams: Streams,
        device: &Device,
    ) -> Result<ImportedParameters, MethodError>;
    /// Seconds of its steps and embeddings, measured now: see [`time_network`].
    fn time(
        &self,
        settings: &BackboneSettings,
        config: &EngineConfig,
        device: &Device,
        most: &dyn Fn(usize, usize) -> usize,
        batch: PerModality<usize>,
        share: usize,
    ) -> Result<StepTiming, MethodError>;
}

impl<K: NetworkKind> AnyNetworkKind for K {
    fn names(&self) -> Vec<String> {
        NetworkKind::names(self)
    }

    fn footprint(&self, settings: &BackboneSettings, size: ImageSize) -> Result<Option<Footprint>, MethodError> {
        NetworkKind::footprint(self, settings, size)
    }

    fn engine(self: Arc<Self>, parts: EngineParts) -> Result<Box<dyn TrainingEngine>, MethodError> {
        let EngineParts { config, method, devices, train, test, run } = parts;
        let (count, device) = (devices.count(), devices.first().clone().autodiff());
        let settings = config.clone();
        let build = Box::new(move |stage: &StageSettings| -> Result<K::Network, MethodError> {
            let backbone = stage_backbone(&settings, stage, count)?;
            let streams = Streams::new(settings.seed);
            self.init(&backbone, settings.size(), streams, &device)
        });
        Ok(Box::new(Engine::new(config, method, build, devices, train, test, run)?))
    }

    fn trained(
        &self,
        settings: &BackboneSettings,
        size: ImageSize,
        device: &Device,
        parameters: NamedTensors,
    ) -> Result<Result<Box<dyn Embedder>, String>, MethodError> {
        // The starting weights are replaced at once: no random stream matters.
        let network = self.init(settings, size, Streams::new(0), &device.clone().autodiff())?;
        let (network, report) = load_parameters(network, parameters);
        if !report.is_complete() {
            return Ok(Err(format!("{report:?}")));
        }
        Ok(Ok(Box::new(network.valid())))
    }

    fn imported(
        &self,
        settings: &BackboneSettings,
        size: ImageSize,
        streams: Streams,
        device: &Device,
    ) -> Result<ImportedParameters, MethodError> {
        let (network, report) = self.import(settings, size, streams, &device.clone().autodiff())?;
        Ok((named_parameters(&network.valid()), report))
    }

    fn time(
        &self,
        settings: &BackboneSettings,
        config: &EngineConfig,
        device: &Device,
        most: &dyn Fn(usize, usize) -> usize,
        batch: PerModality<usize>,
        share: usize,
    ) -> Result<StepTiming, MethodError> {
        let network = self.init(settings, config.size(), Streams::new(config.seed), &device.clone().autodiff())?;
        Ok(time_network(network, config, device, most, batch, share))
    }
}

/// An [`Engine`] with a network of any kind.
pub(crate) trait TrainingEngine: Send {
    fn resume(&mut self) -> Result<(), MethodError>;
    fn goes_on(&self) -> GoesOn;
    fn run(&mut self, observer: &mut dyn Observer, interrupt: &AtomicBool) -> Result<Outcome, MethodError>;
    fn seconds(&self) -> Seconds;
    fn parameters(&self) -> usize;
    fn notes(&self) -> Vec<String>;
    fn images_per_step(&self) -> usize;
}

impl<B: Backbone> TrainingEngine for Engine<B> {
    fn resume(&mut self) -> Result<(), MethodError> {
        Engine::resume(self)
    }

    fn goes_on(&self) -> GoesOn {
        Engine::goes_on(self)
    }

    fn run(&mut self, observer: &mut dyn Observer, interrupt: &AtomicBool) -> Result<Outcome, MethodError> {
        Engine::run(self, observer, interrupt)
    }

    fn seconds(&self) -> Seconds {
        Engine::seconds(self)
    }

    fn parameters(&self) -> usize {
        Module::num_params(self.network())
    }

    fn notes(&self) -> Vec<String> {
        self.method().notes()
    }

    fn images_per_step(&self) -> usize {
        Engine::images_per_step(self)
    }
}

/// A network of any kind in use, off the autodiff side.
pub(crate) trait Embedder: Send + std::fmt::Debug {
    fn dim(&self) -> usize;
    fn extract(
        &self,
        images: &ImageList,
        modality: Modality,
        batch: usize,
        flip_average: bool,
        devices: &Devices,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Embeddings, MethodError>;
    fn evaluate(
        &self,
        test: &TestImages,
        config: &EngineConfig,
        devices: &Devices,
        distances: &dyn Distances,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<Score>, MethodError>;
    /// See [`Backbone::draw`].
    fn draw(&self, graph: &mut Graph, images: &Value, modality: Modality) -> Option<Value>;
    fn parameters(&self) -> Vec<NamedParameter>;
    /// Of one batch of normalised pixels, as `extract` makes them: row after row.
    fn embed_pixels(
        &self,
        pixels: Vec<f32>,
        size: ImageSize,
        modality: Modality,
        flip_average: bool,
        device: &Device,
    ) -> Result<Vec<f32>, MethodError>;
}

impl<B: Backbone> Embedder for B {
    fn dim(&self) -> usize {
        Backbone::dim(self)
    }

    fn extract(
        &self,
        images: &ImageList,
        modality: Modality,
        batch: usize,
        flip_average: bool,
        devices: &Devices,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Embeddings, MethodError> {
        extract(self, images, modality, batch, flip_average, devices, progress)
    }

    fn evaluate(
        &self,
        test: &TestImages,
        config: &EngineConfig,
        devices: &Devices,
        distances: &dyn Distances,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<Score>, MethodError> {
        evaluate_by(self, test, config, devices, distances, progress)
    }

    fn draw(&self, graph: &mut Graph, images: &Value, modality: Modality) -> Option<Value> {
        Backbone::draw(self, graph, images, modality)
    }

    fn parameters(&self) -> Vec<NamedParameter> {
        named_parameters(self)
    }

    fn embed_pixels(
        &self,
        pixels: Vec<f32>,
        size: ImageSize,
        modality: Modality,
        flip_average: bool,
        device: &Device,
    ) -> Result<Vec<f32>, MethodError> {
        embed_batch(self, pixels, size, modality, flip_average, device)
    }
}
