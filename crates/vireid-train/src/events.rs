//! What a run tells while it goes.

use std::collections::{HashMap, HashSet};

use serde::Serialize;
use vireid_core::{Association, Identity, Infrared, ModalityTag, PerModality, PseudoLabels, Visible};
use vireid_data::ImageList;
use vireid_eval::quality::{
    LabelQuality, adjusted_rand_index, association_quality, joint_label_quality, label_quality,
};

use crate::Evaluation;
pub use crate::cluster_flow::ClusterFlow;
use crate::epoch::Labelling;

/// One thing that happened; a line of `events.jsonl`.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A stage begins, or goes on after a resume.
    Stage {
        /// Its name.
        name: String,
        /// Its first epoch.
        first_epoch: usize,
        /// Its number of epochs.
        epochs: usize,
        /// Steps of an epoch.
        steps: usize,
        /// Steps of the stage that are done already.
        done: usize,
    },
    /// An epoch's pseudo-labels.
    Clusters(Box<ClusterReport>),
    /// A training step.
    Step {
        /// Epoch, counted from 0.
        epoch: usize,
        /// Step, counted from 0.
        step: usize,
        /// Learning rate.
        learning_rate: f64,
        /// Loss by parts.
        losses: Vec<(&'static str, f32)>,
    },
    /// The first step of a process is done, with whatever its device compiled for it.
    FirstStep {
        /// Epoch, counted from 0.
        epoch: usize,
        /// Step, counted from 0.
        step: usize,
        /// What it took.
        seconds: f64,
    },
    /// An epoch is over.
    Epoch {
        /// Epoch, counted from 0.
        epoch: usize,
        /// Mean loss by parts.
        losses: Vec<(&'static str, f32)>,
        /// How many seconds each kind of work took.
        seconds: Seconds,
    },
    /// The test set was scored.
    Evaluation {
        /// The scores.
        #[serde(flatten)]
        evaluation: Evaluation,
        /// What it took.
        seconds: f64,
    },
    /// The run stops early on request.
    Interrupted {
        /// Epoch it stopped in.
        epoch: usize,
        /// Steps of that epoch done.
        step: usize,
    },
}

/// Seconds by activity. On a device that works asynchronously, waiting is booked where it happens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, serde::Deserialize)]
pub struct Seconds {
    /// Waiting for batches.
    pub load: f64,
    /// Forward passes and losses.
    pub forward: f64,
    /// Backward passes and the optimiser.
    pub backward: f64,
    /// Embedding the training set.
    pub extraction: f64,
    /// Clustering and association.
    pub clustering: f64,
    /// Testing.
    pub evaluation: f64,
}

impl Seconds {
    /// Adds another account.
    pub fn add(&mut self, other: Seconds) {
        self.load += other.load;
        self.forward += other.forward;
        self.backward += other.backward;
        self.extraction += other.extraction;
        self.clustering += other.clustering;
        self.evaluation += other.evaluation;
    }

    /// All of it.
    pub fn total(&self) -> f64 {
        self.load + self.forward + self.backward + self.extraction + self.clustering + self.evaluation
    }
}

/// The pseudo-labels of an epoch, seen with the truth where it is known. Computed for people; training never reads it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClusterReport {
    /// Name of the stage.
    pub stage: &'static str,
    /// Epoch, counted from 0.
    pub epoch: usize,
    /// Which of the epoch's labels these are, where there are several.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub moment: &'static str,
    /// Clusters of visible images.
    pub visible: ModalityReport,
    /// Clusters of infrared images.
    pub infrared: ModalityReport,
    /// The association, where the stage has one.
    pub association: Option<AssociationReport>,
    /// The labels in one space for both modalities, where the stage has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub joint: Option<JointReport>,
    /// Other figures of the labelling.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub figures: Vec<(&'static str, f64)>,
}

/// Labels in one space for both modalities.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct JointReport {
    /// Labels that some image has.
    pub clusters: usize,
    /// Of them, those that images of both modalities have.
    pub shared: usize,
    /// Images without a label.
    pub noise: usize,
    /// Adjusted Rand index over the labelled images of both modalities, where the identities are known.
    pub ari: Option<f64>,
    /// Share of the pairs of a visible and an infrared image under one label that are of one identity.
    pub pair_precision: Option<f64>,
    /// Share of the pairs of a visible and an infrared image of one identity that are under one label.
    pub pair_recall: Option<f64>,
}

/// The clusters of one modality.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ModalityReport {
    /// Number of clusters.
    pub clusters: usize,
    /// Samples without a cluster.
    pub noise: usize,
    /// Samples.
    pub samples: usize,
    /// Adjusted Rand index between these labels and those of the epoch before, over the images that both label. Needs no
    /// truth. `None` in a run's first epoch and right after a resume.
    pub stability: Option<f64>,
    /// Where the clusters come from, by the labels of the epoch before; known when `stability` is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flow: Option<ClusterFlow>,
    /// How well the clusters agree with the identities, where all are known.
    #[serde(flatten)]
    pub agreement: Option<Agreement>,
}

/// How well clusters agree with identities.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Agreement {
    /// Adjusted Rand index.
    pub ari: f64,
    /// Normalised mutual information.
    pub nmi: f64,
    /// Purity.
    pub purity: f64,
    /// B-cubed precision: falls when clusters mix identities.
    pub b_cubed_precision: f64,
    /// B-cubed recall: falls when identities are split.
    pub b_cubed_recall: f64,
}

