//! What the examples share: arguments, the synthetic stand-in, training, the table.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use vireid_data::readers::{is_converted_layout, read_regdb, read_sysu, read_sysu_converted};
use vireid_data::synthetic::{SysuLayout, WorldSize, WorldSpec, write_regdb, write_sysu};
use vireid_data::{DataError, Dataset};
use vireid_kernels::keep_freed_memory;
use vireid_methods::{
    Evaluation, MethodError, Outcome, ProgressObserver, RunConfig, RunDir, Session, SessionOptions, TrainingImages,
    evaluation_table, peak_memory_mib, seconds_table,
};

/// A data set that examples train on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DataSet {
    Sysu,
    RegDb,
}

impl DataSet {
    /// The data set in the name of an example, such as `mult_regdb`.
    fn of_example(name: &str) -> Self {
        if name.ends_with("_regdb") { DataSet::RegDb } else { DataSet::Sysu }
    }

    fn name(self) -> &'static str {
        match self {
            DataSet::Sysu => "SYSU-MM01",
            DataSet::RegDb => "RegDB",
        }
    }

    /// Where it is looked for when no folder is named.
    fn default_folder(self) -> PathBuf {
        Path::new("data").join(self.name())
    }

    fn read(self, path: &Path, trial: u32) -> Result<Dataset, DataError> {
        match self {
            DataSet::Sysu if is_converted_layout(path) => read_sysu_converted(path),
            DataSet::Sysu => read_sysu(path),
            DataSet::RegDb => read_regdb(path, trial),
        }
    }

    /// Draws the synthetic stand-in.
    fn draw(self, root: &Path, seed: u64, full: bool) -> Result<(), DataError> {
        let mut spec = match self {
            DataSet::Sysu => WorldSpec::sysu(),
            DataSet::RegDb => WorldSpec::regdb(),
        };
        if full {
            spec.size = WorldSize::Full;
        }
        match self {
            DataSet::Sysu => draw_world(root, seed, &spec),
            DataSet::RegDb => draw_regdb_world(root, seed, &spec),
        }
    }
}

/// Exit status of a run that was interrupted and saved.
const EXIT_INTERRUPTED: u8 = 130;

#[derive(Debug, Parser)]
#[command(about = "Train on a licensed data set, or on a synthetic world in its layout when it is not there")]
struct Arguments {
    /// Folder of the data set (SYSU-MM01: original or converted layout)
    #[arg(long)]
    data: Option<PathBuf>,
    /// Which of RegDB's ten trials
    #[arg(long, default_value_t = 1)]
    trial: u32,
    /// Embedded preset, or `quick` or `paper`; without it `paper` for real data, `quick` for the synthetic world
    #[arg(long)]
    preset: Option<String>,
    /// Override a setting, such as `stage2.epochs=30`; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Device: cpu, wgpu[:n], vulkan[:n], cuda[:n], or auto: a GPU if this build can use one
    #[arg(long, default_value = "cpu")]
    device: String,
    /// Seed of all random streams (the synthetic world has its own: --world-seed)
    #[arg(long)]
    seed: Option<u64>,
    /// Run directory
    #[arg(long)]
    out: Option<PathBuf>,
    /// Go on with the run in the run directory, with its own settings
    #[arg(long)]
    resume: bool,
    /// Leave out images that can't be decoded
    #[arg(long)]
    skip_corrupt: bool,
    /// Seed of the synthetic world
    #[arg(long, default_value_t = 0)]
    world_seed: u64,
    /// Draw the synthetic world with the real data set's own numbers of images
    #[arg(long)]
    full_world: bool,
    /// Folder that the synthetic world is drawn to
    #[arg(long)]
    cache: Option<PathBuf>,
}

