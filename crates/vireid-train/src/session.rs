//! A training from images to results.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::events::{Event, Observer, Seconds};
use crate::networks::{self, EngineParts, TrainingEngine};
use crate::replicas::stage_backbone;
use crate::running::AnyMethod;
use crate::step_memory::{MemoryNeed, memory_needs};
use crate::{
    CheckpointKind, Evaluation, MethodError, Outcome, RunConfig, RunDir, RunLock, TrainingImages, TrainingRecord,
    parse_devices, peak_memory_mib, resolve_device,
};

/// What a training session is started with.
#[derive(Debug, Clone)]
pub struct SessionOptions {
    /// The settings. To resume, those of the run itself: [`RunDir::open`] reads them.
    pub config: RunConfig,
    /// The run directory. It is made if it does not exist, and must not hold a finished run unless that is resumed.
    pub out: PathBuf,
    /// Whether to go on with the run in `out`, and not to start a new one.
    pub resume: bool,
    /// Names of the devices, separated by commas; see [`parse_devices`].
    pub device: String,
}

/// What a run was started with, besides its settings: `environment.json`.
#[derive(Serialize)]
struct Environment {
    version: &'static str,
    /// Names of the devices, separated by commas, none of them `auto`.
    device: String,
    data: String,
    /// A fingerprint of the images' contents.
    data_manifest: String,
    /// A fingerprint of the images' names and lengths alone.
    data_quick_manifest: String,
    synthetic: bool,
    seed: u64,
    config_hash: String,
    /// How many threads computed on the CPU, however many the machine has.
    threads: usize,
}

/// What a run found: the same bytes for the same data, settings and device. `results.json`.
#[derive(Serialize)]
struct Results<'a> {
    data: &'a str,
    synthetic: bool,
    data_manifest: String,
    method: &'a str,
    preset: &'a str,
    seed: u64,
    config_hash: String,
    std: &'static str,
    evaluations: &'a [Evaluation],
}

/// What a run cost, over all processes that trained it. Differs from run to run. `cost.json`.
#[derive(Default, Serialize, Deserialize)]
struct Cost {
    seconds: Seconds,
    wall_seconds: f64,
    peak_memory_mib: Option<f64>,
}

/// A training run from images to results, of any method and any network that [`networks`] knows.
pub struct Session {
    engine: Box<dyn TrainingEngine>,
    run: RunDir,
    config: RunConfig,
    images: TrainingImages,
    /// Names of the devices.
    device: String,
    /// Name of the data as the run began with them: they may be named by another path now.
    data: String,
    started: Instant,
    /// What the run cost before this session.
    before: Cost,
    /// Lines of the log that tell what this session does again.
    repeated: usize,
    /// Whether there was no checkpoint to go on from.
    starts_over: bool,
    /// Nobody else trains in the run directory meanwhile.
    _lock: RunLock,
}

impl Session {
    /// Opens device, network and run directory; reads the checkpoint when resuming. `method` is the one that the settings
    /// name.
    ///
    /// # Errors
    ///
    /// Whatever is wrong with one of them; nothing has been trained then, and no run directory made.
    pub fn open(
        options: SessionOptions,
        method: Box<dyn AnyMethod>,
        mut images: TrainingImages,
    ) -> Result<Self, MethodError> {
        let SessionOptions { config, out, resume, device } = options;
        let device = resolve_device(&device);
        let opened = parse_devices(&device)?;
        for stage in &config.engine.stages {
            stage_backbone(&config.engine, stage, opened.count())?;
        }
        let kind = networks::kind(&config.engine.backbone.name)?;
        let run = if resume { RunDir::open_unchanged(&out, &config)? } else { RunDir::vacant(&out)? };
        let record = TrainingRecord::of(&images.train, &images.names);
        if images.test.protocol.is_some() {
            images.test.seen_people = Some(images.seen_people(&record));
        }
        let (train, test) = (images.train.clone(), images.test.clone());
        let parts =
            EngineParts { config: config.engine.clone(), method, devices: opened, train, test, run: run.clone() };
        let mut engine = kind.engine(parts)?;
        let (mut before, mut data, mut repeated) = (Cost::default(), images.name.clone(), 0);
        let mut starts_over = false;
        let lock = if resume {
            let lock = run.lock()?;
            let found = run.data_manifest()?;
            let expected = images.manifest_like(&found)?;
            if found != expected {
                let path = run.checkpoint(CheckpointKind::Last);
                return Err(MethodError::ForeignCheckpoint { path, what: "data", found, expected });
            }
            starts_over = !run.checkpoint(CheckpointKind::Last).exists();
            engine.resume()?;
            repeated = run.rewind_events(&engine.goes_on())?;
            // A session that was killed has left no account; its time is lost, its training is not.
            before = run.read_json("cost.json").unwrap_or_default();
            data = run.data_name().unwrap_or(data);
            lock
        } else {
            let environment = Environment {
                version: env!("CARGO_PKG_VERSION"),
                device: device.clone(),
                data: images.name.clone(),
                data_manifest: images.manifest()?,
                data_quick_manifest: images.quick_manifest(),
                synthetic: images.synthetic,
                seed: config.engine.seed,
                config_hash: config.hash(),
                threads: rayon::current_num_threads(),
            };
            // Last: what fails above leaves nothing behind.
            run.start(&config, &environment)?
        };
        run.write_json(TrainingRecord::FILE, &record)?;
        let started = Instant::now();
        Ok(Self { engine, run, config, images, device, data, started, before, repeated, starts_over, _lock: lock })
    }

