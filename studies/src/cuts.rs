//! Clustering parameters that are chosen without labels, beside fixed ones and the best in hindsight, on worlds unlike one another.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use clap::Args;
use serde::Serialize;
use vireid::{ProgressObserver, open_images};
use vireid_clustering::{Expansion, JaccardEncoding, NeighbourGraph, Neighbourhood, dbscan};
use vireid_core::{Embeddings, Identity, Infrared, Modality, ModalityTag, PerModality, Visible};
use vireid_data::readers::read_manifest;
use vireid_eval::quality::adjusted_rand_index;
use vireid_methods::parts::auto::CutSettings;
use vireid_methods::parts::joint::{JointClustering, joint_origins};
use vireid_methods::parts::within::Within;
use vireid_methods::{
    Auto, CheckpointKind, NeighbourSearch, Session, SessionOptions, Spread, TrainedNetwork, TrainingImages,
    parse_device, preset, registry,
};

use crate::unlike::{self, UnlikeWorld};

/// Fixed parameters that are tried: numbers of neighbours within a modality and of both together, radii, core samples.
const K1: [usize; 6] = [6, 10, 14, 20, 30, 45];
const JOINT_K1: [usize; 5] = [8, 16, 24, 36, 48];
const EPS: [f64; 10] = [0.31, 0.36, 0.41, 0.46, 0.51, 0.56, 0.61, 0.66, 0.71, 0.76];
const MIN_SAMPLES: [usize; 2] = [2, 4];
/// Most neighbours that are averaged within a modality: the quick presets'.
const K2: usize = 4;

#[derive(Debug, Args)]
pub struct Arguments {
    /// File to write the report to
    #[arg(long, default_value = "docs/results/cuts.json")]
    pub out: PathBuf,
    /// Added to the worlds' seeds: worlds of other people and cameras, of the same kinds. The score was chosen with 0
    #[arg(long, default_value_t = 100)]
    shift: u64,
    /// Only these worlds, by name [default: all]
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
}

/// Fixed parameters: k1, radius, core samples.
type Fixed = (usize, f64, usize);

/// One clustering: of a world's images at a moment.
#[derive(Debug, Serialize)]
struct Row {
    world: String,
    moment: &'static str,
    /// `visible`, `infrared`, or `joint` for both together with balanced neighbours.
    images: &'static str,
    /// Adjusted Rand index of the chosen clusters with the identities; noise counts as clusters of one.
    chosen_ari: f64,
    /// What was chosen.
    chosen: BTreeMap<&'static str, f64>,
    /// The best of the fixed parameters for these images, which only the identities can tell.
    best_ari: f64,
    best: Fixed,
    /// The quick presets' (for `joint` BMIL's).
    preset_ari: f64,
    /// Of every fixed k1, radius and core samples.
    #[serde(skip)]
    fixed: Vec<(Fixed, f64)>,
}

/// One contestant over the clusterings of a kind.
#[derive(Debug, Serialize)]
struct Summary {
    images: &'static str,
    contestant: String,
    ari: Spread,
    /// How much lower than the best fixed parameters of the same images, in the mean and at worst.
    below_best: f64,
    at_worst: f64,
}

#[derive(Serialize)]
struct Report {
    title: &'static str,
    synthetic: bool,
    command: String,
    worlds: Vec<String>,
    moments: &'static str,
    std: &'static str,
    rows: Vec<Summary>,
    clusterings: Vec<Row>,
}

type Failure = Box<dyn std::error::Error>;

/// Clusters every world's training images and writes the report.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let scratch = tempfile::tempdir()?;
    let mut rows = Vec::new();
    let is_wanted =
        |world: &&UnlikeWorld| arguments.only.is_empty() || arguments.only.iter().any(|name| name == world.name);
    let worlds: Vec<UnlikeWorld> = unlike::WORLDS
        .iter()
        .filter(is_wanted)
        .map(|world| UnlikeWorld { seed: world.seed + arguments.shift, ..*world })
        .collect();
    for world in &worlds {
        eprintln!("{} (seed {})", world.name, world.seed);
        let root = PathBuf::from("data/synthetic/unlike").join(arguments.shift.to_string());
        let manifest = unlike::draw(world, &root).map_err(|error| error as Failure)?;
        for (moment, epochs) in [("untrained", "stage1.epochs=0"), ("stage 1", "stage1.epochs=5")] {
            let out = scratch.path().join(format!("{}-{epochs}", world.name));
            rows.extend(of_moment(world, moment, epochs, &manifest, &out)?);
        }
    }
    let summary = summaries(&rows);
    for line in &summary {
        println!(
            "{:<9} {:<28} ARI {:.3} ± {:.3}, below the best {:.3}, at worst {:.3}",
            line.images, line.contestant, line.ari.mean, line.ari.std, line.below_best, line.at_worst
        );
    }
    let only = if arguments.only.is_empty() { String::new() } else { format!(" --only {}", arguments.only.join(",")) };
    let report = Report {
        title: "Clustering parameters chosen without labels, synthetic worlds: no statement about real data",
        synthetic: true,
        command: format!("cargo xtask cuts --shift {}{only} --out {}", arguments.shift, arguments.out.display()),
        worlds: worlds.iter().map(|world| format!("{world:?}")).collect(),
        moments: "the small network untrained, and after the first stage of mbccm_sysu_quick, trained on each world",
        std: "sample standard deviation over worlds and moments",
        rows: summary,
        clusterings: rows,
    };
    arguments.out.parent().map_or(Ok(()), std::fs::create_dir_all)?;
    std::fs::write(&arguments.out, serde_json::to_string_pretty(&report)? + "\n")?;
    Ok(())
}

