use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{Bytes, Device, Tensor, TensorData};
use vireid_backbone::Backbone;
use vireid_backbone::parameters::{load_parameters, named_parameters, number_parameters};
use vireid_core::{Association, Embeddings, Modality, PerModality, Streams};
use vireid_data::sampler::BatchShape;
use vireid_data::{Batch, ImageList, Loader, LoaderConfig};

use crate::checkpoint::{Checkpoint, CheckpointKind, Position};
use crate::events::{ClusterReport, Event, Observer, Seconds};
use crate::labelling::{Labels, cluster};
use crate::method::Method;
use crate::{Evaluation, MethodError, RunConfig, RunDir, TestImages, adam, evaluate, extract};

/// Losses are read from the device once in this many steps: a read makes a device wait.
const STEPS_PER_READ: usize = 10;

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// All epochs are done.
    Finished(Vec<Evaluation>),
    /// It was asked to stop and has saved its position.
    Interrupted(Position),
}

/// Trains any [`Method`] with any [`Backbone`].
pub struct Engine<B: Backbone> {
    config: RunConfig,
    method: Box<dyn Method>,
    network: Option<B>,
    optimizer: ModuleOptimizer,
    device: Device,
    streams: Streams,
    train: PerModality<Arc<ImageList>>,
    test: TestImages,
    run: RunDir,
    position: Position,
    evaluations: Vec<Evaluation>,
    labels: Option<(Labels, Option<Association>)>,
    seconds: Seconds,
}

impl<B: Backbone> Engine<B> {
    /// An engine at the start of a run. `network` is on the autodiff device of `device`.
    pub fn new(
        config: RunConfig,
        method: Box<dyn Method>,
        network: B,
        device: Device,
        train: PerModality<Arc<ImageList>>,
        test: TestImages,
        run: RunDir,
    ) -> Self {
        Self {
            optimizer: adam(config.optimizer.weight_decay),
            streams: Streams::new(config.seed),
            network: Some(number_parameters(network)),
            config,
            method,
            device,
            train,
            test,
            run,
            position: Position::default(),
            evaluations: Vec::new(),
            labels: None,
            seconds: Seconds::default(),
        }
    }

    /// Goes on from the run's last checkpoint. A run that was stopped before its first checkpoint starts over.
    ///
    /// # Errors
    ///
    /// `VR0507` for a damaged checkpoint, `VR0508` for one of another method, backbone, seed or data set.
    pub fn resume(&mut self) -> Result<(), MethodError> {
        let path = self.run.checkpoint(CheckpointKind::Last);
        if !path.exists() {
            return Ok(());
        }
        let checkpoint = Checkpoint::load(&path)?;
        let foreign = |what, found: &str, expected: &str| {
            let (found, expected) = (found.to_string(), expected.to_string());
            MethodError::ForeignCheckpoint { path: path.clone(), what, found, expected }
        };
        let seeds = (checkpoint.seed.to_string(), self.config.seed.to_string());
        for (what, found, expected) in [
            ("method", &checkpoint.method, &self.config.method),
            ("backbone", &checkpoint.backbone, &self.config.backbone.name),
            ("seed", &seeds.0, &seeds.1),
        ] {
            if found != expected {
                return Err(foreign(what, found, expected));
            }
        }
        if let Some((labels, _)) = &checkpoint.labels {
            let found = (labels.visible.len(), labels.infrared.len());
            let expected = (self.train.visible.len(), self.train.infrared.len());
            if found != expected {
                return Err(foreign("numbers of images", &format!("{found:?}"), &format!("{expected:?}")));
            }
        }
        let tensors: BTreeMap<_, _> =
            checkpoint.model.into_iter().map(|(name, shape, values)| (name, (shape, values))).collect();
        let (network, report) = load_parameters(self.take_network(), tensors);
        self.network = Some(network);
        if !report.is_complete() {
            return Err(foreign("parameters", &format!("{report:?}"), "the same network"));
        }
        let optimizer =
            adam(self.config.optimizer.weight_decay).from_bytes(Bytes::from_bytes_vec(checkpoint.optimizer));
        self.optimizer =
            optimizer.map_err(|error| MethodError::BadCheckpoint { path: path.clone(), reason: error.to_string() })?;
        let mut memories: BTreeMap<_, _> =
            checkpoint.memories.into_iter().map(|(name, shape, values)| (name, (shape, values))).collect();
        if !memories.is_empty() {
            let device = self.device.clone();
            self.method.restore_memories(&mut |name| {
                let (shape, values) = memories.remove(name)?;
                Some(Tensor::from_data(TensorData::new(values, shape), &device))
            });
        }
        self.labels = checkpoint.labels;
        self.position = checkpoint.position;
        self.evaluations = checkpoint.evaluations;
        Ok(())
    }

