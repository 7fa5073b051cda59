//! MBCCM on the synthetic world against its yardsticks: the untrained network, stage 1 alone at equal length, and
//! training with the true identities.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use serde::Serialize;
use vireid_data::readers::read_sysu;
use vireid_data::synthetic::WorldSpec;
use vireid_examples::draw_world;
use vireid_methods::{
    MethodError, Outcome, ProgressObserver, RunConfig, Score, Session, SessionOptions, Spread, TrainingImages,
    parse_device, peak_memory_mib,
};

use crate::supervised;

const PRESET: &str = "mbccm_sysu_quick";

/// One figure of one contestant over the seeds.
#[derive(Serialize)]
struct Row {
    contestant: String,
    search: String,
    rank1: Spread,
    map: Spread,
    minp: Spread,
    /// mAP of each seed, in the order of `seeds`.
    map_by_seed: Vec<f64>,
}

#[derive(Serialize)]
struct Report {
    title: String,
    synthetic: bool,
    command: String,
    data: String,
    data_manifest: String,
    protocol: &'static str,
    std: &'static str,
    preset: &'static str,
    overrides: Vec<String>,
    config_hash_of_first_seed: String,
    seeds: Vec<u64>,
    threads: usize,
    seconds_of_one_mbccm_run: Vec<f64>,
    peak_memory_mib_of_the_study: Option<f64>,
    rows: Vec<Row>,
}

type Failure = Box<dyn std::error::Error>;

/// Runs the study and writes its report.
pub fn run(out: &Path, seeds: &[u64], world_seed: u64, dials: &[String], overrides: &[String]) -> Result<(), Failure> {
    let mut spec = WorldSpec::sysu();
    dials.iter().try_for_each(|dial| spec.set(dial))?;
    let other: String = dials.iter().map(|dial| format!("-{}", dial.replace('=', ""))).collect();
    let root = PathBuf::from("data/synthetic").join(format!("world-{world_seed}{other}"));
    draw_world(&root, world_seed, &spec)?;
    let first = configuration(seeds.first().copied().unwrap_or(0), overrides, &[])?;
    let images = TrainingImages::open(read_sysu(&root)?, &first, false)?;
    let runs = std::env::temp_dir().join(format!("vireid-study-{}", std::process::id()));
    let mut scores: BTreeMap<&str, Vec<Vec<Score>>> = BTreeMap::new();
    let mut seconds = Vec::new();
    for &seed in seeds {
        let config = configuration(seed, overrides, &[])?;
        let clock = Instant::now();
        let evaluations = train(config.clone(), &images, runs.join(format!("mbccm-{seed}")))?;
        seconds.push(clock.elapsed().as_secs_f64());
        for (moment, contestant) in
            [("untrained", "1 untrained"), ("stage 1", "2 stage 1 of the same run"), ("final", "4 MBCCM")]
        {
            if let Some(found) = evaluations.iter().find(|e| e.moment == moment) {
                scores.entry(contestant).or_default().push(found.scores.clone());
            }
        }
        let rates = config.stage1.learning_rate.iter().map(|step| (step.from, step.rate));
        let later = config.stage2.learning_rate.iter().map(|step| (config.stage1.epochs + step.from, step.rate));
        let rates: Vec<String> =
            rates.chain(later).map(|(from, rate)| format!("{{ from = {from}, rate = {rate:?} }}")).collect();
        let equal = [
            format!("stage1.epochs={}", config.epochs()),
            format!("stage1.learning_rate=[{}]", rates.join(", ")),
            "stage2.epochs=0".to_string(),
        ];
        let alone = train(configuration(seed, overrides, &equal)?, &images, runs.join(format!("stage1-{seed}")))?;
        if let Some(found) = alone.last() {
            scores.entry("3 stage 1 alone, equal length").or_default().push(found.scores.clone());
        }
        eprintln!("supervised bound, seed {seed}");
        let bound = supervised::bound(&config, &images, &parse_device("cpu")?)?;
        scores.entry("5 supervised bound").or_default().push(bound);
    }
    let report = Report {
        title: "MBCCM on the synthetic world: no statement about real data".into(),
        synthetic: true,
        command: command(out, seeds, world_seed, dials, overrides),
        data: format!("synthetic world {world_seed}, {spec:?}"),
        data_manifest: images.manifest(),
        protocol: "SYSU-MM01 single shot, mean of the gallery draws; percent",
        std: "sample standard deviation over training seeds",
        preset: PRESET,
        overrides: overrides.to_vec(),
        config_hash_of_first_seed: first.hash(),
        seeds: seeds.to_vec(),
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        seconds_of_one_mbccm_run: seconds,
        peak_memory_mib_of_the_study: peak_memory_mib(),
        rows: rows(&scores),
    };
    for row in &report.rows {
        println!(
            "{:<34} {:>7}  Rank-1 {:5.2} ± {:4.2}  mAP {:5.2} ± {:4.2}  mINP {:5.2} ± {:4.2}",
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
    if let Some(folder) = out.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(out, serde_json::to_string_pretty(&report)? + "\n")?;
    std::fs::remove_dir_all(&runs)?;
    Ok(())
}

/// The command that makes the report again.
fn command(out: &Path, seeds: &[u64], world_seed: u64, dials: &[String], overrides: &[String]) -> String {
    let seeds = seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
    let sets: String = overrides.iter().map(|set| format!(" --set {set}")).collect();
    let dials: String = dials.iter().map(|dial| format!(" --dial {dial}")).collect();
    format!("cargo xtask study --out {} --seeds {seeds} --world-seed {world_seed}{dials}{sets}", out.display())
}

fn configuration(seed: u64, overrides: &[String], more: &[String]) -> Result<RunConfig, MethodError> {
    let mut all = vec![format!("seed={seed}")];
    all.extend(overrides.iter().chain(more).cloned());
    RunConfig::from_preset(PRESET, &all)
}

fn train(
    config: RunConfig,
    images: &TrainingImages,
    out: PathBuf,
) -> Result<Vec<vireid_methods::Evaluation>, MethodError> {
    let options = SessionOptions { config, out, resume: false, device: "cpu".into() };
    let mut session = Session::open(options, images.clone())?;
    match session.train(&mut ProgressObserver::new(), &AtomicBool::new(false))? {
        Outcome::Finished(evaluations) => Ok(evaluations),
        Outcome::Interrupted(_) => Ok(Vec::new()),
    }
}

fn rows(scores: &BTreeMap<&str, Vec<Vec<Score>>>) -> Vec<Row> {
    let mut rows = Vec::new();
    for (contestant, runs) in scores {
        for (number, score) in runs.first().map(Vec::as_slice).unwrap_or_default().iter().enumerate() {
            let figure = |f: &dyn Fn(&Score) -> f64| runs.iter().map(|run| f(&run[number])).collect::<Vec<f64>>();
            let map = figure(&|s| s.map.mean);
            rows.push(Row {
                contestant: contestant[2..].to_string(),
                search: score.search.clone(),
                rank1: Spread::of(&figure(&|s| s.rank1.mean)),
                map: Spread::of(&map),
                minp: Spread::of(&figure(&|s| s.minp.mean)),
                map_by_seed: map,
            });
        }
    }
    rows
}
