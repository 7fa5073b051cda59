//! Methods on synthetic worlds against their yardsticks: the untrained network, every stage's end, the first stage alone
//! at equal length, and training with the true identities; with the labels of every epoch beside the truth.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use clap::{Args, ValueEnum};
use serde::Serialize;
use vireid::{ProgressObserver, draw_regdb_world, draw_world, open_images};
use vireid_data::readers::{read_regdb, read_sysu};
use vireid_data::synthetic::WorldSpec;
use vireid_methods::events::{ClusterReport, Event, Observer};
use vireid_methods::{
    Evaluation, MethodError, Outcome, QueryCount, RunConfig, Score, Session, SessionOptions, Spread, TrainingImages,
    parse_devices, peak_memory_mib, resolve_device,
};

use crate::supervised;

/// The data set whose layout and protocol a synthetic world has.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Manner {
    Sysu,
    Regdb,
}

impl Manner {
    fn name(self) -> &'static str {
        match self {
            Manner::Sysu => "sysu",
            Manner::Regdb => "regdb",
        }
    }

    fn spec(self) -> WorldSpec {
        match self {
            Manner::Sysu => WorldSpec::sysu(),
            Manner::Regdb => WorldSpec::regdb(),
        }
    }
}

#[derive(Debug, Args)]
pub struct Arguments {
    /// File to write the report to
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Data set whose layout and protocol the worlds have
    #[arg(long, value_enum, default_value_t = Manner::Sysu)]
    world: Manner,
    /// Methods to train on every world
    #[arg(long, value_delimiter = ',', default_value = "mbccm")]
    methods: Vec<String>,
    /// Seeds of worlds; presets are chosen on world 0, so measure on others
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2, 3])]
    world_seeds: Vec<u64>,
    /// Training seeds on every world
    #[arg(long, value_delimiter = ',', default_values_t = [0, 1])]
    seeds: Vec<u64>,
    /// Also train each method's first stage alone, as long as the whole method trains
    #[arg(long)]
    alone: bool,
    /// Also train with the true identities
    #[arg(long)]
    supervised: bool,
    /// Set a dial or a size of the world, such as `gap=0.3` or `train=100`
    #[arg(long = "dial", value_name = "NAME=NUMBER")]
    dials: Vec<String>,
    /// Override a setting of every run
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Device of every run, or several separated by commas
    #[arg(long, default_value = "cpu")]
    device: String,
}

/// One figure of one contestant over the runs.
#[derive(Serialize)]
struct Row {
    method: String,
    contestant: String,
    search: String,
    rank1: Spread,
    map: Spread,
    minp: Spread,
    /// Queries that count, in the run with the fewest.
    #[serde(skip_serializing_if = "Option::is_none")]
    queries: Option<String>,
    /// mAP of each run, world by world and seed by seed.
    map_by_run: Vec<f64>,
}

#[derive(Serialize)]
struct Run {
    method: String,
    world_seed: u64,
    seed: u64,
    seconds: f64,
    epochs: Vec<ClusterReport>,
}

#[derive(Serialize)]
struct Report<'a> {
    title: &'static str,
    synthetic: bool,
    command: String,
    world: String,
    protocol: &'static str,
    std: &'static str,
    overrides: &'a [String],
    world_seeds: &'a [u64],
    seeds: &'a [u64],
    device: String,
    threads: usize,
    peak_memory_mib: Option<f64>,
    rows: Vec<Row>,
    runs: &'a [Run],
}

type Failure = Box<dyn std::error::Error>;

/// Scores of all runs by method, contestant and search, in the order in which they first came.
#[derive(Default)]
struct Table {
    order: Vec<(String, String, String)>,
    scores: BTreeMap<(String, String, String), Vec<Score>>,
}

impl Table {
    fn add(&mut self, method: &str, contestant: &str, scores: &[Score]) {
        for score in scores {
            let key = (method.to_string(), contestant.to_string(), score.search.clone());
            if !self.scores.contains_key(&key) {
                self.order.push(key.clone());
            }
            self.scores.entry(key).or_default().push(score.clone());
        }
    }

    fn rows(&self) -> Vec<Row> {
        let row = |key: &(String, String, String)| {
            let scores = &self.scores[key];
            let values = |of: &dyn Fn(&Score) -> f64| scores.iter().map(of).collect::<Vec<f64>>();
            let map = values(&|score| score.map.mean);
            Row {
                method: key.0.clone(),
                contestant: key.1.clone(),
                search: key.2.clone(),
                rank1: Spread::of(&values(&|score| score.rank1.mean)),
                map: Spread::of(&map),
                minp: Spread::of(&values(&|score| score.minp.mean)),
                queries: fewest(scores).map(|queries| queries.to_string()),
                map_by_run: map,
            }
        };
        self.order.iter().map(row).collect()
    }
}

