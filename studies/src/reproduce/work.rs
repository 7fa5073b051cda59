//! Cells trained side by side, each in a process of its own: a crash of one loses nothing of the others, and peak memory
//! is a cell's own.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde::de::DeserializeOwned;
use serde_json::Value;
use vireid::TrainingOptions;
use vireid_methods::events::Seconds;
use vireid_methods::{Evaluation, RunDir};

use super::cell::{Cell, Record};

type Failure = Box<dyn std::error::Error>;

/// How many cells ended, and which failed.
#[derive(Debug, Default)]
pub struct Outcome {
    pub finished: usize,
    pub failures: Vec<String>,
    pub interrupted: bool,
}

/// Trains cells, `jobs` at a time, and writes a record of each that ends.
pub fn train_all(cells: Vec<Cell>, jobs: usize, results: &Path, interrupt: &AtomicBool) -> Outcome {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = (cores / jobs.max(1)).max(1);
    let total = cells.len();
    let bar = ProgressBar::new(total as u64).with_style(style());
    bar.enable_steady_tick(Duration::from_secs(1));
    let queue = Mutex::new(VecDeque::from(cells));
    let outcome = Mutex::new(Outcome::default());
    let lock = |outcome| Mutex::lock(outcome).unwrap_or_else(PoisonError::into_inner);
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                while !interrupt.load(Ordering::Relaxed) {
                    let Some(cell) = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front() else { return };
                    let clock = Instant::now();
                    let found = train_in_process(&cell, threads).and_then(|done| match done {
                        true => keep(&cell, results).map(Some),
                        false => Ok(None),
                    });
                    let mut outcome = lock(&outcome);
                    match found {
                        Ok(Some(record)) => {
                            outcome.finished += 1;
                            say(
                                &bar,
                                &format!("{}: {} ({:.0} s)", name(&cell), best(&record), clock.elapsed().as_secs_f64()),
                            );
                        }
                        Ok(None) => outcome.interrupted = true,
                        Err(error) => {
                            say(&bar, &format!("{}: {error}", name(&cell)));
                            outcome.failures.push(format!("{}: {error}", name(&cell)));
                        }
                    }
                    bar.inc(1);
                }
            });
        }
    });
    bar.finish_and_clear();
    let mut outcome = outcome.into_inner().unwrap_or_else(PoisonError::into_inner);
    outcome.interrupted |= interrupt.load(Ordering::Relaxed);
    outcome
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{bar:30} {pos}/{len} trainings, {elapsed_precise} gone, about {eta_precise} to go")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// A line above the bar, or a line alone where no bar is drawn.
fn say(bar: &ProgressBar, line: &str) {
    if bar.is_hidden() { eprintln!("{line}") } else { bar.println(line) }
}

fn name(cell: &Cell) -> String {
    cell.place().display().to_string()
}

fn best(record: &Record) -> String {
    let score = record.evaluations.last().and_then(|evaluation| evaluation.scores.first());
    score.map_or("no score".into(), |score| {
        format!("{} Rank-1 {:.1} mAP {:.1}", score.search, score.rank1.mean, score.map.mean)
    })
}

/// Whether the cell ended; `false` when somebody interrupted it.
fn train_in_process(cell: &Cell, threads: usize) -> Result<bool, Failure> {
    let run = cell.run_dir();
    fs::create_dir_all(run.parent().unwrap_or(&run))?;
    let log = run.with_extension("log");
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["one-cell", "--method", &cell.method, "--variant", &cell.variant]);
    command.args(["--benchmark", cell.benchmark.name(), "--device", &cell.device]);
    command.args(["--seed", &cell.seed.to_string(), "--trial", &cell.trial.to_string()]);
    command.args(["--world-seed", &cell.world_seed.to_string(), "--unpaired", &cell.unpaired.to_string()]);
    cell.layers.iter().for_each(|layer| {
        command.args(["--layer", layer]);
    });
    cell.overrides.iter().for_each(|set| {
        command.args(["--set", set]);
    });
    if let Some(data) = &cell.data {
        command.arg("--data").arg(data);
    }
    if cell.quick {
        command.arg("--quick");
    }
    let file = File::create(&log)?;
    command.env("RAYON_NUM_THREADS", threads.to_string()).stdin(Stdio::null());
    let status = command.stdout(file.try_clone()?).stderr(file).status()?;
    match status.code() {
        Some(0) => Ok(true),
        Some(code) if code == i32::from(vireid::EXIT_INTERRUPTED) => Ok(false),
        _ => {
            let text = fs::read_to_string(&log).unwrap_or_default();
            let last = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("no word");
            Err(format!("{last} (all of it in {})", log.display()).into())
        }
    }
}