/// What the contestants found of the same images.
struct Found {
    chosen_ari: f64,
    chosen: Vec<(&'static str, f64)>,
    preset_ari: f64,
    fixed: Vec<(Fixed, f64)>,
}

/// The training images of a world as a network sees them at a moment, and who is on them.
struct Seen {
    embeddings: PerModality<Embeddings>,
    truth: PerModality<Vec<Identity>>,
    images: TrainingImages,
}

fn of_moment(
    world: &UnlikeWorld,
    moment: &'static str,
    epochs: &str,
    manifest: &Path,
    out: &Path,
) -> Result<Vec<Row>, Failure> {
    let seen = seen(epochs, manifest, out)?;
    let row = |(images, Found { chosen_ari, chosen, preset_ari, fixed })| {
        let best = fixed.iter().copied().max_by(|a: &(Fixed, f64), b| a.1.total_cmp(&b.1));
        let (best, best_ari) = best.unwrap_or(((0, 0.0, 0), 0.0));
        let chosen = chosen.into_iter().collect();
        Row { world: world.name.into(), moment, images, chosen_ari, chosen, best_ari, best, preset_ari, fixed }
    };
    let visible = within::<Visible>(&seen)?;
    let infrared = within::<Infrared>(&seen)?;
    let joint = jointly(&seen)?;
    Ok([("visible", visible), ("infrared", infrared), ("joint", joint)].into_iter().map(row).collect())
}

const CHOSEN: CutSettings = CutSettings { k1: Auto::CHOSEN, eps: Auto::CHOSEN, min_samples: Auto::CHOSEN };

fn seen(epochs: &str, manifest: &Path, out: &Path) -> Result<Seen, Failure> {
    let config = preset("mbccm_sysu_quick", &[epochs.into(), "stage2.epochs=0".into(), "evaluation.every=100".into()])?;
    let device = parse_device("cpu")?;
    let images = open_images(read_manifest(manifest)?, &config, false)?;
    let options = SessionOptions { config: config.clone(), out: out.into(), resume: false, device: "cpu".into() };
    let mut session = Session::open(options, registry::build(&config)?, images.clone())?;
    session.train(&mut ProgressObserver::new(), &AtomicBool::new(false))?;
    let trained = TrainedNetwork::open(out, CheckpointKind::Last, device)?;
    let embed = |modality: Modality| trained.extract(images.train.get(modality), modality, true, |_| ());
    let embeddings = PerModality { visible: embed(Modality::Visible)?, infrared: embed(Modality::Infrared)? };
    let truth = images.train.as_ref().map(|list| list.samples().iter().filter_map(|s| s.identity).collect::<Vec<_>>());
    Ok(Seen { embeddings, truth, images })
}

/// One modality on its own.
fn within<M: ModalityTag>(seen: &Seen) -> Result<Found, Failure> {
    let (rows, truth) = (seen.embeddings.get(M::MODALITY), seen.truth.get(M::MODALITY));
    let device = parse_device("cpu")?;
    let cut = |cut| Within { cut, expansion: Expansion::Mean { k2: K2 }, search: NeighbourSearch::Host };
    let chosen = cut(CHOSEN).run::<M>(rows, 0, "", &device)?;
    let preset = CutSettings { k1: Auto::Value(20), eps: Auto::Value(0.5), min_samples: Auto::Value(4) };
    // A preset that finds nothing agrees with nothing.
    let of_preset = cut(preset).run::<M>(rows, 0, "", &device).map_or(0.0, |found| ari(&found.labels.indices(), truth));
    let mut fixed = Vec::new();
    for k1 in K1 {
        let encoding = JaccardEncoding::new(rows, k1, &Expansion::Mean { k2: K2.min((k1 / 4).max(1)) })?;
        fixed.extend(cuts(&encoding, k1, truth)?);
    }
    let chosen_ari = ari(&chosen.labels.indices(), truth);
    Ok(Found { chosen_ari, chosen: chosen.chosen, preset_ari: of_preset, fixed })
}

/// Every radius and number of core samples of an encoding.
fn cuts(encoding: &JaccardEncoding, k1: usize, truth: &[Identity]) -> Result<Vec<(Fixed, f64)>, Failure> {
    let mut all = Vec::new();
    for eps in EPS {
        let graph = NeighbourGraph::from_jaccard(encoding, eps)?;
        for min_samples in MIN_SAMPLES {
            all.push(((k1, eps, min_samples), ari(&dbscan(&graph, min_samples)?, truth)));
        }
    }
    Ok(all)
}

/// Both modalities together, with balanced neighbours: chosen, BMIL's preset, and every fixed cut. Of the larger modality as many
/// images take part as the smaller one has, every so-manieth.
fn jointly(seen: &Seen) -> Result<Found, Failure> {
    let least = seen.embeddings.visible.rows().min(seen.embeddings.infrared.rows());
    let spread = |rows: usize| (0..least).map(|place| place * rows / least.max(1)).collect::<Vec<usize>>();
    let taken = seen.embeddings.as_ref().map(|rows| spread(rows.rows()));
    let embeddings = PerModality {
        visible: seen.embeddings.visible.select(&taken.visible),
        infrared: seen.embeddings.infrared.select(&taken.infrared),
    };
    let of = |modality: Modality| {
        let (taken, samples) = (taken.get(modality), seen.images.train.get(modality).samples());
        taken.iter().map(|&place| (samples[place].camera, seen.truth.get(modality)[place])).unzip()
    };
    let (visible_cameras, visible_truth): (Vec<_>, Vec<Identity>) = of(Modality::Visible);
    let (infrared_cameras, infrared_truth): (Vec<_>, Vec<Identity>) = of(Modality::Infrared);
    let truth = [visible_truth, infrared_truth].concat();
    let origins = joint_origins(&PerModality { visible: visible_cameras, infrared: infrared_cameras });
    let neighbourhood = Neighbourhood::Balanced { origins: &origins };
    let device = parse_device("cpu")?;
    let clustering = |cut| JointClustering { cut, neighbourhood, search: NeighbourSearch::Host };
    let chosen = clustering(CHOSEN).run(&embeddings, |k1| Expansion::Mean { k2: (k1 / 4).max(1) }, &device)?;
    let both = |labels: &PerModality<Vec<Option<usize>>>| [&labels.visible[..], &labels.infrared[..]].concat();
    let preset = CutSettings { k1: Auto::Value(48), eps: Auto::Value(0.5), min_samples: Auto::Value(4) };
    let of_preset = clustering(preset).run(&embeddings, |_| Expansion::Mean { k2: 30 }, &device)?;
    let dim = embeddings.visible.dim();
    let all =
        Embeddings::new([embeddings.visible.as_slice(), embeddings.infrared.as_slice()].concat(), 2 * least, dim)?;
    let mut fixed = Vec::new();
    for k1 in JOINT_K1 {
        let expansion = Expansion::Mean { k2: k1 / 4 };
        fixed.extend(cuts(&JaccardEncoding::in_neighbourhood(&all, k1, &neighbourhood, &expansion)?, k1, &truth)?);
    }
    let (chosen_ari, preset_ari) = (ari(&both(&chosen.labels), &truth), ari(&both(&of_preset.labels), &truth));
    Ok(Found { chosen_ari, chosen: chosen.chosen, preset_ari, fixed })
}

/// Agreement with the identities. Left out, noise would make the smallest radius look best: noise counts as clusters of one.
fn ari(labels: &[Option<usize>], truth: &[Identity]) -> f64 {
    let clusters = labels.iter().flatten().max().map_or(0, |largest| largest + 1);
    let alone = |(image, label): (usize, &Option<usize>)| label.unwrap_or(clusters + image);
    adjusted_rand_index(&labels.iter().enumerate().map(alone).collect::<Vec<usize>>(), truth)
}

fn summaries(rows: &[Row]) -> Vec<Summary> {
    let mut lines = Vec::new();
    for images in ["visible", "infrared", "joint"] {
        let of: Vec<&Row> = rows.iter().filter(|row| row.images == images).collect();
        let mut add = |contestant: String, values: Vec<f64>| {
            let below: Vec<f64> = of.iter().zip(&values).map(|(row, value)| row.best_ari - value).collect();
            let in_thousandths = |value: f64| (1000.0 * value).round() / 1000.0;
            let below_best = in_thousandths(below.iter().sum::<f64>() / below.len().max(1) as f64);
            let at_worst = in_thousandths(below.iter().copied().fold(f64::NEG_INFINITY, f64::max));
            lines.push(Summary { images, contestant, ari: Spread::of(&values), below_best, at_worst });
        };
        add("chosen at every clustering".into(), of.iter().map(|row| row.chosen_ari).collect());
        add("the preset's".into(), of.iter().map(|row| row.preset_ari).collect());
        let mean = |fixed: usize| of.iter().map(|row| row.fixed[fixed].1).sum::<f64>();
        let count = of.first().map_or(0, |row| row.fixed.len());
        if let Some(best) = (0..count).max_by(|&a, &b| mean(a).total_cmp(&mean(b))) {
            let (k1, eps, min_samples) = of[0].fixed[best].0;
            let name = format!("fixed, best of all worlds: {k1}, {eps}, {min_samples}");
            add(name, of.iter().map(|row| row.fixed[best].1).collect());
        }
        add("best of each, in hindsight".into(), of.iter().map(|row| row.best_ari).collect());
    }
    lines
}
