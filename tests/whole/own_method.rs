//! Your own methods, made of the parts that the library has: every visible cluster goes with the infrared cluster whose
//! centroid is nearest, and both modalities share a memory. They need no change to any file of the library.

use std::sync::atomic::AtomicBool;

use burn::tensor::{Device, Tensor};
use vireid_core::{PerModality, Stream};
use vireid_data::ViewRecipes;
use vireid_data::readers::read_sysu;
use vireid_data::sampler::{StepPlan, shared_blocks, shared_labels};
use vireid_memory::MemoryBank;
use vireid_methods::epoch::{Epoch, EpochAt, Labelling};
use vireid_methods::events::{Event, Observer};
use vireid_methods::method::{Method, Outputs, Part, Stage, StageStart, StepAt, StepLoss};
use vireid_methods::parts::contrast::Contrast;
use vireid_methods::parts::contrast_step::published_recipes;
use vireid_methods::parts::lookups::BankGradient;
use vireid_methods::parts::settings::{MethodTable, read_clustering};
use vireid_methods::registry::{self, MethodEntry};
use vireid_methods::{
    Checkpoint, CheckpointKind, ClusteringSettings, MethodError, MethodState, Optimizer, Outcome, RunConfig, Session,
    SessionOptions, TrainedNetwork, TrainingImages, boxed, cluster, parse_device, parts, preset, rows_on,
};

use crate::program::world;

/// The method's own settings.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
struct NearestSettings {
    temperature: f64,
}

impl parts::settings::Checked for NearestSettings {
    fn check(&self) -> Result<(), MethodError> {
        Ok(())
    }
}

struct Nearest {
    table: MethodTable<NearestSettings, ClusteringSettings>,
    stages: usize,
    /// Whether a step's loss has fewer parts than it names.
    forgets_a_part: bool,
}

/// Labels of both modalities in the space of infrared clusters, and their memory.
struct Prepared {
    labels: PerModality<Vec<Option<usize>>>,
    memory: MemoryBank,
}

impl Method for Nearest {
    type Prepared = Prepared;

    fn name(&self) -> &str {
        "nearest"
    }

    fn stages(&self) -> Vec<Stage> {
        let stage = Stage { name: "stage", start: StageStart::Continue, optimizer: Optimizer::adam() };
        vec![stage; self.stages]
    }

    fn composition(&self) -> Vec<Part> {
        vec![Part::new("all", "associator", "nearest centroid")]
    }

    fn recipes(&self, _at: EpochAt) -> ViewRecipes {
        published_recipes(4)
    }

    fn largest_batch(&self, _at: EpochAt) -> usize {
        self.table.sampler.slots()
    }

    fn prepare(&mut self, epoch: &mut dyn Epoch) -> Result<Prepared, MethodError> {
        let embeddings = epoch.embeddings()?;
        let clusters = cluster(&embeddings, &self.table.clustering, epoch.at().epoch, epoch.device())?;
        let PerModality { visible, infrared } = &clusters.centroids;
        let product = |v: usize, i: usize| visible.row(v).iter().zip(infrared.row(i)).map(|(a, b)| a * b).sum::<f32>();
        let nearest = |v: usize| (0..infrared.rows()).max_by(|&a, &b| product(v, a).total_cmp(&product(v, b)));
        let own = clusters.labels.indices();
        let labels = PerModality {
            visible: own.visible.iter().map(|label| label.and_then(nearest)).collect(),
            infrared: own.infrared.clone(),
        };
        epoch.report(&Labelling {
            labels: own.as_ref().map(Vec::as_slice),
            joint: Some(labels.as_ref().map(Vec::as_slice)),
            ..Labelling::default()
        });
        Ok(Prepared { labels, memory: MemoryBank::new(rows_on(infrared, epoch.device()), 0.1) })
    }

    fn plan(
        &self,
        prepared: &Prepared,
        _at: EpochAt,
        steps: usize,
        stream: &mut Stream,
    ) -> Result<Vec<StepPlan>, MethodError> {
        let groups = shared_labels(&prepared.labels.visible, &prepared.labels.infrared);
        let shape = self.table.sampler.shape();
        (0..steps).map(|_| Ok(shared_blocks(&groups, shape.clusters, shape, stream)?)).collect()
    }

