//! Generalised-mean pooling, as released and as first published.

use burn::tensor::Tensor;
use vireid_onnx::{Graph, Value};

/// Added to the mean before the root, in the networks here.
pub(crate) const GEM_EPSILON: f64 = 1e-12;

/// Generalised-mean pooling over positions with exponent 3, as the unsupervised methods' code has it:
/// `(mean(x^3) + epsilon)^(1/3)`.
///
/// For activations that are not negative (after a ReLU); a larger activation counts more than in average pooling.
/// Radenovic et al., TPAMI 2018.
///
/// # Shapes
///
/// - `input`: `[batch, channels, height, width]`
/// - output: `[batch, channels]`
pub fn gem_pool(input: Tensor<4>, epsilon: f64) -> Tensor<2> {
    let flat = flat_positions(input);
    let [batch, channels, _] = flat.dims();
    let cubed = flat.clone() * flat.clone() * flat;
    let mean: Tensor<2> = cubed.mean_dim(2).reshape([batch, channels]);
    mean.add_scalar(epsilon).powf_scalar(1.0 / 3.0)
}

/// [`gem_pool`] in a graph: `[batch, channels, 1, 1]`.
pub(crate) fn draw_gem(graph: &mut Graph, input: &Value, epsilon: f64) -> Value {
    graph.within("gem", |graph| {
        let epsilon = graph.scalar("epsilon", epsilon as f32);
        let third = graph.scalar("third", 1.0 / 3.0);
        let squared = graph.mul(input, input);
        let cubed = graph.mul(&squared, input);
        let mean = graph.mean(&cubed, &[2, 3]);
        let mean = graph.add(&mean, &epsilon);
        graph.power(&mean, &third)
    })
}

/// Generalised-mean pooling as first published, for any exponent and sign: `mean(max(x, epsilon)^p)^(1/p)`. For networks of
/// your own, and for golden cases; [`TwoStreamNet`](crate::TwoStreamNet) pools by [`gem_pool`].
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use vireid_backbone::gem_pool_clamped;
///
/// let input = Tensor::<4>::from_floats([[[[1.0, 7.0], [-5.0, 5.0]]]], &Device::default());
/// let pooled = gem_pool_clamped(input, 2.0, 1e-6).into_scalar::<f32>();
/// assert!((pooled - (75.0f32 / 4.0).sqrt()).abs() < 1e-4);
/// ```
///
/// # Shapes
///
/// - as [`gem_pool`]
pub fn gem_pool_clamped(input: Tensor<4>, p: f64, epsilon: f64) -> Tensor<2> {
    let flat = flat_positions(input).clamp_min(epsilon);
    let [batch, channels, _] = flat.dims();
    let mean: Tensor<2> = flat.powf_scalar(p).mean_dim(2).reshape([batch, channels]);
    mean.powf_scalar(1.0 / p)
}

fn flat_positions(input: Tensor<4>) -> Tensor<3> {
    let [batch, channels, height, width] = input.dims();
    input.reshape([batch, channels, height * width])
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;
    use vireid_compare::assert_near;

    #[test]
    fn worked_values() {
        let device = Device::default();
        let input = Tensor::<4>::from_floats([[[[0.0, 1.0], [2.0, 3.0]], [[0.0, 0.0], [0.0, 0.0]]]], &device);
        let pooled = gem_pool(input.clone(), 1e-12).into_data().try_to_vec::<f32>().unwrap();
        assert_near(pooled[0], 2.080_083_8, 1e-5);
        assert_near(pooled[1], 1e-4, 1e-7);
        let clamped = gem_pool_clamped(input, 3.0, 1e-2).into_data().try_to_vec::<f32>().unwrap();
        assert_near(clamped[0], 2.080_083_8, 1e-5);
        assert_near(clamped[1], 1e-2, 1e-6);
    }
}
