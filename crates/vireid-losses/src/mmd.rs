//! Maximum mean discrepancy.

use burn::tensor::Tensor;

/// Kernels of the sum: bandwidths `b, 2 b, 4 b, 8 b, 16 b`.
const KERNELS: i32 = 5;

/// Maximum mean discrepancy between two sets of equally many rows, with five Gaussian kernels around the mean distance
/// (Long et al., ICML 2015): `mean(K_SS + K_TT - K_ST - K_TS)`, the biased estimate, diagonals included.
///
/// With `n = 2 m` rows in all, `b = sum_uv d_uv / (n^2 - n) / 4` (squared distances, no gradient through it) and
/// `k(u, v) = sum_q exp(-d_uv / (b 2^q))`, `q` from 0 to 4. Rows that are all equal have discrepancy 0. MMM's alignment
/// between modalities as released; detach the side that should stay.
///
/// # Shapes
///
/// - `source`, `target`: `[groups, m, dim]`, output: `[groups]`
pub fn mmd(source: Tensor<3>, target: Tensor<3>) -> Tensor<1> {
    let [_, m, _] = source.dims();
    let n = 2 * m;
    let distances = squared_distances(Tensor::cat(vec![source, target], 1));
    let total: Tensor<3> = distances.clone().detach().sum_dim(1).sum_dim(2);
    let bandwidth = total.div_scalar(((n * n - n) * 4) as f64).clamp_min(f32::MIN_POSITIVE);
    let scaled = distances.neg() / bandwidth;
    let kernel = (0..KERNELS).map(|q| scaled.clone().div_scalar(2f64.powi(q)).exp()).reduce(|sum, k| sum + k);
    let kernel = kernel.unwrap_or(scaled);
    let block = |row: usize, column: usize| kernel.clone().narrow(1, row, m).narrow(2, column, m);
    let contrast = block(0, 0) + block(m, m) - block(0, m) - block(m, 0);
    let mean: Tensor<3> = contrast.sum_dim(1).sum_dim(2).div_scalar((m * m) as f64);
    mean.squeeze_dims(&[1, 2])
}

/// By differences: the expanded form loses the small distances that the bandwidth is made of.
fn squared_distances(rows: Tensor<3>) -> Tensor<3> {
    let difference: Tensor<4> = rows.clone().unsqueeze_dim::<4>(2) - rows.unsqueeze_dim::<4>(1);
    (difference.clone() * difference).sum_dim(3).squeeze_dim(3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;
    use vireid_compare::{assert_close, assert_near};

    fn read<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.into_data().try_to_vec().unwrap()
    }

    /// Worked by hand: bandwidth 0.625, discrepancy 2.936747917, and the gradients of either side.
    #[test]
    fn two_points_each() {
        let device = Device::default().autodiff();
        let source = Tensor::<3>::from_floats([[[0.0, 0.0], [1.0, 0.0]]], &device).require_grad();
        let target = Tensor::<3>::from_floats([[[0.0, 1.0], [2.0, 1.0]]], &device).require_grad();
        let value = mmd(source.clone(), target.clone());
        assert_near(value.clone().into_scalar::<f32>(), 2.936_748, 1e-5);
        let gradients = value.backward();
        let of_source = [0.797_750_9, -1.408_407_8, -1.204_855_5, -1.244_810_8];
        assert_close(&read(source.grad(&gradients).unwrap()), &of_source, 1e-5);
        let of_target = [-0.076_556_1, 1.827_260_9, 0.483_660_7, 0.825_957_7];
        assert_close(&read(target.grad(&gradients).unwrap()), &of_target, 1e-5);
    }

    #[test]
    fn equal_sets_have_none_and_groups_stand_alone() {
        let device = Device::default();
        let a = Tensor::<3>::from_floats([[[0.0, 1.0], [2.0, 1.0]], [[3.0, 3.0], [3.0, 3.0]]], &device);
        assert_close(&read(mmd(a.clone(), a)), &[0.0, 0.0], 1e-6);
    }
}
