//! Pseudo-labels of both modalities, and how they are made.

use burn::tensor::{Device, Tensor, TensorData};
use vireid_clustering::{Neighbourhood, Neighbours, centroids};
use vireid_core::{Embeddings, Infrared, Modality, ModalityTag, PerModality, PseudoLabels, Visible};
use vireid_data::sampler::StepPlan;

use vireid_train::{MethodError, MethodState};

use super::auto::Chosen;
use super::device_neighbours::nearest_across_on;
use super::settings::{ClusteringSettings, NeighbourSearch};

/// The pseudo-labels of all training images, each modality in its own space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels {
    /// The cluster of each visible image; `None` is noise.
    pub visible: PseudoLabels<Visible>,
    /// The cluster of each infrared image; `None` is noise.
    pub infrared: PseudoLabels<Infrared>,
}

impl Labels {
    /// The labels as plain numbers, for reports and states; `None` is noise.
    pub fn indices(&self) -> PerModality<Vec<Option<usize>>> {
        PerModality { visible: self.visible.indices(), infrared: self.infrared.indices() }
    }

    /// The labels of a step's visible and infrared images. Samplers draw only images that have one.
    pub fn of(&self, plan: &StepPlan) -> (Vec<usize>, Vec<usize>) {
        fn labels<M: ModalityTag>(labels: &PseudoLabels<M>, positions: &[usize]) -> Vec<usize> {
            positions.iter().filter_map(|&position| labels.as_slice()[position].map(|label| label.index())).collect()
        }
        (labels(&self.visible, &plan.visible), labels(&self.infrared, &plan.infrared))
    }

    /// Adds both modalities' labels to a state that a checkpoint keeps.
    pub fn put(&self, state: &mut MethodState) {
        state.put_labels("labels/visible", &self.visible.indices());
        state.put_labels("labels/infrared", &self.infrared.indices());
    }

    /// The labels that [`put`](Self::put) added to a state; `None` when they are missing or not pseudo-labels.
    pub fn take(state: &MethodState) -> Option<Self> {
        Some(Self {
            visible: PseudoLabels::new(&state.labels("labels/visible")?).ok()?,
            infrared: PseudoLabels::new(&state.labels("labels/infrared")?).ok()?,
        })
    }
}

/// Rows of embeddings or centroids as a tensor.
///
/// # Shapes
///
/// - output: `[rows, dim]`
pub fn rows_on(embeddings: &Embeddings, device: &Device) -> Tensor<2> {
    let shape = [embeddings.rows(), embeddings.dim()];
    Tensor::from_data(TensorData::new(embeddings.as_slice().to_vec(), shape), device)
}

/// Pseudo-labels with the centroids of their clusters.
#[derive(Debug, Clone)]
pub struct Clusters {
    /// The cluster of each image within its modality; `None` is noise.
    pub labels: Labels,
    /// One row per cluster, of length 1.
    pub centroids: PerModality<Embeddings>,
    /// What was chosen where settings are `"auto"`, by name, for reports.
    pub chosen: Chosen,
}

/// Clusters each modality on its own: neighbours (on `device` where the settings say so), k-reciprocal Jaccard distance,
/// DBSCAN, centroids. A modality without images has no clusters.
///
/// # Errors
///
/// `VR0505` when a modality with images has no cluster; what clustering itself refuses.
pub fn cluster(
    embeddings: &PerModality<Embeddings>,
    settings: &ClusteringSettings,
    epoch: usize,
    device: &Device,
) -> Result<Clusters, MethodError> {
    let (visible, of_visible, mut chosen) = clusters_of(&embeddings.visible, settings, epoch, device)?;
    let (infrared, of_infrared, chosen_infrared) = clusters_of(&embeddings.infrared, settings, epoch, device)?;
    chosen.extend(chosen_infrared);
    let centroids = PerModality { visible: of_visible, infrared: of_infrared };
    Ok(Clusters { labels: Labels { visible, infrared }, centroids, chosen })
}

fn clusters_of<M: ModalityTag>(
    embeddings: &Embeddings,
    settings: &ClusteringSettings,
    epoch: usize,
    device: &Device,
) -> Result<(PseudoLabels<M>, Embeddings, Chosen), MethodError> {
    if embeddings.rows() == 0 {
        return Ok((PseudoLabels::new(&[])?, embeddings.clone(), Vec::new()));
    }
    let found = settings.within(M::MODALITY).run(embeddings, epoch, &eps_key(M::MODALITY), device)?;
    let centroids = centroids(embeddings, &found.labels)?;
    Ok((found.labels, centroids, found.chosen))
}

/// The key of a modality's radius in `[clustering]`.
pub fn eps_key(modality: Modality) -> String {
    format!("clustering.eps.{modality}")
}

/// The `k1` neighbours of every row, searched where the settings say.
///
/// # Errors
///
/// What clustering refuses.
pub fn neighbours(
    embeddings: &Embeddings,
    k1: usize,
    neighbourhood: &Neighbourhood<'_>,
    search: NeighbourSearch,
    device: &Device,
) -> Result<Neighbours, MethodError> {
    match search {
        NeighbourSearch::Host => Ok(neighbourhood.find(embeddings, k1)?),
        NeighbourSearch::Device => neighbourhood
            .find_by(embeddings, k1, |queries, candidates, k| nearest_across_on(queries, candidates, k, device)),
    }
}
