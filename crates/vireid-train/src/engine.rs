//! The engine: what trains any method with any network.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use burn::tensor::Tensor;
use vireid_backbone::Backbone;
use vireid_backbone::parameters::load_parameters;
use vireid_core::{PerModality, Streams};
use vireid_data::{Batch, ImageList, Loader, LoaderConfig};

use crate::checkpoint::{Checkpoint, CheckpointKind, Position};
use crate::engine_epoch::EngineEpoch;
use crate::epoch::EpochAt;
use crate::event_history::GoesOn;
use crate::events::{EarlierLabels, Event, Observer, Seconds};
use crate::learner::Learner;
use crate::loss_log::LossLog;
use crate::method::{Stage, StageStart, StepAt};
use crate::optimizer::StageOptimizer;
use crate::quiet::read_off_device;
use crate::replicas::{gradients_with, pass_with, replicate};
use crate::running::AnyMethod;
use crate::step_memory::images_per_step;
use crate::{Devices, EngineConfig, Evaluation, MethodError, RunDir, StageSettings, TestImages, evaluate};

/// How [`Engine::run`] ended, when nothing went wrong.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// All epochs are done. Holds every test of the run, the oldest first; empty without a test set.
    Finished(Vec<Evaluation>),
    /// It was asked to stop, and has saved this position: [`Engine::resume`] goes on from it.
    Interrupted(Position),
}

/// Makes a network with a run's starting weights for a stage, on the autodiff side of the first device.
pub type BuildNetwork<B> = Box<dyn Fn(&StageSettings) -> Result<B, MethodError> + Send>;

/// Trains any [`Method`](crate::Method) with any [`Backbone`].
pub struct Engine<B: Backbone> {
    config: EngineConfig,
    method: Box<dyn AnyMethod>,
    stages: Vec<Stage>,
    build: BuildNetwork<B>,
    learner: Option<Learner<B>>,
    optimizer: StageOptimizer,
    devices: Devices,
    streams: Streams,
    train: PerModality<Arc<ImageList>>,
    test: TestImages,
    run: RunDir,
    position: Position,
    evaluations: Vec<Evaluation>,
    seconds: Seconds,
    earlier: EarlierLabels,
    /// Whether this process has made a step.
    has_stepped: bool,
}

impl<B: Backbone> Engine<B> {
    /// An engine at the start of a run.
    ///
    /// `devices` are one [`Device`](burn::tensor::Device), or several that each take a part of every batch. With
    /// several, a network that treats a batch in groups must make its groups within the part that it gets.
    ///
    /// # Errors
    ///
    /// `VR0502` when the settings have another number of stages than the method, name an unknown optimiser, or ask for
    /// checkpointing of a network in one piece; what building the network refuses.
    pub fn new(
        config: EngineConfig,
        method: Box<dyn AnyMethod>,
        build: BuildNetwork<B>,
        devices: impl Into<Devices>,
        train: PerModality<Arc<ImageList>>,
        test: TestImages,
        run: RunDir,
    ) -> Result<Self, MethodError> {
        config.check()?;
        if method.name() != config.method {
            let message = format!("method = '{}', and the method given is {}", config.method, method.name());
            return Err(MethodError::Config(message));
        }
        let mut stages = method.stages();
        if stages.len() != config.stages.len() {
            let (name, has, given) = (method.name(), stages.len(), config.stages.len());
            let message = format!("{name} has {has} stages, the configuration has {given} ([[stages]])");
            return Err(MethodError::Config(message));
        }
        for (stage, settings) in stages.iter_mut().zip(&config.stages) {
            stage.optimizer = stage.optimizer.of_stage(settings);
        }
        let learner = Learner::new(build(&config.stages[0])?);
        if let Some(name) = learner.ambiguous_field() {
            let message = format!("the network has a field '{name}', which checkpoints need for themselves: rename it");
            return Err(MethodError::Config(message));
        }
        if config.backbone.checkpointing && learner.network.pieces() < 2 {
            let message = "this network can't make its pass piece by piece; set backbone.checkpointing = false";
            return Err(MethodError::Config(message.into()));
        }
        Ok(Self {
            optimizer: StageOptimizer::new(stages[0].optimizer, config.optimizer.weight_decay),
            learner: Some(learner),
            streams: Streams::new(config.seed),
            stages,
            build,
            config,
            method,
            devices: devices.into(),
            train,
            test,
            run,
            position: Position::default(),
            evaluations: Vec::new(),
            seconds: Seconds::default(),
            earlier: EarlierLabels::default(),
            has_stepped: false,
        })
    }

