//! ECUL: extended cross-modality united learning (Wu et al., arXiv 2412.19134).
//!
//! Neither its code nor its full text was available: this is built from its abstract, a summary, and the public code of the
//! methods that it extends. The presets say of every constant which of these it comes from, and the alternatives are
//! settings.
//!
//! Three levels: clusters within each modality; joint clusters ([`Emcc`]); and pairs of images across the modalities that
//! vote for pairs of clusters, whose memories are mixed ([`Aggregation`]). The first stage has the first level only.
//! Memories are replaced by samples at first and moved by them later ([`TsMem`]).

mod settings;

use burn::tensor::{Device, Tensor};
use vireid_clustering::{VotedPair, nearest_across, vote_among};
use vireid_core::{Camera, Embeddings, Modality, PerModality, Stream};
use vireid_data::ViewRecipes;
use vireid_data::sampler::StepPlan;
use vireid_losses::{cross_entropy, label_tensor};
use vireid_memory::normalize_rows;

use crate::parts::auto::Auto;
use crate::parts::baseline::{Baseline, Clusterings, JOINT, JointSampler};
use crate::parts::contrast::{Contrast, JointMean};
use crate::parts::contrast_step::{ContrastStep, InstanceTerm, published_recipes};
use crate::parts::instance_memory::InstanceMemory;
use crate::parts::joint::joint_origins;
use crate::parts::lookups::BankGradient;
use crate::parts::settings::{MethodTable, read_clustering};
use crate::parts::within::Within;
use vireid_train::MethodState;
use vireid_train::epoch::{Epoch, EpochAt};
use vireid_train::method::{Outputs, Part, Stage, StageStart, StepAt, StepLoss};
use vireid_train::{Method, MethodError, Optimizer, RunConfig, boxed};

use crate::presets::preset_files;
use crate::registry::MethodEntry;

pub use settings::{Aggregation, EculSettings, Emcc, EmccVariant, TsMem};

/// The second stage, with all levels.
const UNITED: usize = 1;
/// How many views a visible image has in a batch.
const VIEWS: usize = 2;

/// What the registry knows of it.
pub const ENTRY: MethodEntry = MethodEntry {
    name: "ecul",
    build: |config| Ok(boxed(Ecul::new(config)?)),
    presets: preset_files!["ecul_paper", "ecul_paper+counts", "ecul_quick", "ecul_quick+counts",],
    clustering: read_clustering,
};

/// ECUL, ready to be trained.
#[derive(Debug)]
pub struct Ecul {
    table: MethodTable<EculSettings>,
    padding: usize,
    epochs: usize,
    /// The memory of an instance-level loss between two epochs, where it outlives them.
    kept: Option<InstanceMemory>,
}

/// Labels and memories of an epoch.
#[derive(Debug)]
pub struct Prepared {
    baseline: Baseline,
    cameras: PerModality<Vec<Camera>>,
    /// The matched infrared cluster of each visible cluster, and the other way round.
    matches: PerModality<Vec<Option<usize>>>,
}

impl Ecul {
    /// Reads the method's settings.
    ///
    /// # Errors
    ///
    /// `VR0501`, `VR0502`.
    pub fn new(config: &RunConfig) -> Result<Self, MethodError> {
        Ok(Self {
            table: MethodTable::read(config)?,
            padding: config.engine.input.padding,
            epochs: config.engine.epochs(),
            kept: None,
        })
    }

    /// Clusters whose images found each other across the modalities.
    fn select(&self, embeddings: &PerModality<Embeddings>, baseline: &Baseline) -> Result<Vec<VotedPair>, MethodError> {
        let a = &self.table.settings.aggregation;
        let PerModality { visible, infrared } = embeddings;
        let nearest = match a.mutual {
            true => Some((nearest_across(visible, infrared, 1)?, nearest_across(infrared, visible, 1)?)),
            false => None,
        };
        let joint = baseline.joint.as_ref().filter(|_| a.joint_label).map(|joint| &joint.labels);
        let is_valid = |i: usize, j: usize| {
            let mutual = nearest.as_ref().is_none_or(|(of_visible, of_infrared)| {
                of_visible.row(i).first() == Some(&(j as u32)) && of_infrared.row(j).first() == Some(&(i as u32))
            });
            mutual && joint.is_none_or(|labels| labels.visible[i].is_some() && labels.visible[i] == labels.infrared[j])
        };
        let labels = &baseline.labels;
        let pairs =
            vote_among((visible, &labels.visible), (infrared, &labels.infrared), a.threshold as f32, &is_valid)?;
        Ok(pairs)
    }