    fn loss_parts(&self, _at: EpochAt) -> &'static [&'static str] {
        &["visible", "infrared"]
    }

    fn step(&mut self, prepared: &mut Prepared, _at: StepAt, plan: &StepPlan, outputs: Outputs) -> StepLoss {
        let of = |labels: &[Option<usize>], positions: &[usize]| -> Vec<usize> {
            positions.iter().filter_map(|&position| labels[position]).collect()
        };
        let visible = of(&prepared.labels.visible, &plan.visible).repeat(2);
        let infrared = of(&prepared.labels.infrared, &plan.infrared);
        let labels = PerModality { visible: visible.as_slice(), infrared: infrared.as_slice() };
        let embeddings = outputs.features.map(|features| features.embedding);
        let contrast = Contrast { temperature: self.table.settings.temperature, bank_gradient: BankGradient::Snapshot };
        let loss = contrast.joint_step(&mut prepared.memory, &embeddings, labels, Box::new(MemoryBank::update));
        let parts: Tensor<1> = if self.forgets_a_part { loss.parts.narrow(0, 0, 1) } else { loss.parts };
        StepLoss { parts, ..loss }
    }

    fn state(&self, prepared: Option<&Prepared>) -> MethodState {
        let mut state = MethodState::default();
        if let Some(Prepared { labels, memory }) = prepared {
            state.put_labels("visible", &labels.visible);
            state.put_labels("infrared", &labels.infrared);
            state.put_rows("memory", &memory.rows());
        }
        state
    }

    fn restore_within(&mut self, state: &MethodState, _at: EpochAt, device: &Device) -> Option<Prepared> {
        let labels = PerModality { visible: state.labels("visible")?, infrared: state.labels("infrared")? };
        Some(Prepared { labels, memory: MemoryBank::new(state.rows("memory", device)?, 0.1) })
    }
}

/// One registry line per method: of one stage, of four, and of one that breaks its word.
const ENTRIES: [MethodEntry; 3] = [
    entry("nearest", |config| build(config, 1, false), &[("nearest_quick", ONE_STAGE)]),
    entry("nearest4", |config| build(config, 4, false), &[("nearest4_quick", FOUR_STAGES)]),
    entry("nearestbad", |config| build(config, 1, true), &[("nearestbad_quick", ONE_STAGE)]),
];

const ONE_STAGE: &str = "method = \"nearest\"\n[sampler]\nclusters = 4\ninstances = 4\n[settings]\ntemperature = 0.05\n\
    [[stages]]\nepochs = 2\niterations = 3\nlearning_rate = [{ from = 0, rate = 1e-4 }]\n";
const FOUR_STAGES: &str = "method = \"nearest\"\n[sampler]\nclusters = 4\ninstances = 4\n[settings]\ntemperature = 0.05\n\
    [[stages]]\nepochs = 1\niterations = 2\nlearning_rate = [{ from = 0, rate = 1e-5, to = 1e-4 }]\n\
    [[stages]]\nepochs = 0\niterations = 2\nlearning_rate = [{ from = 0, rate = 1e-4 }]\n\
    [[stages]]\nepochs = 1\niterations = 2\nlearning_rate = [{ from = 0, rate = 1e-4, to = 1e-5, shape = \"cosine\" }]\n\
    [[stages]]\nepochs = 1\niterations = 2\noptimizer = \"adamw\"\nlearning_rate = [{ from = 0, rate = 1e-5 }]\n";

const fn entry(
    name: &'static str,
    build: fn(&RunConfig) -> Result<Box<dyn vireid_methods::AnyMethod>, MethodError>,
    presets: &'static [(&'static str, &'static str)],
) -> MethodEntry {
    MethodEntry { name, build, presets, clustering: read_clustering }
}

fn build(
    config: &RunConfig,
    stages: usize,
    forgets_a_part: bool,
) -> Result<Box<dyn vireid_methods::AnyMethod>, MethodError> {
    Ok(boxed(Nearest { table: MethodTable::read(config)?, stages, forgets_a_part }))
}

