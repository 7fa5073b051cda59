//! A method of one's own, from the parts that the library has: every visible cluster goes with the infrared cluster whose
//! centroid is nearest, and both modalities share a memory. It needs no change to any file of the library.

use std::sync::atomic::AtomicBool;

use burn::tensor::Device;
use vireid_core::{PerModality, Stream, Streams};
use vireid_data::ViewRecipes;
use vireid_data::readers::read_sysu;
use vireid_data::sampler::{StepPlan, shared_blocks, shared_labels};
use vireid_memory::MemoryBank;
use vireid_methods::parts::contrast::Contrast;
use vireid_methods::parts::contrast_step::published_recipes;
use vireid_methods::epoch::{Epoch, EpochAt, Labelling};
use vireid_methods::parts::lookups::BankGradient;
use vireid_methods::method::{Method, Outputs, Part, Stage, StageStart, StepLoss};
use vireid_methods::{
    Engine, MethodError, MethodState, OptimizerKind, Outcome, ProgressObserver, RunConfig, RunDir, StageSettings,
    TrainingImages, build_network, cluster, rows_on,
};

use crate::program::{TINY, world};

/// Labels of both modalities in the space of infrared clusters, and their memory.
struct Nearest {
    labels: PerModality<Vec<Option<usize>>>,
    memory: Option<MemoryBank>,
}

impl Method for Nearest {
    fn name(&self) -> &'static str {
        "nearest"
    }

    fn stages(&self) -> Vec<Stage> {
        let stage = |name| Stage { name, start: StageStart::Continue, optimizer: OptimizerKind::Adam };
        vec![stage("first"), stage("second")]
    }

    fn composition(&self) -> Vec<Part> {
        vec![Part::new("all", "associator", "nearest centroid")]
    }

    fn recipes(&self, _at: EpochAt) -> ViewRecipes {
        published_recipes(4)
    }

    fn prepare(&mut self, epoch: &mut dyn Epoch) -> Result<(), MethodError> {
        let embeddings = epoch.embeddings()?;
        let clusters = cluster(&embeddings, &epoch.config().clustering, epoch.at().epoch, epoch.device())?;
        let PerModality { visible, infrared } = &clusters.centroids;
        let product = |v: usize, i: usize| visible.row(v).iter().zip(infrared.row(i)).map(|(a, b)| a * b).sum::<f32>();
        let nearest = |v: usize| (0..infrared.rows()).max_by(|&a, &b| product(v, a).total_cmp(&product(v, b)));
        let own = clusters.labels.indices();
        self.labels = PerModality {
            visible: own.visible.iter().map(|label| label.and_then(nearest)).collect(),
            infrared: own.infrared.clone(),
        };
        epoch.report(&Labelling {
            labels: own.as_ref().map(Vec::as_slice),
            joint: Some(self.labels.as_ref().map(Vec::as_slice)),
            ..Labelling::default()
        });
        self.memory = Some(MemoryBank::new(rows_on(infrared, epoch.device()), 0.1));
        Ok(())
    }

    fn plan(&self, at: EpochAt, config: &RunConfig, stream: &mut Stream) -> Result<Vec<StepPlan>, MethodError> {
        let groups = shared_labels(&self.labels.visible, &self.labels.infrared);
        let shape = config.batch_shape();
        let steps = 0..config.stage(at).iterations;
        steps.map(|_| Ok(shared_blocks(&groups, shape.clusters, shape, stream)?)).collect()
    }

    fn loss_parts(&self, _at: EpochAt) -> &'static [&'static str] {
        &["visible", "infrared"]
    }

    fn step(&mut self, _at: EpochAt, plan: &StepPlan, outputs: Outputs) -> StepLoss {
        let of = |labels: &[Option<usize>], positions: &[usize]| -> Vec<usize> {
            positions.iter().filter_map(|&position| labels[position]).collect()
        };
        let visible = of(&self.labels.visible, &plan.visible).repeat(2);
        let infrared = of(&self.labels.infrared, &plan.infrared);
        let labels = PerModality { visible: visible.as_slice(), infrared: infrared.as_slice() };
        let embeddings = outputs.features.map(|features| features.embedding);
        let contrast = Contrast { temperature: 0.05, bank_gradient: BankGradient::Snapshot };
        let memory = self.memory.as_mut().unwrap();
        contrast.joint_step(memory, &embeddings, labels, Box::new(MemoryBank::update))
    }

    fn state(&self, within_epoch: bool) -> MethodState {
        let mut state = MethodState::default();
        if let Some(memory) = self.memory.as_ref().filter(|_| within_epoch) {
            state.put_labels("visible", &self.labels.visible);
            state.put_labels("infrared", &self.labels.infrared);
            state.put_rows("memory", &memory.rows());
        }
        state
    }

    fn restore(&mut self, state: &MethodState, within_epoch: bool, device: &Device) -> Option<()> {
        if within_epoch {
            self.labels = PerModality { visible: state.labels("visible")?, infrared: state.labels("infrared")? };
            self.memory = Some(MemoryBank::new(state.rows("memory", device)?, 0.1));
        }
        Some(())
    }
}

#[test]
fn a_method_of_ones_own() {
    let settings: Vec<String> = TINY.iter().map(|set| set.to_string()).collect();
    let config = vireid_methods::preset("mbccm_sysu_quick", &settings).unwrap();
    let images = TrainingImages::open(read_sysu(world()).unwrap(), &config, false).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let run = RunDir::create(&folder.path().join("run"), &config, &"a run of one's own").unwrap();
    let (backbone, device) = (config.backbone.clone(), Device::flex());
    let on = device.clone();
    let build = Box::new(move |_: &StageSettings| build_network(&backbone, Streams::new(0), &on));
    let method = Box::new(Nearest { labels: PerModality::default(), memory: None });
    let mut engine = Engine::new(config, method, build, device, images.train, images.test, run).unwrap();
    let outcome = engine.run(&mut ProgressObserver::new(), &AtomicBool::new(false)).unwrap();
    let Outcome::Finished(evaluations) = outcome else { panic!("nobody interrupted it") };
    assert_eq!(evaluations.last().unwrap().epochs, 3);
}
