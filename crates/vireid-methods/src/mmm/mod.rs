//! MMM: multi-memory matching (Shi et al., ECCV 2024, arXiv 2401.06825), as one continuous run.
//!
//! Stage 1 trains each modality on its own clusters, stage 2 adds a memory of joint clusters; both are a baseline whose
//! weights are thrown away. At the start of stage 3 their embeddings make labels, once: every cluster is split into
//! several memories, and visible clusters take the label of the infrared cluster that their memories match
//! ([`match_clusters`]). Stage 3 trains a fresh network on these labels: a warm-up, then identities weighted by how far
//! their label can be trusted ([`confidences`]) and a soft alignment of clusters ([`alignment_step`]).

mod alignment;
mod confidence;
mod matching;
mod samplers;
mod settings;

use burn::tensor::{Device, IndexingUpdateOp, Tensor, TensorData};
use vireid_clustering::Expansion;
use vireid_core::{Camera, PerModality, Stream};
use vireid_data::ViewRecipes;
use vireid_data::sampler::StepPlan;
use vireid_losses::{cross_entropies, label_tensor};
use vireid_memory::MemoryBank;

use crate::parts::baseline::{Baseline, Clusterings, JOINT, JointSampler};
use crate::parts::contrast::Contrast;
use crate::parts::contrast_step::published_recipes;
use crate::parts::joint::joint_origins;
use crate::parts::settings::{MethodTable, read_clustering};
use vireid_train::MethodState;
use vireid_train::epoch::{Epoch, EpochAt, Labelling};
use vireid_train::method::{Outputs, Part, Stage, StageStart, StepAt, StepLoss};
use vireid_train::{Method, MethodError, Optimizer, RunConfig, boxed};

use crate::presets::preset_files;
use crate::registry::MethodEntry;

pub use alignment::{BatchTrust, PARTS, Prototypes, alignment_step, warm_up_step};
pub use confidence::{Confidences, confidences};
pub use matching::{MatchedLabels, cluster_memories, filter, match_clusters};
pub use samplers::{labelled, matched_batches, whole_set_batches};
pub use settings::{Direction, IntraNorm, Matching, MmmSettings, Profile, SwitchOverrides, Switches};

/// Number of the second stage, which has a joint memory.
const WITH_JOINT: usize = 1;
/// Number of the third stage, which trains on matched labels.
const MATCHED: usize = 2;
/// How many views a visible image has in a batch.
const VIEWS: usize = 2;

/// What the registry knows of it.
pub const ENTRY: MethodEntry = MethodEntry {
    name: "mmm",
    build: |config| Ok(boxed(Mmm::new(config)?)),
    presets: preset_files!["mmm_paper", "mmm_quick"],
    clustering: read_clustering,
};

/// MMM, ready to be trained.
#[derive(Debug)]
pub struct Mmm {
    table: MethodTable<MmmSettings>,
    switches: Switches,
    padding: usize,
    cameras: PerModality<Vec<Camera>>,
    /// What stage 3 keeps between its epochs.
    matched: Option<Matched>,
}

/// What an epoch is trained on.
#[derive(Debug)]
pub enum Prepared {
    /// In the first two stages: labels and memories.
    Baseline(Box<Baseline>),
    /// In the third: matched labels, and how far they are trusted.
    Matched(Box<Matched>),
}

/// Matched labels with what stage 3 knows of them.
#[derive(Debug, Clone)]
pub struct Matched {
    labels: MatchedLabels,
    /// Of two visible views and the infrared one, by position in the training list.
    confidence: PerModality<Confidences>,
    prototypes: Option<Prototypes>,
}

impl Mmm {
    /// Reads the method's settings.
    ///
    /// # Errors
    ///
    /// `VR0501`, `VR0502`.
    pub fn new(config: &RunConfig) -> Result<Self, MethodError> {
        let table: MethodTable<MmmSettings> = MethodTable::read(config)?;
        Ok(Self {
            switches: table.settings.switches(),
            table,
            padding: config.engine.input.padding,
            cameras: PerModality::default(),
            matched: None,
        })
    }

    fn is_warm_up(&self, at: EpochAt) -> bool {
        at.in_stage < self.table.settings.warm_up
    }

    fn contrast(&self) -> Contrast {
        Contrast { temperature: self.table.settings.temperature, bank_gradient: self.switches.bank_gradient }
    }

