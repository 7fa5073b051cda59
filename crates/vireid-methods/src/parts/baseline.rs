//! The labels and memories of an epoch of cluster contrast: of each modality, and in some stages of both together. MMM,
//! DMIC and ECUL build on it.

use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};
use vireid_clustering::centroids;
use vireid_core::{Camera, Embeddings, Infrared, Modality, PerModality, PseudoLabels, Stream, Visible};
use vireid_data::DataError;
use vireid_data::sampler::{BatchShape, StepPlan, camera_aware_batches, shared_blocks, shared_labels};
use vireid_memory::MemoryBank;

use vireid_train::epoch::{Epoch, Labelling};
use vireid_train::misgivings::LabelKeys;
use vireid_train::{MethodError, MethodState};

use super::instance::InstanceLoss;
use super::instance_memory::InstanceMemory;
use super::joint::JointClusters;
use super::labelling::{Labels, eps_key, rows_on};
use super::settings::ClusteringSettings;
use super::within::Within;

/// The kind of step that trains on each modality's own memory; it alternates with [`JOINT`]. A value of
/// [`StepPlan::part`].
pub const SPECIFIC: usize = 0;
/// The kind of step that trains on the joint memory. A value of [`StepPlan::part`].
pub const JOINT: usize = 1;

/// How an epoch is clustered: within each modality, and in some stages both together.
#[derive(Debug, Clone)]
pub struct Clusterings<'a> {
    /// How the images of each modality are clustered on their own.
    pub within: PerModality<Within<'a>>,
    /// The settings that hold their radii, by name, for the message when nothing is found.
    pub eps_keys: PerModality<String>,
    /// The setting that holds the radius of the joint clustering, by name, for the same reason.
    pub joint_eps_key: &'static str,
    /// What clustering both modalities together found; `None` in stages without that.
    pub joint: Option<JointClusters>,
    /// Weight of the old prototype in the memories, from 0 to 1.
    pub momentum: f64,
    /// Figures to report with the labels, by name.
    pub figures: Vec<(&'static str, f64)>,
}

impl Clusterings<'_> {
    /// Plain expansions within each modality as the settings say, and no joint clustering.
    pub fn plain(c: &ClusteringSettings, momentum: f64) -> Self {
        Self {
            within: PerModality { visible: c.within(Modality::Visible), infrared: c.within(Modality::Infrared) },
            eps_keys: PerModality { visible: eps_key(Modality::Visible), infrared: eps_key(Modality::Infrared) },
            joint_eps_key: "",
            joint: None,
            momentum,
            figures: Vec::new(),
        }
    }
}

/// The labels and memories of an epoch of cluster contrast.
#[derive(Debug)]
pub struct Baseline {
    /// The cluster of each training image within its modality; `None` is noise.
    pub labels: Labels,
    /// One memory for each modality: a prototype per cluster.
    pub banks: PerModality<MemoryBank>,
    /// Labels and memory of both modalities together; `None` where the stage has none, or found no cluster with images
    /// of both.
    pub joint: Option<Joint>,
    /// The memory of an instance-level loss; `None` for losses without one.
    pub instances: Option<InstanceMemory>,
}

/// Labels and memory of both modalities together.
#[derive(Debug)]
pub struct Joint {
    /// The joint cluster of each training image; `None` for noise and for images of clusters that hold one modality
    /// alone.
    pub labels: PerModality<Vec<Option<usize>>>,
    /// One memory for all joint clusters, those of a single modality included.
    pub bank: MemoryBank,
}

/// How the images of joint steps are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JointSampler {
    /// Each modality for itself, by [`camera_aware_batches`].
    Independent,
    /// The same labels in both modalities.
    #[default]
    Aligned,
}

impl Baseline {
    /// Clusters each modality; reports its labels and the joint ones; builds the memories from centroids.
    ///
    /// # Errors
    ///
    /// `VR0505` when a modality has no cluster; what clustering refuses.
    pub fn new(
        epoch: &mut dyn Epoch,
        embeddings: &PerModality<Embeddings>,
        how: Clusterings<'_>,
    ) -> Result<Self, MethodError> {
        let device = epoch.device().clone();
        let number = epoch.at().epoch;
        let visible = how.within.visible.run(&embeddings.visible, number, &how.eps_keys.visible, &device)?;
        let infrared = how.within.infrared.run(&embeddings.infrared, number, &how.eps_keys.infrared, &device)?;
        let labels = Labels { visible: visible.labels, infrared: infrared.labels };
        let Clusterings { joint, mut figures, momentum, eps_keys: eps, joint_eps_key, .. } = how;
        let joint_eps = joint.as_ref().map_or(String::new(), |_| joint_eps_key.into());
        let keys = LabelKeys { eps, joint_eps, ..LabelKeys::default() };
        figures.extend(visible.chosen.into_iter().chain(infrared.chosen));
        figures.extend(joint.iter().flat_map(|joint| joint.chosen.iter().copied()));
        figures.extend(joint.as_ref().map(|joint| ("association rate", joint.association_rate())));
        let indices = labels.indices();
        epoch.report(&Labelling {
            labels: indices.as_ref().map(Vec::as_slice),
            joint: joint.as_ref().map(|joint| joint.labels.as_ref().map(Vec::as_slice)),
            figures,
            keys,
            ..Labelling::default()
        });
        let bank = |rows: &Embeddings| MemoryBank::new(rows_on(rows, &device), momentum);
        let banks = PerModality {
            visible: bank(&centroids(&embeddings.visible, &labels.visible)?),
            infrared: bank(&centroids(&embeddings.infrared, &labels.infrared)?),
        };
        let joint = joint
            .filter(|joint| joint.clusters_of_both > 0)
            .map(|JointClusters { shared, centroids, .. }| Joint { labels: shared, bank: bank(&centroids) });
        Ok(Self { labels, banks, joint, instances: None })
    }

