//! DMIC: dynamic modality-camera invariant clustering (Yang et al., IEEE TNNLS 2025, arXiv 2412.08231).
//!
//! Of the authors' code only the expansion ([`Expansion::ModalityCamera`]) is public in the open; the rest is built from the
//! paper's abstract, a summary, the code of the same authors' method before, and what is known of the laboratory's later
//! programs. The presets say of every constant which of these it comes from; the layers `in_batch` and `even` are the
//! readings by the summary alone.
//!
//! Phase 1 trains each modality on its own clusters, with the clustering narrowed from epoch to epoch; phase 2 adds joint
//! clusters, with the clustering widened again ([`Dnc`]). Memories are moved by random samples, and instances of a batch
//! are contrasted in addition to the memories.

mod settings;

use burn::tensor::Device;
use vireid_clustering::Expansion;
use vireid_core::{Camera, PerModality, Stream};
use vireid_data::ViewRecipes;
use vireid_data::sampler::StepPlan;

use crate::parts::auto::{Auto, CutSettings};
use crate::parts::baseline::{Baseline, Clusterings, JOINT, JointSampler};
use crate::parts::contrast::{Contrast, JointMean};
use crate::parts::contrast_step::{ContrastStep, InstanceTerm, published_recipes};
use crate::parts::instance_memory::InstanceMemory;
use crate::parts::joint::{JointClustering, joint_origins};
use crate::parts::lookups::BankGradient;
use crate::parts::settings::MethodTable;
use crate::parts::within::Within;
use vireid_train::MethodState;
use vireid_train::epoch::{Epoch, EpochAt};
use vireid_train::method::{Outputs, Part, Stage, StageStart, StepAt, StepLoss};
use vireid_train::schedule::Course;
use vireid_train::{Method, MethodError, Optimizer, RunConfig, boxed};

use crate::presets::preset_files;
use crate::registry::MethodEntry;

use settings::named_schedule;
pub use settings::{DmicSettings, Dnc, DncValues, ScheduledClustering};

/// Number of the second phase.
const INTER: usize = 1;

/// What a person raises in either phase when nothing is found.
const EPS_KEYS: [&str; 2] = ["settings.dnc.eps_phase1", "settings.dnc.eps_phase2"];

/// Labels and memories of an epoch.
#[derive(Debug)]
pub struct Prepared {
    baseline: Baseline,
    cameras: PerModality<Vec<Camera>>,
}

/// What the registry knows of it.
pub const ENTRY: MethodEntry = MethodEntry {
    name: "dmic",
    build: |config| Ok(boxed(Dmic::new(config)?)),
    presets: preset_files![
        "dmic_paper",
        "dmic_paper+even",
        "dmic_paper+in_batch",
        "dmic_paper+two_cards",
        "dmic_quick",
        "dmic_quick+even",
        "dmic_quick+in_batch",
        "dmic_quick+two_cards",
    ],
    clustering: settings::first_clustering,
};

/// DMIC, ready to be trained.
#[derive(Debug)]
pub struct Dmic {
    table: MethodTable<DmicSettings, ScheduledClustering>,
    padding: usize,
    /// The memory of the instance-level loss between two epochs, where it outlives them.
    kept: Option<InstanceMemory>,
}

impl Dmic {
    /// Reads the method's settings.
    ///
    /// # Errors
    ///
    /// `VR0501`, `VR0502`.
    pub fn new(config: &RunConfig) -> Result<Self, MethodError> {
        Ok(Self {
            table: MethodTable::read(&config.clone().without_old("clustering.eps")).map_err(named_schedule)?,
            padding: config.engine.input.padding,
            kept: None,
        })
    }
}

impl Method for Dmic {
    type Prepared = Prepared;

    fn name(&self) -> &str {
        ENTRY.name
    }

    fn stages(&self) -> Vec<Stage> {
        let optimizer = Optimizer::adam();
        vec![
            Stage { name: "phase 1", start: StageStart::Continue, optimizer },
            Stage { name: "phase 2", start: StageStart::FreshOptimizer, optimizer },
        ]
    }

