//! Training with a person watching.

use std::path::{Path, PathBuf};

use vireid_methods::data_sets::SYSU;
use vireid_methods::events::{Event, Observer, Seconds};
use vireid_methods::misgivings::Misgiving;
use vireid_methods::{
    CheckpointKind, IMPORTED, MemoryNeed, MethodError, Outcome, RunDir, Session, SessionOptions, TrainingImages,
    WeightFile, WeightNames, preset, registry,
};

use crate::interrupt::stop_on_interrupt;
use crate::misgiving_log::MisgivingLog;
use crate::{
    DataKind, DataSource, Finished, KnownWeights, ProgressObserver, SourceArguments, find_weights, open_images,
};

/// How a run is started from a command line.
#[derive(Debug, Clone, clap::Args)]
pub struct TrainingOptions {
    /// Preset: quick (small network, minutes on a CPU), photo (a network that knows photographs, tens of minutes on a CPU),
    /// paper (the authors' settings), or a whole name (default: paper for licensed data; for your own photo, if its weights
    /// are there; quick for all other)
    #[arg(long)]
    pub preset: Option<String>,
    /// Override a setting, such as `stage2.epochs=30`; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// Start from the network of this run directory, trained or imported, with its input size
    #[arg(long, value_name = "RUN")]
    pub start: Option<PathBuf>,
    /// Device: `cpu`, `wgpu[:n]`, `vulkan[:n]`, `cuda[:n]`, `auto` (a GPU if this build can use one), or
    /// `ws://host:port` of a host that lends one; several separated by commas share every batch
    #[arg(long, default_value = "cpu")]
    pub device: String,
    /// Seed of all random streams (a synthetic world has its own: --world-seed)
    #[arg(long)]
    pub seed: Option<u64>,
    /// For studies: the share of the training people, 0 to 1, that loses the images of one modality
    #[arg(long, value_name = "SHARE", value_parser = share, conflicts_with = "resume")]
    pub unpaired: Option<f64>,
    /// Run directory (default: the first unused `runs/<method>_<data>`)
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Go on with the run in the run directory, with its own settings and data
    #[arg(long)]
    pub resume: bool,
    /// Leave out images that can't be decoded
    #[arg(long)]
    pub skip_corrupt: bool,
    /// Say what the run would do and cost, and stop
    #[arg(long = "plan")]
    pub plan_only: bool,
    /// Show no plan and no progress.
    #[arg(skip)]
    pub quiet: bool,
    /// Called with every event, after it has been shown.
    #[arg(skip)]
    pub watch: Option<fn(&Event)>,
}

impl Default for TrainingOptions {
    /// As a command line without options: on the CPU.
    fn default() -> Self {
        Self {
            preset: None,
            overrides: Vec::new(),
            start: None,
            device: "cpu".into(),
            seed: None,
            unpaired: None,
            out: None,
            resume: false,
            skip_corrupt: false,
            plan_only: false,
            quiet: false,
            watch: None,
        }
    }
}

impl TrainingOptions {
    /// The run directory of a method on a kind of data, when none is named. To go on with a run, the one that it had in older
    /// versions where there is none of today's name: runs on LLCM were called as those on SYSU-MM01.
    pub fn run_directory(&self, method: &str, kind: DataKind) -> PathBuf {
        self.out.clone().unwrap_or_else(|| self.run_directory_in(Path::new(RUNS), method, kind))
    }

    fn run_directory_in(&self, runs: &Path, method: &str, kind: DataKind) -> PathBuf {
        let today = runs.join(format!("{method}_{}", kind.preset()));
        let earlier = runs.join(earlier_name(method));
        let of_kind = |source: DataSource| source.kind.data_set().name == kind.data_set().name;
        let is_earlier = || DataSource::of_run(&earlier).is_ok_and(|source| source.is_some_and(of_kind));
        if self.resume && !today.exists() && is_earlier() { earlier } else { today }
    }
}

/// Where run directories are made.
const RUNS: &str = "runs";

/// What the run of a method was called before every data set's was called after it.
fn earlier_name(method: &str) -> String {
    format!("{method}_{}", SYSU.preset)
}

