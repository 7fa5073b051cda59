//! The operations as tensors see them.

use burn::backend::Dispatch;
use burn::tensor::Tensor;

use crate::adam::AdamRule;
use crate::extension::Kernels;
use crate::gate::Gate;
use crate::sgd::SgdRule;

/// The product of two matrices with all digits of f32. Burn's own, on a card with tensor cores, rounds the factors to
/// 11 bits, which a logit at temperature 0.05 or the order of two near neighbours does not bear.
///
/// # Shapes
///
/// - `lhs`: `[m, k]`, `rhs`: `[k, n]`, output: `[m, n]`
pub fn matmul(lhs: Tensor<2>, rhs: Tensor<2>) -> Tensor<2> {
    Tensor::from_dispatch(Dispatch::kernel_matmul(lhs.into_dispatch(), rhs.into_dispatch()))
}

/// Running mean and variance after a batch: `(1 - momentum) * old + momentum * new`, where the batch's biased variance counts
/// `unbiased` times. Off the autodiff device.
///
/// # Shapes
///
/// - all `[channels]`
pub fn running_statistics(
    [mean, variance]: [Tensor<1>; 2],
    [batch_mean, batch_variance]: [Tensor<1>; 2],
    momentum: f64,
    unbiased: f64,
) -> [Tensor<1>; 2] {
    let (mean, variance) = Dispatch::kernel_running_statistics(
        mean.into_dispatch(),
        variance.into_dispatch(),
        batch_mean.into_dispatch(),
        batch_variance.into_dispatch(),
        momentum,
        unbiased,
    );
    [Tensor::from_dispatch(mean), Tensor::from_dispatch(variance)]
}

/// Rows that follow samples, one after another in their order: `row <- normalize(momentum * row + (1 - momentum) * sample)` on
/// the row of each sample's label. Off the autodiff device. On a graphics card one kernel does it all.
///
/// # Shapes
///
/// - `rows`, output: `[rows, dim]`; `samples`: `[labels.len(), dim]`
pub fn follow(rows: Tensor<2>, samples: Tensor<2>, labels: &[usize], momentum: f64) -> Tensor<2> {
    let (rows, samples) = (rows.into_dispatch(), samples.into_dispatch());
    Tensor::from_dispatch(Dispatch::kernel_follow(rows, samples, labels.to_vec(), momentum))
}

/// Convolution without bias, groups or dilation.
///
/// # Shapes
///
/// - `input`: `[batch, channels_in, height, width]`
/// - `weight`: `[channels_out, channels_in, kernel_height, kernel_width]`
/// - output: `[batch, channels_out, (height + 2 padding - kernel_height) / stride + 1, ...]`
pub fn conv2d(input: Tensor<4>, weight: Tensor<4>, stride: usize, padding: usize) -> Tensor<4> {
    Tensor::from_dispatch(Dispatch::kernel_conv2d(input.into_dispatch(), weight.into_dispatch(), stride, padding))
}

/// Convolution of every channel by a kernel of its own, without bias; at stride 1 it keeps the size, at others it divides it,
/// rounded up. The zeros around it are those of [`same_padding`](crate::same_padding).
///
/// # Shapes
///
/// - `input`: `[batch, channels, height, width]`
/// - `weight`: `[channels, 1, kernel_height, kernel_width]`
/// - output: `[batch, channels, height / stride, width / stride]`, rounded up
///
/// # Panics
///
/// If there is not one kernel for each channel, or the stride is 0.
pub fn depthwise_conv2d(input: Tensor<4>, weight: Tensor<4>, stride: usize) -> Tensor<4> {
    assert_eq!(weight.dims()[..2], [input.dims()[1], 1], "a kernel for each channel");
    assert!(stride > 0, "a stride of 0 goes nowhere");
    Tensor::from_dispatch(Dispatch::kernel_depthwise(input.into_dispatch(), weight.into_dispatch(), stride))
}

/// A normalised batch and the statistics that it was normalised by: what [`batch_norm_train`] returns.
#[derive(Debug, Clone)]
pub struct BatchNormOutput<const D: usize> {
    /// The normalised input, after what follows it.
    pub output: Tensor<D>,
    /// Mean of each channel; a constant for autodiff.
    pub mean: Tensor<1>,
    /// Biased variance of each channel; a constant for autodiff.
    pub variance: Tensor<1>,
}