    fn composition(&self) -> Vec<Part> {
        let s = &self.table.settings;
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

    fn largest_batch(&self, _at: EpochAt) -> usize {
        self.table.sampler.slots()
    }

    fn recipes(&self, _at: EpochAt) -> ViewRecipes {
        published_recipes(self.padding)
    }

    fn prepare(&mut self, epoch: &mut dyn Epoch) -> Result<Prepared, MethodError> {
        let embeddings = epoch.embeddings()?;
        let cameras = epoch.cameras();
        let (at, c, s) = (epoch.at(), &self.table.clustering, &self.table.settings);
        let values = s.dnc.at(at.stage, at.in_stage, at.of, c.k1, s.joint_k1);
        let origins = joint_origins(&cameras);
        let (of_visible, of_infrared) = origins.split_at(cameras.visible.len());
        let within = |origins| match s.expansion_within {
            true => Expansion::ModalityCamera { k2: values.k2, origins },
            false => Expansion::Mean { k2: c.k2 },
        };
        let across = s.expansion.over(values.joint_k2, s.joint_cap, &origins);
        let (eps, min_samples) = (Auto::Value(values.eps), Auto::Value(c.min_samples));
        let cut = |k1| CutSettings { k1: Auto::Value(k1), eps, min_samples };
        let joint = JointClustering {
            cut: cut(values.joint_k1),
            neighbourhood: c.neighbourhood.of(&origins),
            search: c.neighbours,
        };
        let with_joint = at.stage >= INTER;
        let mut figures = vec![("eps", values.eps), ("k2", values.k2 as f64)];
        figures.extend(with_joint.then_some(("joint k2", values.joint_k2 as f64)));
        figures.extend((values.k1 != c.k1).then_some(("k1", values.k1 as f64)));
        figures.extend((with_joint && values.joint_k1 != s.joint_k1).then_some(("joint k1", values.joint_k1 as f64)));
        let own = |expansion| Within { cut: cut(values.k1), expansion, search: c.neighbours };
        let how = Clusterings {
            within: PerModality { visible: own(within(of_visible)), infrared: own(within(of_infrared)) },
            eps_keys: PerModality { visible: EPS_KEYS[at.stage].into(), infrared: EPS_KEYS[at.stage].into() },
            joint_eps_key: EPS_KEYS[INTER],
            joint: with_joint.then(|| joint.run(&embeddings, |_| across, epoch.device())).transpose()?,
            momentum: s.momentum,
            figures,
        };
        let baseline = Baseline::new(epoch, &embeddings, how)?;
        // A phase begins with a new memory of instances.
        let kept = self.kept.take().filter(|_| at.in_stage > 0);
        let baseline = baseline.with_instances(s.instance, kept, &embeddings, epoch.device());
        Ok(Prepared { baseline, cameras })
    }

    fn plan(
        &self,
        Prepared { baseline, cameras }: &Prepared,
        _at: EpochAt,
        steps: usize,
        stream: &mut Stream,
    ) -> Result<Vec<StepPlan>, MethodError> {
        let shape = self.table.sampler.shape();
        let mut plans = baseline.plan(shape, steps, cameras, self.table.settings.joint_sampler, stream)?;
        if self.table.settings.joint_only && baseline.joint.is_some() {
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

    fn step(&mut self, prepared: &mut Prepared, at: StepAt, plan: &StepPlan, outputs: Outputs) -> StepLoss {
        let s = &self.table.settings;
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
            has_joint: at.epoch.stage >= INTER,
        };
        step.run(&mut prepared.baseline, plan, &outputs, &mut at.stream("update"))
    }

    fn finish(&mut self, mut prepared: Prepared, _epoch: &mut dyn Epoch) -> Result<(), MethodError> {
        self.kept = prepared.baseline.take_lasting(self.table.settings.instance);
        Ok(())
    }

    fn state(&self, prepared: Option<&Prepared>) -> MethodState {
        let mut state = MethodState::default();
        match (prepared, &self.kept) {
            (Some(Prepared { baseline, cameras }), _) => {
                baseline.put(&mut state);
                state.put_cameras(cameras);
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

    fn restore_within(&mut self, state: &MethodState, _at: EpochAt, device: &Device) -> Option<Prepared> {
        self.kept = None;
        let baseline = Baseline::take(state, self.table.settings.momentum, device)?;
        Some(Prepared { baseline, cameras: state.cameras()? })
    }
}
