//! What a run reports while it goes: events, figures of its labels, and who watches them.

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
use crate::misgivings::{Misgiving, misgivings, ties};

/// One thing that happened; a line of `events.jsonl`.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A stage begins, or goes on after a resume.
    Stage {
        /// The stage's name, as the method calls it.
        name: String,
        /// The stage's first epoch, counted from 0 over all stages.
        first_epoch: usize,
        /// How many epochs the stage has.
        epochs: usize,
        /// How many steps its first epoch in this process has.
        steps: usize,
        /// How many of the stage's steps are done already: above 0 after a resume.
        done: usize,
    },
    /// An epoch's pseudo-labels, once for each labelling that the method reports.
    Clusters(Box<ClusterReport>),
    /// A training step is done. Told in bundles, when the losses are read off the device.
    Step {
        /// The epoch, counted from 0 over all stages.
        epoch: usize,
        /// The step within the epoch, counted from 0.
        step: usize,
        /// The learning rate of the epoch; the trunk may get a share of it.
        learning_rate: f64,
        /// The loss's parts by name, in the order of [`Method::loss_parts`](crate::Method::loss_parts).
        losses: Vec<(&'static str, f32)>,
    },
    /// The first step of a process is done, with whatever its device compiled for it.
    FirstStep {
        /// The epoch, counted from 0 over all stages.
        epoch: usize,
        /// The step within the epoch, counted from 0.
        step: usize,
        /// Seconds from the batch to the updated weights.
        seconds: f64,
    },
    /// An epoch is over, and the method has finished it.
    Epoch {
        /// The epoch, counted from 0 over all stages.
        epoch: usize,
        /// Means of the loss's parts over the epoch's steps in this process.
        losses: Vec<(&'static str, f32)>,
        /// How many seconds each kind of work took.
        seconds: Seconds,
    },
    /// The test images were embedded and scored.
    Evaluation {
        /// The scores, and the moment of the run that they are of.
        #[serde(flatten)]
        evaluation: Evaluation,
        /// Seconds for embedding and scoring.
        seconds: f64,
    },
    /// The run stops early on request.
    Interrupted {
        /// The epoch it stopped in, counted from 0 over all stages.
        epoch: usize,
        /// How many steps of that epoch are done.
        step: usize,
    },
}

/// Seconds by activity. On a device that works asynchronously, waiting is booked where it happens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, serde::Deserialize)]
pub struct Seconds {
    /// Waiting for batches that the loader had not ready.
    pub load: f64,
    /// Forward passes, losses and the memories' updates.
    pub forward: f64,
    /// Backward passes and the optimiser's steps.
    pub backward: f64,
    /// Embedding the training images to label them.
    pub extraction: f64,
    /// Clustering and association: all of an epoch's preparation but embedding.
    pub clustering: f64,
    /// Embedding and scoring the test images.
    pub evaluation: f64,
}

impl Seconds {
    /// Adds the seconds of another account, activity by activity.
    pub fn add(&mut self, other: Seconds) {
        self.load += other.load;
        self.forward += other.forward;
        self.backward += other.backward;
        self.extraction += other.extraction;
        self.clustering += other.clustering;
        self.evaluation += other.evaluation;
    }

    /// The sum over all activities. What is in none of them, such as writing checkpoints, is not counted.
    pub fn total(&self) -> f64 {
        self.load + self.forward + self.backward + self.extraction + self.clustering + self.evaluation
    }
}

/// The pseudo-labels of an epoch, seen with the truth where it is known. Computed for people; training never reads it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClusterReport {
    /// Name of the stage that the epoch is in.
    pub stage: &'static str,
    /// The epoch, counted from 0 over all stages.
    pub epoch: usize,
    /// Which of the epoch's labellings this is; empty where there is only one.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub moment: &'static str,
    /// The clusters of the visible training images.
    pub visible: ModalityReport,
    /// The clusters of the infrared training images.
    pub infrared: ModalityReport,
    /// The association of the two modalities' clusters, where the stage has one.
    pub association: Option<AssociationReport>,
    /// The labels in one space for both modalities, where the stage has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub joint: Option<JointReport>,
    /// Other figures of the labelling by name, such as the threshold that made it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub figures: Vec<(&'static str, f64)>,
    /// What speaks against these labels, judged without the truth.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub misgivings: Vec<Misgiving>,
}

