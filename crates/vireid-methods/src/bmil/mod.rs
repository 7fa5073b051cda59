//! BMIL: bias mitigation and invariance learning (AAAI 2026, arXiv 2512.07760).
//!
//! Its code has no licence and was not looked at; this is built from a short description of the paper. Known from there: joint
//! clusters of *balanced* neighbours ([`Neighbourhood::Balanced`]), half of them of either modality; two prototypes for a
//! cluster that holds both, and a contrast with several positives; fewer visible images in the clustering where they outnumber the
//! infrared ones. All else is this project's reading on the base of the methods that it follows: the presets tag every
//! constant.
//!
//! Stage 1 trains each modality on its own clusters. Stage 2 adds joint clusters, whose prototypes every image of either modality is
//! compared with, all of its cluster's being positives.
//!
//! [`Neighbourhood::Balanced`]: vireid_clustering::Neighbourhood::Balanced

mod prototypes;
mod settings;

use burn::tensor::{Device, Tensor};
use vireid_core::{Camera, Embeddings, PerModality, Stream};
use vireid_data::ViewRecipes;
use vireid_data::sampler::StepPlan;
use vireid_losses::multi_positive_nce;
use vireid_memory::{MemoryBank, normalize_rows};
use vireid_train::epoch::{Epoch, EpochAt};
use vireid_train::method::{Outputs, Part, Stage, StageStart, StepAt, StepLoss};
use vireid_train::{Method, MethodError, MethodState, Optimizer, RunConfig, boxed};

use crate::parts::auto::Auto;
use crate::parts::baseline::{Baseline, Clusterings, JOINT, Joint, JointSampler};
use crate::parts::contrast::Contrast;
use crate::parts::contrast_step::{VIEWS, own_step, published_recipes};
use crate::parts::joint::{JointClusters, joint_origins};
use crate::parts::labelling::rows_on;
use crate::parts::lookups::BankGradient;
use crate::parts::settings::{JointNeighbourhood, MethodTable, read_clustering};
use crate::presets::preset_files;
use crate::registry::MethodEntry;

pub use prototypes::{PrototypeKind, Prototypes};
pub use settings::BmilSettings;

/// Number of the stage with joint clusters.
const JOINED: usize = 1;

/// What the registry knows of it.
pub const ENTRY: MethodEntry = MethodEntry {
    name: "bmil",
    build: |config| Ok(boxed(Bmil::new(config)?)),
    presets: preset_files!["bmil_paper", "bmil_quick"],
    clustering: read_clustering,
};

/// Labels and memories of an epoch.
#[derive(Debug)]
pub struct Prepared {
    /// Its joint memory has the prototypes for rows, its joint labels are those of all joint clusters.
    baseline: Baseline,
    cameras: PerModality<Vec<Camera>>,
    /// Whose prototypes the rows are; `None` without joint clusters.
    prototypes: Option<Prototypes>,
}

/// BMIL, ready to be trained.
#[derive(Debug)]
pub struct Bmil {
    table: MethodTable<BmilSettings>,
    padding: usize,
}

impl Bmil {
    /// Reads the method's settings.
    ///
    /// # Errors
    ///
    /// `VR0501`, `VR0502`.
    pub fn new(config: &RunConfig) -> Result<Self, MethodError> {
        Ok(Self { table: MethodTable::read(config)?, padding: config.engine.input.padding })
    }

    /// Positions of the visible images that take part in an epoch's joint clustering, in ascending order.
    fn drawn(&self, visible: usize, infrared: usize, stream: &mut Stream) -> Vec<usize> {
        let most = (self.table.settings.visible_per_infrared * infrared as f64).ceil() as usize;
        if most == 0 || most >= visible {
            return (0..visible).collect();
        }
        let mut drawn = stream.distinct(visible, most);
        drawn.sort_unstable();
        drawn
    }