/// What follows a normalisation; on the CPU it is done in the same pass over memory.
#[derive(Debug, Clone)]
// A tensor is a handle of some hundred bytes; a box would cost more than it saves.
#[allow(clippy::large_enum_variant)]
pub enum Tail<const D: usize> {
    /// The normalised values as they are.
    Nothing,
    /// `max(x, 0)`; a NaN stays one.
    Relu,
    /// `min(max(x, 0), 6)`; a NaN stays one.
    Relu6,
    /// The sum with a shortcut of the same shape, then a ReLU: the end of a residual block.
    Residual(Tensor<D>),
}

/// Batch norm with the statistics of the batch, and what follows it.
///
/// # Shapes
///
/// - `input`, output: `[batch, channels, ...]`
/// - `weight`, `bias`, mean, variance: `[channels]`
pub fn batch_norm_train<const D: usize>(
    input: Tensor<D>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    epsilon: f64,
    tail: Tail<D>,
) -> BatchNormOutput<D> {
    let (input, weight, bias) = (input.into_dispatch(), weight.into_dispatch(), bias.into_dispatch());
    let (output, mean, variance) = match tail {
        Tail::Nothing => Dispatch::kernel_batch_norm(input, weight, bias, epsilon, Gate::Open),
        Tail::Relu => Dispatch::kernel_batch_norm(input, weight, bias, epsilon, Gate::Relu),
        Tail::Relu6 => Dispatch::kernel_batch_norm(input, weight, bias, epsilon, Gate::Relu6),
        Tail::Residual(shortcut) => {
            Dispatch::kernel_batch_norm_residual(input, weight, bias, shortcut.into_dispatch(), epsilon)
        }
    };
    BatchNormOutput {
        output: Tensor::from_dispatch(output),
        mean: Tensor::from_dispatch(mean),
        variance: Tensor::from_dispatch(variance),
    }
}

/// Batch norm with given statistics, as in inference, and what follows it:
/// `(input - mean) / sqrt(variance + epsilon) * weight + bias`.
///
/// # Shapes
///
/// - `input`, output: `[batch, channels, ...]`
/// - the others: `[channels]`
pub fn batch_norm_inference<const D: usize>(
    input: Tensor<D>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    mean: Tensor<1>,
    variance: Tensor<1>,
    epsilon: f64,
    tail: Tail<D>,
) -> Tensor<D> {
    let input = input.into_dispatch();
    let [weight, bias, mean, variance] = [weight, bias, mean, variance].map(Tensor::into_dispatch);
    let gate = match tail {
        Tail::Nothing => Gate::Open,
        Tail::Relu => Gate::Relu,
        Tail::Relu6 => Gate::Relu6,
        Tail::Residual(shortcut) => {
            let shortcut = shortcut.into_dispatch();
            return Tensor::from_dispatch(Dispatch::kernel_batch_norm_residual_inference(
                input, weight, bias, mean, variance, shortcut, epsilon,
            ));
        }
    };
    Tensor::from_dispatch(Dispatch::kernel_batch_norm_inference(input, weight, bias, mean, variance, epsilon, gate))
}

/// One update of Adam, off the autodiff device: new parameters and moments.
///
/// # Shapes
///
/// - all of one shape
pub(crate) fn adam_update<const D: usize>(
    parameters: Tensor<D>,
    gradient: Tensor<D>,
    moment1: Tensor<D>,
    moment2: Tensor<D>,
    rule: AdamRule,
) -> (Tensor<D>, Tensor<D>, Tensor<D>) {
    let (parameters, moment1, moment2) = Dispatch::kernel_adam(
        parameters.into_dispatch(),
        gradient.into_dispatch(),
        moment1.into_dispatch(),
        moment2.into_dispatch(),
        rule,
    );
    (Tensor::from_dispatch(parameters), Tensor::from_dispatch(moment1), Tensor::from_dispatch(moment2))
}

/// One update of stochastic gradient descent with Nesterov momentum, off the autodiff device: new parameters and velocity.
///
/// # Shapes
///
/// - all of one shape
pub(crate) fn sgd_update<const D: usize>(
    parameters: Tensor<D>,
    gradient: Tensor<D>,
    velocity: Tensor<D>,
    rule: SgdRule,
) -> (Tensor<D>, Tensor<D>) {
    let (parameters, velocity) =
        Dispatch::kernel_sgd(parameters.into_dispatch(), gradient.into_dispatch(), velocity.into_dispatch(), rule);
    (Tensor::from_dispatch(parameters), Tensor::from_dispatch(velocity))
}
