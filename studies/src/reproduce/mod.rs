//! The methods' tables: trains what is missing, keeps one file per training, and sets the results beside the papers'.
//!
//! Where the licensed data is not there, the synthetic world stands in, in tables of its own: no synthetic number ever
//! stands beside a paper's.

mod cell;
mod work;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;
use vireid_methods::registry::methods;
use xtask::reproduce::{Ablation, Published, WORLD, is_quick};
use xtask::tables::{self, DOCS};

use cell::Benchmark;
pub use cell::Cell;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Only these methods, separated by commas [default: all]
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Only this data set [default: all; with --quick SYSU-MM01 or its stand-in]
    #[arg(long)]
    dataset: Option<Benchmark>,
    /// Seeds that every method is trained with
    #[arg(long, value_delimiter = ',', default_values_t = [0, 1, 2])]
    seeds: Vec<u64>,
    /// The small network and minutes per training instead of the authors' settings
    #[arg(long)]
    quick: bool,
    /// Train the ablations of each method too
    #[arg(long)]
    ablations: bool,
    /// Only these ablations, by their keys
    #[arg(long, value_delimiter = ',')]
    variants: Vec<String>,
    /// Folder that holds SYSU-MM01, RegDB and LLCM
    #[arg(long, env = "VIREID_DATA", default_value = "data")]
    data_root: PathBuf,
    /// Seeds of the synthetic worlds; presets were chosen on others
    #[arg(long, alias = "world-seed", value_delimiter = ',', default_values_t = [WORLD])]
    world_seeds: Vec<u64>,
    /// Shares of the training people whom only one modality sees
    #[arg(long, value_delimiter = ',', default_values_t = [0.0], value_parser = share)]
    unpaired: Vec<f64>,
    /// Trainings at a time [default: one per core when quick, else one]
    #[arg(long)]
    jobs: Option<usize>,
    /// Device that every training runs on
    #[arg(long, default_value = "cpu")]
    device: String,
    /// Say what would be trained, and stop
    #[arg(long)]
    plan: bool,
}

type Failure = Box<dyn std::error::Error>;

/// Trains the cells that have no record yet and makes the tables.
pub fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let results = Path::new(DOCS).join("results/cells");
    let published = Published::read()?;
    let mut cells = cells(arguments, &published)?;
    let all = cells.len();
    // The study of unpaired people sets labels beside scores; older records have none.
    let with_labels = arguments.unpaired.iter().any(|&share| share > 0.0);
    cells.retain(|cell| !work::is_done(cell, &results, with_labels));
    for benchmark in benchmarks(arguments) {
        match data(arguments, benchmark) {
            Some(path) => eprintln!("{}: {}", benchmark.title(), path.display()),
            None => eprintln!(
                "{} is not in {}: synthetic worlds stand in ({}), with the quick presets; their tables say nothing about real data",
                benchmark.title(),
                arguments.data_root.display(),
                arguments.world_seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")
            ),
        }
    }
    eprintln!("{all} trainings, {} of them to do", cells.len());
    if arguments.plan {
        cells.iter().for_each(|cell| println!("{}", cell.place().display()));
        return Ok(ExitCode::SUCCESS);
    }
    // Drawn before the processes start, which would draw it side by side.
    for cell in &cells {
        cell.source()?.open()?;
    }
    let interrupt = Arc::new(AtomicBool::new(false));
    let flag = interrupt.clone();
    ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed))?;
    let are_small = cells.iter().all(|cell| is_quick(&cell.preset()));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = arguments.jobs.unwrap_or(if are_small { cores } else { 1 });
    let outcome = work::train_all(cells, jobs, &results, &interrupt);
    tables::run(false)?;
    println!("{} trainings ended; tables: docs/results/tables.md and tables.html", outcome.finished);
    if outcome.interrupted {
        eprintln!("interrupted: the same command goes on where this one stopped");
        return Ok(ExitCode::from(vireid::EXIT_INTERRUPTED));
    }
    match outcome.failures.len() {
        0 => Ok(ExitCode::SUCCESS),
        n => Err(format!("{n} trainings failed; the first: {}", outcome.failures[0]).into()),
    }
}