/// Trains a method with a person watching: the plan first, a progress bar, Ctrl-C saves and stops. A run is resumed on the
/// data of `source`, which for those that it began with is [`DataSource::of_run`].
///
/// # Errors
///
/// Whatever stops a run.
pub fn train(method: &str, source: &DataSource, options: &TrainingOptions) -> Result<Finished, MethodError> {
    let source = &DataSource { unpaired: options.unpaired.unwrap_or(source.unpaired), ..source.clone() };
    let name = format!("{method}_{}", source.kind.preset());
    let out = options.run_directory(method, source.kind);
    let out = if options.out.is_none() && !options.resume { unused(out) } else { out };
    if !options.resume && !registry::methods().any(|known| known == method) {
        let known = registry::methods().map(str::to_string).collect();
        return Err(MethodError::Unknown { what: "method", name: method.into(), known });
    }
    // Before hours of decoding.
    if !options.resume && !options.plan_only {
        RunDir::vacant(&out)?;
    }
    let resumed = if options.resume { Some(RunDir::open(&out)?.1) } else { None };
    if options.resume && source.kind.preset() != SYSU.preset && out == Path::new(RUNS).join(earlier_name(method)) {
        let (data, out) = (source.kind.data_set().title, out.display());
        eprintln!("note: going on with the run in {out}, as older versions called those on {data}");
    }
    let dataset = source.open_to_train(!options.quiet)?;
    let synthetic = dataset.synthetic;
    let config = if let Some(config) = resumed {
        if !options.overrides.is_empty()
            || options.preset.is_some()
            || options.seed.is_some()
            || options.start.is_some()
        {
            let message = "a resumed run keeps its settings; leave out --set, --preset, --seed and --start".to_string();
            return Err(MethodError::Config(message));
        }
        if config.engine.method == IMPORTED {
            let message = format!("the network in {} was imported, not trained; --start trains from it", out.display());
            return Err(MethodError::RunDir(message));
        }
        config
    } else {
        let name = match options.preset.as_deref() {
            None => format!("{name}_{}", usual_size(&name, source, synthetic, options)?),
            Some(short @ ("quick" | "photo" | "paper")) => format!("{name}_{short}"),
            Some(full) => full.to_string(),
        };
        let mut overrides = options.start.as_deref().map(settings_to_start).transpose()?.unwrap_or_default();
        overrides.extend(options.overrides.iter().cloned());
        overrides.extend(options.seed.map(|seed| format!("seed={seed}")));
        let mut config = preset(&name, &overrides)?;
        let weights = find_weights(&config.engine.backbone.weights);
        if let Some(path) = weights.to_str() {
            config.engine.backbone.weights = path.into();
        }
        config
    };
    let out = if options.out.is_none() && !options.resume { unused(out) } else { out };
    let skip_corrupt = options.skip_corrupt || (options.resume && DataSource::is_skipping(&out)?);
    let method = config.engine.method.clone();
    let built = registry::build(&config)?;
    if options.plan_only {
        let plan = Some({
            let images = TrainingImages::listed(dataset, &config.engine)?;
            images.plan(&config.engine, built.as_ref(), &options.device)?
        });
        let seconds = Seconds::default();
        let (evaluations, interrupted, misgivings) = (None, false, Vec::new());
        return Ok(Finished { out, method, synthetic, plan, evaluations, interrupted, misgivings, seconds });
    }
    let weights = Path::new(&config.engine.backbone.weights);
    if KnownWeights::of_path(weights).is_some() && !options.resume {
        // Before hours of decoding.
        WeightFile::Path(weights.into()).check()?;
    }
    let images = match options.quiet {
        true => TrainingImages::open(dataset, &config.engine, skip_corrupt, |_, _| ())?,
        false => open_images(dataset, &config, skip_corrupt)?,
    };
    let session_options =
        SessionOptions { config, out: out.clone(), resume: options.resume, device: options.device.clone() };
    let mut session = Session::open(session_options, built, images)?;
    // Where the path is no text, it must be named again.
    if std::path::absolute(&source.path).is_ok_and(|path| path.to_str().is_some()) {
        source.record(session.run_dir(), skip_corrupt)?;
    }
    for shortage in session.memory_needs()?.iter().filter_map(MemoryNeed::shortage) {
        eprintln!("warning: {shortage}");
    }
    // Where Ctrl-C can't be caught, the last epoch's checkpoint is there.
    let interrupt = stop_on_interrupt();
    if !options.quiet {
        eprintln!("{}", session.plan());
    }
    let shown = (!options.quiet).then(ProgressObserver::new);
    let mut watchers = Watchers { shown, told: options.watch, misgivings: MisgivingLog::default() };
    let (evaluations, interrupted) = match session.train(&mut watchers, &interrupt)? {
        Outcome::Finished(evaluations) => {
            // The untrained network and the ends of the stages.
            let main = evaluations.into_iter().filter(|evaluation| !evaluation.moment.starts_with("epoch"));
            (Some(main.collect()), false)
        }
        Outcome::Interrupted(_) => (None, true),
    };
    let (plan, misgivings, seconds) = (None, watchers.misgivings.summary(), session.seconds());
    Ok(Finished { out, method, synthetic, plan, evaluations, interrupted, misgivings, seconds })
}