/// The names of the stages as they begin.
#[derive(Default)]
struct Stages(Vec<usize>);

impl Observer for Stages {
    fn event(&mut self, event: &Event) {
        if let Event::Stage { first_epoch, .. } = event {
            self.0.push(*first_epoch);
        }
    }
}

fn train(name: &str, out: &std::path::Path) -> Result<(Outcome, Vec<usize>), MethodError> {
    ENTRIES.into_iter().try_for_each(registry::register)?;
    let config = preset(&format!("{name}_sysu_quick"), &["method=nearest".into()])?;
    let images = TrainingImages::open(read_sysu(world())?, &config.engine, false, |_, _| ())?;
    let entry = ENTRIES.into_iter().find(|entry| entry.name == name).unwrap();
    let method = (entry.build)(&config)?;
    let options = SessionOptions { config, out: out.into(), resume: false, device: "cpu".into() };
    let mut stages = Stages::default();
    let outcome = Session::open(options, method, images)?.train(&mut stages, &AtomicBool::new(false))?;
    Ok((outcome, stages.0))
}

#[test]
fn a_method_of_your_own_of_one_stage_and_of_four() {
    let folder = tempfile::tempdir().unwrap();
    for (name, epochs, began) in [("nearest", 2, vec![0]), ("nearest4", 3, vec![0, 1, 2])] {
        let out = folder.path().join(name);
        let (outcome, stages) = train(name, &out).unwrap();
        let Outcome::Finished(evaluations) = outcome else { panic!("nobody interrupted it") };
        assert_eq!((evaluations.last().unwrap().epochs, stages), (epochs, began), "{name}");
        let saved = Checkpoint::load(&out.join("checkpoints/last.safetensors")).unwrap();
        assert_eq!(saved.method, "nearest");
        let trained = TrainedNetwork::open(&out, CheckpointKind::Last, parse_device("cpu").unwrap()).unwrap();
        assert_eq!(trained.dim(), 128);
    }
}

/// RegDB's layer speaks of two stages, and gave a method of one a second that had steps and nothing else.
#[test]
fn presets_of_every_data_set_fit_methods_of_any_number_of_stages() {
    ENTRIES.into_iter().try_for_each(registry::register).unwrap();
    for (method, stages) in [("nearest", 1), ("nearest4", 4)] {
        for data in ["sysu", "regdb", "llcm"] {
            let config = preset(&format!("{method}_{data}_quick"), &[]).unwrap();
            assert_eq!(config.engine.stages.len(), stages, "{method} {data}");
        }
        let error = preset(&format!("{method}_sysu_paper"), &[]).unwrap_err().to_string();
        assert!(error.starts_with("VR0503"), "there is no file of that size: {error}");
    }
}

/// Its log would have put losses under each other's names.
#[test]
fn a_loss_with_other_parts_than_are_named_stops_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let error = train("nearestbad", &folder.path().join("run")).unwrap_err().to_string();
    assert!(error.starts_with("VR0523: nearest: a step's loss has 1 parts"), "{error}");
}

#[test]
fn a_run_goes_on_with_the_settings_that_it_began_with_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    train("nearest", &out).unwrap();
    let reopen = |overrides: &[&str]| {
        let overrides: Vec<String> = overrides.iter().map(ToString::to_string).collect();
        let config = preset("nearest_sysu_quick", &overrides).unwrap();
        let images = TrainingImages::open(read_sysu(world()).unwrap(), &config.engine, false, |_, _| ()).unwrap();
        let method = registry::build(&config).unwrap();
        let options = SessionOptions { config, out: out.clone(), resume: true, device: "cpu".into() };
        Session::open(options, method, images).err().map(|error| error.to_string())
    };
    assert_eq!(reopen(&[]), None);
    let error = reopen(&["stage1.epochs=5"]).unwrap();
    assert!(error.starts_with("VR0510") && error.contains("are not those of"), "{error}");
    let path = out.join("config.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("epochs = 2", "epochs = 5")).unwrap();
    let error = reopen(&["stage1.epochs=5"]).unwrap();
    assert!(error.starts_with("VR0510") && error.contains("was changed after the run began"), "{error}");
}
