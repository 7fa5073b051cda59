use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use vireid_methods::events::{Event, Observer, Seconds};
use vireid_methods::{
    Evaluation, MemoryNeed, MethodError, Outcome, ProgressObserver, RunConfig, RunDir, Session, SessionOptions,
    TrainingImages,
};

use crate::DataSource;

/// How a run is started from a command line.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct TrainingOptions {
    /// Preset: quick (small network, minutes on a CPU), paper (the authors' settings), or a whole name (default: paper for
    /// licensed data, quick for all other)
    #[arg(long)]
    pub preset: Option<String>,
    /// Override a setting, such as `stage2.epochs=30`; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// Device: `cpu`, `wgpu[:n]`, `vulkan[:n]`, `cuda[:n]`, `auto` (a GPU if this build can use one), or
    /// `ws://host:port` of a host that lends one; several separated by commas share every batch
    #[arg(long, default_value = "cpu")]
    pub device: String,
    /// Seed of all random streams (a synthetic world has its own: --world-seed)
    #[arg(long)]
    pub seed: Option<u64>,
    /// Run directory (default: the first unused `runs/<method>_<data>`)
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Go on with the run in the run directory, with its own settings
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
    /// Told of every event, after it has been shown.
    #[arg(skip)]
    pub watch: Option<fn(&Event)>,
}

/// What became of a run.
#[derive(Debug)]
pub struct Finished {
    /// Its folder.
    pub out: PathBuf,
    /// Whether the images were drawn.
    pub synthetic: bool,
    /// What the run would do and cost, when only that was asked for.
    pub plan: Option<String>,
    /// Scores at the ends of the stages; `None` for a run that was interrupted or only planned.
    pub evaluations: Option<Vec<Evaluation>>,
    /// Whether somebody interrupted it.
    pub interrupted: bool,
    /// Where the time went.
    pub seconds: Seconds,
}

/// Trains a method with a person watching: the plan first, a progress bar, Ctrl-C saves and stops.
///
/// # Errors
///
/// Whatever stops a run.
pub fn train(method: &str, source: &DataSource, options: &TrainingOptions) -> Result<Finished, MethodError> {
    let dataset = source.open()?;
    let synthetic = dataset.synthetic;
    let name = format!("{method}_{}", source.kind.preset());
    let out = options.out.clone().unwrap_or_else(|| PathBuf::from("runs").join(&name));
    let config = if options.resume {
        if !options.overrides.is_empty() || options.preset.is_some() || options.seed.is_some() {
            let message = "a resumed run keeps its settings; leave out --set, --preset and --seed".to_string();
            return Err(MethodError::Config(message));
        }
        RunDir::open(&out)?.1
    } else {
        let is_licensed = dataset.test.is_licensed() && !synthetic;
        let preset = match options.preset.as_deref() {
            None => format!("{name}_{}", if is_licensed { "paper" } else { "quick" }),
            Some(short @ ("quick" | "paper")) => format!("{name}_{short}"),
            Some(full) => full.to_string(),
        };
        let mut overrides = options.overrides.clone();
        overrides.extend(options.seed.map(|seed| format!("seed={seed}")));
        RunConfig::from_preset(&preset, &overrides)?
    };
    let out = if options.out.is_none() && !options.resume { unused(out) } else { out };
    if options.plan_only {
        let plan = Some(TrainingImages::listed(dataset, &config)?.plan(&config, &options.device)?);
        let seconds = Seconds::default();
        return Ok(Finished { out, synthetic, plan, evaluations: None, interrupted: false, seconds });
    }
    let images = TrainingImages::open(dataset, &config, options.skip_corrupt)?;
    let session_options =
        SessionOptions { config, out: out.clone(), resume: options.resume, device: options.device.clone() };
    let mut session = Session::open(session_options, images)?;
    for shortage in session.memory_needs()?.iter().filter_map(MemoryNeed::shortage) {
        eprintln!("warning: {shortage}");
    }
    let interrupt = Arc::new(AtomicBool::new(false));
    let flag = interrupt.clone();
    // Without a handler Ctrl-C simply ends the program, and the last epoch's checkpoint is there.
    let _ = ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed));
    if !options.quiet {
        eprintln!("{}", session.plan());
    }
    let mut watchers = Watchers { shown: (!options.quiet).then(ProgressObserver::new), told: options.watch };
    let (evaluations, interrupted) = match session.train(&mut watchers, &interrupt)? {
        Outcome::Finished(evaluations) => {
            // The untrained network and the ends of the stages.
            let main = evaluations.into_iter().filter(|evaluation| !evaluation.moment.starts_with("epoch"));
            (Some(main.collect()), false)
        }
        Outcome::Interrupted(_) => (None, true),
    };
    Ok(Finished { out, synthetic, plan: None, evaluations, interrupted, seconds: session.seconds() })
}

/// Whoever watches a run.
struct Watchers {
    shown: Option<ProgressObserver>,
    told: Option<fn(&Event)>,
}

impl Observer for Watchers {
    fn event(&mut self, event: &Event) {
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

/// How to go on with an interrupted run.
pub fn explain_resume(data: Option<&Path>, device: &str, out: &Path) -> String {
    let data = data.map_or(String::new(), |path| format!(" --data {}", path.display()));
    format!("to go on, run this again with only:{data} --device {device} --resume --out {}", out.display())
}

/// `out`, or with the first number behind it that makes no existing run.
fn unused(out: PathBuf) -> PathBuf {
    if !out.exists() {
        return out;
    }
    let numbered = |number: u32| PathBuf::from(format!("{}-{number}", out.display()));
    (2..).map(numbered).find(|path| !path.exists()).unwrap_or(out)
}