fn share(text: &str) -> Result<f64, String> {
    // Folders and records go by whole percent.
    let is_share = |share: &f64| (0.0..=1.0).contains(share) && (100.0 * share - (100.0 * share).round()).abs() < 1e-9;
    let share = text.parse().ok().filter(is_share);
    share.ok_or_else(|| "a share is from 0 to 1, in whole percent".into())
}

fn benchmarks(arguments: &Arguments) -> Vec<Benchmark> {
    match (arguments.dataset, arguments.quick) {
        (Some(benchmark), _) => vec![benchmark],
        (None, true) => vec![Benchmark::SYSU],
        (None, false) => Benchmark::all().collect(),
    }
}

fn data(arguments: &Arguments, benchmark: Benchmark) -> Option<PathBuf> {
    Some(arguments.data_root.join(benchmark.title())).filter(|path| path.is_dir())
}

/// Every training that the arguments ask for, the whole methods first.
fn cells(arguments: &Arguments, published: &Published) -> Result<Vec<Cell>, Failure> {
    let known: Vec<&str> = methods().collect();
    if let Some(wrong) = arguments.only.iter().find(|name| !known.contains(&name.as_str())) {
        return Err(format!("there is no method '{wrong}'; there are {}", known.join(", ")).into());
    }
    let is_wanted = |method: &str| arguments.only.is_empty() || arguments.only.iter().any(|name| name == method);
    let mut variants: Vec<Variant<'_>> =
        known.iter().filter(|method| is_wanted(method)).map(|&method| Variant { method, ablation: None }).collect();
    if arguments.ablations || !arguments.variants.is_empty() {
        for &method in known.iter().filter(|method| is_wanted(method)) {
            let is_asked = |key: &String| arguments.variants.is_empty() || arguments.variants.contains(key);
            let asked = published.ablations(method).filter(|ablation| is_asked(&ablation.key));
            variants.extend(asked.map(|ablation| Variant { method, ablation: Some(ablation) }));
        }
    }
    if let Some(wrong) = arguments.variants.iter().find(|key| !variants.iter().any(|known| known.key() == *key)) {
        return Err(format!("no method that is asked for has an ablation '{wrong}'").into());
    }
    let mut cells = Vec::new();
    for benchmark in benchmarks(arguments) {
        let data = data(arguments, benchmark);
        // A synthetic world has ten trials too; one is enough for a picture.
        let trials = if data.is_some() { benchmark.trials() } else { 1..=1 };
        let worlds = if data.is_some() { &[WORLD][..] } else { arguments.world_seeds.as_slice() };
        for variant in &variants {
            let shares = worlds.iter().flat_map(|world| arguments.unpaired.iter().map(move |share| (world, share)));
            let runs = shares.flat_map(|of| arguments.seeds.iter().map(move |seed| (of, seed)));
            for ((&world_seed, &unpaired), &seed, trial) in
                runs.flat_map(|(of, seed)| trials.clone().map(move |trial| (of, seed, trial)))
            {
                cells.push(Cell {
                    method: variant.method.to_string(),
                    variant: variant.key().to_string(),
                    layers: variant.ablation.map(|ablation| ablation.layers.clone()).unwrap_or_default(),
                    overrides: variant.ablation.map(|ablation| ablation.set.clone()).unwrap_or_default(),
                    benchmark,
                    seed,
                    trial,
                    data: data.clone(),
                    world_seed,
                    unpaired,
                    quick: arguments.quick,
                    device: arguments.device.clone(),
                });
            }
        }
    }
    Ok(cells)
}

/// A method, whole or with one of its ablations.
struct Variant<'a> {
    method: &'a str,
    ablation: Option<&'a Ablation>,
}

impl Variant<'_> {
    fn key(&self) -> &str {
        self.ablation.map_or("", |ablation| &ablation.key)
    }
}