    fn batch(&self) -> usize {
        self.table.settings.ids_per_batch * self.table.settings.images_per_id
    }

    /// Clusters of an epoch of the baseline.
    fn cluster(&self, epoch: &mut dyn Epoch, with_joint: bool) -> Result<Baseline, MethodError> {
        let embeddings = epoch.embeddings()?;
        self.cluster_embedded(epoch, &embeddings, with_joint)
    }

    fn cluster_embedded(
        &self,
        epoch: &mut dyn Epoch,
        embeddings: &PerModality<vireid_core::Embeddings>,
        with_joint: bool,
    ) -> Result<Baseline, MethodError> {
        let (c, s) = (&self.table.clustering, &self.table.settings);
        let origins = joint_origins(&self.cameras);
        let joint = c.joint(crate::Auto::Value(s.joint_k1), s.joint_eps, &origins);
        let balanced = Expansion::ModalityBalanced { k2: s.joint_k2, origins: &origins };
        let how = Clusterings {
            joint_eps_key: "settings.joint_eps",
            joint: with_joint.then(|| joint.run(embeddings, |_| balanced, epoch.device())).transpose()?,
            ..Clusterings::plain(c, s.momentum)
        };
        Baseline::new(epoch, embeddings, how)
    }

    /// Multi-memory matching on the embeddings that the baseline ended with.
    fn match_labels(&self, epoch: &mut dyn Epoch) -> Result<Matched, MethodError> {
        let embeddings = epoch.embeddings()?;
        let baseline = self.cluster_embedded(epoch, &embeddings, !self.table.settings.multi_memory)?;
        let own = baseline.labels.indices();
        epoch.tick("matching", 0, 1);
        let labels = if self.table.settings.multi_memory {
            // Before the matching the numbers of the two modalities' clusters have nothing to do with one another.
            epoch.report(&Labelling {
                moment: "before matching",
                labels: own.as_ref().map(Vec::as_slice),
                joint: Some(own.as_ref().map(Vec::as_slice)),
                ..Labelling::default()
            });
            match_clusters(&embeddings, &own, self.table.settings.memories, &self.switches, epoch.streams())?
        } else {
            let shared = baseline.joint.map(|joint| joint.labels);
            let none = own.as_ref().map(|labels| vec![None; labels.len()]);
            compacted(shared.unwrap_or(none))
        };
        epoch.tick("matching", 1, 1);
        epoch.report(&Labelling {
            moment: "after matching",
            labels: labels.labels.as_ref().map(Vec::as_slice),
            joint: Some(labels.labels.as_ref().map(Vec::as_slice)),
            ..Labelling::default()
        });
        let confidence = PerModality {
            visible: vec![vec![1.0; own.visible.len()]; VIEWS],
            infrared: vec![vec![1.0; own.infrared.len()]],
        };
        Ok(Matched { labels, confidence, prototypes: None })
    }

