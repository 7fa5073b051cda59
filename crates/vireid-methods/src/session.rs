use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use burn::module::Module;
use serde::{Deserialize, Serialize};
use vireid_backbone::TwoStreamNet;
use vireid_core::{Modality, PerModality, Streams};
use vireid_data::{BadImage, CacheBudget, DataError, Dataset, Depth, ImageList, ImageSize, Names, fingerprint};

use crate::events::{Event, Observer, Seconds};
use crate::progress::bar;
use crate::replicas::stage_backbone;
use crate::step_memory::{MemoryNeed, memory_needs};
use crate::{
    CheckpointKind, Engine, Evaluation, MethodError, Outcome, Protocol, RunConfig, RunDir, RunLock, SeenPeople,
    StageSettings, TestImages, TrainingRecord, build_network, parse_devices, peak_memory_mib, registry, resolve_device,
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

/// Images of a data set, by use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImagePart {
    /// Those that are trained on.
    Train,
    /// Those that are tested on.
    Test,
}

/// The images of a session, decoded once and found good; or [listed](Self::listed) for a network in use.
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
    /// What the user calls the cameras and people.
    pub names: Names,
    /// What is worth knowing about the data, a sentence each: see [`Dataset::notes`], and what decoding showed.
    pub notes: Vec<String>,
    manifest: OnceLock<String>,
}

/// Work that takes longer shows a progress bar.
const PATIENCE: Duration = Duration::from_secs(2);

impl TrainingImages {
    /// Decodes every image of a data set that is to be trained on, with a progress bar.
    ///
    /// # Errors
    ///
    /// `VR0105` naming the images that can't be used, unless they may be skipped; `VR0106` when a modality has no
    /// training image, `VR0112` when all that it has were skipped.
    pub fn open(dataset: Dataset, config: &RunConfig, skip_corrupt: bool) -> Result<Self, MethodError> {
        let bar = bar("decoding", 0);
        let images = Self::open_with(dataset, config, skip_corrupt, |done, total| {
            bar.set_length(total as u64);
            bar.set_position(done as u64);
        });
        bar.finish_and_clear();
        images
    }

    /// The same with `progress` called with (done, total) after each image.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn open_with(
        dataset: Dataset,
        config: &RunConfig,
        skip_corrupt: bool,
        progress: impl Fn(usize, usize) + Sync,
    ) -> Result<Self, MethodError> {
        // Before an hour of decoding, and again when unusable images are out.
        dataset.check_modalities()?;
        let mut images = Self::listed(dataset, config)?;
        let named = images.train.clone();
        images.check(&[ImagePart::Train, ImagePart::Test], skip_corrupt, progress)?;
        let Some(modality) = Modality::ALL.into_iter().find(|modality| images.train.get(*modality).is_empty()) else {
            return Ok(images);
        };
        // There were some, or the first check had refused: why none of them can be used is what helps.
        let named: HashSet<&Path> = named.get(modality).samples().iter().map(|sample| sample.path.as_path()).collect();
        let of_modality = images.skipped.into_iter().filter(|bad| named.contains(bad.path.as_path())).collect();
        Err(DataError::NothingUsable { modality, images: of_modality }.into())
    }

    /// The images of a data set at the size that a configuration says, none of them decoded: what a network in use needs.
    /// Training images may be missing, or a modality.
    ///
    /// # Errors
    ///
    /// `VR0502` for an unknown filter or range.
    pub fn listed(dataset: Dataset, config: &RunConfig) -> Result<Self, MethodError> {
        let size = ImageSize { height: config.input.height, width: config.input.width };
        let budget = CacheBudget::new(config.input.cache_mib << 20);
        let (filter, test_filter, range) = (config.filter()?, config.test_filter()?, config.range()?);
        let protocol = Protocol::of(&dataset.test);
        let test = dataset.test.images();
        let lists = [
            (dataset.train.visible.clone(), filter),
            (dataset.train.infrared.clone(), filter),
            (test.visible.to_vec(), test_filter),
            (test.infrared.to_vec(), test_filter),
        ]
        .map(|(samples, filter)| Arc::new(ImageList::new(samples, size, filter, budget.clone()).with_range(range)));
        let [visible, infrared, test_visible, test_infrared] = lists;
        let images = PerModality { visible: test_visible, infrared: test_infrared };
        Ok(Self {
            name: dataset.name,
            synthetic: dataset.synthetic,
            train: PerModality { visible, infrared },
            test: TestImages { images, protocol, seen_people: None },
            skipped: Vec::new(),
            names: dataset.names,
            notes: dataset.notes,
            manifest: OnceLock::new(),
        })
    }

    /// Decodes the images of some parts once and leaves out those that can't be used. `progress` is called with (done, total)
    /// after each.
    ///
    /// # Errors
    ///
    /// `VR0105` naming the images that can't be used, unless they may be skipped.
    pub fn check(
        &mut self,
        parts: &[ImagePart],
        skip_corrupt: bool,
        progress: impl Fn(usize, usize) + Sync,
    ) -> Result<(), MethodError> {
        let of = [(ImagePart::Train, &mut self.train), (ImagePart::Test, &mut self.test.images)];
        let chosen = of.into_iter().filter(|(part, _)| parts.contains(part));
        let mut lists: Vec<&mut Arc<ImageList>> =
            chosen.flat_map(|(_, lists)| [&mut lists.visible, &mut lists.infrared]).collect();
        let total = lists.iter().map(|list| list.len()).sum();
        let done = AtomicUsize::new(0);
        let count = || progress(done.fetch_add(1, Ordering::Relaxed) + 1, total);
        let unusable: Vec<BadImage> = lists.iter().flat_map(|list| list.check(count)).collect();
        if !unusable.is_empty() && !skip_corrupt {
            return Err(DataError::BadImages { images: unusable, total }.into());
        }
        if !unusable.is_empty() {
            lists.iter_mut().for_each(|list| **list = Arc::new(list.without(&unusable)));
        }
        let told = collapsed(&lists.iter().map(|list| &***list).collect::<Vec<&ImageList>>());
        self.skipped.extend(unusable);
        self.notes.extend(told);
        self.manifest = OnceLock::new();
        Ok(())
    }

    /// How many of the test's people a network was trained on, by the record of its run.
    pub fn seen_people(&self, record: &TrainingRecord) -> SeenPeople {
        let PerModality { visible, infrared } = &self.test.images;
        record.seen(&[visible, infrared], &self.names)
    }

    /// The images without some that were found bad while working with them.
    #[must_use]
    pub fn without(&self, bad: &[BadImage]) -> Self {
        let without = |lists: &PerModality<Arc<ImageList>>| PerModality {
            visible: Arc::new(lists.visible.without(bad)),
            infrared: Arc::new(lists.infrared.without(bad)),
        };
        Self {
            name: self.name.clone(),
            synthetic: self.synthetic,
            train: without(&self.train),
            test: TestImages {
                images: without(&self.test.images),
                protocol: self.test.protocol,
                seen_people: self.test.seen_people,
            },
            skipped: self.skipped.iter().chain(bad).cloned().collect(),
            names: self.names.clone(),
            notes: self.notes.clone(),
            manifest: OnceLock::new(),
        }
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
    /// That computed on the CPU, however many the machine has.
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
    /// Names of the devices.
    device: String,
    /// Name of the data as the run began with them: they may be named by another path now.
    data: String,
    started: Instant,
    /// Of the sessions before this one.
    before: Cost,
    /// Lines of the log that tell what this session does again.
    repeated: usize,
    /// Nobody else trains in the run directory meanwhile.
    _lock: RunLock,
}

