//! Losses with a weight per sample.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor};

/// The cross entropy of every sample, `-log softmax(logits)[label]`.
///
/// # Shapes
///
/// - `logits`: `[batch, classes]`, `labels`: `[batch]`, output: `[batch]`
pub fn cross_entropies(logits: Tensor<2>, labels: Tensor<1, Int>) -> Tensor<1> {
    let [batch, _] = logits.dims();
    log_softmax(logits, 1).gather(1, labels.reshape([batch, 1])).neg().squeeze_dim(1)
}

/// Cross entropy with a weight per sample, divided by the number of samples and not by the sum of the weights (MMM's
/// identity loss as released).
///
/// # Shapes
///
/// - `logits`: `[batch, classes]`, `labels`, `weights`: `[batch]`, output: `[1]`
pub fn weighted_cross_entropy(logits: Tensor<2>, labels: Tensor<1, Int>, weights: Tensor<1>) -> Tensor<1> {
    (cross_entropies(logits, labels) * weights).mean()
}

/// Mean over the batch of `weight * mean_d |row - prototype|` (MMM's alignment within a modality as released).
///
/// # Shapes
///
/// - `rows`, `prototypes`: `[batch, dim]`, `weights`: `[batch]`, output: `[1]`
pub fn weighted_l1(rows: Tensor<2>, prototypes: Tensor<2>, weights: Tensor<1>) -> Tensor<1> {
    let distances: Tensor<1> = (rows - prototypes).abs().mean_dim(1).squeeze_dim(1);
    (distances * weights).mean()
}

/// As [`weighted_l1`] with squared Euclidean distances (the paper's form).
///
/// # Shapes
///
/// - as [`weighted_l1`]
pub fn weighted_l2(rows: Tensor<2>, prototypes: Tensor<2>, weights: Tensor<1>) -> Tensor<1> {
    let distances: Tensor<1> = (rows - prototypes).powi_scalar(2).sum_dim(1).squeeze_dim(1);
    (distances * weights).mean()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label_tensor;
    use burn::tensor::Device;
    use vireid_compare::assert_near;

    /// Worked by hand.
    #[test]
    fn means_are_over_samples() {
        let device = Device::default();
        let rows = Tensor::from_floats([[1.0, 2.0, 0.0], [3.0, 0.0, 1.0], [2.0, 2.0, 2.0], [0.0, 1.0, 1.0]], &device);
        let own = [[0.55, 1.0, 0.1], [1.5, 0.0, 0.5], [0.55, 1.0, 0.1], [0.0, 1.0, 1.0]];
        let weights = Tensor::from_floats([0.9, 0.5, 0.1, 1.0], &device);
        let near = |value: Tensor<1>, expected: f32| assert_near(value.into_scalar::<f32>(), expected, 1e-6);
        near(weighted_l1(rows.clone(), Tensor::from_floats(own, &device), weights.clone()), 2.0 * 0.117_916_67);
        near(weighted_l1(rows.clone(), rows.zeros_like(), weights.clone()), 2.0 * 0.304_166_67);
        near(weighted_l2(rows.clone(), rows.zeros_like(), weights), (0.9 * 5.0 + 0.5 * 10.0 + 0.1 * 12.0 + 2.0) / 4.0);
    }

    #[test]
    fn weights_are_not_normalised() {
        let device = Device::default();
        let logits = Tensor::<2>::from_floats([[0.0, 0.0], [0.0, 0.0]], &device);
        let labels = label_tensor(&[0, 1], &device);
        let loss = weighted_cross_entropy(logits, labels, Tensor::from_floats([1.0, 0.5], &device));
        assert_near(loss.into_scalar::<f32>(), 0.75 * 2f32.ln(), 1e-6);
    }
}