    /// Clusters both modalities together.
    fn joint(
        &self,
        epoch: &dyn Epoch,
        embeddings: &PerModality<Embeddings>,
        cameras: &PerModality<Vec<Camera>>,
    ) -> Result<JointClusters, MethodError> {
        let (c, s) = (&self.table.clustering, &self.table.settings);
        let (visible, infrared) = (embeddings.visible.rows(), embeddings.infrared.rows());
        let mut stream = epoch.streams().stream("visible of the joint clustering", [epoch.at().epoch as u64, 0, 0]);
        let drawn = self.drawn(visible, infrared, &mut stream);
        let taking_part =
            PerModality { visible: embeddings.visible.select(&drawn), infrared: embeddings.infrared.clone() };
        let origins = joint_origins(&PerModality {
            visible: drawn.iter().map(|&position| cameras.visible[position]).collect(),
            infrared: cameras.infrared.clone(),
        });
        let clustering = c.joint(s.joint_k1, s.joint_eps, &origins);
        let found =
            clustering.run(&taking_part, |k1| s.expansion.over(s.averaged(k1), None, &origins), epoch.device())?;
        Ok(found.spread(&drawn, visible))
    }

    /// Every image against all prototypes of its joint cluster; moves those of its own modality.
    fn joint_step(
        &self,
        bank: &mut MemoryBank,
        prototypes: &Prototypes,
        labels: &PerModality<Vec<usize>>,
        outputs: &Outputs,
        stream: &mut Stream,
    ) -> StepLoss {
        let s = &self.table.settings;
        let unit = outputs.features.as_ref().map(|features| normalize_rows(features.embedding.clone()));
        let term = |unit: &Tensor<2>, labels: &[usize]| {
            let positives = prototypes.positives(labels, &unit.device());
            multi_positive_nce(bank.logits(unit.clone(), s.temperature), positives, s.positives)
        };
        let visible = term(&unit.visible, &labels.visible);
        let infrared = term(&unit.infrared, &labels.infrared);
        let own = prototypes.own(labels);
        let rows = Tensor::cat(vec![unit.visible.inner(), unit.infrared.inner()], 0);
        s.update.apply(bank, &rows, &[own.visible, own.infrared].concat(), labels.visible.len(), stream);
        StepLoss {
            parts: Tensor::cat(vec![visible.clone().inner(), infrared.clone().inner()], 0),
            objective: visible + infrared,
        }
    }
}

impl Method for Bmil {
    type Prepared = Prepared;

    fn name(&self) -> &str {
        ENTRY.name
    }

    fn stages(&self) -> Vec<Stage> {
        let optimizer = Optimizer::adam();
        vec![
            Stage { name: "stage 1", start: StageStart::Continue, optimizer },
            Stage { name: "stage 2", start: StageStart::FreshOptimizer, optimizer },
        ]
    }

    fn composition(&self) -> Vec<Part> {
        let (c, s) = (&self.table.clustering, &self.table.settings);
        let neighbourhood = match c.neighbourhood {
            JointNeighbourhood::Plain => "the nearest",
            JointNeighbourhood::Balanced => "half of either modality",
            JointNeighbourhood::CameraAware => "of the own camera and of others",
        };
        let drawn = match s.visible_per_infrared {
            none if none <= 0.0 => String::new(),
            most => format!("; at most {most} visible images per infrared one, by lot"),
        };
        let averaged = match s.joint_k1 {
            Auto::Value(_) => s.joint_k2.to_string(),
            Auto::Auto(_) => "a quarter of them".into(),
        };
        let memories = format!("moved by {:?} samples, momentum {}", s.update, s.momentum).to_lowercase();
        let prototypes = match s.prototypes {
            PrototypeKind::PerModality => "one for each modality of a joint cluster",
            PrototypeKind::Joint => "one for a joint cluster",
        };
        let objective = format!("cluster contrast at temperature {}", s.temperature);
        let sampler = match s.joint_sampler {
            JointSampler::Aligned => "joint clusters aligned between the modalities",
            JointSampler::Independent => "joint clusters of either modality, over cameras",
        };
        vec![
            Part::new("stage 1", "labeller", "per modality: k-reciprocal Jaccard, DBSCAN"),
            Part::new("stage 1", "memories", format!("one per modality, {memories}")),
            Part::new("stage 1", "sampler", "clusters of either modality, over cameras"),
            Part::new("stage 1", "objective", objective.clone()),
            Part::new(
                "stage 2",
                "labeller",
                format!(
                    "per modality, and jointly: {} neighbours, {neighbourhood}; {:?} expansion over {averaged}{drawn}",
                    s.joint_k1, s.expansion
                ),
            ),
            Part::new("stage 2", "memories", format!("one per modality, and prototypes, {prototypes}; {memories}")),
            Part::new("stage 2", "sampler", sampler),
            Part::new("stage 2", "steps", if s.own_steps { "own and joint alternate" } else { "joint only" }),
            Part::new("stage 2", "objective", objective),
            Part::new(
                "stage 2",
                "joint objective",
                format!("multi-positive InfoNCE ({:?}) at temperature {}", s.positives, s.temperature),
            ),
        ]
    }

