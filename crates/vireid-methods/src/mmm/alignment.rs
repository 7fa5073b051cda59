//! The objective of stage 3: identities weighted by confidence, a triplet loss, and the soft cluster-level alignment
//! within and between the modalities.

use burn::tensor::{Device, Tensor, TensorData};
use vireid_losses::{
    batch_hard_triplet, cross_entropy, label_tensor, mmd, weighted_cross_entropy, weighted_l1, weighted_l2,
};

use super::settings::{IntraNorm, MmmSettings};
use vireid_train::method::{Outputs, StepLoss};

/// What the objective knows of a batch besides its outputs: the slots' labels and the confidence of each view.
#[derive(Debug, Clone)]
pub struct BatchTrust {
    /// The label of each slot, equal for its visible and its infrared image.
    pub labels: Vec<usize>,
    /// Confidence of the two visible views and the infrared one, slot by slot.
    pub confidence: [Vec<f32>; 3],
}

/// Names of the loss parts of stage 3.
pub const PARTS: &[&str] = &["identity", "triplet", "intra", "inter"];

/// The prototypes of every label: of the two visible views and of infrared images.
///
/// # Shapes
///
/// - each `[classes, dim]`
pub type Prototypes = [Tensor<2>; 3];

/// Plain cross entropy over all images: the warm-up.
///
/// Visible labels hold for both views. The loss parts are [`PARTS`], of which only the first is not 0.
pub fn warm_up_step(outputs: &Outputs, visible: &[usize], infrared: &[usize]) -> Option<StepLoss> {
    let logits = outputs.logits.as_ref()?;
    let all = Tensor::cat(vec![logits.visible.clone(), logits.infrared.clone()], 0);
    let labels = label_tensor(&[visible, visible, infrared].concat(), &all.device());
    let loss = cross_entropy(all, labels);
    let value = loss.clone().inner();
    let nothing = value.zeros_like();
    Some(StepLoss { objective: loss, parts: Tensor::cat(vec![value, nothing.clone(), nothing.clone(), nothing], 0) })
}

/// The full objective. Without `prototypes` the alignment within modalities is left out, with `align_between` off the one
/// between them. The loss parts are [`PARTS`], with their weights.
pub fn alignment_step(
    outputs: &Outputs,
    trust: &BatchTrust,
    prototypes: Option<&Prototypes>,
    align_between: bool,
    settings: &MmmSettings,
) -> Option<StepLoss> {
    let logits = outputs.logits.as_ref()?;
    let slots = trust.labels.len();
    let features = [
        outputs.features.visible.pooled.clone().narrow(0, 0, slots),
        outputs.features.visible.pooled.clone().narrow(0, slots, slots),
        outputs.features.infrared.pooled.clone(),
    ];
    let device = features[0].device();
    let all_labels = label_tensor(&trust.labels.repeat(3), &device);

    let all_logits = Tensor::cat(vec![logits.visible.clone(), logits.infrared.clone()], 0);
    let identity = weighted_cross_entropy(all_logits, all_labels.clone(), weights(&trust.confidence.concat(), &device));

    let nothing = identity.zeros_like();
    let is_contrast = trust.labels.iter().any(|label| *label != trust.labels[0]);
    let triplet = match is_contrast {
        true => batch_hard_triplet(Tensor::cat(features.to_vec(), 0), all_labels, settings.margin),
        false => nothing.clone(),
    };
    let intra = match prototypes.filter(|_| settings.intra > 0.0) {
        Some(prototypes) => intra_loss(&features, trust, prototypes, settings, &device),
        None => nothing.clone(),
    };
    let inter = match align_between && settings.inter > 0.0 {
        true => inter_loss(&features, &trust.labels, &device).mul_scalar(settings.inter),
        false => nothing,
    };
    let terms = [identity, triplet, intra, inter];
    let parts = Tensor::cat(terms.iter().map(|term| term.clone().inner()).collect(), 0);
    let [identity, triplet, intra, inter] = terms;
    Some(StepLoss { objective: identity + triplet + intra + inter, parts })
}

fn weights(values: &[f32], device: &Device) -> Tensor<1> {
    Tensor::from_data(TensorData::new(values.to_vec(), [values.len()]), device)
}

/// `intra * [1/2 (first view + second view) + infrared]`, each the weighted mean distance to the label's prototype.
fn intra_loss(
    features: &[Tensor<2>; 3],
    trust: &BatchTrust,
    prototypes: &Prototypes,
    settings: &MmmSettings,
    device: &Device,
) -> Tensor<1> {
    let distance = match settings.switches().intra_norm {
        IntraNorm::L1 => weighted_l1,
        IntraNorm::L2 => weighted_l2,
    };
    let terms = [(0, 0.5), (1, 0.5), (2, 1.0)].map(|(view, share)| {
        let rows = label_tensor(&trust.labels, &prototypes[view].device());
        let own = Tensor::from_inner(prototypes[view].clone().select(0, rows));
        let weights = weights(&trust.confidence[view], device);
        distance(features[view].clone(), own, weights).mul_scalar(share * settings.intra)
    });
    let [a, b, c] = terms;
    a + b + c
}

/// The mean over the batch's labels of the discrepancies between the visible views and the infrared images, each taken in
/// both directions with the other side held still.
///
/// The value of a discrepancy is the same in both directions and the two gradients are its two partial ones, so one
/// evaluation counted twice in value and once in gradient is the sum of both.
fn inter_loss(features: &[Tensor<2>; 3], labels: &[usize], device: &Device) -> Tensor<1> {
    let mut distinct: Vec<usize> = labels.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    // A label drawn twice has twice the images, so groups are taken together by their size.
    let mut by_size: std::collections::BTreeMap<usize, Vec<usize>> = std::collections::BTreeMap::new();
    for &label in &distinct {
        let slots: Vec<usize> = (0..labels.len()).filter(|&slot| labels[slot] == label).collect();
        by_size.entry(slots.len()).or_default().extend(slots);
    }
    let mut total: Option<Tensor<1>> = None;
    for (size, slots) in by_size {
        let index = label_tensor(&slots, device);
        let group = |view: usize| -> Tensor<3> {
            let rows = features[view].clone().select(0, index.clone());
            let dim = rows.dims()[1];
            rows.reshape([slots.len() / size, size, dim])
        };
        for view in [0, 1] {
            let discrepancy = mmd(group(view), group(2)).sum();
            let twice = discrepancy.clone() + discrepancy.detach();
            total = Some(match total {
                Some(sum) => sum + twice,
                None => twice,
            });
        }
    }
    let total = total.unwrap_or_else(|| features[0].clone().sum().mul_scalar(0.0));
    total.div_scalar(distinct.len().max(1) as f64)
}