    /// One pass over all images for how well the network fits their labels.
    fn measure_confidence(&self, matched: &mut Matched, epoch: &mut dyn Epoch) -> Result<(), MethodError> {
        let at = epoch.at();
        let (batch, incomplete) = (self.batch(), self.switches.incomplete_passes);
        let mut stream = epoch.streams().stream("confidence", [at.epoch as u64, 0, 0]);
        let plans = whole_set_batches(&matched.labels, batch, incomplete, self.visible_cameras(), &mut stream)?;
        let labels = &matched.labels.labels;
        let mut found: Vec<(StepPlan, Tensor<1>)> = Vec::new();
        epoch.pass("confidence", self.recipes(at), plans, &mut |plan, outputs| {
            let Some(logits) = outputs.logits else { return };
            let all = Tensor::cat(vec![logits.visible, logits.infrared], 0);
            let (visible, infrared) = (of(&labels.visible, &plan.visible), of(&labels.infrared, &plan.infrared));
            let targets = label_tensor(&[visible.clone(), visible, infrared].concat(), &all.device());
            found.push((plan.clone(), cross_entropies(all, targets)));
        })?;
        let (plans, losses): (Vec<StepPlan>, Vec<Tensor<1>>) = found.into_iter().unzip();
        // The one read of the pass: confidences are fitted on the host.
        let losses = match losses.is_empty() {
            true => Vec::new(),
            false => Tensor::cat(losses, 0).try_into_vec_as::<f32>()?,
        };
        let positions = labelled(&matched.labels);
        let mut of_visible = vec![vec![None; labels.visible.len()]; VIEWS];
        let mut of_infrared = vec![vec![None; labels.infrared.len()]];
        for (plan, losses) in plans.iter().zip(losses.chunks((VIEWS + 1) * batch)) {
            for (slot, &position) in plan.visible.iter().enumerate() {
                (0..VIEWS).for_each(|view| of_visible[view][position] = Some(losses[view * batch + slot]));
            }
            for (slot, &position) in plan.infrared.iter().enumerate() {
                of_infrared[0][position] = Some(losses[VIEWS * batch + slot]);
            }
        }
        let select = |losses: &[Vec<Option<f32>>], positions: &[usize]| -> Vec<Vec<Option<f32>>> {
            losses.iter().map(|view| positions.iter().map(|&position| view[position]).collect()).collect()
        };
        let minus_one = self.switches.unvisited_as_minus_one;
        let before = &matched.confidence;
        let confidence = PerModality {
            visible: confidences(
                &select(&of_visible, &positions.visible),
                &positions.visible,
                &before.visible,
                minus_one,
            ),
            infrared: confidences(
                &select(&of_infrared, &positions.infrared),
                &positions.infrared,
                &before.infrared,
                minus_one,
            ),
        };
        let mean = |of: &[Vec<f32>], positions: &[usize]| {
            let sum: f32 = of.iter().flat_map(|view| positions.iter().map(|&position| view[position])).sum();
            f64::from(sum) / (of.len() * positions.len()).max(1) as f64
        };
        let figures = vec![
            ("mean confidence, visible", mean(&confidence.visible, &positions.visible)),
            ("mean confidence, infrared", mean(&confidence.infrared, &positions.infrared)),
        ];
        let labels = labels.clone();
        epoch.report(&Labelling {
            labels: labels.as_ref().map(Vec::as_slice),
            joint: Some(labels.as_ref().map(Vec::as_slice)),
            figures,
            ..Labelling::default()
        });
        matched.confidence = confidence;
        Ok(())
    }

    /// One more pass over the epoch's batches for the prototypes that the next epoch is pulled towards.
    fn measure_prototypes(&self, matched: &mut Matched, epoch: &mut dyn Epoch) -> Result<(), MethodError> {
        let at = epoch.at();
        let mut stream = epoch.streams().stream("sampler", [at.epoch as u64, 0, 0]);
        let plans = self.plan_matched(matched, at, &mut stream)?;
        let (classes, device) = (matched.labels.classes, epoch.device().clone());
        let weighted = self.switches.weighted_prototypes;
        let mut sums: Option<Prototypes> = None;
        let mut counts = vec![[0.0f32; 3]; classes];
        epoch.pass("prototypes", self.recipes(at), plans, &mut |plan, outputs| {
            let trust = matched.trust(plan);
            let slots = trust.labels.len();
            let visible = outputs.features.visible.pooled;
            let features = [
                visible.clone().narrow(0, 0, slots),
                visible.narrow(0, slots, slots),
                outputs.features.infrared.pooled,
            ];
            let dim = features[0].dims()[1];
            let zero = || Tensor::<2>::zeros([classes, dim], &device);
            let before = sums.take().unwrap_or_else(|| [zero(), zero(), zero()]);
            let index = label_tensor(&trust.labels, &device);
            let mut views = before.into_iter().zip(features).zip(&trust.confidence).map(|((sum, rows), weights)| {
                let column = Tensor::<2>::from_data(TensorData::new(weights.clone(), [slots, 1]), &device);
                sum.select_assign(0, index.clone(), rows * column, IndexingUpdateOp::Add)
            });
            sums = (|| Some([views.next()?, views.next()?, views.next()?]))();
            for (slot, &label) in trust.labels.iter().enumerate() {
                for (view, confidence) in trust.confidence.iter().enumerate() {
                    counts[label][view] += if weighted { confidence[slot] } else { 1.0 };
                }
            }
        })?;
        let Some(sums) = sums else { return Ok(()) };
        let before = matched.prototypes.clone();
        let mut view = 0;
        let prototypes = sums.map(|sum| {
            // Labels without a sample in this epoch keep their prototype, at first 0.
            let column = |value: &dyn Fn(f32) -> f32| {
                let values: Vec<f32> = counts.iter().map(|count| value(count[view])).collect();
                Tensor::<2>::from_data(TensorData::new(values, [classes, 1]), &device)
            };
            let fresh = sum * column(&|count| if count > 0.0 { 1.0 / count } else { 0.0 });
            let kept = column(&|count| if count > 0.0 { 0.0 } else { 1.0 });
            let old = before.as_ref().map_or_else(|| fresh.zeros_like(), |before| before[view].clone());
            view += 1;
            fresh + old * kept
        });
        matched.prototypes = Some(prototypes);
        Ok(())
    }

