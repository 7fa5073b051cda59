use vireid_clustering::{Expansion, JaccardEncoding, NeighbourGraph, centroids, dbscan};
use vireid_core::{Embeddings, Infrared, Modality, ModalityTag, PerModality, PseudoLabels, Visible};

use crate::{ClusteringSettings, MethodError};

/// The pseudo-labels of both training sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels {
    /// Of the visible images.
    pub visible: PseudoLabels<Visible>,
    /// Of the infrared images.
    pub infrared: PseudoLabels<Infrared>,
}

/// Pseudo-labels with the centroids of their clusters.
#[derive(Debug, Clone)]
pub struct Clusters {
    /// The labels.
    pub labels: Labels,
    /// One row per cluster, of length 1.
    pub centroids: PerModality<Embeddings>,
}

/// Clusters each modality on its own: k-reciprocal Jaccard distance, DBSCAN, centroids.
///
/// # Errors
///
/// `VR0505` when a modality has no cluster; what clustering itself refuses.
pub fn cluster(
    embeddings: &PerModality<Embeddings>,
    settings: &ClusteringSettings,
    epoch: usize,
) -> Result<Clusters, MethodError> {
    let visible = label(&embeddings.visible, settings, settings.eps.visible, epoch)?;
    let infrared = label(&embeddings.infrared, settings, settings.eps.infrared, epoch)?;
    let centroids = PerModality {
        visible: centroids(&embeddings.visible, &visible)?,
        infrared: centroids(&embeddings.infrared, &infrared)?,
    };
    Ok(Clusters { labels: Labels { visible, infrared }, centroids })
}

fn label<M: ModalityTag>(
    embeddings: &Embeddings,
    settings: &ClusteringSettings,
    eps: f64,
    epoch: usize,
) -> Result<PseudoLabels<M>, MethodError> {
    let encoding = JaccardEncoding::new(embeddings, settings.k1, &Expansion::Mean { k2: settings.k2 })?;
    let graph = NeighbourGraph::from_jaccard(&encoding, eps)?;
    let labels = PseudoLabels::new(&dbscan(&graph, settings.min_samples)?)?;
    if labels.clusters() == 0 {
        let modality: Modality = M::MODALITY;
        return Err(MethodError::NoClusters { epoch, modality, noise: embeddings.rows() });
    }
    Ok(labels)
}