/// Labels in one space for both modalities, and how well they agree with the truth.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct JointReport {
    /// How many labels some image of either modality has.
    pub clusters: usize,
    /// How many of those labels images of both modalities have.
    pub shared: usize,
    /// How many images of either modality have no label.
    pub noise: usize,
    /// Adjusted Rand index over the labelled images of both modalities; `None` where an identity is not known.
    pub ari: Option<f64>,
    /// Share of the pairs of a visible and an infrared image under one label that are of one identity.
    pub pair_precision: Option<f64>,
    /// Share of the pairs of a visible and an infrared image of one identity that are under one label.
    pub pair_recall: Option<f64>,
}

/// The clusters of the training images of one modality.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ModalityReport {
    /// How many clusters were found.
    pub clusters: usize,
    /// How many images have no cluster.
    pub noise: usize,
    /// How many images there are, noise included.
    pub samples: usize,
    /// Adjusted Rand index between these labels and those of the epoch before, over the images that both label. Needs no
    /// truth. `None` in a run's first epoch and right after a resume.
    pub stability: Option<f64>,
    /// Where the clusters come from, by the labels of the epoch before; known when `stability` is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flow: Option<ClusterFlow>,
    /// How well the clusters agree with the identities; `None` where an identity is not known.
    #[serde(flatten)]
    pub agreement: Option<Agreement>,
}

/// How well clusters agree with identities, over the images that have a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Agreement {
    /// Adjusted Rand index: 1 for equal partitions, about 0 for random ones.
    pub ari: f64,
    /// Normalised mutual information, from 0 to 1.
    pub nmi: f64,
    /// Share of the images that are of their cluster's most frequent identity, from 0 to 1.
    pub purity: f64,
    /// B-cubed precision: falls when clusters mix identities.
    pub b_cubed_precision: f64,
    /// B-cubed recall: falls when identities are split.
    pub b_cubed_recall: f64,
}

/// Which clusters of the two modalities were associated, and how rightly.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct AssociationReport {
    /// How many pairs of a visible and an infrared cluster were associated.
    pub pairs: usize,
    /// Share of all clusters, of both modalities together, that have a partner. Needs no truth.
    pub partnered: f64,
    /// Share of the pairs that are right; `None` where an identity is not known or there is no pair.
    pub precision: Option<f64>,
    /// Share of the right pairs that were found; `None` where an identity is not known or no pair is right.
    pub recall: Option<f64>,
}

/// The labels of the epoch before, by the moment of their report.
#[derive(Debug, Clone, Default)]
pub(crate) struct EarlierLabels {
    labels: HashMap<&'static str, PerModality<Vec<Option<usize>>>>,
    /// What tied the modalities together: [`ties`].
    ties: HashMap<&'static str, PerModality<Vec<Option<usize>>>>,
}

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
        let before = earlier.labels.insert(labelling.moment, now);
        let before = before.as_ref();
        let tied = ties(labelling);
        let all = |ties: &PerModality<Vec<Option<usize>>>| [ties.visible.as_slice(), &ties.infrared].concat();
        let both = tied.as_ref().zip(earlier.ties.get(labelling.moment));
        let tie_stability = both.map(|(now, before)| stability(&all(now), &all(before)));
        let cameras = images.as_ref().map(|list| list.samples().iter().map(|sample| sample.camera).collect());
        let misgivings = misgivings(labelling, &cameras, tied.as_ref(), tie_stability);
        earlier.ties.extend(tied.map(|tied| (labelling.moment, tied)));
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
            misgivings,
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

/// Whoever watches a run: a progress bar, a log. All calls come from the thread that trains.
pub trait Observer {
    /// Called when something happened, before training goes on. It can't stop the run.
    fn event(&mut self, event: &Event);

    /// Called when a long activity, such as `embedding` or `testing`, moved on: `done` of `total`. Does nothing unless
    /// it is overridden.
    fn tick(&mut self, _activity: &'static str, _done: usize, _total: usize) {}
}

/// An observer for runs that nobody watches.
impl Observer for () {
    fn event(&mut self, _event: &Event) {}
}