/// A share, from 0 to 1, as an argument.
fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| format!("'{text}' is not a number"))?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err(format!("{share} is not from 0 to 1")) }
}

/// The size of preset that a run has where none is asked for.
fn usual_size(
    name: &str,
    source: &DataSource,
    synthetic: bool,
    options: &TrainingOptions,
) -> Result<&'static str, MethodError> {
    if synthetic {
        return Ok("quick");
    }
    if source.kind.data_set().is_licensed {
        return Ok("paper");
    }
    // The network or what it starts from is chosen already, here or by a method of the user's own.
    let chooses = |set: &String| ["backbone.name=", "backbone.weights="].iter().any(|key| set.starts_with(key));
    let is_chosen = options.start.is_some() || options.overrides.iter().any(chooses);
    if is_chosen || preset(&format!("{name}_quick"), &[])?.engine.backbone.name != "small" {
        return Ok("quick");
    }
    let photo = preset(&format!("{name}_photo"), &[])?.engine.backbone;
    if find_weights(&photo.weights).exists() {
        return Ok("photo");
    }
    if !options.quiet
        && let Some(known) = KnownWeights::of_path(Path::new(&photo.weights))
    {
        let (command, megabytes) = (format!("vireid weights get {}", known.name), known.megabytes());
        eprintln!(
            "note: the small network has seen drawn people only; for photographs run this once and train again: {command} \
             ({megabytes} MB; --preset quick says no)"
        );
    }
    Ok("quick")
}

/// The settings that start a run from the network of another: the network, its weights and its input size.
fn settings_to_start(run: &Path) -> Result<Vec<String>, MethodError> {
    let (run, config) = RunDir::open(run)?;
    let path = run.checkpoint(CheckpointKind::Last);
    if !path.is_file() {
        let reason = "there is none to start from".into();
        return Err(MethodError::BadCheckpoint { path, reason });
    }
    let path = std::path::absolute(&path).unwrap_or(path);
    let (backbone, input) = (&config.engine.backbone, &config.engine.input);
    let text = |text: &str| serde_json::to_string(text).unwrap_or_default();
    let pixels = backbone.pixels.and_then(|pixels| Some(serde_json::to_value(pixels).ok()?.as_str()?.to_string()));
    let pixels = pixels.map(|pixels| format!("backbone.pixels={}", text(&pixels)));
    let settings = vec![
        format!("backbone.name={}", text(&backbone.name)),
        format!("backbone.weights={}", text(&path.display().to_string())),
        format!("backbone.names={}", text(WeightNames::Own.name())),
        format!("backbone.non_local={}", backbone.non_local),
        format!("backbone.stride_in_1x1={}", backbone.stride_in_1x1),
        format!("input.height={}", input.height),
        format!("input.width={}", input.width),
    ];
    Ok(settings.into_iter().chain(pixels).collect())
}

/// Those who watch a run.
struct Watchers {
    shown: Option<ProgressObserver>,
    told: Option<fn(&Event)>,
    misgivings: MisgivingLog,
}

