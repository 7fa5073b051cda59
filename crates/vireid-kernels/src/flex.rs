//! The kernels of the CPU backend, for f32, and convolution for bf16 too; other number types keep the stock operations.

use burn::backend::TensorMetadata;
use burn::backend::flex::{Flex, FlexTensor};
use burn::backend::ops::{ActivationOps, FloatTensorOps, ModuleOps};
use burn::tensor::{DType, FloatDType, TensorData};

use rayon::prelude::*;

use crate::adam::{self, AdamRule};
use crate::batch_norm::{Planes, Statistics, Tail, relu_gradient};
use crate::convolution::Convolution;
use crate::depthwise::Depthwise;
use crate::extension::{
    Kernels, options, stock_adam, stock_batch_norm, stock_batch_norm_gradients, stock_batch_norm_inference, stock_sgd,
};
use crate::gate::Gate;
use crate::same;
use crate::sgd::{self, SgdRule};
use crate::windows::Windows;

/// Parameters that one thread updates at a time.
const CHUNK: usize = 1 << 15;

fn values(tensor: &FlexTensor) -> &[f32] {
    match tensor.as_slice::<f32>() {
        Some(values) => values,
        None => unreachable!("made contiguous before"),
    }
}

fn tensor(values: Vec<f32>, shape: &[usize]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape.to_vec()))
}

/// The tensor with nothing in its storage but its own values, in order.
fn own(contiguous: FlexTensor) -> FlexTensor {
    let whole = Some((0, contiguous.storage::<f32>().len()));
    if contiguous.layout().contiguous_offsets() == whole {
        return contiguous;
    }
    tensor(values(&contiguous).to_vec(), contiguous.shape().as_slice())
}

fn are_f32<'a>(tensors: impl IntoIterator<Item = &'a FlexTensor>) -> bool {
    tensors.into_iter().all(|tensor| tensor.dtype() == DType::F32)
}

fn are_bf16<'a>(tensors: impl IntoIterator<Item = &'a FlexTensor>) -> bool {
    tensors.into_iter().all(|tensor| tensor.dtype() == DType::BF16)
}

fn sizes(input: &FlexTensor, weight: &FlexTensor, stride: usize, padding: usize) -> Convolution {
    let [batch, channels, height, width] = input.shape().dims();
    let [output, _, kernel_height, kernel_width] = weight.shape().dims();
    let kernel = [kernel_height, kernel_width];
    Convolution { batch, input: channels, height, width, output, kernel, stride, padding }
}

fn depthwise(input: &FlexTensor, weight: &FlexTensor, stride: usize) -> Depthwise {
    let [batch, channels, height, width] = input.shape().dims();
    let [_, _, kernel_height, kernel_width] = weight.shape().dims();
    Depthwise { batch, channels, windows: Windows::same([height, width], [kernel_height, kernel_width], stride) }
}

fn planes(input: &FlexTensor) -> Planes {
    let shape = input.shape();
    let dims = shape.as_slice();
    Planes { batch: dims[0], channels: dims[1], positions: dims[2..].iter().product() }
}

fn normalize(
    input: FlexTensor,
    weight: FlexTensor,
    bias: FlexTensor,
    residual: Option<FlexTensor>,
    epsilon: f64,
    gate: Gate,
) -> (FlexTensor, FlexTensor, FlexTensor) {
    let (sizes, shape) = (planes(&input), input.shape());
    let [input, weight, bias] = [input, weight, bias].map(|tensor| tensor.to_contiguous());
    let residual = residual.map(|tensor| tensor.to_contiguous());
    let tail = Tail { residual: residual.as_ref().map(values), gate };
    let result = sizes.forward(values(&input), values(&weight), values(&bias), epsilon, tail);
    let channel = [sizes.channels];
    (tensor(result.output, shape.as_slice()), tensor(result.mean, &channel), tensor(result.variance, &channel))
}

/// Input, weight, bias, mean and variance.
fn apply(tensors: [FlexTensor; 5], residual: Option<FlexTensor>, epsilon: f64, gate: Gate) -> FlexTensor {
    let (sizes, shape) = (planes(&tensors[0]), tensors[0].shape());
    let [input, weight, bias, mean, variance] = tensors.map(|tensor| tensor.to_contiguous());
    let residual = residual.map(|tensor| tensor.to_contiguous());
    let statistics = Statistics { mean: values(&mean), variance: values(&variance), epsilon };
    let tail = Tail { residual: residual.as_ref().map(values), gate };
    let output = sizes.apply(values(&input), values(&weight), values(&bias), statistics, tail);
    tensor(output, shape.as_slice())
}

