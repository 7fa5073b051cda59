//! Query expansions compared on worlds with strong camera bias: how well do joint clusters agree with the identities?

use std::path::{Path, PathBuf};

use serde::Serialize;
use vireid_backbone::Backbone;
use vireid_clustering::Expansion;
use vireid_core::{Embeddings, Modality, PerModality, Streams};
use vireid_data::readers::read_sysu;
use vireid_data::synthetic::WorldSpec;
use vireid_eval::quality::joint_label_quality;
use vireid_examples::draw_world;
use vireid_methods::ecul::EmccVariant;
use vireid_methods::joint::{JointClustering, joint_origins};
use vireid_methods::{NeighbourSearch, RunConfig, Spread, TrainingImages, build_network, extract, parse_device};

/// Neighbours ranked, considered, and the second count.
const K1: usize = 30;
const K2: usize = 16;
const K3: usize = 4;
/// Radii tried; the best of an expansion on a world counts, so that none suffers from a radius made for another.
const EPS: [f64; 5] = [0.4, 0.5, 0.55, 0.6, 0.65];
const VARIANTS: [(&str, EmccVariant); 8] = [
    ("plain", EmccVariant::Plain),
    ("modality-balanced", EmccVariant::Modality),
    ("modality-camera (MIE)", EmccVariant::ModalityCamera),
    ("A capped", EmccVariant::Capped),
    ("B per modality", EmccVariant::PerModality),
    ("C sequential", EmccVariant::Sequential),
    ("D side split", EmccVariant::SideSplit),
    ("E reciprocal", EmccVariant::Reciprocal),
];

#[derive(Serialize)]
struct Row {
    expansion: &'static str,
    ari: Spread,
    pair_precision: Spread,
    ari_by_world: Vec<f64>,
    eps_by_world: Vec<f64>,
}

#[derive(Serialize)]
struct Report {
    title: &'static str,
    synthetic: bool,
    command: String,
    world: String,
    embeddings: &'static str,
    settings: String,
    std: &'static str,
    world_seeds: Vec<u64>,
    rows: Vec<Row>,
}

type Failure = Box<dyn std::error::Error>;

/// Compares the expansions and writes the report.
pub fn run(out: &Path, world_seeds: &[u64], camera: f64) -> Result<(), Failure> {
    let mut spec = WorldSpec::sysu();
    spec.dials.camera = camera;
    let config = RunConfig::from_preset("ecul_sysu_quick", &[])?;
    let device = parse_device("cpu")?;
    let network = burn::module::Module::valid(&build_network(&config.backbone, Streams::new(0), &device)?);
    let mut found = vec![Vec::new(); VARIANTS.len()];
    for &seed in world_seeds {
        eprintln!("world {seed}");
        let root = PathBuf::from("data/synthetic").join(format!("sysu-{seed}-camera{camera}"));
        draw_world(&root, seed, &spec)?;
        let images = TrainingImages::open(read_sysu(&root)?, &config, false)?;
        let embed = |modality: Modality| extract_all(&network, &images, modality, &config, &device);
        let embeddings = PerModality { visible: embed(Modality::Visible)?, infrared: embed(Modality::Infrared)? };
        let lists = images.train.as_ref().map(|list| list.samples());
        let cameras = lists.map(|samples| samples.iter().map(|sample| sample.camera).collect::<Vec<_>>());
        let truth = images.train.as_ref().map(|list| list.samples().iter().map(|s| s.identity).collect::<Vec<_>>());
        let origins = joint_origins(&cameras);
        for (number, (_, variant)) in VARIANTS.iter().enumerate() {
            let expansion: Expansion<'_> = variant.expansion(K2, K3, &origins);
            let mut best: Option<(f64, f64, f64)> = None;
            for eps in EPS {
                let clustering = JointClustering { k1: K1, eps, min_samples: 4, search: NeighbourSearch::Host };
                let joint = clustering.run(&embeddings, &expansion, &device)?;
                let labels = joint.labels.as_ref().map(Vec::as_slice);
                let quality = joint_label_quality(labels, truth.as_ref().map(Vec::as_slice));
                if best.is_none_or(|best| quality.ari > best.0) {
                    best = Some((quality.ari, quality.pair_precision.unwrap_or(0.0), eps));
                }
            }
            found[number].extend(best);
        }
    }
    let rows: Vec<Row> = VARIANTS
        .iter()
        .zip(&found)
        .map(|((expansion, _), found)| {
            let column = |of: &dyn Fn(&(f64, f64, f64)) -> f64| found.iter().map(of).collect::<Vec<f64>>();
            let ari = column(&|f| f.0);
            Row {
                expansion,
                ari: Spread::of(&ari),
                pair_precision: Spread::of(&column(&|f| f.1)),
                ari_by_world: ari,
                eps_by_world: column(&|f| f.2),
            }
        })
        .collect();
    for row in &rows {
        println!(
            "{:<22} ARI {:.3} ± {:.3}  right cross-modality pairs {:.3} ± {:.3}",
            row.expansion, row.ari.mean, row.ari.std, row.pair_precision.mean, row.pair_precision.std
        );
    }
    let seeds = world_seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
    let report = Report {
        title: "Joint clusters under different query expansions, synthetic worlds: no statement about real data",
        synthetic: true,
        command: format!("cargo xtask expansions --world-seeds {seeds} --camera {camera} --out {}", out.display()),
        world: format!("sysu: {spec:?}"),
        embeddings: "the untrained small network's",
        settings: format!("k1 {K1}, k2 {K2}, k3 {K3}, min_samples 4, the best of eps {EPS:?} for each world"),
        std: "sample standard deviation over worlds",
        world_seeds: world_seeds.to_vec(),
        rows,
    };
    out.parent().map_or(Ok(()), std::fs::create_dir_all)?;
    std::fs::write(out, serde_json::to_string_pretty(&report)? + "\n")?;
    Ok(())
}

fn extract_all<B: Backbone>(
    network: &B,
    images: &TrainingImages,
    modality: Modality,
    config: &RunConfig,
    device: &burn::tensor::Device,
) -> Result<Embeddings, Failure> {
    let list = images.train.get(modality);
    Ok(extract(network, list, modality, config.clustering.batch, true, device, |_| ())?)
}