    /// The steps of an epoch of stage 3.
    fn plan_matched(&self, matched: &Matched, at: EpochAt, stream: &mut Stream) -> Result<Vec<StepPlan>, MethodError> {
        let s = &self.table.settings;
        if self.is_warm_up(at) {
            let incomplete = self.switches.incomplete_passes;
            return Ok(whole_set_batches(&matched.labels, self.batch(), incomplete, self.visible_cameras(), stream)?);
        }
        Ok(matched_batches(&matched.labels, s.ids_per_batch, s.images_per_id, stream)?)
    }

    fn visible_cameras(&self) -> usize {
        let mut cameras: Vec<Camera> = self.cameras.visible.clone();
        cameras.sort_unstable();
        cameras.dedup();
        cameras.len()
    }
}

/// Labels renumbered without gaps.
fn compacted(labels: PerModality<Vec<Option<usize>>>) -> MatchedLabels {
    let mut used: Vec<usize> = labels.visible.iter().chain(&labels.infrared).flatten().copied().collect();
    used.sort_unstable();
    used.dedup();
    let number = |label: usize| used.binary_search(&label).ok();
    let labels = labels.map(|labels| labels.into_iter().map(|label| label.and_then(number)).collect());
    MatchedLabels { labels, classes: used.len() }
}

/// The labels of some positions, which all have one.
fn of(labels: &[Option<usize>], positions: &[usize]) -> Vec<usize> {
    positions.iter().filter_map(|&position| labels[position]).collect()
}

impl Matched {
    fn put(&self, state: &mut MethodState) {
        let Self { labels, confidence, prototypes } = self;
        state.put_labels("matched/visible", &labels.labels.visible);
        state.put_labels("matched/infrared", &labels.labels.infrared);
        state.put_labels("matched/classes", &[Some(labels.classes)]);
        let views = confidence.visible.iter().chain(&confidence.infrared);
        views.enumerate().for_each(|(view, values)| state.put_values(&format!("confidence/{view}"), values));
        for (view, rows) in prototypes.iter().flatten().enumerate() {
            state.put_rows(&format!("prototypes/{view}"), rows);
        }
    }

    fn is_in(state: &MethodState) -> bool {
        state.labels("matched/visible").is_some()
    }

    fn take(state: &MethodState, device: &Device) -> Option<Self> {
        let labels =
            PerModality { visible: state.labels("matched/visible")?, infrared: state.labels("matched/infrared")? };
        let classes = (*state.labels("matched/classes")?.first()?)?;
        let confidence = |view: usize| state.values(&format!("confidence/{view}"));
        let rows = |view: usize| state.rows(&format!("prototypes/{view}"), device);
        let prototypes = match (rows(0), rows(1), rows(2)) {
            (Some(a), Some(b), Some(c)) => Some([a, b, c]),
            _ => None,
        };
        Some(Self {
            labels: MatchedLabels { labels, classes },
            confidence: PerModality { visible: vec![confidence(0)?, confidence(1)?], infrared: vec![confidence(2)?] },
            prototypes,
        })
    }

    fn trust(&self, plan: &StepPlan) -> BatchTrust {
        let at =
            |confidence: &[f32], positions: &[usize]| positions.iter().map(|&position| confidence[position]).collect();
        BatchTrust {
            labels: of(&self.labels.labels.visible, &plan.visible),
            confidence: [
                at(&self.confidence.visible[0], &plan.visible),
                at(&self.confidence.visible[1], &plan.visible),
                at(&self.confidence.infrared[0], &plan.infrared),
            ],
        }
    }
}

impl Method for Mmm {
    type Prepared = Prepared;

    fn name(&self) -> &str {
        ENTRY.name
    }

    fn stages(&self) -> Vec<Stage> {
        let (adam, sgd) = (Optimizer::adam(), Optimizer::sgd_nesterov());
        vec![
            Stage { name: "stage 1", start: StageStart::Continue, optimizer: adam },
            Stage { name: "stage 2", start: StageStart::FreshOptimizer, optimizer: adam },
            Stage { name: "stage 3", start: StageStart::FreshNetwork, optimizer: sgd },
        ]
    }

