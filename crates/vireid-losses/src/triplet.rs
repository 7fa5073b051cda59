//! The batch-hard triplet loss.

use burn::tensor::activation::relu;
use burn::tensor::{Int, Tensor};
use vireid_kernels::matmul;

/// Euclidean distances of all pairs of rows; squared distances are kept at 1e-12 or above before the root.
///
/// # Shapes
///
/// - `rows`: `[batch, dim]`, output: `[batch, batch]`
pub fn pairwise_distances(rows: Tensor<2>) -> Tensor<2> {
    let norms = (rows.clone() * rows.clone()).sum_dim(1);
    let products = matmul(rows.clone(), rows.transpose());
    let squared = norms.clone() + norms.transpose() - products.mul_scalar(2.0);
    squared.clamp_min(1e-12).sqrt()
}

/// Batch-hard triplet loss (Hermans et al., 2017): for each row the farthest row of its label against the nearest of
/// another, `mean max(0, d_positive - d_negative + margin)`, on Euclidean distances.
///
/// # Shapes
///
/// - `embeddings`: `[batch, dim]`, `labels`: `[batch]` with at least two labels, output: `[1]`
pub fn batch_hard_triplet(embeddings: Tensor<2>, labels: Tensor<1, Int>, margin: f64) -> Tensor<1> {
    let [batch, _] = embeddings.dims();
    let distances = pairwise_distances(embeddings);
    let row: Tensor<2, Int> = labels.clone().reshape([1, batch]);
    let same = row.clone().expand([batch, batch]).equal(row.transpose().expand([batch, batch]));
    let farthest = distances.clone().mask_fill(same.clone().bool_not(), f32::NEG_INFINITY).max_dim(1);
    let nearest = distances.mask_fill(same, f32::INFINITY).min_dim(1);
    relu((farthest - nearest).add_scalar(margin)).mean()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label_tensor;
    use burn::tensor::Device;
    use vireid_compare::assert_near;

    #[test]
    fn on_a_line() {
        let device = Device::default();
        let rows = Tensor::<2>::from_floats([[0.0], [1.0], [1.5], [4.0]], &device);
        let loss = batch_hard_triplet(rows, label_tensor(&[0, 0, 1, 1], &device), 0.3).into_scalar::<f32>();
        // Rows: 1 - 1.5 + .3 < 0; 1 - .5 + .3; 2.5 - .5 + .3; 2.5 - 3 + .3 < 0.
        assert_near(loss, (0.8 + 2.3) / 4.0, 1e-5);
    }
}
