//! What the examples share: arguments, the synthetic stand-in, training, the table.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use vireid_data::readers::{is_converted_layout, read_sysu, read_sysu_converted};
use vireid_data::synthetic::{SysuLayout, WorldSpec, write_sysu};
use vireid_data::{DataError, Dataset};
use vireid_kernels::keep_freed_memory;
use vireid_methods::{
    Evaluation, MethodError, Outcome, ProgressObserver, RunConfig, RunDir, Session, SessionOptions, TrainingImages,
    evaluation_table, peak_memory_mib, seconds_table,
};

/// Where the licensed data set is looked for when no folder is named.
const DEFAULT_DATA: &str = "data/SYSU-MM01";
/// Exit status of a run that was interrupted and saved.
const EXIT_INTERRUPTED: u8 = 130;

#[derive(Debug, Parser)]
#[command(about = "Train on SYSU-MM01, or on a synthetic world in its layout when it is not there")]
struct Arguments {
    /// Folder of the data set (original or converted layout)
    #[arg(long)]
    data: Option<PathBuf>,
    /// Embedded preset, or `quick` or `paper`; without it `paper` for real data, `quick` for the synthetic world
    #[arg(long)]
    preset: Option<String>,
    /// Override a setting, such as `stage2.epochs=30`; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Device: cpu, wgpu[:n], vulkan[:n], cuda[:n]
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
    let dataset = open_data(&arguments)?;
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
            let kind = if synthetic { "synthetic world; says nothing about real data" } else { "SYSU-MM01" };
            let title = format!("{name}: {kind} (mean ± standard deviation over gallery draws, %)");
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

/// The untrained network, the end of stage 1 and the end of training.
fn main_moments(evaluations: &[Evaluation]) -> Vec<&Evaluation> {
    evaluations.iter().filter(|e| ["untrained", "stage 1", "final"].contains(&e.moment.as_str())).collect()
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
fn open_data(arguments: &Arguments) -> Result<Dataset, MethodError> {
    if let Some(path) = &arguments.data {
        return Ok(read(path)?);
    }
    let default = Path::new(DEFAULT_DATA);
    if default.is_dir() {
        return Ok(read(default)?);
    }
    eprintln!("SYSU-MM01 is not at {DEFAULT_DATA}: training on a synthetic world instead.");
    eprintln!("For the real data see datasets/sysu-mm01.md, then pass --data /path/to/SYSU-MM01.");
    let root = arguments.cache.clone().unwrap_or_else(cache_folder).join(format!("world-{}", arguments.world_seed));
    draw_world(&root, arguments.world_seed, &WorldSpec::sysu())?;
    Ok(read(&root)?)
}

fn read(path: &Path) -> Result<Dataset, DataError> {
    if is_converted_layout(path) { read_sysu_converted(path) } else { read_sysu(path) }
}

/// Draws a world in SYSU-MM01's layout into a folder, with a progress bar, unless it is there.
///
/// # Errors
///
/// What the file system refuses.
pub fn draw_world(root: &Path, seed: u64, spec: &WorldSpec) -> Result<(), DataError> {
    let bar = ProgressBar::new(0);
    let style = ProgressStyle::with_template("{prefix:>10} [{bar:32}] {pos}/{len} {elapsed}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
    bar.set_prefix("drawing");
    let written = write_sysu(root, seed, spec, SysuLayout::Original, |done, total| {
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
