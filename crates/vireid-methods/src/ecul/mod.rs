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
use vireid_clustering::{Expansion, VotedPair, nearest_across, vote_among};
use vireid_core::{Camera, Embeddings, PerModality, Stream, Streams};
use vireid_data::ViewRecipes;
use vireid_data::sampler::StepPlan;
use vireid_losses::{cross_entropy, label_tensor};
use vireid_memory::normalize_rows;

use crate::baseline::{Baseline, Clusterings, JOINT, JointSampler};
use crate::contrast::{Contrast, JointMean};
use crate::contrast_step::{ContrastStep, InstanceTerm, published_recipes};
use crate::epoch::{Epoch, EpochAt};
use crate::instance_memory::InstanceMemory;
use crate::joint::{JointClustering, joint_origins};
use crate::lookups::BankGradient;
use crate::method::{Method, Outputs, Part, Stage, StageStart, StepLoss};
use crate::state::MethodState;
use crate::{MethodError, OptimizerKind, RunConfig};

pub use settings::{Aggregation, EculSettings, Emcc, EmccVariant, TsMem};

/// The second stage, with all levels.
const UNITED: usize = 1;
/// How many views a visible image has in a batch.
const VIEWS: usize = 2;

/// ECUL, ready to be trained: its settings, and the labels and memories of the epoch under way.
#[derive(Debug)]
pub struct Ecul {
    settings: EculSettings,
    padding: usize,
    epochs: usize,
    streams: Streams,
    cameras: PerModality<Vec<Camera>>,
    baseline: Option<Baseline>,
    /// The memory of an instance-level loss between two epochs, where it outlives them.
    kept: Option<InstanceMemory>,
    /// The matched infrared cluster of each visible cluster, and the other way round.
    matches: PerModality<Vec<Option<usize>>>,
    /// The epoch that was prepared: it decides how memories move.
    epoch: usize,
    /// Steps of the epoch so far: they name the random streams of the memories' moves.
    steps: u64,
}

impl Ecul {
    /// Reads the method's settings.
    ///
    /// # Errors
    ///
    /// `VR0501`, `VR0502`.
    pub fn new(config: &RunConfig) -> Result<Self, MethodError> {
        Ok(Self {
            settings: EculSettings::read(config)?,
            padding: config.input.padding,
            epochs: config.epochs(),
            streams: Streams::new(config.seed),
            cameras: PerModality::default(),
            baseline: None,
            kept: None,
            matches: PerModality::default(),
            epoch: 0,
            steps: 0,
        })
    }

    fn baseline(&self) -> &Baseline {
        match &self.baseline {
            Some(baseline) => baseline,
            None => unreachable!("an epoch is prepared first"),
        }
    }

    /// Clusters whose images found each other across the modalities.
    fn select(&self, embeddings: &PerModality<Embeddings>, baseline: &Baseline) -> Result<Vec<VotedPair>, MethodError> {
        let a = &self.settings.aggregation;
        let PerModality { visible, infrared } = embeddings;
        let nearest = match a.mutual {
            true => Some((nearest_across(visible, infrared, 1)?, nearest_across(infrared, visible, 1)?)),
            false => None,
        };
        let joint = baseline.joint.as_ref().filter(|_| a.joint_label).map(|joint| &joint.labels);
        let is_lawful = |i: usize, j: usize| {
            let mutual = nearest.as_ref().is_none_or(|(of_visible, of_infrared)| {
                of_visible.row(i).first() == Some(&(j as u32)) && of_infrared.row(j).first() == Some(&(i as u32))
            });
            mutual && joint.is_none_or(|labels| labels.visible[i].is_some() && labels.visible[i] == labels.infrared[j])
        };
        let labels = &baseline.labels;
        let pairs =
            vote_among((visible, &labels.visible), (infrared, &labels.infrared), a.threshold as f32, &is_lawful)?;
        Ok(pairs)
    }

    /// Mixes the memories of matched clusters.
    fn aggregate(&self, baseline: &mut Baseline, pairs: &[VotedPair], device: &Device) {
        let a = &self.settings.aggregation;
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
    fn cross_contrast(&self, plan: &StepPlan, outputs: &Outputs) -> Option<Tensor<1>> {
        let baseline = self.baseline();
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
            let logits = bank.logits(unit, self.settings.temperature);
            Some(cross_entropy(logits, label_tensor(&targets, &device)))
        };
        let features = &outputs.features;
        let visible =
            term(&features.visible.embedding, &labels.visible, &self.matches.visible, &baseline.banks.infrared);
        let infrared =
            term(&features.infrared.embedding, &labels.infrared, &self.matches.infrared, &baseline.banks.visible);
        match (visible, infrared) {
            (Some(visible), Some(infrared)) => Some(visible + infrared),
            (one, other) => one.or(other),
        }
    }
}