/// The association of clusters.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct AssociationReport {
    /// Associated pairs.
    pub pairs: usize,
    /// Share of the clusters of either modality that found a partner. Needs no truth.
    pub partnered: f64,
    /// Share of pairs that are right, where the identities are known.
    pub precision: Option<f64>,
    /// Share of right pairs that are found, where the identities are known.
    pub recall: Option<f64>,
}

/// The labels of the epoch before, by the moment of their report.
#[derive(Debug, Clone, Default)]
pub(crate) struct EarlierLabels(HashMap<&'static str, PerModality<Vec<Option<usize>>>>);

/// The identities of a list's images, when all are known.
fn identities(list: &ImageList) -> Option<Vec<Identity>> {
    list.samples().iter().map(|sample| sample.identity).collect()
}

impl ClusterReport {
    pub(crate) fn new(
        stage: &'static str,
        epoch: usize,
        labelling: &Labelling<'_>,
        images: &PerModality<std::sync::Arc<ImageList>>,
        earlier: &mut EarlierLabels,
    ) -> Self {
        let truth = images.as_ref().map(|list| identities(list));
        let truth = match (truth.visible, truth.infrared) {
            (Some(visible), Some(infrared)) => Some(PerModality { visible, infrared }),
            _ => None,
        };
        let visible: PseudoLabels<Visible> = PseudoLabels::compact(labelling.labels.visible);
        let infrared: PseudoLabels<Infrared> = PseudoLabels::compact(labelling.labels.infrared);
        let association = labelling.association.map(|association| {
            let quality = truth.as_ref().map(|truth| {
                association_quality(association, (&visible, &truth.visible), (&infrared, &truth.infrared))
            });
            AssociationReport {
                pairs: association.len(),
                partnered: partnered(association),
                precision: quality.and_then(|quality| quality.precision),
                recall: quality.and_then(|quality| quality.recall),
            }
        });
        let joint = labelling.joint.map(|joint| JointReport::new(joint, truth.as_ref()));
        let now =
            PerModality { visible: labelling.labels.visible.to_vec(), infrared: labelling.labels.infrared.to_vec() };
        let before = earlier.0.insert(labelling.moment, now);
        let before = before.as_ref();
        Self {
            stage,
            epoch,
            moment: labelling.moment,
            visible: ModalityReport::new(
                &visible,
                truth.as_ref().map(|truth| &truth.visible),
                labelling.labels.visible,
                before.map(|before| &before.visible),
            ),
            infrared: ModalityReport::new(
                &infrared,
                truth.as_ref().map(|truth| &truth.infrared),
                labelling.labels.infrared,
                before.map(|before| &before.infrared),
            ),
            association,
            joint,
            figures: labelling.figures.clone(),
        }
    }
}

/// Adjusted Rand index of two labellings over the images that both label.
fn stability(now: &[Option<usize>], before: &[Option<usize>]) -> f64 {
    let both = now.iter().zip(before).filter_map(|(now, before)| Some((now.as_ref()?, before.as_ref()?)));
    let (now, before): (Vec<usize>, Vec<usize>) = both.unzip();
    adjusted_rand_index(&now, &before)
}

fn partnered(association: &Association) -> f64 {
    let pairs: Vec<_> = association.pairs().collect();
    let infrared: HashSet<usize> = pairs.iter().map(|(i, _)| i.index()).collect();
    let visible: HashSet<usize> = pairs.iter().map(|(_, v)| v.index()).collect();
    let (of_infrared, of_visible) = association.shape();
    (infrared.len() + visible.len()) as f64 / (of_infrared + of_visible).max(1) as f64
}

impl JointReport {
    fn new(joint: PerModality<&[Option<usize>]>, truth: Option<&PerModality<Vec<Identity>>>) -> Self {
        let all = || joint.visible.iter().chain(joint.infrared);
        let of = |labels: &[Option<usize>]| labels.iter().flatten().copied().collect::<HashSet<usize>>();
        let (visible, infrared) = (of(joint.visible), of(joint.infrared));
        let quality = truth.map(|truth| joint_label_quality(joint, truth.as_ref().map(Vec::as_slice)));
        Self {
            clusters: visible.union(&infrared).count(),
            shared: visible.intersection(&infrared).count(),
            noise: all().filter(|label| label.is_none()).count(),
            ari: quality.map(|quality| quality.ari),
            pair_precision: quality.and_then(|quality| quality.pair_precision),
            pair_recall: quality.and_then(|quality| quality.pair_recall),
        }
    }
}

impl ModalityReport {
    /// `before` are the labels of the epoch before.
    fn new<M: ModalityTag>(
        labels: &PseudoLabels<M>,
        truth: Option<&Vec<Identity>>,
        now: &[Option<usize>],
        before: Option<&Vec<Option<usize>>>,
    ) -> Self {
        let stability = before.map(|before| stability(now, before));
        let flow = before.map(|before| ClusterFlow::between(before, now));
        let agreement = truth.map(|truth| {
            let LabelQuality { ari, nmi, purity, b_cubed } = label_quality(labels, truth);
            let (b_cubed_precision, b_cubed_recall) = (b_cubed.precision, b_cubed.recall);
            Agreement { ari, nmi, purity, b_cubed_precision, b_cubed_recall }
        });
        let (clusters, noise, samples) = (labels.clusters(), labels.noise(), labels.len());
        Self { clusters, noise, samples, stability, flow, agreement }
    }
}

/// Somebody who watches a run.
pub trait Observer {
    /// Something happened.
    fn event(&mut self, event: &Event);

    /// A long activity moved on: `done` of `total` images.
    fn tick(&mut self, _activity: &'static str, _done: usize, _total: usize) {}
}

/// Nobody watches.
impl Observer for () {
    fn event(&mut self, _event: &Event) {}
}
