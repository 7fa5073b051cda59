//! What each dial of the synthetic world does to the start of training: the untrained network's scores, and the clusters
//! that it finds within each modality.

use std::path::PathBuf;

use burn::module::Module;
use clap::Args;
use serde::Serialize;
use vireid::draw_world;
use vireid_core::{Modality, PerModality, Streams};
use vireid_data::readers::read_sysu;
use vireid_data::synthetic::WorldSpec;
use vireid_eval::quality::label_quality;
use vireid_methods::{
    Spread, TrainingImages, build_network, cluster, evaluate, extract, parse_devices, preset, registry,
};

/// Changes tried, one at a time; nothing is the default world.
const CHANGES: [&str; 11] = [
    "",
    "gap=0",
    "gap=0.5",
    "camera=0",
    "camera=0.8",
    "collision=0.1",
    "collision=0.3",
    "occlusion=0.1",
    "occlusion=0.3",
    "view=0",
    "view=0.4",
];

#[derive(Debug, Args)]
pub struct Arguments {
    /// File to write the report to
    #[arg(long, default_value = "docs/results/dials.json")]
    pub out: PathBuf,
    /// Seeds of the worlds that every change is tried on
    #[arg(long, value_delimiter = ',', default_values_t = [31, 32])]
    world_seeds: Vec<u64>,
}

#[derive(Serialize)]
struct Row {
    /// The dial and its value; empty for the default world.
    change: &'static str,
    /// All-search mAP of the untrained network, percent.
    map: Spread,
    /// Adjusted Rand index of the clusters of each modality.
    visible_ari: Spread,
    infrared_ari: Spread,
    /// Clusters per training identity, in each modality.
    visible_clusters: Spread,
    infrared_clusters: Spread,
}

#[derive(Serialize)]
struct Report {
    title: &'static str,
    synthetic: bool,
    command: String,
    world: String,
    std: &'static str,
    world_seeds: Vec<u64>,
    rows: Vec<Row>,
}

type Failure = Box<dyn std::error::Error>;

/// Measures every value of every dial and writes the report.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut rows = Vec::new();
    for change in CHANGES {
        let mut spec = WorldSpec::sysu();
        if !change.is_empty() {
            spec.set(change)?;
        }
        let found: Vec<[f64; 5]> =
            arguments.world_seeds.iter().map(|&seed| measure(&spec, seed)).collect::<Result<_, _>>()?;
        let column = |index: usize| Spread::of(&found.iter().map(|figures| figures[index]).collect::<Vec<_>>());
        let row = Row {
            change,
            map: column(0),
            visible_ari: column(1),
            infrared_ari: column(2),
            visible_clusters: column(3),
            infrared_clusters: column(4),
        };
        println!(
            "{change:<15}  mAP {:5.1} ± {:4.1}  ARI {:.2} and {:.2}  clusters per person {:.2} and {:.2}",
            row.map.mean,
            row.map.std,
            row.visible_ari.mean,
            row.infrared_ari.mean,
            row.visible_clusters.mean,
            row.infrared_clusters.mean
        );
        rows.push(row);
    }
    let seeds = arguments.world_seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
    let report = Report {
        title: "Dials of the synthetic world before any training: no statement about real data",
        synthetic: true,
        command: format!("cargo xtask dials --world-seeds {seeds} --out {}", arguments.out.display()),
        world: format!("sysu: {:?}, one dial changed at a time", WorldSpec::sysu()),
        std: "sample standard deviation over worlds",
        world_seeds: arguments.world_seeds.clone(),
        rows,
    };
    std::fs::write(&arguments.out, serde_json::to_string_pretty(&report)? + "\n")?;
    Ok(())
}

/// mAP, then ARI and clusters per identity of both modalities.
fn measure(spec: &WorldSpec, seed: u64) -> Result<[f64; 5], Failure> {
    let config = preset("mbccm_sysu_quick", &[])?;
    let devices = parse_devices("cpu")?;
    let device = devices.first();
    let network = build_network(&config.engine.backbone, Streams::new(0), device)?.valid();
    let folder = std::env::temp_dir().join(format!("vireid-dials-{}", std::process::id()));
    draw_world(&folder, seed, spec)?;
    let images = TrainingImages::open(read_sysu(&folder)?, &config.engine, false, |_, _| ())?;
    let embed = |modality: Modality| {
        let settings = &config.engine.extraction;
        let list = images.train.get(modality);
        extract(&network, list, modality, settings.batch, settings.flip_average, &devices, |_| ())
    };
    let embeddings = PerModality { visible: embed(Modality::Visible)?, infrared: embed(Modality::Infrared)? };
    let clusters = cluster(&embeddings, &registry::clustering(&config)?, 0, device)?;
    let truth = images.train.as_ref().map(|list| list.samples().iter().filter_map(|s| s.identity).collect::<Vec<_>>());
    let people = truth.visible.iter().collect::<std::collections::HashSet<_>>().len() as f64;
    let scores = evaluate(&network, &images.test, &config.engine, &devices, |_| ())?;
    std::fs::remove_dir_all(&folder)?;
    Ok([
        scores.first().map_or(f64::NAN, |score| score.map.mean),
        label_quality(&clusters.labels.visible, &truth.visible).ari,
        label_quality(&clusters.labels.infrared, &truth.infrared).ari,
        clusters.labels.visible.clusters() as f64 / people,
        clusters.labels.infrared.clusters() as f64 / people,
    ])
}