/// Runs an example: reads the command line, trains `<name>_paper` or `<name>_quick`, prints the scores.
///
/// Exit status 0 for a finished run, 130 for an interrupted one, 1 for an error, 2 for wrong arguments.
pub fn run(name: &str) -> ExitCode {
    keep_freed_memory();
    let arguments = Arguments::parse();
    match train(name, arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn train(name: &str, arguments: Arguments) -> Result<ExitCode, MethodError> {
    let kind = DataSet::of_example(name);
    let dataset = open_data(kind, &arguments)?;
    let synthetic = dataset.synthetic;
    let out = arguments.out.clone().unwrap_or_else(|| PathBuf::from("runs").join(name));
    let config = if arguments.resume {
        if !arguments.overrides.is_empty() || arguments.preset.is_some() || arguments.seed.is_some() {
            let message = "a resumed run keeps its settings; leave out --set, --preset and --seed".to_string();
            return Err(MethodError::Config(message));
        }
        RunDir::open(&out)?.1
    } else {
        let preset = match arguments.preset.as_deref() {
            None => format!("{name}_{}", if synthetic { "quick" } else { "paper" }),
            Some(short @ ("quick" | "paper")) => format!("{name}_{short}"),
            Some(full) => full.to_string(),
        };
        let mut overrides = arguments.overrides.clone();
        overrides.extend(arguments.seed.map(|seed| format!("seed={seed}")));
        RunConfig::from_preset(&preset, &overrides)?
    };
    let out = if arguments.out.is_none() && !arguments.resume { unused(out) } else { out };
    let images = TrainingImages::open(dataset, &config, arguments.skip_corrupt)?;
    let options =
        SessionOptions { config, out: out.clone(), resume: arguments.resume, device: arguments.device.clone() };
    let mut session = Session::open(options, images)?;
    let interrupt = Arc::new(AtomicBool::new(false));
    let flag = interrupt.clone();
    // Without a handler Ctrl-C simply ends the program, and the last epoch's checkpoint is there.
    let _ = ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed));
    eprintln!("{}", session.plan());

    let mut progress = ProgressObserver::new();
    let outcome = session.train(&mut progress, &interrupt);
    drop(progress);
    match outcome? {
        Outcome::Finished(evaluations) => {
            let data = if synthetic { "synthetic world; says nothing about real data" } else { kind.name() };
            let title = format!("{name}: {data} (mean ± standard deviation over gallery draws, %)");
            println!("{}", evaluation_table(&title, &main_moments(&evaluations)));
            println!("{}", seconds_table(&session.seconds()));
            if let Some(peak) = peak_memory_mib() {
                println!("peak memory {peak:.0} MiB; results in {}", out.join("results.json").display());
            }
            Ok(ExitCode::SUCCESS)
        }
        Outcome::Interrupted(_) => {
            let data = arguments.data.map_or(String::new(), |path| format!(" --data {}", path.display()));
            let device = &arguments.device;
            eprintln!("to go on, run this again with only:{data} --device {device} --resume --out {}", out.display());
            Ok(ExitCode::from(EXIT_INTERRUPTED))
        }
    }
}

/// The untrained network and the ends of the stages.
fn main_moments(evaluations: &[Evaluation]) -> Vec<&Evaluation> {
    evaluations.iter().filter(|evaluation| !evaluation.moment.starts_with("epoch")).collect()
}

/// `out`, or with the first number behind it that makes no existing run.
fn unused(out: PathBuf) -> PathBuf {
    if !out.exists() {
        return out;
    }
    let numbered = |number: u32| PathBuf::from(format!("{}-{number}", out.display()));
    (2..).map(numbered).find(|path| !path.exists()).unwrap_or(out)
}

/// The data set that the arguments name, or the synthetic one.
fn open_data(kind: DataSet, arguments: &Arguments) -> Result<Dataset, MethodError> {
    if let Some(path) = &arguments.data {
        return Ok(kind.read(path, arguments.trial)?);
    }
    let default = kind.default_folder();
    if default.is_dir() {
        return Ok(kind.read(&default, arguments.trial)?);
    }
    let (name, place) = (kind.name(), default.display());
    let page = name.to_lowercase();
    eprintln!("{name} is not at {place}: training on a synthetic world instead.");
    eprintln!("For the real data see datasets/{page}.md, then pass --data /path/to/{name}.");
    let manner = if kind == DataSet::Sysu { "sysu" } else { "regdb" };
    let size = if arguments.full_world { "-full" } else { "" };
    let folder = format!("{manner}-{}{size}", arguments.world_seed);
    let root = arguments.cache.clone().unwrap_or_else(cache_folder).join(folder);
    kind.draw(&root, arguments.world_seed, arguments.full_world)?;
    Ok(kind.read(&root, arguments.trial)?)
}

/// Draws a world in SYSU-MM01's layout into a folder, with a progress bar, unless it is there.
///
/// # Errors
///
/// What the file system refuses.
pub fn draw_world(root: &Path, seed: u64, spec: &WorldSpec) -> Result<(), DataError> {
    with_bar(|progress| write_sysu(root, seed, spec, SysuLayout::Original, progress))
}

/// As [`draw_world`], in RegDB's layout.
///
/// # Errors
///
/// What the file system refuses.
pub fn draw_regdb_world(root: &Path, seed: u64, spec: &WorldSpec) -> Result<(), DataError> {
    with_bar(|progress| write_regdb(root, seed, spec, progress))
}

fn with_bar(draw: impl FnOnce(&(dyn Fn(usize, usize) + Sync)) -> Result<(), DataError>) -> Result<(), DataError> {
    let bar = ProgressBar::new(0);
    let style = ProgressStyle::with_template("{prefix:>10} [{bar:32}] {pos}/{len} {elapsed}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
    bar.set_prefix("drawing");
    let written = draw(&|done, total| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    written
}

/// A folder for things that can be made again.
fn cache_folder() -> PathBuf {
    PathBuf::from("data").join("synthetic")
}
