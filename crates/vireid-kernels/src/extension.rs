//! The operations that a backend may have kernels for, with the stock ones as default bodies.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata, backend_extension};
use burn::tensor::DType;
use burn::tensor::ops::ConvOptions;

use crate::adam::AdamRule;
use crate::follow::stock_follow;
use crate::gate::{Gate, SIX};
use crate::same;
use crate::sgd::SgdRule;

pub(crate) fn options(stride: usize, padding: usize) -> ConvOptions<2> {
    ConvOptions::new([stride, stride], [padding, padding], [1, 1], 1)
}

pub(crate) fn stock_adam<B: Backend>(
    parameters: FloatTensor<B>,
    gradient: FloatTensor<B>,
    moment1: FloatTensor<B>,
    moment2: FloatTensor<B>,
    rule: AdamRule,
) -> (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>) {
    let scaled = |tensor: FloatTensor<B>, factor: f64| B::float_mul_scalar(tensor, factor.into());
    let decay = scaled(parameters.clone(), rule.weight_decay);
    let gradient = B::float_add(gradient, decay);
    let square = B::float_mul(gradient.clone(), gradient.clone());
    let moment1 = B::float_add(scaled(moment1, rule.beta1), scaled(gradient, 1.0 - rule.beta1));
    let moment2 = B::float_add(scaled(moment2, rule.beta2), scaled(square, 1.0 - rule.beta2));
    let root = B::float_add_scalar(B::float_sqrt(moment2.clone()), rule.epsilon.into());
    let step = B::float_div(scaled(moment1.clone(), rule.rate), root);
    (B::float_sub(parameters, step), moment1, moment2)
}

pub(crate) fn stock_sgd<B: Backend>(
    parameters: FloatTensor<B>,
    gradient: FloatTensor<B>,
    velocity: FloatTensor<B>,
    rule: SgdRule,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let scaled = |tensor: FloatTensor<B>, factor: f64| B::float_mul_scalar(tensor, factor.into());
    let decay = scaled(parameters.clone(), rule.weight_decay);
    let gradient = B::float_add(gradient, decay);
    let velocity = B::float_add(scaled(velocity, rule.carried), gradient.clone());
    let step = B::float_add(gradient, scaled(velocity.clone(), rule.momentum));
    (B::float_sub(parameters, scaled(step, rule.rate)), velocity)
}

#[allow(clippy::too_many_arguments)]
pub(crate) fn stock_batch_norm_gradients<B: Backend>(
    input: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: FloatTensor<B>,
    mean: FloatTensor<B>,
    variance: FloatTensor<B>,
    gradient: FloatTensor<B>,
    epsilon: f64,
    gate: Gate,
) -> (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>) {
    let precision = input.dtype();
    let (input, gradient) = (in_type_of::<B>(input, weight.dtype()), in_type_of::<B>(gradient, weight.dtype()));
    let gradient = if gate == Gate::Open {
        gradient
    } else {
        let statistics = (mean.clone(), variance.clone());
        let output = B::batch_norm(input.clone(), weight.clone(), bias, statistics.0, statistics.1, epsilon);
        gate_gradient::<B>(output, gradient, gate)
    };
    let result = B::batch_norm_train_backward(input, weight, mean, variance, epsilon, gradient);
    (in_type_of::<B>(result.x_grad, precision), result.gamma_grad, result.beta_grad)
}

/// Images in another number type: stock operations want those of weights and statistics, which stay f32 where images are
/// bf16.
fn in_type_of<B: Backend>(images: FloatTensor<B>, dtype: DType) -> FloatTensor<B> {
    if images.dtype() == dtype { images } else { B::float_cast(images, dtype.into()) }
}

/// What follows a normalisation: the sum with `residual`, if there is one, and a gate.
fn with_tail<B: Backend>(output: FloatTensor<B>, residual: Option<FloatTensor<B>>, gate: Gate) -> FloatTensor<B> {
    let dtype = output.dtype();
    let output = match residual {
        Some(residual) => B::float_add(output, in_type_of::<B>(residual, dtype)),
        None => output,
    };
    match gate {
        Gate::Open => output,
        Gate::Relu => B::relu(output),
        Gate::Relu6 => B::float_clamp_max(B::relu(output), SIX.into()),
    }
}