fn wide(tensor: FlexTensor) -> FlexTensor {
    <Flex as FloatTensorOps<Flex>>::float_cast(tensor, FloatDType::F32)
}

fn narrow(tensor: FlexTensor) -> FlexTensor {
    <Flex as FloatTensorOps<Flex>>::float_cast(tensor, FloatDType::BF16)
}

/// `kernel` on bf16 tensors: read as f32, summed in f32, rounded once at the end, as tensor cores do.
fn in_bf16<const N: usize>(tensors: [FlexTensor; N], kernel: impl FnOnce([FlexTensor; N]) -> FlexTensor) -> FlexTensor {
    narrow(kernel(tensors.map(wide)))
}

#[allow(clippy::too_many_arguments)]
impl Kernels for Flex {
    fn kernel_conv2d(input: FlexTensor, weight: FlexTensor, stride: usize, padding: usize) -> FlexTensor {
        if are_bf16([&input, &weight]) {
            return in_bf16([input, weight], |[input, weight]| Self::kernel_conv2d(input, weight, stride, padding));
        }
        if !are_f32([&input, &weight]) {
            return <Flex as ModuleOps<Flex>>::conv2d(input, weight, None, options(stride, padding));
        }
        let c = sizes(&input, &weight, stride, padding);
        let (input, weight) = (input.to_contiguous(), weight.to_contiguous());
        let output = c.forward(values(&input), values(&weight));
        tensor(output, &[c.batch, c.output, c.out_height(), c.out_width()])
    }

    fn kernel_conv2d_input_gradient(
        input: FlexTensor,
        weight: FlexTensor,
        gradient: FlexTensor,
        stride: usize,
        padding: usize,
    ) -> FlexTensor {
        if are_bf16([&input, &weight, &gradient]) {
            return in_bf16([input, weight, gradient], |[input, weight, gradient]| {
                Self::kernel_conv2d_input_gradient(input, weight, gradient, stride, padding)
            });
        }
        if !are_f32([&input, &weight, &gradient]) {
            return <Flex as ModuleOps<Flex>>::conv2d_x_backward(input, weight, gradient, options(stride, padding));
        }
        let c = sizes(&input, &weight, stride, padding);
        let (weight, gradient) = (weight.to_contiguous(), gradient.to_contiguous());
        let result = c.input_gradient(values(&weight), values(&gradient));
        tensor(result, &[c.batch, c.input, c.height, c.width])
    }

    fn kernel_conv2d_weight_gradient(
        input: FlexTensor,
        weight: FlexTensor,
        gradient: FlexTensor,
        stride: usize,
        padding: usize,
    ) -> FlexTensor {
        if are_bf16([&input, &weight, &gradient]) {
            return in_bf16([input, weight, gradient], |[input, weight, gradient]| {
                Self::kernel_conv2d_weight_gradient(input, weight, gradient, stride, padding)
            });
        }
        if !are_f32([&input, &weight, &gradient]) {
            let options = options(stride, padding);
            return <Flex as ModuleOps<Flex>>::conv2d_weight_backward(input, weight, gradient, options);
        }
        let c = sizes(&input, &weight, stride, padding);
        let (input, gradient) = (input.to_contiguous(), gradient.to_contiguous());
        let result = c.weight_gradient(values(&input), values(&gradient));
        tensor(result, &[c.output, c.input, c.kernel[0], c.kernel[1]])
    }

    fn kernel_depthwise(input: FlexTensor, weight: FlexTensor, stride: usize) -> FlexTensor {
        if are_bf16([&input, &weight]) {
            return in_bf16([input, weight], |[input, weight]| Self::kernel_depthwise(input, weight, stride));
        }
        if !are_f32([&input, &weight]) {
            return same::stock_depthwise::<Flex>(input, weight, stride);
        }
        let c = depthwise(&input, &weight, stride);
        let (input, weight) = (input.to_contiguous(), weight.to_contiguous());
        let [out_height, out_width] = c.windows.out;
        tensor(c.forward(values(&input), values(&weight)), &[c.batch, c.channels, out_height, out_width])
    }