    /// The same with the memory of an instance-level loss, where that has one: the one `kept` from the epoch before in
    /// the stage, or a new one.
    #[must_use]
    pub fn with_instances(
        mut self,
        loss: InstanceLoss,
        kept: Option<InstanceMemory>,
        embeddings: &PerModality<Embeddings>,
        device: &Device,
    ) -> Self {
        let joint = self.joint.as_ref().map(|joint| &joint.bank);
        let new = || InstanceMemory::new(loss, embeddings, self.banks.as_ref(), joint, device);
        self.instances = kept.or_else(new);
        self
    }

    /// Takes the memory of an instance-level loss out, where it is to outlive the epoch. `None`, and the memory is
    /// dropped, where it is not.
    pub fn take_lasting(&mut self, loss: InstanceLoss) -> Option<InstanceMemory> {
        self.instances.take().filter(|_| loss.lasts())
    }

    /// The steps of an epoch: `steps` of them on the modalities' own memories, and after each, where there is a joint
    /// memory, one on that.
    ///
    /// # Errors
    ///
    /// `VR0107` when there are too few clusters.
    pub fn plan(
        &self,
        shape: BatchShape,
        steps: usize,
        cameras: &PerModality<Vec<Camera>>,
        sampler: JointSampler,
        stream: &mut Stream,
    ) -> Result<Vec<StepPlan>, MethodError> {
        // An early joint clustering may share fewer clusters than a batch takes: they are drawn repeatedly.
        let joint_shape = BatchShape { allow_few_clusters: true, ..shape };
        let visible = camera_aware_batches(&self.labels.visible, &cameras.visible, shape, steps, stream)?;
        let infrared = camera_aware_batches(&self.labels.infrared, &cameras.infrared, shape, steps, stream)?;
        let specific = plans(visible, infrared, SPECIFIC);
        let Some(joint) = &self.joint else { return Ok(specific.collect()) };
        let joint: Vec<StepPlan> = match sampler {
            JointSampler::Independent => {
                let visible: PseudoLabels<Visible> = PseudoLabels::compact(&joint.labels.visible);
                let infrared: PseudoLabels<Infrared> = PseudoLabels::compact(&joint.labels.infrared);
                let visible = camera_aware_batches(&visible, &cameras.visible, joint_shape, steps, stream)?;
                let infrared = camera_aware_batches(&infrared, &cameras.infrared, joint_shape, steps, stream)?;
                plans(visible, infrared, JOINT).collect()
            }
            JointSampler::Aligned => {
                let groups = shared_labels(&joint.labels.visible, &joint.labels.infrared);
                let step = |_| shared_blocks(&groups, shape.clusters, joint_shape, stream);
                let blocks = (0..steps).map(step).collect::<Result<Vec<StepPlan>, DataError>>()?;
                blocks.into_iter().map(|plan| StepPlan { part: JOINT, ..plan }).collect()
            }
        };
        Ok(specific.zip(joint).flat_map(|(specific, joint)| [specific, joint]).collect())
    }

    /// The labels of a step's images, those of visible images repeated once per view: joint ones in a joint step, else
    /// those within the modality.
    pub fn batch_labels(&self, plan: &StepPlan, views: usize) -> PerModality<Vec<usize>> {
        let (visible, infrared) = match (&self.joint, plan.part) {
            (Some(joint), JOINT) => {
                let of = |labels: &[Option<usize>], positions: &[usize]| -> Vec<usize> {
                    positions.iter().filter_map(|&position| labels[position]).collect()
                };
                (of(&joint.labels.visible, &plan.visible), of(&joint.labels.infrared, &plan.infrared))
            }
            _ => self.labels.of(plan),
        };
        PerModality { visible: visible.repeat(views), infrared }
    }

    /// Adds labels and memories to a state that a checkpoint keeps.
    pub fn put(&self, state: &mut MethodState) {
        self.labels.put(state);
        state.put_rows("visible", &self.banks.visible.rows());
        state.put_rows("infrared", &self.banks.infrared.rows());
        if let Some(joint) = &self.joint {
            state.put_labels("joint/visible", &joint.labels.visible);
            state.put_labels("joint/infrared", &joint.labels.infrared);
            state.put_rows("joint", &joint.bank.rows());
        }
        if let Some(instances) = &self.instances {
            instances.put(state);
        }
    }

    /// What [`put`](Self::put) added to a state, with memories on `device` that move by `momentum`. `None` when
    /// something is missing.
    pub fn take(state: &MethodState, momentum: f64, device: &Device) -> Option<Self> {
        let bank = |rows: Tensor<2>| MemoryBank::new(rows, momentum);
        let joint = match state.rows("joint", device) {
            Some(rows) => {
                let labels =
                    PerModality { visible: state.labels("joint/visible")?, infrared: state.labels("joint/infrared")? };
                Some(Joint { labels, bank: bank(rows) })
            }
            None => None,
        };
        Some(Self {
            labels: Labels::take(state)?,
            banks: PerModality {
                visible: bank(state.rows("visible", device)?),
                infrared: bank(state.rows("infrared", device)?),
            },
            joint,
            instances: InstanceMemory::take(state, device),
        })
    }
}

fn plans(visible: Vec<Vec<usize>>, infrared: Vec<Vec<usize>>, part: usize) -> impl Iterator<Item = StepPlan> {
    visible.into_iter().zip(infrared).map(move |(visible, infrared)| StepPlan { visible, infrared, part })
}