/// The gradient before a gate, from the value before it and the gradient behind it.
fn gate_gradient<B: Backend>(value: FloatTensor<B>, gradient: FloatTensor<B>, gate: Gate) -> FloatTensor<B> {
    let where_positive = |value: FloatTensor<B>, gradient| B::relu_backward(B::relu(value), gradient);
    match gate {
        Gate::Open => gradient,
        Gate::Relu => where_positive(value, gradient),
        Gate::Relu6 => {
            let below = B::float_add_scalar(B::float_neg(value.clone()), SIX.into());
            where_positive(below, where_positive(value, gradient))
        }
    }
}

/// Batch norm with the statistics of the batch and what follows it: output, mean and biased variance.
pub(crate) fn stock_batch_norm<B: Backend>(
    input: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: FloatTensor<B>,
    residual: Option<FloatTensor<B>>,
    epsilon: f64,
    gate: Gate,
) -> (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>) {
    let precision = input.dtype();
    let input = in_type_of::<B>(input, weight.dtype());
    let result = B::batch_norm_train(input, weight, bias, epsilon);
    let output = with_tail::<B>(result.output, residual, gate);
    (in_type_of::<B>(output, precision), result.mean, result.variance)
}

/// Running mean and variance before and mean and biased variance of a batch to running mean and variance after it.
pub(crate) fn stock_running_statistics<B: Backend>(
    [mean, variance, batch_mean, batch_variance]: [FloatTensor<B>; 4],
    momentum: f64,
    unbiased: f64,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let scaled = |tensor: FloatTensor<B>, factor: f64| B::float_mul_scalar(tensor, factor.into());
    let mixed = |old, new| B::float_add(scaled(old, 1.0 - momentum), scaled(new, momentum));
    (mixed(mean, batch_mean), mixed(variance, scaled(batch_variance, unbiased)))
}

/// Batch norm with given statistics, which stand after the input with weight and bias before them, and what follows it.
pub(crate) fn stock_batch_norm_inference<B: Backend>(
    [input, weight, bias, mean, variance]: [FloatTensor<B>; 5],
    residual: Option<FloatTensor<B>>,
    epsilon: f64,
    gate: Gate,
) -> FloatTensor<B> {
    let precision = input.dtype();
    let input = in_type_of::<B>(input, weight.dtype());
    let output = B::batch_norm(input, weight, bias, mean, variance, epsilon);
    in_type_of::<B>(with_tail::<B>(output, residual, gate), precision)
}

/// The operations that a backend may have kernels for. The bodies here are the stock ones.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    Cube: cfg(feature = "gpu"),
    Remote: cfg(feature = "remote"),
    Autodiff
)]
#[allow(clippy::too_many_arguments)]
pub trait Kernels: Backend {
    /// The product of two matrices with factors of full precision, where the stock one rounds them to fewer digits.
    fn kernel_matmul(lhs: FloatTensor<Self>, rhs: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::float_matmul(lhs, rhs)
    }

    /// Convolution without bias.
    fn kernel_conv2d(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        stride: usize,
        padding: usize,
    ) -> FloatTensor<Self> {
        Self::conv2d(input, weight, None, options(stride, padding))
    }

    /// Its gradient with respect to the input.
    fn kernel_conv2d_input_gradient(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        stride: usize,
        padding: usize,
    ) -> FloatTensor<Self> {
        Self::conv2d_x_backward(input, weight, gradient, options(stride, padding))
    }

    /// Its gradient with respect to the weight.
    fn kernel_conv2d_weight_gradient(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        stride: usize,
        padding: usize,
    ) -> FloatTensor<Self> {
        Self::conv2d_weight_backward(input, weight, gradient, options(stride, padding))
    }