    fn kernel_depthwise_input_gradient(
        input: FlexTensor,
        weight: FlexTensor,
        gradient: FlexTensor,
        stride: usize,
    ) -> FlexTensor {
        if are_bf16([&input, &weight, &gradient]) {
            return in_bf16([input, weight, gradient], |[input, weight, gradient]| {
                Self::kernel_depthwise_input_gradient(input, weight, gradient, stride)
            });
        }
        if !are_f32([&input, &weight, &gradient]) {
            return same::stock_depthwise_input_gradient::<Flex>(input, weight, gradient, stride);
        }
        let (c, shape) = (depthwise(&input, &weight, stride), input.shape());
        let (weight, gradient) = (weight.to_contiguous(), gradient.to_contiguous());
        tensor(c.input_gradient(values(&weight), values(&gradient)), shape.as_slice())
    }

    fn kernel_depthwise_weight_gradient(
        input: FlexTensor,
        weight: FlexTensor,
        gradient: FlexTensor,
        stride: usize,
    ) -> FlexTensor {
        if are_bf16([&input, &weight, &gradient]) {
            return in_bf16([input, weight, gradient], |[input, weight, gradient]| {
                Self::kernel_depthwise_weight_gradient(input, weight, gradient, stride)
            });
        }
        if !are_f32([&input, &weight, &gradient]) {
            return same::stock_depthwise_weight_gradient::<Flex>(input, weight, gradient, stride);
        }
        let (c, shape) = (depthwise(&input, &weight, stride), weight.shape());
        let (input, gradient) = (input.to_contiguous(), gradient.to_contiguous());
        tensor(c.weight_gradient(values(&input), values(&gradient)), shape.as_slice())
    }

    fn kernel_batch_norm(
        input: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        epsilon: f64,
        gate: Gate,
    ) -> (FlexTensor, FlexTensor, FlexTensor) {
        if are_bf16([&input]) {
            let (output, mean, variance) = Self::kernel_batch_norm(wide(input), weight, bias, epsilon, gate);
            return (narrow(output), mean, variance);
        }
        if !are_f32([&input, &weight, &bias]) {
            return stock_batch_norm::<Flex>(input, weight, bias, None, epsilon, gate);
        }
        normalize(input, weight, bias, None, epsilon, gate)
    }

    fn kernel_batch_norm_residual(
        input: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        residual: FlexTensor,
        epsilon: f64,
    ) -> (FlexTensor, FlexTensor, FlexTensor) {
        if are_bf16([&input, &residual]) {
            let images = (wide(input), wide(residual));
            let (output, mean, variance) = Self::kernel_batch_norm_residual(images.0, weight, bias, images.1, epsilon);
            return (narrow(output), mean, variance);
        }
        if !are_f32([&input, &weight, &bias, &residual]) {
            return stock_batch_norm::<Flex>(input, weight, bias, Some(residual), epsilon, Gate::Relu);
        }
        normalize(input, weight, bias, Some(residual), epsilon, Gate::Relu)
    }

    fn kernel_batch_norm_gradients(
        input: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        mean: FlexTensor,
        variance: FlexTensor,
        gradient: FlexTensor,
        epsilon: f64,
        gate: Gate,
    ) -> (FlexTensor, FlexTensor, FlexTensor) {
        if are_bf16([&input, &gradient]) {
            let images = (wide(input), wide(gradient));
            let (of_input, of_weight, of_bias) =
                Self::kernel_batch_norm_gradients(images.0, weight, bias, mean, variance, images.1, epsilon, gate);
            return (narrow(of_input), of_weight, of_bias);
        }
        if !are_f32([&input, &weight, &bias, &mean, &variance, &gradient]) {
            return stock_batch_norm_gradients::<Flex>(input, weight, bias, mean, variance, gradient, epsilon, gate);
        }
        let (sizes, shape) = (planes(&input), input.shape());
        let [input, weight, bias, mean, variance, gradient] =
            [input, weight, bias, mean, variance, gradient].map(|tensor| tensor.to_contiguous());
        let statistics = Statistics { mean: values(&mean), variance: values(&variance), epsilon };
        let (of_input, of_weight, of_bias) =
            sizes.backward(values(&input), values(&weight), values(&bias), statistics, values(&gradient), gate);
        let channel = [sizes.channels];
        (tensor(of_input, shape.as_slice()), tensor(of_weight, &channel), tensor(of_bias, &channel))
    }

