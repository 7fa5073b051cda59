use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use vireid_backbone::TwoStreamNet;
use vireid_core::{Modality, PerModality, Streams};
use vireid_data::{BadImage, CacheBudget, DataError, Dataset, Depth, ImageList, ImageSize, fingerprint};

use crate::events::{Event, Observer, Seconds};
use crate::progress::bar;
use crate::replicas::stage_backbone;
use crate::{
    CheckpointKind, Engine, Evaluation, MethodError, Outcome, Protocol, RunConfig, RunDir, StageSettings, TestImages,
    build_network, parse_devices, peak_memory_mib, registry, resolve_device,
};

/// What a training session is started with.
#[derive(Debug, Clone)]
pub struct SessionOptions {
    /// The settings; those of the run itself when resuming.
    pub config: RunConfig,
    /// The run directory.
    pub out: PathBuf,
    /// Go on with the run in `out`.
    pub resume: bool,
    /// Names of the devices, separated by commas; see [`parse_devices`].
    pub device: String,
}

/// The images of a session, decoded once and found good.
#[derive(Debug, Clone)]
pub struct TrainingImages {
    /// Name of the data set.
    pub name: String,
    /// Whether the images were drawn.
    pub synthetic: bool,
    /// Training images.
    pub train: PerModality<Arc<ImageList>>,
    /// Test images.
    pub test: TestImages,
    /// Images left out because they can't be used.
    pub skipped: Vec<BadImage>,
    /// What is worth knowing about the data, a sentence each: see [`Dataset::notes`], and what decoding showed.
    pub notes: Vec<String>,
    manifest: OnceLock<String>,
}

/// Work that takes longer shows a progress bar.
const PATIENCE: Duration = Duration::from_secs(2);

impl TrainingImages {
    /// Decodes every image of a data set once.
    ///
    /// # Errors
    ///
    /// `VR0105` naming the images that can't be used, unless they may be skipped; `VR0106` when a modality has no
    /// training image, `VR0112` when all that it has were skipped.
    pub fn open(dataset: Dataset, config: &RunConfig, skip_corrupt: bool) -> Result<Self, MethodError> {
        let size = ImageSize { height: config.input.height, width: config.input.width };
        let (filter, range) = (config.filter()?, config.range()?);
        let budget = CacheBudget::new(config.input.cache_mib << 20);
        let protocol = Protocol::of(&dataset.test);
        let test = dataset.test.images();
        let lists = [
            dataset.train.visible.clone(),
            dataset.train.infrared.clone(),
            test.visible.to_vec(),
            test.infrared.to_vec(),
        ]
        .map(|samples| ImageList::new(samples, size, filter, budget.clone()).with_range(range));
        let named = PerModality { visible: &dataset.train.visible, infrared: &dataset.train.infrared }
            .map(|samples| samples.iter().map(|sample| sample.path.clone()).collect::<HashSet<PathBuf>>());
        let total = lists.iter().map(ImageList::len).sum();
        let progress = bar("decoding", total);
        let skipped: Vec<BadImage> = lists.iter().flat_map(|list| list.check(|| progress.inc(1))).collect();
        progress.finish_and_clear();
        if !skipped.is_empty() && !skip_corrupt {
            return Err(DataError::BadImages { images: skipped, total }.into());
        }
        let [visible, infrared, test_visible, test_infrared] = lists.map(|list| Arc::new(list.without(&skipped)));
        for (modality, list) in [(Modality::Visible, &visible), (Modality::Infrared, &infrared)] {
            if list.is_empty() {
                // Which is why it is empty, where there were any.
                let images: Vec<BadImage> =
                    skipped.iter().filter(|bad| named.get(modality).contains(&bad.path)).cloned().collect();
                return Err(match images.is_empty() {
                    true => DataError::EmptyModality { modality },
                    false => DataError::NothingUsable { modality, images },
                }
                .into());
            }
        }
        let mut notes = dataset.notes;
        let lists = [&visible, &infrared, &test_visible, &test_infrared];
        notes.extend(collapsed(&lists.map(|list| &**list)));
        let images = PerModality { visible: test_visible, infrared: test_infrared };
        Ok(Self {
            name: dataset.name,
            synthetic: dataset.synthetic,
            train: PerModality { visible, infrared },
            test: TestImages { images, protocol },
            skipped,
            notes,
            manifest: OnceLock::new(),
        })
    }

    /// A fingerprint of the lists and of every image's contents; see [`fingerprint`]. Two copies of a data set agree.
    ///
    /// Images are hashed when they are decoded, so this reads no file again.
    ///
    /// # Errors
    ///
    /// `VR0113` when an image that was not decoded yet can't be read.
    pub fn manifest(&self) -> Result<String, MethodError> {
        if let Some(manifest) = self.manifest.get() {
            return Ok(manifest.clone());
        }
        let lists = self.lists();
        let total: usize = lists.iter().map(|(_, list)| list.len()).sum();
        let (started, done, shown) = (Instant::now(), AtomicUsize::new(0), OnceLock::new());
        let progress = || {
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            if started.elapsed() > PATIENCE {
                shown.get_or_init(|| bar("hashing", total)).set_position(done as u64);
            }
        };
        let manifest = fingerprint(&lists, progress)?;
        if let Some(shown) = shown.get() {
            shown.finish_and_clear();
        }
        Ok(self.manifest.get_or_init(|| manifest).clone())
    }