    /// Convolution of every channel by a kernel of its own, without bias, padded as [`Windows::same`] says.
    ///
    /// [`Windows::same`]: crate::windows::Windows::same
    fn kernel_depthwise(input: FloatTensor<Self>, weight: FloatTensor<Self>, stride: usize) -> FloatTensor<Self> {
        same::stock_depthwise::<Self>(input, weight, stride)
    }

    /// Its gradient with respect to the input.
    fn kernel_depthwise_input_gradient(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        stride: usize,
    ) -> FloatTensor<Self> {
        same::stock_depthwise_input_gradient::<Self>(input, weight, gradient, stride)
    }

    /// Its gradient with respect to the weight.
    fn kernel_depthwise_weight_gradient(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        stride: usize,
    ) -> FloatTensor<Self> {
        same::stock_depthwise_weight_gradient::<Self>(input, weight, gradient, stride)
    }

    /// Batch norm with the statistics of the batch, then a gate: output, mean and biased variance.
    fn kernel_batch_norm(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        epsilon: f64,
        gate: Gate,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        stock_batch_norm::<Self>(input, weight, bias, None, epsilon, gate)
    }

    /// Batch norm with the statistics of the batch, then the sum with `residual`, then a ReLU.
    fn kernel_batch_norm_residual(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        epsilon: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        stock_batch_norm::<Self>(input, weight, bias, Some(residual), epsilon, Gate::Relu)
    }

    /// The gradients of batch norm, and of a gate after it, with respect to input, weight and bias.
    fn kernel_batch_norm_gradients(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        variance: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        epsilon: f64,
        gate: Gate,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        stock_batch_norm_gradients::<Self>(input, weight, bias, mean, variance, gradient, epsilon, gate)
    }

    /// The gradient of a ReLU, given its output.
    fn kernel_relu_gradient(output: FloatTensor<Self>, gradient: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::relu_backward(output, gradient)
    }

    /// Batch norm with given statistics, then a gate.
    fn kernel_batch_norm_inference(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        variance: FloatTensor<Self>,
        epsilon: f64,
        gate: Gate,
    ) -> FloatTensor<Self> {
        stock_batch_norm_inference::<Self>([input, weight, bias, mean, variance], None, epsilon, gate)
    }

    /// Batch norm with given statistics, then the sum with `residual`, then a ReLU.
    fn kernel_batch_norm_residual_inference(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        variance: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self> {
        stock_batch_norm_inference::<Self>([input, weight, bias, mean, variance], Some(residual), epsilon, Gate::Relu)
    }

    /// Running mean and variance after a batch, whose biased variance becomes `unbiased` times as large.
    fn kernel_running_statistics(
        mean: FloatTensor<Self>,
        variance: FloatTensor<Self>,
        batch_mean: FloatTensor<Self>,
        batch_variance: FloatTensor<Self>,
        momentum: f64,
        unbiased: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        stock_running_statistics::<Self>([mean, variance, batch_mean, batch_variance], momentum, unbiased)
    }

    /// Rows that follow samples, one after another.
    fn kernel_follow(
        rows: FloatTensor<Self>,
        samples: FloatTensor<Self>,
        labels: Vec<usize>,
        momentum: f64,
    ) -> FloatTensor<Self> {
        stock_follow::<Self>(rows, samples, labels, momentum)
    }

    /// One update of Adam: parameters and both moments.
    fn kernel_adam(
        parameters: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        moment1: FloatTensor<Self>,
        moment2: FloatTensor<Self>,
        rule: AdamRule,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        stock_adam::<Self>(parameters, gradient, moment1, moment2, rule)
    }

    /// One update of stochastic gradient descent with Nesterov momentum: parameters and velocity.
    fn kernel_sgd(
        parameters: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        velocity: FloatTensor<Self>,
        rule: SgdRule,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        stock_sgd::<Self>(parameters, gradient, velocity, rule)
    }
}

/// The stock operations: what runs on another host is that host's backend, without the kernels here.
#[cfg(feature = "remote")]
impl Kernels for burn::backend::Remote {}