    /// Mixes the memories of matched clusters.
    fn aggregate(&self, baseline: &mut Baseline, pairs: &[VotedPair], device: &Device) {
        let a = &self.table.settings.aggregation;
        let of_visible: Vec<usize> = pairs.iter().map(|pair| pair.visible.index()).collect();
        let of_infrared: Vec<usize> = pairs.iter().map(|pair| pair.infrared.index()).collect();
        if pairs.is_empty() {
            return;
        }
        let visible = baseline.banks.visible.rows().select(0, label_tensor(&of_visible, device));
        let infrared = baseline.banks.infrared.rows().select(0, label_tensor(&of_infrared, device));
        baseline.banks.visible.blend(&of_visible, infrared, a.keep, a.normalize);
        if a.symmetric {
            baseline.banks.infrared.blend(&of_infrared, visible, a.keep, a.normalize);
        }
    }

    /// Contrast of a batch's images with the matched clusters of the other modality.
    fn cross_contrast(&self, prepared: &Prepared, plan: &StepPlan, outputs: &Outputs) -> Option<Tensor<1>> {
        let Prepared { baseline, matches, .. } = prepared;
        let labels = baseline.batch_labels(plan, VIEWS);
        let term = |rows: &Tensor<2>, labels: &[usize], matches: &[Option<usize>], bank: &vireid_memory::MemoryBank| {
            let found: Vec<(usize, usize)> =
                labels.iter().enumerate().filter_map(|(row, &label)| Some((row, matches[label]?))).collect();
            let (rows_of, targets): (Vec<usize>, Vec<usize>) = found.into_iter().unzip();
            if rows_of.is_empty() {
                return None;
            }
            let device = rows.device();
            let unit = normalize_rows(rows.clone().select(0, label_tensor(&rows_of, &device)));
            let logits = bank.logits(unit, self.table.settings.temperature);
            Some(cross_entropy(logits, label_tensor(&targets, &device)))
        };
        let features = &outputs.features;
        let visible = term(&features.visible.embedding, &labels.visible, &matches.visible, &baseline.banks.infrared);
        let infrared = term(&features.infrared.embedding, &labels.infrared, &matches.infrared, &baseline.banks.visible);
        match (visible, infrared) {
            (Some(visible), Some(infrared)) => Some(visible + infrared),
            (one, other) => one.or(other),
        }
    }
}

impl Method for Ecul {
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
        let s = &self.table.settings;
        let within = match s.emcc.within {
            true => format!("{:?} expansion (k2 {}, k3 {})", s.emcc.variant, s.emcc.k2, s.emcc.k3),
            false => "plain expansion".into(),
        };
        let joint = format!("{:?} expansion (k2 {}, k3 {})", s.emcc.variant, s.emcc.joint_k2, s.emcc.joint_k3);
        let memories = format!(
            "to epoch {} {:?} replaces, then {:?} with momentum {}{}",
            s.tsmem.switch_epoch,
            s.tsmem.first,
            s.tsmem.second,
            s.tsmem.momentum,
            if s.tsmem.ramp { ", growing" } else { "" }
        );
        let a = &s.aggregation;
        let selection = match a.enabled {
            true => format!(
                "votes of pairs above {} (mutual: {}, same joint label: {}), {} of a prototype stays",
                a.threshold, a.mutual, a.joint_label, a.keep
            ),
            false => "none".into(),
        };
        let objective = format!("cluster contrast at temperature {}", s.temperature);
        vec![
            Part::new("stage 1", "labeller", format!("per modality: k-reciprocal Jaccard with {within}, DBSCAN")),
            Part::new("stage 1", "memories", format!("one per modality; {memories}")),
            Part::new("stage 1", "sampler", "clusters of either modality, over cameras"),
            Part::new("stage 1", "objective", objective.clone()),
            Part::new("stage 2", "labeller", format!("per modality, and jointly with {joint}")),
            Part::new("stage 2", "associator", selection),
            Part::new("stage 2", "memories", format!("one per modality, one joint; {memories}")),
            Part::new("stage 2", "sampler", "clusters over cameras; own and joint steps alternate"),
            Part::new(
                "stage 2",
                "objective",
                format!("{objective} + {} with matched clusters + {} instances", s.cross_weight, s.instance_weight),
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
        let (at, c) = (epoch.at(), &self.table.clustering);
        let (emcc, tsmem) = (self.table.settings.emcc, self.table.settings.tsmem);
        let origins = joint_origins(&cameras);
        let (of_visible, of_infrared) = origins.split_at(cameras.visible.len());
        let within = |modality, origins| match emcc.within {
            true => Within { expansion: emcc.variant.expansion(emcc.k2, emcc.k3, origins), ..c.within(modality) },
            false => c.within(modality),
        };
        let joint = c.joint(Auto::Value(emcc.joint_k1), emcc.joint_eps, &origins);
        let across = emcc.variant.expansion(emcc.joint_k2, emcc.joint_k3, &origins);
        let (_, momentum) = tsmem.at(at.epoch, self.epochs);
        let how = Clusterings {
            within: PerModality {
                visible: within(Modality::Visible, of_visible),
                infrared: within(Modality::Infrared, of_infrared),
            },
            joint_eps_key: "settings.emcc.joint_eps",
            joint: (at.stage >= UNITED).then(|| joint.run(&embeddings, |_| across, epoch.device())).transpose()?,
            figures: vec![("momentum", momentum)],
            ..Clusterings::plain(c, momentum)
        };
        let mut baseline = Baseline::new(epoch, &embeddings, how)?;
        let mut matches = PerModality {
            visible: vec![None; baseline.labels.visible.clusters()],
            infrared: vec![None; baseline.labels.infrared.clusters()],
        };
        if at.stage >= UNITED && self.table.settings.aggregation.enabled {
            let pairs = self.select(&embeddings, &baseline)?;
            for pair in &pairs {
                matches.visible[pair.visible.index()] = Some(pair.infrared.index());
                matches.infrared[pair.infrared.index()] = Some(pair.visible.index());
            }
            self.aggregate(&mut baseline, &pairs, epoch.device());
        }
        // A stage begins with a new memory of instances.
        let kept = self.kept.take().filter(|_| at.in_stage > 0);
        let loss = self.table.settings.instance;
        let baseline = baseline.with_instances(loss, kept, &embeddings, epoch.device());
        Ok(Prepared { baseline, cameras, matches })
    }

    fn plan(
        &self,
        Prepared { baseline, cameras, .. }: &Prepared,
        _at: EpochAt,
        steps: usize,
        stream: &mut Stream,
    ) -> Result<Vec<StepPlan>, MethodError> {
        // In-batch contrast across modalities needs the same labels in both.
        let sampler =
            if self.table.settings.instance_weight > 0.0 { JointSampler::Aligned } else { JointSampler::Independent };
        baseline.plan(self.table.sampler.shape(), steps, cameras, sampler, stream)
    }

    fn loss_parts(&self, at: EpochAt) -> &'static [&'static str] {
        match at.stage {
            0 => &["visible", "infrared", "instance"],
            _ => &["visible", "infrared", "instance", "joint_visible", "joint_infrared", "joint_instance", "cross"],
        }
    }