fn fewest(scores: &[Score]) -> Option<QueryCount> {
    scores.iter().filter_map(|score| score.queries).min_by_key(|queries| queries.counted)
}

/// Runs the contestants and writes the report.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut spec = arguments.world.spec();
    arguments.dials.iter().try_for_each(|dial| spec.set(dial))?;
    let scratch = std::env::temp_dir().join(format!("vireid-worlds-{}", std::process::id()));
    let (mut table, mut runs) = (Table::default(), Vec::new());
    for &world_seed in &arguments.world_seeds {
        for method in &arguments.methods {
            let preset = format!("{method}_{}_quick", arguments.world.name());
            let config = |seed: u64, more: &[String]| -> Result<RunConfig, MethodError> {
                let mut all = vec![format!("seed={seed}")];
                all.extend(arguments.overrides.iter().chain(more).cloned());
                vireid_methods::preset(&preset, &all)
            };
            let images = images(arguments, &spec, world_seed, &config(0, &[])?)?;
            for &seed in &arguments.seeds {
                eprintln!("{method}, world {world_seed}, seed {seed}");
                let whole = config(seed, &[])?;
                let name = |what: &str| scratch.join(format!("{method}-{world_seed}-{seed}-{what}"));
                let clock = Instant::now();
                let (evaluations, epochs) = train(whole.clone(), &images, name("whole"), &arguments.device)?;
                let seconds = clock.elapsed().as_secs_f64();
                runs.push(Run { method: method.clone(), world_seed, seed, seconds, epochs });
                for evaluation in evaluations.iter().filter(|e| !e.moment.starts_with("epoch")) {
                    table.add(method, &evaluation.moment, &evaluation.scores);
                }
                if arguments.alone {
                    let alone = config(seed, &alone(&whole))?;
                    let (evaluations, _) = train(alone, &images, name("alone"), &arguments.device)?;
                    if let Some(last) = evaluations.last() {
                        table.add(method, "stage 1 alone, equal length", &last.scores);
                    }
                }
                if arguments.supervised && method == &arguments.methods[0] {
                    eprintln!("supervised, world {world_seed}, seed {seed}");
                    let scores = supervised::bound(&whole, &images, parse_devices(&arguments.device)?.first())?;
                    table.add("supervised", "true identities", &scores);
                }
                write(arguments, &spec, &table, &runs)?;
            }
        }
    }
    std::fs::remove_dir_all(&scratch)?;
    for row in table.rows() {
        println!(
            "{:<11} {:<28} {:<20} Rank-1 {:5.2} ± {:4.2}  mAP {:5.2} ± {:4.2}  mINP {:5.2} ± {:4.2}",
            row.method,
            row.contestant,
            row.search,
            row.rank1.mean,
            row.rank1.std,
            row.map.mean,
            row.map.std,
            row.minp.mean,
            row.minp.std
        );
    }
    Ok(())
}

/// Writes what is known so far, so that a study that is stopped keeps its finished runs.
fn write(arguments: &Arguments, spec: &WorldSpec, table: &Table, runs: &[Run]) -> Result<(), Failure> {
    let Some(out) = &arguments.out else { return Ok(()) };
    let report = Report {
        title: "Methods on synthetic worlds: no statement about real data",
        synthetic: true,
        command: command(arguments),
        world: format!("{}: {spec:?}", arguments.world.name()),
        protocol: "the data set's own; mean over gallery draws where it draws; percent",
        std: "sample standard deviation over runs (world seeds times training seeds)",
        overrides: &arguments.overrides,
        world_seeds: &arguments.world_seeds,
        seeds: &arguments.seeds,
        device: resolve_device(&arguments.device),
        threads: rayon::current_num_threads(),
        peak_memory_mib: peak_memory_mib(),
        rows: table.rows(),
        runs,
    };
    out.parent().map_or(Ok(()), std::fs::create_dir_all)?;
    Ok(std::fs::write(out, serde_json::to_string(&report)? + "\n")?)
}