impl Method for Ecul {
    fn name(&self) -> &'static str {
        "ecul"
    }

    fn stages(&self) -> Vec<Stage> {
        let optimizer = OptimizerKind::Adam;
        vec![
            Stage { name: "stage 1", start: StageStart::Continue, optimizer },
            Stage { name: "stage 2", start: StageStart::FreshOptimizer, optimizer },
        ]
    }

    fn composition(&self) -> Vec<Part> {
        let s = &self.settings;
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

    fn recipes(&self, _at: EpochAt) -> ViewRecipes {
        published_recipes(self.padding)
    }

    fn prepare(&mut self, epoch: &mut dyn Epoch) -> Result<(), MethodError> {
        let embeddings = epoch.embeddings()?;
        self.cameras = epoch.cameras();
        let (at, c) = (epoch.at(), epoch.config().clustering.clone());
        let (emcc, tsmem) = (self.settings.emcc, self.settings.tsmem);
        let origins = joint_origins(&self.cameras);
        let (of_visible, of_infrared) = origins.split_at(self.cameras.visible.len());
        let within = |origins| match emcc.within {
            true => emcc.variant.expansion(emcc.k2, emcc.k3, origins),
            false => Expansion::Mean { k2: c.k2 },
        };
        let joint = JointClustering {
            k1: emcc.joint_k1,
            eps: emcc.joint_eps,
            min_samples: c.min_samples,
            search: c.neighbours,
        };
        let across = emcc.variant.expansion(emcc.joint_k2, emcc.joint_k3, &origins);
        let (_, momentum) = tsmem.at(at.epoch, self.epochs);
        let how = Clusterings {
            k1: c.k1,
            expansion: PerModality { visible: within(of_visible), infrared: within(of_infrared) },
            eps: PerModality { visible: c.eps.visible, infrared: c.eps.infrared },
            joint: (at.stage >= UNITED).then_some((joint, across)),
            momentum,
            figures: vec![("momentum", momentum)],
        };
        let mut baseline = Baseline::new(epoch, &embeddings, &how)?;
        self.matches = PerModality {
            visible: vec![None; baseline.labels.visible.clusters()],
            infrared: vec![None; baseline.labels.infrared.clusters()],
        };
        if at.stage >= UNITED && self.settings.aggregation.enabled {
            let pairs = self.select(&embeddings, &baseline)?;
            for pair in &pairs {
                self.matches.visible[pair.visible.index()] = Some(pair.infrared.index());
                self.matches.infrared[pair.infrared.index()] = Some(pair.visible.index());
            }
            self.aggregate(&mut baseline, &pairs, epoch.device());
        }
        // A stage begins with a new memory of instances.
        let kept = self.kept.take().filter(|_| at.in_stage > 0);
        let loss = self.settings.instance;
        self.baseline = Some(baseline.with_instances(loss, kept, &embeddings, epoch.device()));
        (self.epoch, self.steps) = (at.epoch, 0);
        Ok(())
    }

    fn plan(&self, at: EpochAt, config: &RunConfig, stream: &mut Stream) -> Result<Vec<StepPlan>, MethodError> {
        let steps = config.stage(at).iterations;
        // In-batch contrast across modalities needs the same labels in both.
        let sampler =
            if self.settings.instance_weight > 0.0 { JointSampler::Aligned } else { JointSampler::Independent };
        self.baseline().plan(config, steps, &self.cameras, sampler, stream)
    }

    fn loss_parts(&self, at: EpochAt) -> &'static [&'static str] {
        match at.stage {
            0 => &["visible", "infrared", "instance"],
            _ => &["visible", "infrared", "instance", "joint_visible", "joint_infrared", "joint_instance", "cross"],
        }
    }

    fn step(&mut self, at: EpochAt, plan: &StepPlan, outputs: Outputs) -> StepLoss {
        let s = &self.settings;
        let mut stream = self.streams.stream("update", [at.epoch as u64, self.steps, 0]);
        self.steps += 1;
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
            self.cross_contrast(plan, &outputs).map(|loss| loss.mul_scalar(s.cross_weight))
        } else {
            None
        };
        let Some(baseline) = &mut self.baseline else { unreachable!("an epoch is prepared first") };
        let mut loss = step.run(baseline, plan, &outputs, &mut stream);
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

    fn finish(&mut self, _epoch: &mut dyn Epoch) -> Result<(), MethodError> {
        let loss = self.settings.instance;
        self.kept = self.baseline.as_mut().and_then(|baseline| baseline.take_lasting(loss));
        Ok(())
    }

    fn state(&self, within_epoch: bool) -> MethodState {
        let mut state = MethodState::default();
        if let Some(kept) = self.kept.as_ref().filter(|_| !within_epoch) {
            kept.put(&mut state);
        }
        if let Some(baseline) = self.baseline.as_ref().filter(|_| within_epoch) {
            baseline.put(&mut state);
            state.put_cameras(&self.cameras);
            state.put_labels("matches/visible", &self.matches.visible);
            state.put_labels("matches/infrared", &self.matches.infrared);
            state.integers.insert("steps".into(), vec![self.steps as i32]);
            state.integers.insert("epoch".into(), vec![self.epoch as i32]);
        }
        state
    }

    fn restore(&mut self, state: &MethodState, within_epoch: bool, device: &Device) -> Option<()> {
        self.kept = None;
        if !within_epoch {
            self.kept = InstanceMemory::take(state, device);
        } else {
            self.cameras = state.cameras()?;
            self.matches =
                PerModality { visible: state.labels("matches/visible")?, infrared: state.labels("matches/infrared")? };
            self.steps = *state.integers.get("steps")?.first()? as u64;
            self.epoch = *state.integers.get("epoch")?.first()? as usize;
            let (_, momentum) = self.settings.tsmem.at(self.epoch, self.epochs);
            self.baseline = Some(Baseline::take(state, momentum, device)?);
        }
        Some(())
    }
}