    /// Seconds spent so far in this process.
    pub fn seconds(&self) -> Seconds {
        self.seconds
    }

    /// The network, on the autodiff device.
    pub fn network(&self) -> &B {
        match &self.network {
            Some(network) => network,
            None => unreachable!("the network is out only within a step"),
        }
    }

    fn take_network(&mut self) -> B {
        match self.network.take() {
            Some(network) => network,
            None => unreachable!("the network is out only within a step"),
        }
    }

    /// Trains to the end, or until `interrupt` is set: then the running step is finished and everything saved.
    ///
    /// # Errors
    ///
    /// Whatever stops a run; the last checkpoint stays as it was.
    pub fn run(&mut self, observer: &mut dyn Observer, interrupt: &AtomicBool) -> Result<Outcome, MethodError> {
        if self.evaluations.is_empty() {
            self.evaluate("untrained", observer)?;
        }
        let mut announced = None;
        while self.position.epoch < self.config.epochs() {
            let stage = self.stage();
            if announced != Some(stage) {
                announced = Some(stage);
                observer.event(&self.stage_event(stage));
            }
            if !self.train_epoch(stage, observer, interrupt)? {
                self.save(CheckpointKind::Last)?;
                observer.event(&Event::Interrupted { epoch: self.position.epoch, step: self.position.step });
                return Ok(Outcome::Interrupted(self.position));
            }
            self.position = Position { epoch: self.position.epoch + 1, step: 0 };
            self.labels = None;
            let trained = self.evaluations.iter().filter(|evaluation| evaluation.epochs > 0);
            let best_before = trained.map(Evaluation::first_map).fold(f64::NEG_INFINITY, f64::max);
            if let Some(moment) = self.moment() {
                self.evaluate(&moment, observer)?;
            }
            self.save(CheckpointKind::Last)?;
            if self.evaluations.last().is_some_and(|e| e.epochs == self.position.epoch && e.first_map() > best_before) {
                self.save(CheckpointKind::Best)?;
            }
        }
        Ok(Outcome::Finished(self.evaluations.clone()))
    }

    fn stage(&self) -> usize {
        usize::from(self.position.epoch >= self.config.stage1.epochs)
    }

    fn stage_event(&self, stage: usize) -> Event {
        let (first_epoch, epochs) = match stage {
            0 => (0, self.config.stage1.epochs),
            _ => (self.config.stage1.epochs, self.config.stage2.epochs),
        };
        let steps = self.config.sampler.iterations;
        let done = (self.position.epoch - first_epoch) * steps + self.position.step;
        Event::Stage { name: format!("stage {}", stage + 1), first_epoch, epochs, steps, done }
    }

    /// What the test after the epochs so far is called; `None` when none is due.
    fn moment(&self) -> Option<String> {
        let epochs = self.position.epoch;
        if epochs == self.config.epochs() {
            Some("final".into())
        } else if epochs == self.config.stage1.epochs {
            Some("stage 1".into())
        } else if epochs.is_multiple_of(self.config.evaluation.every) {
            Some(format!("epoch {epochs}"))
        } else {
            None
        }
    }

