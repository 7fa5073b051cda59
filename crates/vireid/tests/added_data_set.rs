//! A data set that this project does not have, added from outside: one entry, one call. `docs/adding-a-data-set.md` follows it.

// A test that meets an unexpected error should stop right there.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use burn::module::Module;
use vireid::{DataKind, DataSource, SourceArguments, TrainingOptions, train};
use vireid_core::{Camera, Embeddings, Identity, PerModality, Streams};
use vireid_data::synthetic::{HEIGHT, WIDTH, World, WorldSpec};
use vireid_data::{DataError, Dataset, Names, Sample, TestSplit};
use vireid_eval::rank_metrics::rank_metrics;
use vireid_eval::{Annotations, CmcRule, Distances, EvalError, Protocol, Score};
use vireid_methods::data_sets::{Counts, DataSet, Layout, PartCounts, REGDB, register};
use vireid_methods::{TrainingImages, build_network, evaluate, parse_devices, presets};

const PEOPLE: usize = 12;
const IMAGES: usize = 3;

/// What is at the gate by night asks who came by day; by day nobody asks.
#[derive(Debug)]
struct GateProtocol;

impl Protocol for GateProtocol {
    fn name(&self) -> &'static str {
        "Gate"
    }

    fn searches(&self) -> &[&'static str] {
        &["night-to-day"]
    }

    fn score_by(
        &self,
        visible: &Embeddings,
        on_visible: &Annotations,
        infrared: &Embeddings,
        on_infrared: &Annotations,
        _trials: u32,
        distances: &dyn Distances,
    ) -> Result<Vec<Score>, EvalError> {
        let distances = distances.between(infrared, visible)?;
        let (asking, answers) = (&on_infrared.identities, &on_visible.identities);
        let found = rank_metrics(&distances, asking, answers, CmcRule::Images, 20, |_, _| false)?;
        Ok(vec![Score::of("night-to-day", &[found])])
    }
}

/// `gate.txt` has the number of people to train on; images are `day/<person>-<n>.png` and `night/<person>-<n>.png`.
fn read_gate(root: &Path, _trial: u32) -> Result<Dataset, DataError> {
    let list = root.join("gate.txt");
    let text = fs::read_to_string(&list).map_err(|_| DataError::MissingPart {
        dataset: "Gate",
        path: list.clone(),
        hint: "see its page",
    })?;
    let malformed = |_| DataError::MalformedList { path: list.clone(), line: 1, reason: "expected a number".into() };
    let trained: u32 = text.trim().parse().map_err(malformed)?;
    let samples = |folder: &str, camera: u16, people: std::ops::Range<u32>| -> Vec<Sample> {
        let of = |person: u32| (0..IMAGES).map(move |number| (person, format!("{person}-{number}.png")));
        let sample = |(person, name): (u32, String)| Sample {
            path: root.join(folder).join(name),
            identity: Some(Identity(person)),
            camera: Camera(camera),
        };
        people.flat_map(of).map(sample).collect()
    };
    let both = |people: std::ops::Range<u32>| PerModality {
        visible: samples("day", 1, people.clone()),
        infrared: samples("night", 2, people),
    };
    Ok(Dataset {
        name: "Gate".into(),
        synthetic: true,
        train: both(0..trained),
        test: TestSplit::new(GateProtocol, both(trained..PEOPLE as u32)),
        names: Names::default(),
        notes: Vec::new(),
    })
}

const PART: PartCounts = PartCounts { identities: 6, images: PerModality { visible: 18, infrared: 18 } };

static GATE: DataSet = DataSet {
    name: "gate",
    title: "Gate",
    preset: "gate",
    is_licensed: false,
    layout: Layout::new("gate", "Crops of a gate", |path| path.join("gate.txt").exists(), read_gate),
    other_layouts: &[],
    protocol: || Arc::new(GateProtocol),
    published: Some(Counts { cameras: 2, train: PART, test: PART }),
    presets: &[
        ("gate_quick", "# Few people.\n[sampler]\n# Clusters per batch (P).\nclusters = 3\n"),
        ("mbccm_gate_quick", "[[stages]]\n# Steps per epoch.\niterations = 7\n"),
    ],
    card: "docs/data/gate.md",
    stand_in: None,
};