impl Observer for Watchers {
    fn event(&mut self, event: &Event) {
        if let Event::Clusters(report) = event {
            self.misgivings.see(report.epoch);
            for Misgiving { kind, sentence } in &report.misgivings {
                if self.misgivings.add(report.epoch, kind.name(), sentence) {
                    let warning = format!("warning: {} epoch {}: {sentence}", report.stage, report.epoch);
                    match &self.shown {
                        Some(shown) => shown.line(&warning),
                        None => eprintln!("{warning}"),
                    }
                }
            }
        }
        if let Some(shown) = &mut self.shown {
            shown.event(event);
        }
        if let Some(told) = self.told {
            told(event);
        }
    }

    fn tick(&mut self, activity: &'static str, done: usize, total: usize) {
        if let Some(shown) = &mut self.shown {
            shown.tick(activity, done, total);
        }
    }
}

/// How to go on with an interrupted run: arguments that a shell takes as they stand.
pub fn explain_resume(source: &SourceArguments, options: &TrainingOptions, out: &Path) -> String {
    let mut words = vec!["--resume".to_string(), "--out".into(), out.display().to_string()];
    words.extend(["--device".into(), options.device.clone()]);
    // The run knows its data; named once more they also serve where its record is lost.
    words.extend(source.words());
    words.extend(options.skip_corrupt.then(|| "--skip-corrupt".into()));
    let quoted: Vec<String> = words.iter().map(|word| quote(word)).collect();
    format!("to go on, run this again with only: {}", quoted.join(" "))
}

/// A word as a shell takes it.
pub fn quote(word: &str) -> String {
    // Only a NUL can't be quoted, which no argument has.
    shlex::try_quote(word).map_or_else(|_| word.to_string(), Into::into)
}

/// `out`, or with the first number appended that makes no existing run.
fn unused(out: PathBuf) -> PathBuf {
    if !out.exists() {
        return out;
    }
    let numbered = |number: u32| PathBuf::from(format!("{}-{number}", out.display()));
    (2..).map(numbered).find(|path| !path.exists()).unwrap_or(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run on LLCM of an older version was looked for under today's name alone.
    #[test]
    fn a_run_of_an_older_name_is_found() {
        let runs = tempfile::tempdir().unwrap();
        let resume = TrainingOptions { resume: true, ..TrainingOptions::default() };
        let record = |kind: &str, name: &str| {
            let config = preset("mbccm_sysu_quick", &[]).unwrap();
            let run = RunDir::create(&runs.path().join(name), &config, &"").unwrap();
            DataSource::new(Some(Path::new("data")), DataKind::named(kind), 0, false)
                .unwrap()
                .record(&run, false)
                .unwrap();
        };
        let found = |options: &TrainingOptions, method: &str| {
            let path = options.run_directory_in(runs.path(), method, DataKind::named("llcm").unwrap());
            path.file_name().unwrap().to_str().unwrap().to_string()
        };
        assert_eq!(found(&resume, "mbccm"), "mbccm_llcm", "there is neither");
        record("llcm", "mbccm_sysu");
        record("sysu", "mult_sysu");
        assert_eq!(found(&resume, "mbccm"), "mbccm_sysu");
        assert_eq!(found(&TrainingOptions::default(), "mbccm"), "mbccm_llcm", "a new run");
        assert_eq!(found(&resume, "mult"), "mult_llcm", "a run on other data");
        record("llcm", "mbccm_llcm");
        assert_eq!(found(&resume, "mbccm"), "mbccm_llcm");
    }

    /// It named the data and the run alone, unquoted.
    #[test]
    fn the_way_on_names_all_that_is_needed_as_a_shell_takes_it() {
        let source = SourceArguments {
            data: Some("/data/it's here".into()),
            dataset: DataKind::named("synthetic-regdb"),
            trial: Some(3),
            world_seed: Some(4),
        };
        let options =
            TrainingOptions { device: "ws://host:1".into(), skip_corrupt: true, ..TrainingOptions::default() };
        let said = explain_resume(&source, &options, Path::new("my run"));
        let words = shlex::split(said.split_once("only: ").unwrap().1).unwrap();
        let expected = [
            "--resume",
            "--out",
            "my run",
            "--device",
            "ws://host:1",
            "--data",
            "/data/it's here",
            "--dataset",
            "synthetic-regdb",
            "--trial",
            "3",
            "--world-seed",
            "4",
            "--skip-corrupt",
        ];
        assert_eq!(words, expected);
    }
}