    /// An estimate of what the run will hold in each memory that it uses; [`MemoryNeed::shortage`] is the warning.
    /// Empty where it is not known what the network keeps.
    ///
    /// # Errors
    ///
    /// What the network's kind refuses.
    pub fn memory_needs(&self) -> Result<Vec<MemoryNeed>, MethodError> {
        let (config, decoded) = (&self.config.engine, self.images.decoded_bytes(&self.config.engine));
        memory_needs(config, &self.device, self.engine.images_per_step(), self.engine.parameters(), decoded)
    }

    /// The run directory that the session writes to.
    pub fn run_dir(&self) -> &RunDir {
        &self.run
    }

    /// What the run will do and hold, in a few lines.
    pub fn plan(&self) -> String {
        let notes: String = self.engine.notes().iter().map(|note| format!("\nnote: {note}")).collect();
        let mut text = self.images.describe(&self.config.engine) + &notes;
        if let Some(warning) = self.images.test.seen_people.and_then(|seen| seen.warning()) {
            text += &format!("\nwarning: of the test set, {warning}");
        }
        if self.starts_over {
            let path = self.run.checkpoint(CheckpointKind::Last);
            text += &format!("\nthere is no {} to go on from: the run starts over", path.display());
        }
        if self.repeated > 0 {
            let lines = self.repeated;
            text += &format!(
                "\n{lines} lines of the log are about work that is done again; they were moved to events.repeated.jsonl"
            );
        }
        format!("{text}\nrun directory: {}", self.run.root().display())
    }

    /// Trains and writes `results.json` and `cost.json`. See [`Engine::run`](crate::Engine::run).
    ///
    /// # Errors
    ///
    /// Whatever stops a run.
    pub fn train(&mut self, observer: &mut dyn Observer, interrupt: &AtomicBool) -> Result<Outcome, MethodError> {
        let mut both = WithLog { log: self.run.event_log()?, observer };
        let outcome = self.engine.run(&mut both, interrupt)?;
        if let Outcome::Finished(evaluations) = &outcome {
            let results = Results {
                data: &self.data,
                synthetic: self.images.synthetic,
                data_manifest: self.images.manifest()?,
                method: &self.config.engine.method,
                preset: &self.config.engine.preset,
                seed: self.config.engine.seed,
                config_hash: self.config.hash(),
                std: "sample standard deviation over gallery draws",
                evaluations,
            };
            self.run.write_json("results.json", &results)?;
        }
        self.run.write_json("cost.json", &self.cost())?;
        Ok(outcome)
    }

    fn cost(&self) -> Cost {
        Cost {
            seconds: self.seconds(),
            wall_seconds: self.before.wall_seconds + self.started.elapsed().as_secs_f64(),
            peak_memory_mib: peak_memory_mib().into_iter().chain(self.before.peak_memory_mib).reduce(f64::max),
        }
    }

    /// Seconds by activity so far, those of the sessions before this one included.
    pub fn seconds(&self) -> Seconds {
        let mut seconds = self.before.seconds;
        seconds.add(self.engine.seconds());
        seconds
    }
}

/// Passes everything on to the run's log too.
struct WithLog<'a> {
    log: crate::run_dir::EventLog,
    observer: &'a mut dyn Observer,
}

impl Observer for WithLog<'_> {
    fn event(&mut self, event: &Event) {
        self.log.event(event);
        self.observer.event(event);
    }

    fn tick(&mut self, activity: &'static str, done: usize, total: usize) {
        self.observer.tick(activity, done, total);
    }
}