    fn composition(&self) -> Vec<Part> {
        let s = &self.table.settings;
        let contrast = format!(
            "cluster contrast at temperature {}, momentum {}, gradients {:?}",
            s.temperature, s.momentum, self.switches.bank_gradient
        );
        let matching = match s.multi_memory {
            true => format!(
                "{} memories per cluster, {:?} by the memories of {:?}, once",
                s.memories, self.switches.matching, self.switches.direction
            )
            .to_lowercase(),
            false => "none: the joint clusters of the baseline".into(),
        };
        let mut parts = vec![
            Part::new("stage 1", "labeller", "per modality: k-reciprocal Jaccard, DBSCAN, noise dropped"),
            Part::new("stage 1", "memories", "one per modality"),
            Part::new("stage 1", "sampler", "clusters of either modality, over cameras"),
            Part::new("stage 1", "objective", contrast.clone()),
            Part::new("stage 2", "labeller", "per modality, and jointly with modality-balanced expansion"),
            Part::new("stage 2", "memories", "one per modality, one joint"),
            Part::new("stage 2", "sampler", "clusters over cameras; own and joint steps alternate"),
            Part::new("stage 2", "objective", contrast),
            Part::new("stage 3", "associator", matching),
            Part::new("stage 3", "labeller", "the matched labels, never again"),
            Part::new(
                "stage 3",
                "sampler",
                format!("{} labels, {} images of either modality", s.ids_per_batch, s.images_per_id),
            ),
            Part::new(
                "stage 3",
                "objective",
                format!(
                    "{} epochs of identities, then identities by confidence + triplet (margin {}) + {} within + {} between modalities",
                    s.warm_up, s.margin, s.intra, s.inter
                ),
            ),
        ];
        parts.extend(self.switches.named().into_iter().map(|(name, value)| Part::new("switches", name, value)));
        parts
    }

    fn notes(&self) -> Vec<String> {
        self.table.clustering.notes()
    }

    fn largest_batch(&self, at: EpochAt) -> usize {
        if at.stage < MATCHED { self.table.sampler.slots() } else { self.batch() }
    }

    fn recipes(&self, _at: EpochAt) -> ViewRecipes {
        published_recipes(self.padding)
    }

    fn prepare(&mut self, epoch: &mut dyn Epoch) -> Result<Prepared, MethodError> {
        let at = epoch.at();
        self.cameras = epoch.cameras();
        if at.stage < MATCHED {
            return Ok(Prepared::Baseline(Box::new(self.cluster(epoch, at.stage >= WITH_JOINT)?)));
        }
        // A copy: what follows may fail, and the labels are made only once.
        let mut matched = match &self.matched {
            Some(kept) => kept.clone(),
            None if at.in_stage == 0 => self.match_labels(epoch)?,
            None => {
                return Err(MethodError::NotPrepared(format!(
                    "{}, stage 3, whose first epoch makes its labels",
                    self.name()
                )));
            }
        };
        if !self.is_warm_up(at) {
            self.measure_confidence(&mut matched, epoch)?;
        }
        Ok(Prepared::Matched(Box::new(matched)))
    }

    fn plan(
        &self,
        prepared: &Prepared,
        at: EpochAt,
        steps: usize,
        stream: &mut Stream,
    ) -> Result<Vec<StepPlan>, MethodError> {
        match prepared {
            Prepared::Baseline(baseline) => {
                let shape = self.table.sampler.shape();
                baseline.plan(shape, steps, &self.cameras, JointSampler::Independent, stream)
            }
            Prepared::Matched(matched) => self.plan_matched(matched, at, stream),
        }
    }

    fn classes(&self, prepared: &Prepared) -> Option<usize> {
        match prepared {
            Prepared::Baseline(_) => None,
            Prepared::Matched(matched) => Some(matched.labels.classes),
        }
    }

