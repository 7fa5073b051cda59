//! Query expansions compared on worlds with strong camera bias: how well do joint clusters agree with the identities?
//!
//! The embeddings are those that a joint clustering meets first: of a network after ECUL's first stage, trained on each
//! world, which no expansion has touched.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use clap::Args;
use serde::Serialize;
use vireid::{ProgressObserver, draw_world, open_images};
use vireid_clustering::{Expansion, Neighbourhood};
use vireid_core::{Identity, Modality, PerModality};
use vireid_data::readers::read_sysu;
use vireid_data::synthetic::WorldSpec;
use vireid_eval::quality::joint_label_quality;
use vireid_methods::Auto;
use vireid_methods::ecul::EmccVariant;
use vireid_methods::parts::auto::CutSettings;
use vireid_methods::parts::joint::{JointClustering, JointClusters, joint_origins};
use vireid_methods::{
    CheckpointKind, NeighbourSearch, Session, SessionOptions, Spread, TrainedNetwork, parse_device, preset, registry,
};

/// Radii tried; the best of an expansion on a world counts, so that none suffers from a radius made for another.
const EPS: [f64; 10] = [0.2, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7];
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

#[derive(Debug, Args)]
pub struct Arguments {
    /// File to write the report to
    #[arg(long, default_value = "docs/results/expansions.json")]
    pub out: PathBuf,
    /// Seeds of the worlds that every expansion is tried on
    #[arg(long, value_delimiter = ',', default_values_t = [21, 22, 23, 24, 25, 26, 27, 28, 29, 30])]
    world_seeds: Vec<u64>,
    /// Value of the worlds' camera dial
    #[arg(long, default_value_t = 0.8)]
    camera: f64,
    /// Numbers of neighbours: ranked, considered, and the second count of the variants that have one; may be repeated
    #[arg(long = "counts", value_name = "K1,K2,K3", value_parser = counts, default_values = ["60,30,6"])]
    counts: Vec<[usize; 3]>,
}

fn counts(text: &str) -> Result<[usize; 3], String> {
    let numbers: Result<Vec<usize>, _> = text.split(',').map(|number| number.trim().parse()).collect();
    numbers.ok().and_then(|numbers| numbers.try_into().ok()).ok_or_else(|| "three numbers, such as 60,30,6".into())
}

/// One expansion at one radius on one world.
#[derive(Debug, Clone, Copy, Serialize)]
struct Found {
    eps: f64,
    /// Adjusted Rand index over all images; noise counts as clusters of one.
    ari: f64,
    pair_precision: f64,
    pair_recall: f64,
    clusters: usize,
    clusters_of_both: usize,
    noise: usize,
}

