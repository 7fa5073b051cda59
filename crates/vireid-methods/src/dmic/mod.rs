//! DMIC: dynamic modality-camera invariant clustering (Yang et al., IEEE TNNLS 2025, arXiv 2412.08231).
//!
//! Of the authors' code only the expansion ([`Expansion::ModalityCamera`]) is public in the open; the rest is built from the
//! paper's abstract, a summary, the code of the same authors' method before, and what is known of the laboratory's later
//! programs. The presets say of every constant which of these it comes from; the layers `losses` and `schedules` are the
//! readings by the later programs.
//!
//! Phase 1 trains each modality on its own clusters, with the clustering narrowed from epoch to epoch; phase 2 adds joint
//! clusters, with the clustering widened again ([`Dnc`]). Memories are moved by random samples, and instances of a batch
//! are contrasted in addition to the memories.

mod settings;

use burn::tensor::Device;
use vireid_clustering::Expansion;
use vireid_core::{Camera, PerModality, Stream, Streams};
use vireid_data::ViewRecipes;
use vireid_data::sampler::StepPlan;

use crate::baseline::{Baseline, Clusterings, JOINT, JointSampler};
use crate::contrast::{Contrast, JointMean};
use crate::contrast_step::{ContrastStep, InstanceTerm, published_recipes};
use crate::epoch::{Epoch, EpochAt};
use crate::instance_memory::InstanceMemory;
use crate::joint::{JointClustering, joint_origins};
use crate::lookups::BankGradient;
use crate::method::{Method, Outputs, Part, Stage, StageStart, StepLoss};
use crate::schedule::Course;
use crate::state::MethodState;
use crate::{MethodError, OptimizerKind, RunConfig};

pub use settings::{DmicSettings, Dnc, DncValues, JointExpansion};

/// Number of the second phase.
const INTER: usize = 1;

/// DMIC, ready to be trained: its settings, and the labels and memories of the epoch under way.
#[derive(Debug)]
pub struct Dmic {
    settings: DmicSettings,
    padding: usize,
    streams: Streams,
    cameras: PerModality<Vec<Camera>>,
    baseline: Option<Baseline>,
    /// The memory of the instance-level loss between two epochs, where it outlives them.
    kept: Option<InstanceMemory>,
    /// Steps of the epoch so far: they name the random streams of the memories' moves.
    steps: u64,
}

impl Dmic {
    /// Reads the method's settings.
    ///
    /// # Errors
    ///
    /// `VR0501`, `VR0502`.
    pub fn new(config: &RunConfig) -> Result<Self, MethodError> {
        Ok(Self {
            settings: DmicSettings::read(config)?,
            padding: config.input.padding,
            streams: Streams::new(config.seed),
            cameras: PerModality::default(),
            baseline: None,
            kept: None,
            steps: 0,
        })
    }

    fn baseline(&self) -> &Baseline {
        match &self.baseline {
            Some(baseline) => baseline,
            None => unreachable!("an epoch is prepared first"),
        }
    }
}