fn images(
    arguments: &Arguments,
    spec: &WorldSpec,
    world_seed: u64,
    config: &RunConfig,
) -> Result<TrainingImages, Failure> {
    let dials: String = arguments.dials.iter().map(|dial| format!("-{}", dial.replace('=', ""))).collect();
    let root = Path::new("data/synthetic").join(format!("{}-{world_seed}{dials}", arguments.world.name()));
    let dataset = match arguments.world {
        Manner::Sysu => {
            draw_world(&root, world_seed, spec)?;
            read_sysu(&root)?
        }
        Manner::Regdb => {
            draw_regdb_world(&root, world_seed, spec)?;
            read_regdb(&root, 1)?
        }
    };
    Ok(open_images(dataset, config, false)?)
}

/// Overrides that spend all epochs in the first stage, with the learning rates of the whole.
fn alone(config: &RunConfig) -> Vec<String> {
    let (mut rates, mut before, mut settings) = (Vec::new(), 0, Vec::new());
    for (number, stage) in config.engine.stages.iter().enumerate() {
        let later = stage.learning_rate.iter().map(|step| (before + step.from, step.rate));
        rates.extend(later.map(|(from, rate)| format!("{{ from = {from}, rate = {rate:?} }}")));
        before += stage.epochs;
        if number > 0 {
            settings.push(format!("stage{}.epochs=0", number + 1));
        }
    }
    settings.push(format!("stage1.epochs={before}"));
    settings.push(format!("stage1.learning_rate=[{}]", rates.join(", ")));
    settings
}

/// Keeps the reports of the labels.
struct Recorder {
    progress: ProgressObserver,
    reports: Vec<ClusterReport>,
}

impl Observer for Recorder {
    fn event(&mut self, event: &Event) {
        if let Event::Clusters(report) = event {
            self.reports.push(report.as_ref().clone());
        }
        self.progress.event(event);
    }
}

fn train(
    config: RunConfig,
    images: &TrainingImages,
    out: PathBuf,
    device: &str,
) -> Result<(Vec<Evaluation>, Vec<ClusterReport>), MethodError> {
    let method = vireid_methods::registry::build(&config)?;
    let options = SessionOptions { config, out, resume: false, device: device.into() };
    let mut session = Session::open(options, method, images.clone())?;
    let mut recorder = Recorder { progress: ProgressObserver::new(), reports: Vec::new() };
    match session.train(&mut recorder, &AtomicBool::new(false))? {
        Outcome::Finished(evaluations) => Ok((evaluations, recorder.reports)),
        Outcome::Interrupted(_) => Ok((Vec::new(), recorder.reports)),
    }
}

/// The command that measures the report again.
fn command(arguments: &Arguments) -> String {
    let list = |values: &[u64]| values.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
    let mut text = format!(
        "cargo xtask worlds --world {} --methods {} --world-seeds {} --seeds {}",
        arguments.world.name(),
        arguments.methods.join(","),
        list(&arguments.world_seeds),
        list(&arguments.seeds)
    );
    for (flag, is_set) in [(" --alone", arguments.alone), (" --supervised", arguments.supervised)] {
        text += if is_set { flag } else { "" };
    }
    arguments.dials.iter().for_each(|dial| text += &format!(" --dial {dial}"));
    arguments.overrides.iter().for_each(|set| text += &format!(" --set '{set}'"));
    if arguments.device != "cpu" {
        text += &format!(" --device {}", arguments.device);
    }
    if let Some(out) = &arguments.out {
        text += &format!(" --out {}", out.display());
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    /// The world that people see first is no number that somebody liked: it is the one whose gain is the median of ten, of two in the
    /// middle the smaller.
    #[test]
    fn the_default_world_is_the_median_of_ten() {
        let report: Value = serde_json::from_str(include_str!("../../docs/results/default_world.json")).unwrap();
        let worlds: Vec<u64> = serde_json::from_value(report["world_seeds"].clone()).unwrap();
        assert_eq!((worlds, &report["seeds"]), ((0..10).collect(), &serde_json::json!([0])));
        let maps = |contestant: &str| -> Vec<f64> {
            let is_row =
                |row: &&Value| row["contestant"] == contestant && row["search"] == "all" && row["method"] == "mbccm";
            let row = report["rows"].as_array().unwrap().iter().find(is_row).unwrap();
            serde_json::from_value(row["map_by_run"].clone()).unwrap()
        };
        let gains = maps("final").into_iter().zip(maps("untrained")).map(|(last, first)| last - first);
        let mut gains: Vec<(f64, u64)> = gains.zip(0..).collect();
        gains.sort_by(|a, b| a.0.total_cmp(&b.0));
        assert_eq!(gains[(gains.len() - 1) / 2].1, vireid::DEFAULT_WORLD, "{gains:?}");
    }
}