fn draw(root: &Path) {
    let world = World::regdb(3, PEOPLE, WorldSpec::regdb().dials);
    for (camera, folder) in ["day", "night"].into_iter().enumerate() {
        fs::create_dir_all(root.join(folder)).unwrap();
        for (person, number) in (0..PEOPLE).flat_map(|person| (0..IMAGES).map(move |number| (person, number))) {
            let pixels = world.draw(person, camera, number).unwrap();
            let path = root.join(folder).join(format!("{person}-{number}.png"));
            image::save_buffer(path, &pixels, WIDTH as u32, HEIGHT as u32, image::ExtendedColorType::Rgb8).unwrap();
        }
    }
    fs::write(root.join("gate.txt"), "6\n").unwrap();
}

#[test]
fn an_entry_is_all_that_a_data_set_needs() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("crops");
    draw(&root);
    assert_eq!(DataKind::guess(&root), None);
    assert!(!presets().any(|name| name.contains("gate")));
    register(&GATE).unwrap();
    assert!(register(&GATE).unwrap_err().to_string().contains("'gate' already"));

    // Recognised, and on the list of kinds of data.
    let source = DataSource::new(Some(&root), None, 0, false).unwrap();
    assert_eq!((source.kind.name(), source.kind.title()), ("gate", "Gate"));
    assert_eq!(source.kind, DataKind::named("gate").unwrap());
    assert!(DataKind::all().any(|kind| kind == source.kind));
    let arguments = SourceArguments { dataset: DataKind::named("gate"), ..SourceArguments::default() };
    assert!(arguments.source().unwrap_err().to_string().contains("--data must say where Gate is"));
    assert_ne!(source.kind, DataKind::new(&REGDB));

    // Its presets: the layers of all methods and of one, over what the methods say.
    let names: Vec<String> = presets().filter(|name| name.contains("_gate_")).collect();
    assert!(
        ["mbccm_gate_paper", "mult_gate_quick", "ecul_gate_quick+counts"]
            .iter()
            .all(|name| { names.contains(&(*name).to_string()) })
    );
    let of = |name: &str| {
        let config = vireid_methods::preset(name, &[]).unwrap();
        (config.method["sampler"]["clusters"].as_integer().unwrap(), config.engine.stages[0].iterations)
    };
    let (usual, gate) = (of("mbccm_sysu_quick"), of("mbccm_gate_quick"));
    assert_eq!((gate, of("mult_gate_quick").0), ((3, 7), 3));
    assert!(usual != gate && of("mult_gate_quick").1 == of("mult_sysu_quick").1);

    // Read, and scored by its own protocol without any training.
    let config = vireid_methods::preset("mbccm_gate_quick", &[]).unwrap();
    let images = TrainingImages::open(source.open_to_train(false).unwrap(), &config.engine, false, |_, _| ()).unwrap();
    assert_eq!((images.train.visible.len(), images.test.images.infrared.len()), (18, 18));
    let devices = parse_devices("cpu").unwrap();
    let network = build_network(&config.engine.backbone, Streams::new(0), devices.first()).unwrap().valid();
    let scores = evaluate(&network, &images.test, &config.engine, &devices, |_| ()).unwrap();
    let [score] = scores.as_slice() else { panic!("one search, not {scores:?}") };
    assert_eq!((score.search.as_str(), score.queries.unwrap().of), ("night-to-day", 18));
    assert!(score.map.mean > 0.0 && score.map.mean <= 100.0, "{score:?}");

    // Planned as any other is, from its own preset.
    let options = TrainingOptions {
        out: Some(folder.path().join("run")),
        plan_only: true,
        quiet: true,
        ..TrainingOptions::default()
    };
    let plan = train("mbccm", &source, &options).unwrap().plan.unwrap();
    assert!(plan.contains("mbccm_gate_quick"), "{plan}");
}