    fn step(&mut self, prepared: &mut Prepared, at: StepAt, plan: &StepPlan, outputs: Outputs) -> StepLoss {
        let s = &self.table.settings;
        let (mut stream, at) = (at.stream("update"), at.epoch);
        let (update, _) = s.tsmem.at(at.epoch, self.epochs);
        let step = ContrastStep {
            contrast: Contrast { temperature: s.temperature, bank_gradient: BankGradient::Snapshot },
            joint_mean: JointMean::PerModality,
            update,
            instance: InstanceTerm {
                loss: s.instance,
                temperature: s.instance_temperature,
                own: 0.0,
                joint: s.instance_weight,
            },
            has_joint: at.stage >= UNITED,
        };
        let has_cross = s.cross_weight > 0.0 && plan.part != JOINT && at.stage >= UNITED;
        let cross = if has_cross {
            self.cross_contrast(prepared, plan, &outputs).map(|loss| loss.mul_scalar(s.cross_weight))
        } else {
            None
        };
        let mut loss = step.run(&mut prepared.baseline, plan, &outputs, &mut stream);
        if at.stage >= UNITED {
            let value = match &cross {
                Some(cross) => cross.clone().inner(),
                None => loss.parts.clone().narrow(0, 0, 1).zeros_like(),
            };
            loss.parts = Tensor::cat(vec![loss.parts, value], 0);
        }
        if let Some(cross) = cross {
            loss.objective = loss.objective + cross;
        }
        loss
    }

    fn finish(&mut self, mut prepared: Prepared, _epoch: &mut dyn Epoch) -> Result<(), MethodError> {
        self.kept = prepared.baseline.take_lasting(self.table.settings.instance);
        Ok(())
    }

    fn state(&self, prepared: Option<&Prepared>) -> MethodState {
        let mut state = MethodState::default();
        match (prepared, &self.kept) {
            (Some(Prepared { baseline, cameras, matches }), _) => {
                baseline.put(&mut state);
                state.put_cameras(cameras);
                state.put_labels("matches/visible", &matches.visible);
                state.put_labels("matches/infrared", &matches.infrared);
            }
            (None, Some(kept)) => kept.put(&mut state),
            (None, None) => (),
        }
        state
    }

    fn restore(&mut self, state: &MethodState, device: &Device) -> Option<()> {
        self.kept = InstanceMemory::take(state, device);
        Some(())
    }

    fn restore_within(&mut self, state: &MethodState, at: EpochAt, device: &Device) -> Option<Prepared> {
        self.kept = None;
        let matches =
            PerModality { visible: state.labels("matches/visible")?, infrared: state.labels("matches/infrared")? };
        let (_, momentum) = self.table.settings.tsmem.at(at.epoch, self.epochs);
        let baseline = Baseline::take(state, momentum, device)?;
        Some(Prepared { baseline, cameras: state.cameras()?, matches })
    }
}