    /// One epoch from the current position on. `false` when interrupted.
    fn train_epoch(
        &mut self,
        stage: usize,
        observer: &mut dyn Observer,
        interrupt: &AtomicBool,
    ) -> Result<bool, MethodError> {
        let mut seconds = Seconds::default();
        let epoch = self.position.epoch;
        let (labels, association) = match self.labels.take() {
            Some(saved) => saved,
            None => self.label(stage, observer, &mut seconds)?,
        };
        let shape = BatchShape {
            clusters: self.config.sampler.clusters,
            instances: self.config.sampler.instances,
            allow_few_clusters: self.config.sampler.allow_few_clusters,
        };
        let mut stream = self.streams.stream("sampler", [epoch as u64, 0, 0]);
        let steps = self.config.sampler.iterations;
        let plans = self.method.plan(stage, &labels, association.as_ref(), shape, steps, &mut stream)?;
        self.labels = Some((labels, association));
        let config = LoaderConfig { workers: self.config.input.workers, prefetch: self.config.input.prefetch };
        let recipes = self.method.recipes(stage);
        let mut loader =
            Loader::start(self.train.clone(), recipes, plans, self.streams, epoch as u64, self.position.step, config);

        let mut losses = LossLog::new(epoch, self.config.learning_rate(epoch), self.method.loss_parts(stage));
        loop {
            let waiting = Instant::now();
            let Some(batch) = loader.next() else { break };
            let batch = batch?;
            seconds.load += waiting.elapsed().as_secs_f64();
            let parts = self.step(stage, batch, &mut seconds);
            losses.push(self.position.step, parts);
            self.position.step += 1;
            if losses.is_due() {
                losses.read(observer)?;
            }
            if interrupt.load(Ordering::Relaxed) {
                losses.read(observer)?;
                self.seconds.add(seconds);
                return Ok(false);
            }
        }
        losses.read(observer)?;
        self.seconds.add(seconds);
        observer.event(&Event::Epoch { epoch, losses: losses.means(), seconds });
        Ok(true)
    }

    /// Embeds the training set, clusters it, associates the clusters and builds the memories.
    fn label(
        &mut self,
        stage: usize,
        observer: &mut dyn Observer,
        seconds: &mut Seconds,
    ) -> Result<(Labels, Option<Association>), MethodError> {
        let clock = Instant::now();
        let network = self.network().valid();
        let total = self.train.visible.len() + self.train.infrared.len();
        let mut embed = |modality: Modality, before: usize| -> Result<Embeddings, MethodError> {
            let settings = &self.config.clustering;
            let progress = |done| observer.tick("embedding", before + done, total);
            let images = self.train.get(modality);
            extract(&network, images, modality, settings.batch, settings.flip_average, &self.device, progress)
        };
        let visible = embed(Modality::Visible, 0)?;
        let infrared = embed(Modality::Infrared, self.train.visible.len())?;
        seconds.extraction += clock.elapsed().as_secs_f64();

        let clock = Instant::now();
        let embeddings = PerModality { visible, infrared };
        let clusters = cluster(&embeddings, &self.config.clustering, self.position.epoch, &self.device)?;
        let association = self.method.associate(stage, &clusters.centroids)?;
        self.method.build_memories(&clusters.centroids, &self.device);
        seconds.clustering += clock.elapsed().as_secs_f64();
        let report = ClusterReport::new(self.position.epoch, &clusters.labels, association.as_ref(), &self.train);
        observer.event(&Event::Clusters(report));
        Ok((clusters.labels, association))
    }

    /// One optimiser step; returns the parts of the loss, still on the device.
    fn step(&mut self, stage: usize, batch: Batch, seconds: &mut Seconds) -> Tensor<1> {
        let clock = Instant::now();
        let device = self.device.clone().autodiff();
        let input = |pixels: Vec<f32>, modality: Modality| {
            let size = self.train.get(modality).size();
            let count = pixels.len() / (3 * size.area());
            Tensor::<4>::from_data(TensorData::new(pixels, [count, 3, size.height, size.width]), &device)
        };
        let visible = input(batch.pixels.visible, Modality::Visible);
        let infrared = input(batch.pixels.infrared, Modality::Infrared);
        let network = self.take_network();
        let embeddings = network.forward(visible, infrared);
        let loss = self.method.step(stage, &batch.plan, embeddings);
        seconds.forward += clock.elapsed().as_secs_f64();

        let clock = Instant::now();
        let gradients = GradientsParams::from_grads(loss.objective.backward(), &network);
        let rate = self.config.learning_rate(self.position.epoch);
        self.network = Some(self.optimizer.step(rate, network, gradients));
        seconds.backward += clock.elapsed().as_secs_f64();
        loss.parts
    }