impl Method for Dmic {
    fn name(&self) -> &'static str {
        "dmic"
    }

    fn stages(&self) -> Vec<Stage> {
        let optimizer = OptimizerKind::Adam;
        vec![
            Stage { name: "phase 1", start: StageStart::Continue, optimizer },
            Stage { name: "phase 2", start: StageStart::FreshOptimizer, optimizer },
        ]
    }

    fn composition(&self) -> Vec<Part> {
        let s = &self.settings;
        let within = if s.expansion_within { "camera-invariant expansion" } else { "plain expansion" };
        let memories = format!("moved by {:?} samples, momentum {}", s.update, s.momentum).to_lowercase();
        let contrast = |mean: &str, weight: f64| {
            format!(
                "cluster contrast at temperature {}{mean} + {weight} {:?} instance contrast at {}",
                s.temperature, s.instance, s.instance_temperature
            )
        };
        let objective = contrast("", s.instance_weight);
        let mean = match s.joint_mean {
            JointMean::PerModality => "",
            JointMean::Pooled => ", one mean over all rows",
        };
        let joint_objective = contrast(mean, s.joint_weight());
        let ranked = |k1: &Option<Course>| k1.as_ref().map_or(String::new(), |k1| format!(", k1 {k1}"));
        let schedule = |eps: &Course, k1: &Option<Course>, k2: &Course| {
            format!("eps {eps}{}, k2 {k2}, {:?}", ranked(k1), s.dnc.shape)
        };
        let cap = s.joint_cap.map_or(String::new(), |cap| format!(", at most {cap} of a camera"));
        let sampler = match s.joint_sampler {
            JointSampler::Aligned => "joint clusters aligned between the modalities",
            JointSampler::Independent => "joint clusters of either modality, over cameras",
        };
        vec![
            Part::new("phase 1", "labeller", format!("per modality: k-reciprocal Jaccard with {within}, DBSCAN")),
            Part::new("phase 1", "schedule", schedule(&s.dnc.eps_phase1, &s.dnc.k1_phase1, &s.dnc.k2_phase1)),
            Part::new("phase 1", "memories", format!("one per modality, {memories}")),
            Part::new("phase 1", "sampler", "clusters of either modality, over cameras"),
            Part::new("phase 1", "objective", objective.clone()),
            Part::new(
                "phase 2",
                "labeller",
                format!("per modality, and jointly with {:?} expansion{cap}", s.expansion),
            ),
            Part::new("phase 2", "schedule", schedule(&s.dnc.eps_phase2, &s.dnc.k1_phase2, &s.dnc.k2_phase2)),
            Part::new("phase 2", "joint schedule", format!("k2 {}{}", s.dnc.joint_k2, ranked(&s.dnc.joint_k1))),
            Part::new("phase 2", "memories", format!("one per modality, one joint, {memories}")),
            Part::new("phase 2", "sampler", sampler),
            Part::new("phase 2", "steps", if s.joint_only { "joint only" } else { "own and joint alternate" }),
            Part::new("phase 2", "objective", objective),
            Part::new("phase 2", "joint objective", joint_objective),
        ]
    }

    fn recipes(&self, _at: EpochAt) -> ViewRecipes {
        published_recipes(self.padding)
    }

    fn prepare(&mut self, epoch: &mut dyn Epoch) -> Result<(), MethodError> {
        let embeddings = epoch.embeddings()?;
        self.cameras = epoch.cameras();
        let (at, c, s) = (epoch.at(), epoch.config().clustering.clone(), &self.settings);
        let values = s.dnc.at(at.stage, at.in_stage, at.of, c.k1, s.joint_k1);
        let origins = joint_origins(&self.cameras);
        let (of_visible, of_infrared) = origins.split_at(self.cameras.visible.len());
        let within = |origins| match s.expansion_within {
            true => Expansion::ModalityCamera { k2: values.k2, origins },
            false => Expansion::Mean { k2: c.k2 },
        };
        let k2 = values.joint_k2;
        let across = match s.expansion {
            JointExpansion::Plain => Expansion::Mean { k2 },
            JointExpansion::Modality => Expansion::ModalityBalanced { k2, origins: &origins },
            JointExpansion::ModalityCamera => match s.joint_cap {
                Some(k3) => Expansion::Capped { k2, k3, origins: &origins },
                None => Expansion::ModalityCamera { k2, origins: &origins },
            },
        };
        let joint =
            JointClustering { k1: values.joint_k1, eps: values.eps, min_samples: c.min_samples, search: c.neighbours };
        let with_joint = at.stage >= INTER;
        let mut figures = vec![("eps", values.eps), ("k2", values.k2 as f64)];
        figures.extend(with_joint.then_some(("joint k2", values.joint_k2 as f64)));
        figures.extend((values.k1 != c.k1).then_some(("k1", values.k1 as f64)));
        figures.extend((with_joint && values.joint_k1 != s.joint_k1).then_some(("joint k1", values.joint_k1 as f64)));
        let how = Clusterings {
            k1: values.k1,
            expansion: PerModality { visible: within(of_visible), infrared: within(of_infrared) },
            eps: PerModality { visible: values.eps, infrared: values.eps },
            joint: with_joint.then_some((joint, across)),
            momentum: s.momentum,
            figures,
        };
        let baseline = Baseline::new(epoch, &embeddings, &how)?;
        // A phase begins with a new memory of instances.
        let kept = self.kept.take().filter(|_| at.in_stage > 0);
        self.baseline = Some(baseline.with_instances(s.instance, kept, &embeddings, epoch.device()));
        self.steps = 0;
        Ok(())
    }

    fn plan(&self, at: EpochAt, config: &RunConfig, stream: &mut Stream) -> Result<Vec<StepPlan>, MethodError> {
        let (baseline, steps) = (self.baseline(), config.stage(at).iterations);
        let mut plans = baseline.plan(config, steps, &self.cameras, self.settings.joint_sampler, stream)?;
        if self.settings.joint_only && baseline.joint.is_some() {
            plans.retain(|plan| plan.part == JOINT);
        }
        Ok(plans)
    }

    fn loss_parts(&self, at: EpochAt) -> &'static [&'static str] {
        match at.stage {
            0 => &["visible", "infrared", "instance"],
            _ => &["visible", "infrared", "instance", "joint_visible", "joint_infrared", "joint_instance"],
        }
    }

    fn step(&mut self, at: EpochAt, plan: &StepPlan, outputs: Outputs) -> StepLoss {
        let s = &self.settings;
        let mut stream = self.streams.stream("update", [at.epoch as u64, self.steps, 0]);
        self.steps += 1;
        let Some(baseline) = &mut self.baseline else { unreachable!("an epoch is prepared first") };
        let step = ContrastStep {
            contrast: Contrast { temperature: s.temperature, bank_gradient: BankGradient::Snapshot },
            joint_mean: s.joint_mean,
            update: s.update,
            instance: InstanceTerm {
                loss: s.instance,
                temperature: s.instance_temperature,
                own: s.instance_weight,
                joint: s.joint_weight(),
            },
            has_joint: at.stage >= INTER,
        };
        step.run(baseline, plan, &outputs, &mut stream)
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
            state.integers.insert("steps".into(), vec![self.steps as i32]);
        }
        state
    }

    fn restore(&mut self, state: &MethodState, within_epoch: bool, device: &Device) -> Option<()> {
        self.kept = None;
        if !within_epoch {
            self.kept = InstanceMemory::take(state, device);
        } else {
            self.cameras = state.cameras()?;
            self.steps = *state.integers.get("steps")?.first()? as u64;
            self.baseline = Some(Baseline::take(state, self.settings.momentum, device)?);
        }
        Some(())
    }
}