impl Session {
    /// Opens device, method, network and run directory; reads the checkpoint when resuming.
    ///
    /// # Errors
    ///
    /// Whatever is wrong with one of them; nothing has been trained then, and no run directory made.
    pub fn open(options: SessionOptions, mut images: TrainingImages) -> Result<Self, MethodError> {
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
        let run = if resume { RunDir::open(&out)?.0 } else { RunDir::vacant(&out)? };
        let record = TrainingRecord::of(&images.train, &images.names);
        if images.test.protocol.is_some() {
            images.test.seen_people = Some(images.seen_people(&record));
        }
        let (train, test) = (images.train.clone(), images.test.clone());
        let mut engine = Engine::new(config.clone(), method, build, opened, train, test, run.clone())?;
        let (mut before, mut data, mut repeated) = (Cost::default(), images.name.clone(), 0);
        let lock = if resume {
            let lock = run.lock()?;
            let found = run.data_manifest()?;
            let expected = images.manifest_like(&found)?;
            if found != expected {
                let path = run.checkpoint(CheckpointKind::Last);
                return Err(MethodError::ForeignCheckpoint { path, what: "data", found, expected });
            }
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
                seed: config.seed,
                config_hash: config.hash(),
                threads: rayon::current_num_threads(),
            };
            // Last: what fails above leaves nothing behind.
            run.start(&config, &environment)?
        };
        run.write_json(TrainingRecord::FILE, &record)?;
        let started = Instant::now();
        Ok(Self { engine, run, config, images, device, data, started, before, repeated, _lock: lock })
    }

    /// What the run will hold of every memory that it uses, an estimate; [`MemoryNeed::shortage`] is the warning.
    ///
    /// # Errors
    ///
    /// What building the method refuses.
    pub fn memory_needs(&self) -> Result<Vec<MemoryNeed>, MethodError> {
        let (parameters, decoded) = (self.network().num_params(), self.images.decoded_bytes(&self.config));
        memory_needs(&self.config, &self.device, parameters, decoded)
    }

    /// The folder of the run.
    pub fn run_dir(&self) -> &RunDir {
        &self.run
    }

    /// What the run will do and hold, in a few lines.
    pub fn plan(&self) -> String {
        let notes: String = self.config.notes().iter().map(|note| format!("\nnote: {note}")).collect();
        let mut text = self.images.describe(&self.config) + &notes;
        if let Some(warning) = self.images.test.seen_people.and_then(|seen| seen.warning()) {
            text += &format!("\nwarning: of the test set, {warning}");
        }
        if self.repeated > 0 {
            let lines = self.repeated;
            text +=
                &format!("\n{lines} lines of the log tell what is done again; they are in events.repeated.jsonl now");
        }
        format!("{text}\nrun directory: {}", self.run.root().display())
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
                data: &self.data,
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