    fn evaluate(&mut self, moment: &str, observer: &mut dyn Observer) -> Result<(), MethodError> {
        let clock = Instant::now();
        let total = self.test.images.visible.len() + self.test.images.infrared.len();
        let progress = |done| observer.tick("testing", done, total);
        let scores = evaluate(&self.network().valid(), &self.test, &self.config, &self.device, progress)?;
        let evaluation = Evaluation { moment: moment.into(), epochs: self.position.epoch, scores };
        self.evaluations.push(evaluation.clone());
        let seconds = clock.elapsed().as_secs_f64();
        self.seconds.evaluation += seconds;
        observer.event(&Event::Evaluation { evaluation, seconds });
        Ok(())
    }

    fn save(&self, kind: CheckpointKind) -> Result<(), MethodError> {
        let path = self.run.checkpoint(kind);
        let within_epoch = self.position.step > 0;
        let memories = if within_epoch { self.method.memories() } else { Vec::new() };
        let optimizer = self.optimizer.into_bytes();
        let optimizer =
            optimizer.map_err(|error| MethodError::BadCheckpoint { path: path.clone(), reason: error.to_string() })?;
        let checkpoint = Checkpoint {
            method: self.config.method.clone(),
            backbone: self.config.backbone.name.clone(),
            seed: self.config.seed,
            position: self.position,
            evaluations: self.evaluations.clone(),
            // `valid` also settles the running statistics of batch norm.
            model: named_parameters(&self.network().valid()),
            optimizer: optimizer.to_vec(),
            memories: memories.into_iter().map(|(name, bank)| named_rows(name, bank.rows())).collect(),
            labels: self.labels.clone().filter(|_| within_epoch),
        };
        checkpoint.save(&path)
    }
}

fn named_rows(name: &str, rows: Tensor<2>) -> (String, Vec<usize>, Vec<f32>) {
    let shape = rows.dims().to_vec();
    // For a file: read back by purpose.
    let values = rows.into_data().convert::<f32>().try_to_vec().unwrap_or_default();
    (name.into(), shape, values)
}

/// The losses of an epoch, kept on the device and read in bundles.
struct LossLog {
    epoch: usize,
    learning_rate: f64,
    names: &'static [&'static str],
    waiting: Vec<(usize, Tensor<1>)>,
    sums: Vec<f32>,
    count: usize,
}

impl LossLog {
    fn new(epoch: usize, learning_rate: f64, names: &'static [&'static str]) -> Self {
        Self { epoch, learning_rate, names, waiting: Vec::new(), sums: vec![0.0; names.len()], count: 0 }
    }

    fn push(&mut self, step: usize, parts: Tensor<1>) {
        self.waiting.push((step, parts));
    }

    fn is_due(&self) -> bool {
        self.waiting.len() >= STEPS_PER_READ
    }

    /// Reads what waits; a value that is not finite is an error that names its part.
    fn read(&mut self, observer: &mut dyn Observer) -> Result<(), MethodError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let (steps, parts): (Vec<usize>, Vec<Tensor<1>>) = self.waiting.drain(..).unzip();
        // The one read of the step loop: NaN must be noticed, and people want to watch.
        let values = Tensor::cat(parts, 0).into_data().convert::<f32>().try_to_vec::<f32>().unwrap_or_default();
        for (step, values) in steps.into_iter().zip(values.chunks_exact(self.names.len())) {
            let losses: Vec<(&'static str, f32)> = self.names.iter().copied().zip(values.iter().copied()).collect();
            if let Some(&(part, value)) = losses.iter().find(|(_, value)| !value.is_finite()) {
                return Err(MethodError::NotFinite { epoch: self.epoch, step, part: part.into(), value });
            }
            self.sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
            self.count += 1;
            observer.event(&Event::Step { epoch: self.epoch, step, learning_rate: self.learning_rate, losses });
        }
        Ok(())
    }

    fn means(&self) -> Vec<(&'static str, f32)> {
        self.names.iter().copied().zip(self.sums.iter().map(|sum| sum / self.count.max(1) as f32)).collect()
    }
}