/// Trains one cell in this process and writes its record.
pub fn one(cell: &Cell) -> Result<ExitCode, Failure> {
    match work::train_here(cell)? {
        true => Ok(ExitCode::SUCCESS),
        false => Ok(ExitCode::from(vireid::EXIT_INTERRUPTED)),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn planned(words: &str) -> Result<Vec<String>, String> {
        let words = format!("x --data-root /nowhere {words}");
        let line = Line::try_parse_from(words.split_whitespace()).map_err(|error| error.to_string())?;
        let cells = cells(&line.arguments, &Published::read().unwrap()).map_err(|error| error.to_string())?;
        Ok(cells.iter().map(|cell| cell.place().display().to_string()).collect())
    }

    #[test]
    fn what_is_trained() {
        let quick = planned("--quick").unwrap();
        assert_eq!((quick.len(), quick[0].as_str()), (18, "synthetic-sysu/mbccm-s0"));
        assert_eq!(planned("").unwrap().len(), 54);
        assert_eq!(
            planned("--quick --only mmm --seeds 4 --variants baseline").unwrap(),
            ["synthetic-sysu/mmm-s4", "synthetic-sysu/mmm-baseline-s4"]
        );
        let regdb = planned("--only mult,mmm --dataset regdb --seeds 0,1").unwrap();
        assert!(regdb.len() == 4 && regdb[0] == "synthetic-regdb/mult-s0-t1", "{regdb:?}");
        let llcm = planned("--only ecul --dataset llcm --seeds 0").unwrap();
        assert_eq!(llcm, ["synthetic-llcm/ecul-s0"]);
        assert!(planned("--quick --ablations").unwrap().len() > 15 + 3 * 15);
        let study = "--quick --only dmic,ecul --variants in-batch,even,summary,counts --world-seeds 41,42,43";
        let study = planned(study).unwrap();
        assert_eq!(study.len(), 6 * 3 * 3);
        assert_eq!(
            (study[0].as_str(), study[8].as_str()),
            ("synthetic-sysu-world41/dmic-s0", "synthetic-sysu-world43/dmic-s2")
        );
        assert!(study.contains(&"synthetic-sysu-world42/dmic-summary-s1".to_string()));
        let unpaired = planned("--quick --only mmm --seeds 0 --unpaired 0,0.25,1").unwrap();
        assert_eq!(
            unpaired,
            ["synthetic-sysu/mmm-s0", "synthetic-sysu-unpaired25/mmm-s0", "synthetic-sysu-unpaired100/mmm-s0"]
        );
        for wrong in ["1.5", "0.251", "0.004", "-0.5", "NaN"] {
            assert!(planned(&format!("--quick --unpaired={wrong}")).unwrap_err().contains("from 0 to 1"), "{wrong}");
        }
    }

    #[test]
    fn every_ablation_is_a_valid_configuration() {
        let published = Published::read().unwrap();
        for ablation in published.all_ablations() {
            for preset in ["sysu_quick", "regdb_quick", "llcm_quick", "sysu_paper", "regdb_paper", "llcm_paper"] {
                let whole = vireid_methods::preset(&format!("{}_{preset}", ablation.method), &[]).unwrap();
                let layers: String = ablation.layers.iter().map(|layer| format!("+{layer}")).collect();
                let changed =
                    vireid_methods::preset(&format!("{}{layers}", whole.engine.preset), &ablation.set).unwrap();
                assert_ne!(whole.hash(), changed.hash(), "{} {}", ablation.method, ablation.key);
            }
        }
    }

    /// The tables name methods and data sets as those are named that are trained.
    #[test]
    fn the_tables_know_what_is_trained() {
        let published = Published::read().unwrap();
        assert_eq!(published.methods().collect::<Vec<_>>(), methods().collect::<Vec<_>>());
        let in_tables = xtask::reproduce::Benchmark::all()
            .map(|benchmark| (benchmark.name(), benchmark.title(), benchmark.searches().to_vec()));
        let trained = Benchmark::all().map(|benchmark| (benchmark.name(), benchmark.title(), benchmark.searches()));
        assert_eq!(in_tables.collect::<Vec<_>>(), trained.collect::<Vec<_>>());
    }

    #[test]
    fn unknown_names_are_refused() {
        assert!(planned("--only magic").unwrap_err().contains("there are mbccm"));
        assert!(planned("--only mmm --variants fixed").unwrap_err().contains("'fixed'"));
        assert!(planned("--dataset market").unwrap_err().contains("sysu"));
    }
}
