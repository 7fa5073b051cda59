//! What the examples share: their arguments and the table at the end.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use vireid::{
    DEFAULT_WORLD, DataKind, DataSource, EXIT_INTERRUPTED, ProgramError, SourceArguments, TrainingOptions,
    evaluation_table, explain_resume, seconds_table, train,
};
use vireid_kernels::keep_freed_memory;
use vireid_methods::data_sets::{self, SYSU};
use vireid_methods::events::Event;
use vireid_methods::{Evaluation, peak_memory_mib};

#[derive(Debug, Parser)]
#[command(about = "Train on a licensed data set, or on a synthetic world in its layout when it is not there")]
struct Arguments {
    /// Folder of the data set (SYSU-MM01: original or converted layout)
    #[arg(long)]
    data: Option<PathBuf>,
    /// Which of RegDB's ten trials [default: 1]
    #[arg(long)]
    trial: Option<u32>,
    #[command(flatten)]
    options: TrainingOptions,
    /// Seed of the synthetic world [default: the median of ten]
    #[arg(long)]
    world_seed: Option<u64>,
    /// Draw the synthetic world with the real data set's own numbers of images
    #[arg(long)]
    full_world: bool,
    /// Folder that the synthetic world is drawn to
    #[arg(long)]
    cache: Option<PathBuf>,
}

/// Runs an example: reads the command line, trains `<name>_paper`, `<name>_photo` or `<name>_quick`, prints the scores.
///
/// Exit status 0 for a finished run, 130 for an interrupted one, 1 for an error, 2 for wrong arguments.
pub fn run(name: &str) -> ExitCode {
    start(name, None)
}

/// The same with `watch` told of every event of the run.
pub fn run_watched(name: &str, watch: fn(&Event)) -> ExitCode {
    start(name, Some(watch))
}

fn start(name: &str, watch: Option<fn(&Event)>) -> ExitCode {
    keep_freed_memory();
    let mut arguments = Arguments::parse();
    arguments.options.watch = watch;
    match run_with(name, arguments) {
        Ok(code) => code,
        Err(error) => {
            error.tell();
            ExitCode::FAILURE
        }
    }
}

fn run_with(name: &str, arguments: Arguments) -> Result<ExitCode, ProgramError> {
    let (method, data) = name.split_once('_').unwrap_or((name, SYSU.name));
    let kind = DataKind::new(data_sets::find(data).unwrap_or(&SYSU));
    let named = SourceArguments {
        data: arguments.data.clone(),
        dataset: None,
        trial: arguments.trial,
        world_seed: arguments.world_seed,
    };
    let run = arguments.options.run_directory(method, kind);
    let source = match arguments.options.resume && DataSource::of_run(&run)?.is_some() {
        true => named.of_run(&run)?,
        false => source(kind, &arguments)?,
    };
    let finished = train(method, &source, &arguments.options)?;
    if let Some(plan) = finished.plan {
        println!("{plan}");
        return Ok(ExitCode::SUCCESS);
    }
    if finished.interrupted {
        eprintln!("{}", explain_resume(&named, &arguments.options, &finished.out));
        return Ok(ExitCode::from(EXIT_INTERRUPTED));
    }
    let data = if finished.synthetic { "synthetic world; says nothing about real data" } else { kind.title() };
    let title = format!("{name}: {data} (mean ± standard deviation over gallery draws, %)");
    for sentence in &finished.misgivings {
        eprintln!("warning: {sentence}");
    }
    let evaluations = finished.evaluations.as_deref().unwrap_or_default();
    println!("{}", evaluation_table(&title, &evaluations.iter().collect::<Vec<&Evaluation>>()));
    println!("{}", seconds_table(&finished.seconds));
    if let Some(peak) = peak_memory_mib() {
        println!("peak memory {peak:.0} MiB; results in {}", finished.out.join("results.json").display());
    }
    let page = finished.write_report(&source, &arguments.options)?;
    println!("report, with pictures: {}", page.display());
    Ok(ExitCode::SUCCESS)
}

/// The data set that the arguments name, or the synthetic one.
fn source(kind: DataKind, arguments: &Arguments) -> Result<DataSource, ProgramError> {
    let default = Path::new("data").join(kind.title());
    let found = arguments.data.clone().or_else(|| default.is_dir().then(|| default.clone()));
    let (kind, path) = match found {
        Some(path) => (kind, Some(path)),
        None => {
            let (name, place) = (kind.title(), default.display());
            eprintln!("{name} is not at {place}: training on a synthetic world instead.");
            eprintln!("For the real data see {}, then pass --data /path/to/{name}.", kind.data_set().card);
            (kind.stand_in().unwrap_or(kind), None)
        }
    };
    let world_seed = arguments.world_seed.unwrap_or(DEFAULT_WORLD);
    let mut source = DataSource::new(path.as_deref(), Some(kind), world_seed, arguments.full_world)?;
    source.trial = arguments.trial.unwrap_or(source.trial);
    if let (None, Some(cache), Some(folder)) = (&path, &arguments.cache, source.path.file_name()) {
        source.path = cache.join(folder);
    }
    Ok(source)
}