    fn loss_parts(&self, at: EpochAt) -> &'static [&'static str] {
        match at.stage {
            0 => &["visible", "infrared"],
            WITH_JOINT => &["visible", "infrared", "joint_visible", "joint_infrared"],
            _ => PARTS,
        }
    }

    fn step(&mut self, prepared: &mut Prepared, at: StepAt, plan: &StepPlan, outputs: Outputs) -> StepLoss {
        let at = at.epoch;
        let matched = match prepared {
            Prepared::Baseline(baseline) => {
                let labels = baseline.batch_labels(plan, VIEWS);
                let embeddings = outputs.features.map(|features| features.embedding);
                let all_parts = at.stage >= WITH_JOINT;
                return baseline_step(baseline, self.contrast(), plan, &embeddings, &labels, all_parts);
            }
            Prepared::Matched(matched) => matched,
        };
        let loss = if self.is_warm_up(at) {
            let labels = &matched.labels.labels;
            warm_up_step(&outputs, &of(&labels.visible, &plan.visible), &of(&labels.infrared, &plan.infrared))
        } else {
            let zeros = (self.switches.zero_first_prototypes && matched.prototypes.is_none()).then(|| {
                let dim = outputs.features.infrared.pooled.dims()[1];
                let device = outputs.features.infrared.pooled.clone().inner().device();
                let zero = || Tensor::zeros([matched.labels.classes, dim], &device);
                [zero(), zero(), zero()]
            });
            let prototypes = matched.prototypes.as_ref().or(zeros.as_ref());
            let prototypes = prototypes.filter(|_| at.in_stage >= self.switches.intra_from);
            let align_between = at.in_stage >= self.switches.inter_from;
            alignment_step(&outputs, &matched.trust(plan), prototypes, align_between, &self.table.settings)
        };
        match loss {
            Some(loss) => loss,
            None => unreachable!("stage 3 has a classifier"),
        }
    }

    fn finish(&mut self, prepared: Prepared, epoch: &mut dyn Epoch) -> Result<(), MethodError> {
        let Prepared::Matched(mut matched) = prepared else { return Ok(()) };
        // Whatever the weights of the losses: the pass also moves the running statistics that tests use.
        let measured = match self.is_warm_up(epoch.at()) {
            true => Ok(()),
            false => self.measure_prototypes(&mut matched, epoch),
        };
        // Even if that failed: nothing makes the labels again.
        self.matched = Some(*matched);
        measured
    }

    fn state(&self, prepared: Option<&Prepared>) -> MethodState {
        let mut state = MethodState::default();
        match (prepared, &self.matched) {
            (Some(Prepared::Baseline(baseline)), _) => baseline.put(&mut state),
            (Some(Prepared::Matched(matched)), _) => matched.put(&mut state),
            (None, Some(matched)) => matched.put(&mut state),
            (None, None) => (),
        }
        state.put_cameras(&self.cameras);
        state
    }

    fn restore(&mut self, state: &MethodState, device: &Device) -> Option<()> {
        self.cameras = state.cameras()?;
        self.matched = if Matched::is_in(state) { Some(Matched::take(state, device)?) } else { None };
        Some(())
    }

    fn restore_within(&mut self, state: &MethodState, _at: EpochAt, device: &Device) -> Option<Prepared> {
        self.cameras = state.cameras()?;
        self.matched = None;
        Some(match Matched::is_in(state) {
            true => Prepared::Matched(Box::new(Matched::take(state, device)?)),
            false => Prepared::Baseline(Box::new(Baseline::take(state, self.table.settings.momentum, device)?)),
        })
    }
}

/// A step of the baseline: on the memories of the modalities, or on the joint one. With `all_parts` the losses of the
/// other kind of step are reported as 0.
fn baseline_step(
    baseline: &mut Baseline,
    contrast: Contrast,
    plan: &StepPlan,
    embeddings: &PerModality<Tensor<2>>,
    labels: &PerModality<Vec<usize>>,
    all_parts: bool,
) -> StepLoss {
    let labels = labels.as_ref().map(Vec::as_slice);
    let update = || Box::new(MemoryBank::update) as crate::parts::lookups::Update<'static>;
    let is_joint = plan.part == JOINT;
    let loss = match &mut baseline.joint {
        Some(joint) if is_joint => contrast.joint_step(&mut joint.bank, embeddings, labels, update()),
        _ => {
            let banks = PerModality { visible: &mut baseline.banks.visible, infrared: &mut baseline.banks.infrared };
            contrast.specific_step(banks, embeddings, labels, update())
        }
    };
    if !all_parts {
        return loss;
    }
    let none = loss.parts.zeros_like();
    let parts = if is_joint { vec![none, loss.parts] } else { vec![loss.parts, none] };
    StepLoss { objective: loss.objective, parts: Tensor::cat(parts, 0) }
}