    /// A fingerprint of names and lengths only: which files, of whom, by which camera, how long. Contents may change
    /// without it; runs of earlier versions recorded it.
    pub fn quick_manifest(&self) -> String {
        let text = self.lists().into_iter().flat_map(|(_, list)| list.samples()).flat_map(|sample| {
            let name = sample.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let length = std::fs::metadata(&sample.path).map_or(0, |m| m.len());
            let identity = sample.identity.map_or("-".into(), |identity| identity.0.to_string());
            format!("{name} {identity} {} {length}\n", sample.camera.0).into_bytes()
        });
        format!("{:016x}", crate::system::fnv1a(text))
    }

    /// The manifest as it was recorded: an earlier version's of 16 digits is a quick one.
    fn manifest_like(&self, recorded: &str) -> Result<String, MethodError> {
        if recorded.len() == 16 { Ok(self.quick_manifest()) } else { self.manifest() }
    }

    /// All lists by name.
    fn lists(&self) -> [(&'static str, &ImageList); 4] {
        [
            ("training visible", &self.train.visible),
            ("training infrared", &self.train.infrared),
            ("test visible", &self.test.images.visible),
            ("test infrared", &self.test.images.infrared),
        ]
    }
}

/// Says when images of more than 8 bits have hardly any grey levels left.
fn collapsed(lists: &[&ImageList]) -> Option<String> {
    let depths = lists.iter().flat_map(|list| (0..list.len()).filter_map(|position| list.depth(position)));
    let depths: Vec<Depth> = depths.filter(Depth::collapses).collect();
    let kept = depths.iter().map(|depth| depth.kept).max()?;
    let (low, high) = depths
        .iter()
        .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), depth| (low.min(depth.low), high.max(depth.high)));
    Some(format!(
        "{} images have more than 8 bits and use little of their range, {low} to {high}: at most {kept} grey levels are left; input.range = \"image\" or [{low}, {high}] keeps more apart",
        depths.len()
    ))
}

/// What stood around a run.
#[derive(Serialize)]
struct Environment {
    version: &'static str,
    device: String,
    data: String,
    /// Of the images' contents.
    data_manifest: String,
    /// Of their names and lengths.
    data_quick_manifest: String,
    synthetic: bool,
    seed: u64,
    config_hash: String,
    threads: usize,
}

/// What a run found: the same bytes for the same data, settings and device.
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

/// What a run cost, over all its sessions; differs from run to run.
#[derive(Default, Serialize, Deserialize)]
struct Cost {
    seconds: Seconds,
    wall_seconds: f64,
    peak_memory_mib: Option<f64>,
}

/// A training run from images to results.
pub struct Session {
    engine: Engine<TwoStreamNet>,
    run: RunDir,
    config: RunConfig,
    images: TrainingImages,
    started: Instant,
    /// Of the sessions before this one.
    before: Cost,
}

impl Session {
    /// Opens device, method, network and run directory; reads the checkpoint when resuming.
    ///
    /// # Errors
    ///
    /// Whatever is wrong with one of them; nothing has been trained then.
    pub fn open(options: SessionOptions, images: TrainingImages) -> Result<Self, MethodError> {
        let SessionOptions { config, out, resume, device } = options;
        let device = resolve_device(&device);
        let opened = parse_devices(&device)?;
        let method = registry::build(&config)?;
        for stage in config.stages() {
            stage_backbone(&config, stage, opened.count())?;
        }
        let build = {
            let (config, devices) = (config.clone(), opened.clone());
            Box::new(move |stage: &StageSettings| {
                let backbone = stage_backbone(&config, stage, devices.count())?;
                build_network(&backbone, Streams::new(config.seed), devices.first())
            })
        };
        let run = if resume {
            let run = RunDir::open(&out)?.0;
            let found = run.data_manifest()?;
            let expected = images.manifest_like(&found)?;
            if found != expected {
                let path = run.checkpoint(CheckpointKind::Last);
                return Err(MethodError::ForeignCheckpoint { path, what: "data", found, expected });
            }
            run
        } else {
            let environment = Environment {
                version: env!("CARGO_PKG_VERSION"),
                device,
                data: images.name.clone(),
                data_manifest: images.manifest()?,
                data_quick_manifest: images.quick_manifest(),
                synthetic: images.synthetic,
                seed: config.seed,
                config_hash: config.hash(),
                threads: std::thread::available_parallelism().map_or(1, usize::from),
            };
            RunDir::create(&out, &config, &environment)?
        };
        let (train, test) = (images.train.clone(), images.test.clone());
        let mut engine = Engine::new(config.clone(), method, build, opened, train, test, run.clone())?;
        let mut before = Cost::default();
        if resume {
            engine.resume()?;
            // A session that was killed has left no account; its time is lost, its training is not.
            before = run.read_json("cost.json").unwrap_or_default();
        }
        Ok(Self { engine, run, config, images, started: Instant::now(), before })
    }

    /// What the run will do and hold, in a few lines.
    pub fn plan(&self) -> String {
        format!("{}\nrun directory: {}", self.images.describe(&self.config), self.run.root().display())
    }

    /// Trains and writes `results.json` and `cost.json`. See [`Engine::run`].
    ///
    /// # Errors
    ///
    /// Whatever stops a run.
    pub fn train(&mut self, observer: &mut dyn Observer, interrupt: &AtomicBool) -> Result<Outcome, MethodError> {
        let mut both = WithLog { log: self.run.event_log()?, observer };
        let outcome = self.engine.run(&mut both, interrupt)?;
        if let Outcome::Finished(evaluations) = &outcome {
            let results = Results {
                data: &self.images.name,
                synthetic: self.images.synthetic,
                data_manifest: self.images.manifest()?,
                method: &self.config.method,
                preset: &self.config.preset,
                seed: self.config.seed,
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

    /// The network as it is now, on the autodiff side of the first device.
    pub fn network(&self) -> &TwoStreamNet {
        self.engine.network()
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