    /// Goes on from the run's last checkpoint. A run that was stopped before its first checkpoint starts over.
    ///
    /// # Errors
    ///
    /// `VR0507` for a damaged checkpoint, `VR0508` for one of another method, backbone or seed, or with other
    /// parameters; what building the network refuses. The data are not compared here: [`Session`](crate::Session) does
    /// that.
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
        let damaged = |reason: String| MethodError::BadCheckpoint { path: path.clone(), reason };
        let seeds = (checkpoint.seed.to_string(), self.config.seed.to_string());
        for (what, found, expected) in [
            ("method", checkpoint.method.as_str(), self.method.name()),
            ("backbone", checkpoint.backbone.as_str(), self.config.backbone.name.as_str()),
            ("seed", seeds.0.as_str(), seeds.1.as_str()),
        ] {
            if found != expected {
                return Err(foreign(what, found, expected));
            }
        }
        let prefixed = |name: String| if name.starts_with("classifier.") { name } else { format!("network.{name}") };
        let tensors: BTreeMap<_, _> =
            checkpoint.model.into_iter().map(|(name, shape, values)| (prefixed(name), (shape, values))).collect();
        // At the border of an epoch network and optimiser are those of the epoch before.
        let of_epoch = self.config.at(checkpoint.position.epoch.saturating_sub(usize::from(!checkpoint.prepared)));
        let is_fresh = |&stage: &usize| stage == 0 || self.stages[stage].start == StageStart::FreshNetwork;
        let began = (0..=of_epoch.stage).rev().find(is_fresh).unwrap_or(0);
        let mut learner = Learner::new((self.build)(&self.config.stages[began])?);
        if let Some((shape, _)) = tensors.get("classifier.weight") {
            learner = self.with_classifier(learner, shape.last().copied().unwrap_or(0));
        }
        let (learner, report) = load_parameters(learner, tensors);
        self.learner = Some(learner);
        if !report.is_complete() {
            return Err(foreign("other parameters", &report.to_string(), "all of them, of the same shapes"));
        }
        let stage = self.stages[of_epoch.stage];
        let optimizer = StageOptimizer::new(stage.optimizer, self.config.optimizer.weight_decay);
        self.optimizer = optimizer.load(checkpoint.optimizer).map_err(damaged)?;
        let within = checkpoint.prepared.then_some(of_epoch);
        let restored = self.method.restore(&checkpoint.state, within, self.devices.first());
        restored.ok_or_else(|| damaged("it lacks memories or labels of the method".into()))?;
        self.position = checkpoint.position;
        self.evaluations = checkpoint.evaluations;
        Ok(())
    }

    /// Where the run stands: the position, whether its epoch has labels, and the tests so far.
    pub(crate) fn goes_on(&self) -> GoesOn {
        GoesOn { position: self.position, prepared: self.method.is_prepared(), evaluations: self.evaluations.clone() }
    }

    /// Seconds by activity that this process has spent on the run; what earlier processes spent is not in it.
    pub fn seconds(&self) -> Seconds {
        self.seconds
    }

    /// The network, on the autodiff side of the first device.
    pub fn network(&self) -> &B {
        &self.learner().network
    }

    /// The method that it trains with, and what that has prepared.
    pub fn method(&self) -> &dyn AnyMethod {
        self.method.as_ref()
    }

    /// Images of the largest step of the run, each counted once per view.
    pub(crate) fn images_per_step(&self) -> usize {
        images_per_step(&self.config, self.method.as_ref())
    }

    fn learner(&self) -> &Learner<B> {
        match &self.learner {
            Some(learner) => learner,
            None => unreachable!("the learner is out only within a step"),
        }
    }

    fn take_learner(&mut self) -> Learner<B> {
        match self.learner.take() {
            Some(learner) => learner,
            None => unreachable!("the learner is out only within a step"),
        }
    }

    fn with_classifier(&self, learner: Learner<B>, classes: usize) -> Learner<B> {
        let mut stream = self.streams.stream("classifier", [0; 3]);
        learner.with_classifier(classes, self.devices.autodiff().first(), &mut stream)
    }

    /// Trains to the end, or until `interrupt` is set: then the running step is finished and everything saved. The
    /// untrained network is tested first; in a run without an epoch it is what is saved.
    ///
    /// # Errors
    ///
    /// Whatever stops a run, such as `VR0505` (no cluster), `VR0506` (a loss that is not finite), `VR0511` (a device
    /// that failed) or `VR0509` (a full disk). The last checkpoint stays as it was.
    pub fn run(&mut self, observer: &mut dyn Observer, interrupt: &AtomicBool) -> Result<Outcome, MethodError> {
        if self.evaluations.is_empty() {
            self.evaluate("untrained", observer)?;
        }
        if self.config.epochs() == 0 {
            // Nothing else would save the network that it starts with.
            self.enter(self.stages[self.config.at(0).stage]);
            self.save(CheckpointKind::Last)?;
        }
        let mut announced = None;
        while self.position.epoch < self.config.epochs() {
            let at = self.config.at(self.position.epoch);
            if !self.method.is_prepared() {
                if self.is_beginning(at) {
                    self.enter(self.stages[at.stage]);
                }
                self.prepare(at, observer)?;
            }
            let is_new = announced != Some(at.stage);
            announced = Some(at.stage);
            if !self.train_epoch(at, is_new, observer, interrupt)? {
                self.save(CheckpointKind::Last)?;
                observer.event(&Event::Interrupted { epoch: self.position.epoch, step: self.position.step });
                return Ok(Outcome::Interrupted(self.position));
            }
            self.position = Position { epoch: self.position.epoch + 1, step: 0 };
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

    /// Whether no step of the stage is done. An epoch whose end failed has had its steps when it is prepared again.
    fn is_beginning(&self, at: EpochAt) -> bool {
        at.in_stage == 0 && self.position.step == 0
    }

    /// Gives a stage the optimiser that it starts from.
    fn enter(&mut self, stage: Stage) {
        // A first stage without epochs leaves the run's beginning to a later one.
        if self.position.epoch == 0 || stage.start != StageStart::Continue {
            self.optimizer = StageOptimizer::new(stage.optimizer, self.config.optimizer.weight_decay);
        }
    }

    /// Gives the stage's first epoch a fresh network, once the epoch's labels have been made with the old one.
    fn renew_network(&mut self, at: EpochAt) -> Result<(), MethodError> {
        let stage = self.stages[at.stage];
        if self.is_beginning(at) && self.position.epoch > 0 && stage.start == StageStart::FreshNetwork {
            self.learner = Some(Learner::new((self.build)(self.config.stage(at))?));
        }
        let classes = self.method.classes();
        if classes.is_some() && classes != self.learner().classes() {
            let learner = self.take_learner();
            self.learner = Some(self.with_classifier(learner, classes.unwrap_or_default()));
        }
        Ok(())
    }

    /// What the test after the epochs so far is called; `None` when none is due.
    fn moment(&self) -> Option<String> {
        let epochs = self.position.epoch;
        if epochs == self.config.epochs() {
            return Some("final".into());
        }
        let last = self.config.at(epochs - 1);
        if last.in_stage + 1 == last.of {
            Some(format!("stage {}", last.stage + 1))
        } else if epochs.is_multiple_of(self.config.evaluation.every) {
            Some(format!("epoch {epochs}"))
        } else {
            None
        }
    }

    /// Lets the method make its labels and memories.
    fn prepare(&mut self, at: EpochAt, observer: &mut dyn Observer) -> Result<(), MethodError> {
        let clock = Instant::now();
        let mut extraction = 0.0;
        self.with_epoch(at, observer, |method, epoch| {
            let result = method.prepare(epoch);
            extraction = epoch.extraction_seconds;
            result
        })?;
        self.seconds.extraction += extraction;
        self.seconds.clustering += clock.elapsed().as_secs_f64() - extraction;
        self.renew_network(at).inspect_err(|_| self.method.forget())?;
        Ok(())
    }

    /// Calls the method with an epoch to work on.
    fn with_epoch(
        &mut self,
        at: EpochAt,
        observer: &mut dyn Observer,
        call: impl FnOnce(&mut dyn AnyMethod, &mut EngineEpoch<'_, B>) -> Result<(), MethodError>,
    ) -> Result<(), MethodError> {
        let mut learner = self.take_learner();
        let mut epoch = EngineEpoch {
            stage: self.stages[at.stage].name,
            at,
            config: &self.config,
            devices: &self.devices,
            streams: self.streams,
            train: &self.train,
            observer,
            learner: &mut learner,
            extraction_seconds: 0.0,
            earlier: &mut self.earlier,
        };
        let result = call(self.method.as_mut(), &mut epoch);
        self.learner = Some(learner);
        result
    }

    /// One epoch from the current position on. `false` when interrupted.
    fn train_epoch(
        &mut self,
        at: EpochAt,
        stage_is_new: bool,
        observer: &mut dyn Observer,
        interrupt: &AtomicBool,
    ) -> Result<bool, MethodError> {
        let mut seconds = Seconds::default();
        let mut stream = self.streams.stream("sampler", [at.epoch as u64, 0, 0]);
        let plans = self.method.plan(at, self.config.stage(at).iterations, &mut stream)?;
        if stage_is_new {
            let (first_epoch, steps) = (at.epoch - at.in_stage, plans.len());
            let done = at.in_stage * steps + self.position.step;
            let name = self.stages[at.stage].name.into();
            observer.event(&Event::Stage { name, first_epoch, epochs: at.of, steps, done });
        }
        let config = LoaderConfig {
            stream: "augment",
            workers: self.config.input.workers,
            prefetch: self.config.input.prefetch,
        };
        let recipes = self.method.recipes(at);
        let epoch = at.epoch as u64;
        let mut loader =
            Loader::start(self.train.clone(), recipes, plans, self.streams, epoch, self.position.step, config);

        let rate = self.config.stage(at).rate(at.in_stage);
        let mut losses = LossLog::new(at.epoch, rate, self.method.loss_parts(at));
        loop {
            if interrupt.load(Ordering::Relaxed) {
                losses.read(observer)?;
                self.seconds.add(seconds);
                return Ok(false);
            }
            let waiting = Instant::now();
            let Some(batch) = loader.next() else { break };
            let batch = batch?;
            seconds.load += waiting.elapsed().as_secs_f64();
            let clock = Instant::now();
            let parts = self.step(at, rate, batch, &mut seconds)?;
            if !self.has_stepped {
                // Waiting for the device stalls it, once: what it compiles is to be told and not lost in the epoch's seconds.
                for device in self.devices.iter() {
                    device.sync().map_err(|error| MethodError::of_device(&error.to_string()))?;
                }
                let (step, seconds) = (self.position.step, clock.elapsed().as_secs_f64());
                observer.event(&Event::FirstStep { epoch: at.epoch, step, seconds });
                self.has_stepped = true;
            }
            losses.push(self.position.step, parts);
            self.position.step += 1;
            if losses.is_due() {
                losses.read(observer)?;
            }
        }
        losses.read(observer)?;
        let clock = Instant::now();
        self.with_epoch(at, observer, |method, epoch| method.finish(epoch))?;
        seconds.forward += clock.elapsed().as_secs_f64();
        self.seconds.add(seconds);
        observer.event(&Event::Epoch { epoch: at.epoch, losses: losses.means(), seconds });
        Ok(true)
    }

    /// One optimiser step; returns the parts of the loss, still on the device.
    ///
    /// # Errors
    ///
    /// `VR0523` when the method's loss has other parts than the method names.
    fn step(&mut self, at: EpochAt, rate: f64, batch: Batch, seconds: &mut Seconds) -> Result<Tensor<1>, MethodError> {
        let clock = Instant::now();
        let devices = self.devices.autodiff();
        let replicas = replicate(self.take_learner(), &self.devices);
        let sizes = self.train.as_ref().map(|list| list.size());
        let checkpointing = self.config.backbone.checkpointing;
        let (outputs, passes) = pass_with(checkpointing, &replicas, &devices, batch.pixels, sizes);
        let at = StepAt::new(at, self.position.step, self.streams);
        let checked = self.method.step(at, &batch.plan, outputs).and_then(|loss| {
            // The shape is known without waiting for the device.
            let (found, named) = (loss.parts.dims()[0], self.method.loss_parts(at.epoch));
            match found == named.len() && found > 0 {
                true => Ok(loss),
                false => {
                    let (method, named) = (self.method.name().into(), named.join(", "));
                    Err(MethodError::LossParts { method, named, found })
                }
            }
        });
        let loss = match checked {
            Ok(loss) => loss,
            Err(error) => {
                self.learner = replicas.into_iter().next();
                return Err(error);
            }
        };
        seconds.forward += clock.elapsed().as_secs_f64();

        let clock = Instant::now();
        let gradients = gradients_with(passes, &replicas, loss.objective.backward());
        self.learner = self.optimizer.step(rate, replicas, gradients, &self.devices);
        seconds.backward += clock.elapsed().as_secs_f64();
        Ok(loss.parts)
    }

    fn evaluate(&mut self, moment: &str, observer: &mut dyn Observer) -> Result<(), MethodError> {
        if self.test.protocol.is_none() {
            return Ok(());
        }
        let clock = Instant::now();
        let total = self.test.images.visible.len() + self.test.images.infrared.len();
        let progress = |done| observer.tick("testing", done, total);
        let config = self.config.clone().in_use(self.position.epoch);
        let scores = evaluate(&self.network().valid(), &self.test, &config, &self.devices, progress)?;
        let seen_people = self.test.seen_people;
        let evaluation = Evaluation { moment: moment.into(), epochs: self.position.epoch, scores, seen_people };
        self.evaluations.push(evaluation.clone());
        let seconds = clock.elapsed().as_secs_f64();
        self.seconds.evaluation += seconds;
        observer.event(&Event::Evaluation { evaluation, seconds });
        Ok(())
    }

    fn save(&self, kind: CheckpointKind) -> Result<(), MethodError> {
        let path = self.run.checkpoint(kind);
        let unreadable = |reason| MethodError::BadCheckpoint { path: path.clone(), reason };
        let (model, optimizer, state) =
            read_off_device(|| (self.learner().named(), self.optimizer.to_bytes(), self.method.state()))?;
        let checkpoint = Checkpoint {
            method: self.method.name().into(),
            backbone: self.config.backbone.name.clone(),
            seed: self.config.seed,
            position: self.position,
            evaluations: self.evaluations.clone(),
            model,
            optimizer: optimizer.map_err(unreadable)?,
            prepared: self.method.is_prepared(),
            state,
        };
        checkpoint.save(&path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;
    use vireid_core::Stream;
    use vireid_data::sampler::StepPlan;
    use vireid_data::{CacheBudget, ImageSize, ResizeFilter, ViewRecipes};

    use crate::epoch::Epoch;
    use crate::method::{Method, Outputs, Part, StepLoss};
    use crate::{MethodState, Optimizer, boxed, build_network, testing};

    /// A method of a number of stages whose memories are on a device that is lost at some time.
    struct OnALostDevice(usize, Arc<AtomicBool>);

    impl Method for OnALostDevice {
        type Prepared = ();

        fn name(&self) -> &str {
            "own"
        }
        fn stages(&self) -> Vec<Stage> {
            let stage = Stage { name: "stage", start: StageStart::Continue, optimizer: Optimizer::adam() };
            vec![stage; self.0]
        }
        fn composition(&self) -> Vec<Part> {
            Vec::new()
        }
        fn recipes(&self, _at: EpochAt) -> ViewRecipes {
            ViewRecipes { visible: vec![Vec::new()], infrared: vec![Vec::new()] }
        }
        fn largest_batch(&self, _at: EpochAt) -> usize {
            0
        }
        fn prepare(&mut self, _epoch: &mut dyn Epoch) -> Result<(), MethodError> {
            Ok(())
        }
        fn plan(&self, _: &(), _at: EpochAt, _: usize, _: &mut Stream) -> Result<Vec<StepPlan>, MethodError> {
            Ok(Vec::new())
        }
        fn loss_parts(&self, _at: EpochAt) -> &'static [&'static str] {
            &[]
        }
        fn step(&mut self, _: &mut (), _at: StepAt, _plan: &StepPlan, _outputs: Outputs) -> StepLoss {
            unreachable!("there is no batch")
        }
        fn state(&self, _prepared: Option<&()>) -> MethodState {
            assert!(!self.1.load(Ordering::Relaxed), "the device does not answer");
            MethodState::default()
        }
        fn restore_within(&mut self, _state: &MethodState, _at: EpochAt, _device: &Device) -> Option<()> {
            Some(())
        }
    }

    fn engine(
        folder: &std::path::Path,
        stages: usize,
        lost: &Arc<AtomicBool>,
    ) -> Result<Engine<impl Backbone>, MethodError> {
        let config = testing::config(&[]);
        let run = RunDir::create(&folder.join("run"), &config, &"no environment").unwrap();
        let empty = || {
            let size = ImageSize { height: 8, width: 8 };
            Arc::new(ImageList::new(Vec::new(), size, ResizeFilter::Lanczos, CacheBudget::new(0)))
        };
        let lists = || PerModality { visible: empty(), infrared: empty() };
        let backbone = config.engine.backbone.clone();
        let build: BuildNetwork<_> = Box::new(move |_| build_network(&backbone, Streams::new(0), &Device::default()));
        let method = boxed(OnALostDevice(stages, lost.clone()));
        let test = TestImages { images: lists(), protocol: None, seen_people: None };
        Engine::new(config.engine, method, build, Device::default(), lists(), test, run)
    }

    #[test]
    fn a_device_that_fails_while_a_checkpoint_is_read_off_it_is_an_error() {
        let (folder, lost) = (tempfile::tempdir().unwrap(), Arc::new(AtomicBool::new(false)));
        let engine = engine(folder.path(), 2, &lost).unwrap();
        let path = engine.run.checkpoint(CheckpointKind::Last);
        engine.save(CheckpointKind::Last).unwrap();
        let before = std::fs::read(&path).unwrap();
        lost.store(true, Ordering::Relaxed);
        let error = engine.save(CheckpointKind::Last).unwrap_err().to_string();
        assert!(error.starts_with("VR0511: the device failed: the device does not answer;"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }

    /// A checkpoint named the method of the configuration that its settings came from.
    #[test]
    fn a_checkpoint_names_the_method_that_wrote_it() {
        let (folder, lost) = (tempfile::tempdir().unwrap(), Arc::new(AtomicBool::new(false)));
        let mut engine = engine(folder.path(), 2, &lost).unwrap();
        engine.config.method = "another".into();
        engine.save(CheckpointKind::Last).unwrap();
        let saved = Checkpoint::load(&engine.run.checkpoint(CheckpointKind::Last)).unwrap();
        assert_eq!(saved.method, "own");
        engine.resume().unwrap();
    }

    /// It got a fresh network for the steps that it had had, which then went untrained.
    #[test]
    fn a_stage_whose_first_epoch_failed_at_its_end_keeps_its_network() {
        let (folder, lost) = (tempfile::tempdir().unwrap(), Arc::new(AtomicBool::new(false)));
        let mut engine = engine(folder.path(), 2, &lost).unwrap();
        engine.stages[1].start = StageStart::FreshNetwork;
        engine.build = Box::new(|_| Err(MethodError::Config("built again".into())));
        let epoch = engine.config.stages[0].epochs;
        let at = engine.config.at(epoch);
        engine.position = Position { epoch, step: 5 };
        engine.renew_network(at).unwrap();
        engine.position.step = 0;
        assert!(engine.renew_network(at).is_err());
    }

    #[test]
    fn settings_of_other_stages_than_the_methods_are_refused() {
        let (folder, lost) = (tempfile::tempdir().unwrap(), Arc::new(AtomicBool::new(false)));
        let error = engine(folder.path(), 3, &lost).err().unwrap().to_string();
        assert!(error.contains("own has 3 stages, the configuration has 2"), "{error}");
    }

    #[test]
    fn an_epoch_that_is_not_prepared_is_an_error() {
        let mut method = boxed(OnALostDevice(1, Arc::new(AtomicBool::new(false))));
        let at = EpochAt { stage: 0, epoch: 0, in_stage: 0, of: 1 };
        let error = method.plan(at, 1, &mut Streams::new(0).stream("sampler", [0; 3])).unwrap_err().to_string();
        assert!(error.starts_with("VR0522: own"), "{error}");
        method.restore(&MethodState::default(), Some(at), &Device::default()).unwrap();
        assert!(method.is_prepared());
    }
}
