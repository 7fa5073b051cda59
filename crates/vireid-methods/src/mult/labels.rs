//! The labels of MULT's second stage.

use burn::tensor::{Device, Tensor, TensorData};
use vireid_clustering::{LabelTransfer, Sinkhorn, SoftLabels, SparseRows, TransferInput, TransferredLabels};
use vireid_core::{Embeddings, PerModality};

use super::MultSettings;
use vireid_train::MethodError;
use vireid_train::MethodState;

/// The labels of every image of one modality, noise included, over its own clusters and over the other modality's.
#[derive(Debug, Clone)]
pub struct TransferredModality {
    /// Hard label over its own clusters.
    pub own: Vec<usize>,
    /// Hard label over the other modality's clusters.
    pub cross: Vec<usize>,
    /// Training targets over its own clusters, `[images, own clusters]`.
    pub own_targets: Tensor<2>,
    /// Training targets over the other modality's clusters, `[images, other clusters]`.
    pub cross_targets: Tensor<2>,
}

/// The labels of the second stage.
pub type TransferredPair = PerModality<TransferredModality>;

/// Transfers labels between the modalities and mixes hard and soft ones into targets.
///
/// `means` are the clusters' means, not scaled to length 1. The number of rounds in each label space comes along.
///
/// # Errors
///
/// What the transfer refuses.
pub fn transfer(
    embeddings: &PerModality<Embeddings>,
    means: &PerModality<Embeddings>,
    distances: &PerModality<SparseRows>,
    settings: &MultSettings,
    device: &Device,
) -> Result<(TransferredPair, PerModality<usize>), MethodError> {
    let released = LabelTransfer::mult();
    let transfer = LabelTransfer {
        alpha: settings.alpha,
        transport: Sinkhorn { lambda: settings.lambda, ..Sinkhorn::mult() },
        max_rounds: if settings.label_transfer { released.max_rounds } else { 0 },
        ..released
    };
    let TransferredLabels { own, cross, rounds } =
        transfer.run(TransferInput { embeddings, centroids: means, distances })?;
    let pair = |own: &SoftLabels, cross: &SoftLabels| TransferredModality {
        own: own.hard(),
        cross: cross.hard(),
        own_targets: targets(own, settings.hard_share, device),
        cross_targets: targets(cross, settings.hard_share, device),
    };
    let visible = pair(&own.visible, &cross.visible);
    Ok((PerModality { visible, infrared: pair(&own.infrared, &cross.infrared) }, rounds))
}

/// `hard_share * one_hot(label) + (1 - hard_share) * distribution`.
fn targets(soft: &SoftLabels, hard_share: f64, device: &Device) -> Tensor<2> {
    let (hard, rest) = (hard_share as f32, 1.0 - hard_share as f32);
    let mut values: Vec<f32> = soft.as_slice().iter().map(|value| rest * value).collect();
    for (row, label) in values.chunks_exact_mut(soft.classes()).zip(soft.hard()) {
        row[label] += hard;
    }
    Tensor::from_data(TensorData::new(values, [soft.samples(), soft.classes()]), device)
}

impl TransferredModality {
    pub(super) fn put(&self, name: &str, state: &mut MethodState) {
        let some = |labels: &[usize]| labels.iter().map(|&label| Some(label)).collect::<Vec<_>>();
        state.put_labels(&format!("{name}/own"), &some(&self.own));
        state.put_labels(&format!("{name}/cross"), &some(&self.cross));
        state.put_rows(&format!("{name}/own_targets"), &self.own_targets);
        state.put_rows(&format!("{name}/cross_targets"), &self.cross_targets);
    }

    pub(super) fn take(name: &str, state: &MethodState, device: &Device) -> Option<Self> {
        let labels = |kind: &str| state.labels(&format!("{name}/{kind}"))?.into_iter().collect::<Option<Vec<usize>>>();
        Some(Self {
            own: labels("own")?,
            cross: labels("cross")?,
            own_targets: state.rows(&format!("{name}/own_targets"), device)?,
            cross_targets: state.rows(&format!("{name}/cross_targets"), device)?,
        })
    }
}