#[derive(Serialize)]
struct Row {
    expansion: &'static str,
    neighbours: String,
    ari: Spread,
    pair_precision: Spread,
    pair_recall: Spread,
    /// Share of the clusters that hold images of both modalities.
    association_rate: Spread,
    best_by_world: Vec<Found>,
    /// World by world, radius by radius.
    all: Vec<Vec<Found>>,
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
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let camera = arguments.camera;
    let contestants: Vec<_> =
        arguments.counts.iter().flat_map(|counts| VARIANTS.iter().map(move |variant| (*counts, variant))).collect();
    let mut spec = WorldSpec::sysu();
    spec.dials.camera = camera;
    let config = preset("ecul_sysu_quick", &["stage2.epochs=0".into()])?;
    let device = parse_device("cpu")?;
    let scratch = std::env::temp_dir().join(format!("vireid-expansions-{}", std::process::id()));
    let mut found = vec![Vec::new(); contestants.len()];
    for &seed in &arguments.world_seeds {
        eprintln!("world {seed}");
        let root = PathBuf::from("data/synthetic").join(format!("sysu-{seed}-camera{camera}"));
        draw_world(&root, seed, &spec)?;
        let images = open_images(read_sysu(&root)?, &config, false)?;
        let options = SessionOptions {
            config: config.clone(),
            out: scratch.join(seed.to_string()),
            resume: false,
            device: "cpu".into(),
        };
        let out = options.out.clone();
        let mut session = Session::open(options, registry::build(&config)?, images.clone())?;
        session.train(&mut ProgressObserver::new(), &AtomicBool::new(false))?;
        let trained = TrainedNetwork::open(&out, CheckpointKind::Last, device.clone())?;
        let embed = |modality: Modality| trained.extract(images.train.get(modality), modality, true, |_| ());
        let embeddings = PerModality { visible: embed(Modality::Visible)?, infrared: embed(Modality::Infrared)? };
        let lists = images.train.as_ref().map(|list| list.samples());
        let cameras = lists.map(|samples| samples.iter().map(|sample| sample.camera).collect::<Vec<_>>());
        let truth =
            images.train.as_ref().map(|list| list.samples().iter().filter_map(|s| s.identity).collect::<Vec<_>>());
        let origins = joint_origins(&cameras);
        for (number, &([k1, k2, k3], (_, variant))) in contestants.iter().enumerate() {
            let expansion: Expansion<'_> = variant.expansion(k2, k3, &origins);
            let at = |eps: f64| {
                let clustering = JointClustering {
                    cut: CutSettings { k1: Auto::Value(k1), eps: Auto::Value(eps), min_samples: Auto::Value(4) },
                    neighbourhood: Neighbourhood::Plain,
                    search: NeighbourSearch::Host,
                };
                Ok(measure(&clustering.run(&embeddings, |_| expansion, &device)?, &truth, eps))
            };
            found[number].push(EPS.into_iter().map(at).collect::<Result<Vec<Found>, Failure>>()?);
        }
    }
    std::fs::remove_dir_all(&scratch)?;
    let row = |(&(counts, (expansion, _)), found): (&([usize; 3], &(&'static str, EmccVariant)), _)| {
        Row::of(expansion, counts, found)
    };
    let rows: Vec<Row> = contestants.iter().zip(found).map(row).collect();
    for row in &rows {
        println!(
            "{:<22} {:<9} ARI {:.3} ± {:.3}  cross-modality pairs: precision {:.3} ± {:.3}, recall {:.3} ± {:.3}  clusters of both {:.3}",
            row.expansion,
            row.neighbours,
            row.ari.mean,
            row.ari.std,
            row.pair_precision.mean,
            row.pair_precision.std,
            row.pair_recall.mean,
            row.pair_recall.std,
            row.association_rate.mean,
        );
    }
    let seeds = arguments.world_seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
    let counts =
        arguments.counts.iter().map(|[k1, k2, k3]| format!("--counts {k1},{k2},{k3}")).collect::<Vec<_>>().join(" ");
    let out = &arguments.out;
    let report = Report {
        title: "Joint clusters under different query expansions, synthetic worlds: no statement about real data",
        synthetic: true,
        command: format!(
            "cargo xtask expansions --world-seeds {seeds} --camera {camera} {counts} --out {}",
            out.display()
        ),
        world: format!("sysu: {spec:?}"),
        embeddings: "the small network's after the first stage of ecul_sysu_quick, trained on each world",
        settings: format!("min_samples 4; for each world and expansion the radius of {EPS:?} with the highest ARI"),
        std: "sample standard deviation over worlds",
        world_seeds: arguments.world_seeds.clone(),
        rows,
    };
    out.parent().map_or(Ok(()), std::fs::create_dir_all)?;
    std::fs::write(out, serde_json::to_string(&report)? + "\n")?;
    Ok(())
}

impl Row {
    fn of(expansion: &'static str, [k1, k2, k3]: [usize; 3], all: Vec<Vec<Found>>) -> Self {
        let best = |of_world: &Vec<Found>| of_world.iter().copied().max_by(|a, b| a.ari.total_cmp(&b.ari));
        let best_by_world: Vec<Found> = all.iter().filter_map(best).collect();
        let spread = |of: &dyn Fn(&Found) -> f64| Spread::of(&best_by_world.iter().map(of).collect::<Vec<f64>>());
        Self {
            expansion,
            neighbours: format!("{k1}, {k2}, {k3}"),
            ari: spread(&|f| f.ari),
            pair_precision: spread(&|f| f.pair_precision),
            pair_recall: spread(&|f| f.pair_recall),
            association_rate: spread(&|f| f.clusters_of_both as f64 / f.clusters.max(1) as f64),
            best_by_world,
            all,
        }
    }
}

fn measure(joint: &JointClusters, truth: &PerModality<Vec<Identity>>, eps: f64) -> Found {
    let clusters = joint.centroids.rows();
    let mut noise = 0;
    // Left out, noise would make the smallest radius look best: hardly anything labelled, all of it right.
    let mut with_singletons = |labels: &Vec<Option<usize>>| {
        let label = |label: &Option<usize>| {
            label.or_else(|| {
                noise += 1;
                Some(clusters + noise)
            })
        };
        labels.iter().map(label).collect::<Vec<_>>()
    };
    let PerModality { visible, infrared } = &joint.labels;
    let labels = PerModality { visible: with_singletons(visible), infrared: with_singletons(infrared) };
    let quality = joint_label_quality(labels.as_ref().map(Vec::as_slice), truth.as_ref().map(Vec::as_slice));
    Found {
        eps,
        ari: quality.ari,
        pair_precision: quality.pair_precision.unwrap_or(0.0),
        pair_recall: quality.pair_recall.unwrap_or(0.0),
        clusters,
        clusters_of_both: joint.clusters_of_both,
        noise,
    }
}