/// Trains one cell in this process; goes on where an earlier attempt stopped. Whether it ended.
pub fn train_here(cell: &Cell) -> Result<bool, Failure> {
    let out = cell.run_dir();
    let config = cell.config()?;
    // A run of other settings is of no use for this cell.
    let resume = RunDir::open(&out).is_ok_and(|(_, found)| found.hash() == config.hash());
    if !resume && out.exists() {
        fs::remove_dir_all(&out)?;
    }
    let mut options =
        TrainingOptions { device: cell.device.clone(), out: Some(out), resume, ..TrainingOptions::default() };
    if !resume {
        options.preset = Some(cell.preset());
        options.overrides = cell.overrides.clone();
        options.seed = Some(cell.seed);
    }
    let finished = vireid::train(&cell.method, &cell.source()?, &options)?;
    Ok(!finished.interrupted)
}

#[derive(serde::Deserialize)]
struct Results {
    synthetic: bool,
    data_manifest: String,
    preset: String,
    config_hash: String,
    std: String,
    evaluations: Vec<Evaluation>,
}

#[derive(serde::Deserialize)]
struct Environment {
    device: String,
    threads: usize,
}

#[derive(serde::Deserialize)]
struct Cost {
    seconds: Seconds,
    peak_memory_mib: Option<f64>,
}

/// Writes the record of a cell whose run has ended.
fn keep(cell: &Cell, results: &Path) -> Result<Record, Failure> {
    let run = cell.run_dir();
    let found: Results = read(&run.join("results.json"))?;
    let environment: Environment = read(&run.join("environment.json"))?;
    let cost: Cost = read(&run.join("cost.json"))?;
    let events = fs::read_to_string(run.join("events.jsonl"))?;
    let record = Record {
        method: cell.method.clone(),
        variant: cell.variant.clone(),
        overrides: cell.overrides.clone(),
        benchmark: cell.benchmark.name().into(),
        synthetic: found.synthetic,
        data: cell.data_title(),
        data_manifest: found.data_manifest,
        preset: found.preset,
        config_hash: found.config_hash,
        seed: cell.seed,
        trial: cell.trial,
        unpaired: cell.unpaired,
        commit: commit(),
        device: environment.device,
        threads: environment.threads,
        seconds: cost.seconds.total(),
        peak_memory_mib: cost.peak_memory_mib,
        std: found.std,
        evaluations: found.evaluations.into_iter().filter(|e| !e.moment.starts_with("epoch")).collect(),
        labels: last_labels(&events)?,
    };
    let file = record_file(cell, results);
    fs::create_dir_all(file.parent().unwrap_or(results))?;
    fs::write(&file, serde_json::to_string_pretty(&record)? + "\n")?;
    Ok(record)
}

/// The last report of each kind of labels in each stage, among a run's events.
fn last_labels(events: &str) -> Result<Vec<Value>, Failure> {
    let mut last: Vec<Value> = Vec::new();
    for line in events.lines() {
        let event: Value = serde_json::from_str(line)?;
        if event["event"] == "clusters" {
            last.retain(|other| other["stage"] != event["stage"] || other["moment"] != event["moment"]);
            last.push(event);
        }
    }
    Ok(last)
}

/// Where the record of a cell is kept, below the folder of results.
pub fn record_file(cell: &Cell, results: &Path) -> PathBuf {
    results.join(format!("{}.json", cell.place().display()))
}

/// Whether there is a record that answers the cell, and with labels where those are asked for.
pub fn is_done(cell: &Cell, results: &Path, with_labels: bool) -> bool {
    let answers = |record: Record| record.answers(cell) && !(with_labels && record.labels.is_empty());
    read(&record_file(cell, results)).is_ok_and(answers)
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, Failure> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()).into())
}

/// The commit that is checked out, with `+` where files were changed since.
fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).stderr(Stdio::null()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_string())
    };
    let is_changed = git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|text| !text.is_empty());
    match git(&["rev-parse", "--short=12", "HEAD"]) {
        Some(hash) => hash + if is_changed { "+" } else { "" },
        None => "unknown".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_labels_of_each_stage_are_kept() {
        let line = |stage: &str, moment: &str, epoch: usize| {
            format!(r#"{{"event":"clusters","stage":"{stage}","moment":"{moment}","epoch":{epoch}}}"#)
        };
        let lines =
            [line("1", "", 0), line("1", "", 1), r#"{"event":"step"}"#.into(), line("2", "a", 2), line("2", "b", 2)];
        let epochs = |labels: Vec<Value>| labels.iter().map(|label| label["epoch"].as_u64()).collect::<Vec<_>>();
        assert_eq!(epochs(last_labels(&lines.join("\n")).unwrap()), [Some(1), Some(2), Some(2)]);
        assert!(last_labels("no JSON").is_err());
    }
}