    fn kernel_relu_gradient(output: FlexTensor, gradient: FlexTensor) -> FlexTensor {
        if are_bf16([&output, &gradient]) {
            return in_bf16([output, gradient], |[output, gradient]| Self::kernel_relu_gradient(output, gradient));
        }
        if !are_f32([&output, &gradient]) {
            return <Flex as ActivationOps<Flex>>::relu_backward(output, gradient);
        }
        let shape = output.shape();
        let (output, gradient) = (output.to_contiguous(), gradient.to_contiguous());
        tensor(relu_gradient(values(&output), values(&gradient)), shape.as_slice())
    }

    fn kernel_batch_norm_inference(
        input: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        mean: FlexTensor,
        variance: FlexTensor,
        epsilon: f64,
        gate: Gate,
    ) -> FlexTensor {
        if are_bf16([&input]) {
            return narrow(apply([wide(input), weight, bias, mean, variance], None, epsilon, gate));
        }
        if !are_f32([&input, &weight, &bias, &mean, &variance]) {
            return stock_batch_norm_inference::<Flex>([input, weight, bias, mean, variance], None, epsilon, gate);
        }
        apply([input, weight, bias, mean, variance], None, epsilon, gate)
    }

    fn kernel_batch_norm_residual_inference(
        input: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        mean: FlexTensor,
        variance: FlexTensor,
        residual: FlexTensor,
        epsilon: f64,
    ) -> FlexTensor {
        if are_bf16([&input, &residual]) {
            let images = (wide(input), wide(residual));
            return narrow(apply([images.0, weight, bias, mean, variance], Some(images.1), epsilon, Gate::Relu));
        }
        if !are_f32([&input, &weight, &bias, &mean, &variance, &residual]) {
            let tensors = [input, weight, bias, mean, variance];
            return stock_batch_norm_inference::<Flex>(tensors, Some(residual), epsilon, Gate::Relu);
        }
        apply([input, weight, bias, mean, variance], Some(residual), epsilon, Gate::Relu)
    }

    fn kernel_adam(
        parameters: FlexTensor,
        gradient: FlexTensor,
        moment1: FlexTensor,
        moment2: FlexTensor,
        rule: AdamRule,
    ) -> (FlexTensor, FlexTensor, FlexTensor) {
        if !are_f32([&parameters, &gradient, &moment1, &moment2]) {
            return stock_adam::<Flex>(parameters, gradient, moment1, moment2, rule);
        }
        let [mut parameters, gradient, mut moment1, mut moment2] =
            [parameters, gradient, moment1, moment2].map(|tensor| own(tensor.to_contiguous()));
        // In place when nobody else holds the tensor; copied first when somebody does.
        let chunks = parameters.storage_mut::<f32>().par_chunks_mut(CHUNK);
        let moments =
            moment1.storage_mut::<f32>().par_chunks_mut(CHUNK).zip(moment2.storage_mut::<f32>().par_chunks_mut(CHUNK));
        chunks.zip(values(&gradient).par_chunks(CHUNK)).zip(moments).for_each(|((p, g), (m1, m2))| {
            adam::update(p, g, m1, m2, rule);
        });
        (parameters, moment1, moment2)
    }

    fn kernel_sgd(
        parameters: FlexTensor,
        gradient: FlexTensor,
        velocity: FlexTensor,
        rule: SgdRule,
    ) -> (FlexTensor, FlexTensor) {
        if !are_f32([&parameters, &gradient, &velocity]) {
            return stock_sgd::<Flex>(parameters, gradient, velocity, rule);
        }
        let [mut parameters, gradient, mut velocity] =
            [parameters, gradient, velocity].map(|tensor| own(tensor.to_contiguous()));
        let chunks = parameters.storage_mut::<f32>().par_chunks_mut(CHUNK);
        let velocities = velocity.storage_mut::<f32>().par_chunks_mut(CHUNK);
        chunks
            .zip(values(&gradient).par_chunks(CHUNK))
            .zip(velocities)
            .for_each(|((p, g), v)| sgd::update(p, g, v, rule));
        (parameters, velocity)
    }
}