    fn notes(&self) -> Vec<String> {
        self.table.clustering.notes()
    }

    fn largest_batch(&self, _at: EpochAt) -> usize {
        self.table.sampler.slots()
    }

    fn recipes(&self, _at: EpochAt) -> ViewRecipes {
        published_recipes(self.padding)
    }

    fn prepare(&mut self, epoch: &mut dyn Epoch) -> Result<Prepared, MethodError> {
        let embeddings = epoch.embeddings()?;
        let cameras = epoch.cameras();
        let (c, s) = (&self.table.clustering, &self.table.settings);
        let joint = match epoch.at().stage {
            0 => None,
            _ => Some(self.joint(&*epoch, &embeddings, &cameras)?),
        };
        let how = Clusterings {
            joint_eps_key: "settings.joint_eps",
            joint: joint.clone(),
            ..Clusterings::plain(c, s.momentum)
        };
        let mut baseline = Baseline::new(epoch, &embeddings, how)?;
        let mut prototypes = None;
        // Where no cluster holds both modalities, prototypes of one teach nothing about the other.
        if let Some(joint) = joint.filter(|joint| joint.clusters_of_both > 0) {
            let found = Prototypes::new(&joint.labels, s.prototypes);
            let rows = rows_on(&found.of(&joint, &embeddings, s.prototypes)?, epoch.device());
            baseline.joint = Some(Joint { labels: joint.labels, bank: MemoryBank::new(rows, s.momentum) });
            prototypes = Some(found);
        }
        Ok(Prepared { baseline, cameras, prototypes })
    }

    fn plan(
        &self,
        Prepared { baseline, cameras, .. }: &Prepared,
        _at: EpochAt,
        steps: usize,
        stream: &mut Stream,
    ) -> Result<Vec<StepPlan>, MethodError> {
        let s = &self.table.settings;
        let mut plans = baseline.plan(self.table.sampler.shape(), steps, cameras, s.joint_sampler, stream)?;
        if !s.own_steps && baseline.joint.is_some() {
            plans.retain(|plan| plan.part == JOINT);
        }
        Ok(plans)
    }

    fn loss_parts(&self, at: EpochAt) -> &'static [&'static str] {
        match at.stage {
            0 => &["visible", "infrared"],
            _ => &["visible", "infrared", "joint_visible", "joint_infrared"],
        }
    }

    fn step(&mut self, prepared: &mut Prepared, at: StepAt, plan: &StepPlan, outputs: Outputs) -> StepLoss {
        let (s, mut stream) = (&self.table.settings, at.stream("update"));
        let Prepared { baseline, prototypes, .. } = prepared;
        let labels = baseline.batch_labels(plan, VIEWS);
        let (mut loss, is_joint) = match (&mut baseline.joint, prototypes) {
            (Some(joint), Some(prototypes)) if plan.part == JOINT => {
                (self.joint_step(&mut joint.bank, prototypes, &labels, &outputs, &mut stream), true)
            }
            _ => {
                let contrast = Contrast { temperature: s.temperature, bank_gradient: BankGradient::Snapshot };
                let embeddings = outputs.features.as_ref().map(|features| features.embedding.clone());
                (own_step(contrast, s.update, baseline, &labels, &embeddings, &mut stream), false)
            }
        };
        if at.epoch.stage >= JOINED {
            let none = loss.parts.zeros_like();
            let parts = if is_joint { vec![none, loss.parts] } else { vec![loss.parts, none] };
            loss.parts = Tensor::cat(parts, 0);
        }
        loss
    }

    fn state(&self, prepared: Option<&Prepared>) -> MethodState {
        let mut state = MethodState::default();
        if let Some(Prepared { baseline, cameras, .. }) = prepared {
            baseline.put(&mut state);
            state.put_cameras(cameras);
        }
        state
    }

    fn restore_within(&mut self, state: &MethodState, _at: EpochAt, device: &Device) -> Option<Prepared> {
        let s = &self.table.settings;
        let baseline = Baseline::take(state, s.momentum, device)?;
        let prototypes = baseline.joint.as_ref().map(|joint| Prototypes::new(&joint.labels, s.prototypes));
        Some(Prepared { baseline, cameras: state.cameras()?, prototypes })
    }
}
