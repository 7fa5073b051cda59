//! Rows scaled to length 1.

use burn::tensor::Tensor;

/// Rows of length 1; a row of zeros stays as it is.
pub(crate) fn unit_rows(rows: Tensor<2>) -> Tensor<2> {
    let norms = rows.clone().powi_scalar(2).sum_dim(1).sqrt().clamp_min(1e-12);
    rows / norms
}
