//! Batch norm with what follows it, in two passes over memory forward and two backward. Sums are made in f32, of values
//! less the first one of their channel, so that a large mean costs no digits.

// The macro's launch functions are public and take what the kernels take.
#![allow(missing_docs, clippy::too_many_arguments)]

use burn::backend::TensorMetadata;
use burn::tensor::DType;
use burn_cubecl::kernel::into_contiguous;
use cubecl::prelude::*;

use super::layout::{TALL, WIDE, channels_last, channels_second, element, empty, grid, sizes};
use super::{Values, is_tried};

/// Sums of values and of their squares, a part for each group along the positions.
#[cube(launch)]
fn moments<F: Float>(
    input: &[F],
    sums: &mut [f32],
    squares: &mut [f32],
    positions: u32,
    channels: u32,
    #[define(F)] _element: ElemType,
) {
    let positions = positions as usize;
    let channels = channels as usize;
    let channel = (CUBE_POS_X * CUBE_DIM_X + UNIT_POS_X) as usize;
    let mut shared_sums = Shared::new_slice(comptime!(WIDE * TALL));
    let mut shared_squares = Shared::new_slice(comptime!(WIDE * TALL));
    let mut sum = 0.0f32;
    let mut square = 0.0f32;
    if channel < channels {
        let shift = f32::cast_from(input[channel]);
        let mut position = (CUBE_POS_Y * CUBE_DIM_Y + UNIT_POS_Y) as usize;
        let step = (CUBE_COUNT_Y * CUBE_DIM_Y) as usize;
        while position < positions {
            let value = f32::cast_from(input[position * channels + channel]) - shift;
            sum += value;
            square += value * value;
            position += step;
        }
    }
    let place = (UNIT_POS_Y * CUBE_DIM_X + UNIT_POS_X) as usize;
    shared_sums[place] = sum;
    shared_squares[place] = square;
    sync_cube();
    if UNIT_POS_Y == 0 && channel < channels {
        let mut other = place + WIDE;
        while other < WIDE * TALL {
            sum += shared_sums[other];
            square += shared_squares[other];
            other += WIDE;
        }
        let part = CUBE_POS_Y as usize;
        sums[part * channels + channel] = sum;
        squares[part * channels + channel] = square;
    }
}

/// Mean and biased variance from the parts of [`moments`].
#[cube(launch)]
fn statistics<F: Float>(
    input: &[F],
    sums: &[f32],
    squares: &[f32],
    mean: &mut [f32],
    variance: &mut [f32],
    parts: u32,
    positions: u32,
    #[define(F)] _element: ElemType,
) {
    let channel = ABSOLUTE_POS;
    let channels = mean.len();
    if channel < channels {
        let mut sum = 0.0f32;
        let mut square = 0.0f32;
        let mut part = 0usize;
        while part < parts as usize {
            sum += sums[part * channels + channel];
            square += squares[part * channels + channel];
            part += 1;
        }
        let count = f32::cast_from(positions);
        let from_shift = sum / count;
        mean[channel] = f32::cast_from(input[channel]) + from_shift;
        variance[channel] = max(square / count - from_shift * from_shift, 0.0f32);
    }
}

/// Running mean and variance after a batch.
#[cube(launch)]
fn mix(
    mean: &[f32],
    variance: &[f32],
    batch_mean: &[f32],
    batch_variance: &[f32],
    new_mean: &mut [f32],
    new_variance: &mut [f32],
    momentum: f32,
    unbiased: f32,
) {
    let channel = ABSOLUTE_POS;
    if channel < new_mean.len() {
        let kept = 1.0f32 - momentum;
        new_mean[channel] = mean[channel] * kept + batch_mean[channel] * momentum;
        new_variance[channel] = variance[channel] * kept + batch_variance[channel] * unbiased * momentum;
    }
}

/// `(input - mean) / sqrt(variance + epsilon) * weight + bias`, perhaps plus a shortcut, perhaps through a ReLU.
#[cube(launch)]
fn normalize<F: Float>(
    input: &[F],
    shortcut: &[F],
    weight: &[f32],
    bias: &[f32],
    mean: &[f32],
    variance: &[f32],
    output: &mut [F],
    epsilon: f32,
    positions: u32,
    channels: u32,
    #[comptime] has_shortcut: bool,
    #[comptime] relu: bool,
    #[define(F)] _element: ElemType,
) {
    let positions = positions as usize;
    let channels = channels as usize;
    let channel = (CUBE_POS_X * CUBE_DIM_X + UNIT_POS_X) as usize;
    if channel < channels {
        let scale = weight[channel] / (variance[channel] + epsilon).sqrt();
        let shift = bias[channel] - mean[channel] * scale;
        let mut position = (CUBE_POS_Y * CUBE_DIM_Y + UNIT_POS_Y) as usize;
        let step = (CUBE_COUNT_Y * CUBE_DIM_Y) as usize;
        while position < positions {
            let at = position * channels + channel;
            let mut value = f32::cast_from(input[at]) * scale + shift;
            if has_shortcut {
                value += f32::cast_from(shortcut[at]);
            }
            if relu {
                value = max(value, 0.0f32);
            }
            output[at] = F::cast_from(value);
            position += step;
        }
    }
}

/// Sums of the gradient and of its product with the normalised input, a part for each group along the positions.
#[cube(launch)]
fn gradient_sums<F: Float>(
    input: &[F],
    gradient: &[F],
    weight: &[f32],
    bias: &[f32],
    mean: &[f32],
    variance: &[f32],
    sums: &mut [f32],
    products: &mut [f32],
    epsilon: f32,
    positions: u32,
    channels: u32,
    #[comptime] relu: bool,
    #[define(F)] _element: ElemType,
) {
    let positions = positions as usize;
    let channels = channels as usize;
    let channel = (CUBE_POS_X * CUBE_DIM_X + UNIT_POS_X) as usize;
    let mut shared_sums = Shared::new_slice(comptime!(WIDE * TALL));
    let mut shared_products = Shared::new_slice(comptime!(WIDE * TALL));
    let mut sum = 0.0f32;
    let mut product = 0.0f32;
    if channel < channels {
        let inverse = 1.0f32 / (variance[channel] + epsilon).sqrt();
        let center = mean[channel];
        let mut position = (CUBE_POS_Y * CUBE_DIM_Y + UNIT_POS_Y) as usize;
        let step = (CUBE_COUNT_Y * CUBE_DIM_Y) as usize;
        while position < positions {
            let at = position * channels + channel;
            let normalized = (f32::cast_from(input[at]) - center) * inverse;
            let mut slope = f32::cast_from(gradient[at]);
            if relu && normalized * weight[channel] + bias[channel] <= 0.0f32 {
                slope = 0.0f32;
            }
            sum += slope;
            product += slope * normalized;
            position += step;
        }
    }
    let place = (UNIT_POS_Y * CUBE_DIM_X + UNIT_POS_X) as usize;
    shared_sums[place] = sum;
    shared_products[place] = product;
    sync_cube();
    if UNIT_POS_Y == 0 && channel < channels {
        let mut other = place + WIDE;
        while other < WIDE * TALL {
            sum += shared_sums[other];
            product += shared_products[other];
            other += WIDE;
        }
        let part = CUBE_POS_Y as usize;
        sums[part * channels + channel] = sum;
        products[part * channels + channel] = product;
    }
}

/// The parts of [`gradient_sums`] added up: the gradients of bias and weight.
#[cube(launch)]
fn add_parts(sums: &[f32], products: &[f32], of_bias: &mut [f32], of_weight: &mut [f32], parts: u32) {
    let channel = ABSOLUTE_POS;
    let channels = of_bias.len();
    if channel < channels {
        let mut sum = 0.0f32;
        let mut product = 0.0f32;
        let mut part = 0usize;
        while part < parts as usize {
            sum += sums[part * channels + channel];
            product += products[part * channels + channel];
            part += 1;
        }
        of_bias[channel] = sum;
        of_weight[channel] = product;
    }
}

/// The gradient of the input.
#[cube(launch)]
fn input_gradient<F: Float>(
    input: &[F],
    gradient: &[F],
    weight: &[f32],
    bias: &[f32],
    mean: &[f32],
    variance: &[f32],
    of_bias: &[f32],
    of_weight: &[f32],
    output: &mut [F],
    epsilon: f32,
    positions: u32,
    channels: u32,
    #[comptime] relu: bool,
    #[define(F)] _element: ElemType,
) {
    let count = f32::cast_from(positions);
    let positions = positions as usize;
    let channels = channels as usize;
    let channel = (CUBE_POS_X * CUBE_DIM_X + UNIT_POS_X) as usize;
    if channel < channels {
        let inverse = 1.0f32 / (variance[channel] + epsilon).sqrt();
        let center = mean[channel];
        let mean_slope = of_bias[channel] / count;
        let mean_product = of_weight[channel] / count;
        let scale = weight[channel] * inverse;
        let mut position = (CUBE_POS_Y * CUBE_DIM_Y + UNIT_POS_Y) as usize;
        let step = (CUBE_COUNT_Y * CUBE_DIM_Y) as usize;
        while position < positions {
            let at = position * channels + channel;
            let normalized = (f32::cast_from(input[at]) - center) * inverse;
            let mut slope = f32::cast_from(gradient[at]);
            if relu && normalized * weight[channel] + bias[channel] <= 0.0f32 {
                slope = 0.0f32;
            }
            output[at] = F::cast_from(scale * (slope - mean_slope - normalized * mean_product));
            position += step;
        }
    }
}

/// The gradient of a ReLU, given its output.
#[cube(launch)]
fn gate<F: Float>(output: &[F], gradient: &[F], to: &mut [F], #[define(F)] _element: ElemType) {
    let mut at = ABSOLUTE_POS;
    let step = (CUBE_COUNT_X * CUBE_DIM_X) as usize;
    while at < to.len() {
        let mut slope = gradient[at];
        if output[at] <= F::new(0.0f32) {
            slope = F::new(0.0f32);
        }
        to[at] = slope;
        at += step;
    }
}

/// Whether there are kernels for these tensors: images in f32, bf16 or f16, the rest in f32.
pub(super) fn takes(images: &[&Values], channels: &[&Values]) -> bool {
    let one_type = images.iter().all(|tensor| tensor.dtype() == images[0].dtype());
    let is_filled = images.iter().all(|tensor| tensor.shape().num_elements() > 0);
    let is_f32 = channels.iter().all(|tensor| tensor.dtype() == DType::F32);
    is_tried(images[0]) && one_type && is_filled && is_f32 && element(images[0].dtype()).is_some()
}

fn per_channel(tensor: Values) -> Values {
    into_contiguous(tensor)
}

/// A launch of a thread per channel.
fn by_channel(channels: usize) -> (CubeCount, CubeDim) {
    (CubeCount::Static(channels.div_ceil(64) as u32, 1, 1), CubeDim::new_1d(64))
}

/// Weight, bias, mean and variance, each `[channels]`.
pub(super) struct Channels {
    pub weight: Values,
    pub bias: Values,
    pub mean: Values,
    pub variance: Values,
}

/// Mean and biased variance of each channel of `[batch, channels, ...]`.
pub(super) fn batch_statistics(input: Values) -> (Values, Values) {
    let input = channels_last(input);
    let (positions, channels) = sizes(&input);
    let (count, dim, parts) = grid(positions, channels);
    let Some(element) = element(input.dtype) else { unreachable!("asked before") };
    let part = || empty(&input, &[parts, channels], DType::F32);
    let (sums, squares) = (part(), part());
    let client = input.client.clone();
    moments::launch(
        &client,
        count,
        dim,
        input.clone().into_buffer_arg(),
        sums.clone().into_buffer_arg(),
        squares.clone().into_buffer_arg(),
        positions as u32,
        channels as u32,
        element,
    );
    let result = || empty(&input, &[channels], DType::F32);
    let (mean, variance) = (result(), result());
    let (count, dim) = by_channel(channels);
    statistics::launch(
        &client,
        count,
        dim,
        input.into_buffer_arg(),
        sums.into_buffer_arg(),
        squares.into_buffer_arg(),
        mean.clone().into_buffer_arg(),
        variance.clone().into_buffer_arg(),
        parts as u32,
        positions as u32,
        element,
    );
    (mean, variance)
}

/// Running mean and variance before and mean and variance of a batch to running mean and variance after it.
pub(super) fn running_statistics(tensors: [Values; 4], momentum: f64, unbiased: f64) -> (Values, Values) {
    let [mean, variance, batch_mean, batch_variance] = tensors.map(per_channel);
    let channels = mean.shape().num_elements();
    let new = || empty(&mean, &[channels], DType::F32);
    let (new_mean, new_variance) = (new(), new());
    let (count, dim) = by_channel(channels);
    let client = mean.client.clone();
    mix::launch(
        &client,
        count,
        dim,
        mean.clone().into_buffer_arg(),
        variance.into_buffer_arg(),
        batch_mean.into_buffer_arg(),
        batch_variance.into_buffer_arg(),
        new_mean.clone().into_buffer_arg(),
        new_variance.clone().into_buffer_arg(),
        momentum as f32,
        unbiased as f32,
    );
    (new_mean, new_variance)
}

/// The normalised input with what follows it.
pub(super) fn apply(input: Values, by: Channels, shortcut: Option<Values>, epsilon: f64, relu: bool) -> Values {
    let input = channels_last(input);
    let (positions, channels) = sizes(&input);
    let (count, dim, _) = grid(positions, channels);
    let Some(element) = element(input.dtype) else { unreachable!("asked before") };
    let has_shortcut = shortcut.is_some();
    let shortcut = shortcut.map_or_else(|| input.clone(), channels_last);
    let output = empty(&input, input.shape().as_slice(), input.dtype);
    let [weight, bias, mean, variance] = [by.weight, by.bias, by.mean, by.variance].map(per_channel);
    let client = input.client.clone();
    normalize::launch(
        &client,
        count,
        dim,
        input.into_buffer_arg(),
        shortcut.into_buffer_arg(),
        weight.into_buffer_arg(),
        bias.into_buffer_arg(),
        mean.into_buffer_arg(),
        variance.into_buffer_arg(),
        output.clone().into_buffer_arg(),
        epsilon as f32,
        positions as u32,
        channels as u32,
        has_shortcut,
        relu,
        element,
    );
    channels_second(output)
}

/// The gradients of input, weight and bias.
pub(super) fn gradients(
    input: Values,
    by: Channels,
    gradient: Values,
    epsilon: f64,
    relu: bool,
) -> (Values, Values, Values) {
    let (input, gradient) = (channels_last(input), channels_last(gradient));
    let (positions, channels) = sizes(&input);
    let (count, dim, parts) = grid(positions, channels);
    let Some(element) = element(input.dtype) else { unreachable!("asked before") };
    let [weight, bias, mean, variance] = [by.weight, by.bias, by.mean, by.variance].map(per_channel);
    let client = input.client.clone();
    let part = || empty(&input, &[parts, channels], DType::F32);
    let (sums, products) = (part(), part());
    gradient_sums::launch(
        &client,
        count.clone(),
        dim,
        input.clone().into_buffer_arg(),
        gradient.clone().into_buffer_arg(),
        weight.clone().into_buffer_arg(),
        bias.clone().into_buffer_arg(),
        mean.clone().into_buffer_arg(),
        variance.clone().into_buffer_arg(),
        sums.clone().into_buffer_arg(),
        products.clone().into_buffer_arg(),
        epsilon as f32,
        positions as u32,
        channels as u32,
        relu,
        element,
    );
    let result = || empty(&input, &[channels], DType::F32);
    let (of_bias, of_weight) = (result(), result());
    let (by_channel_count, by_channel_dim) = by_channel(channels);
    add_parts::launch(
        &client,
        by_channel_count,
        by_channel_dim,
        sums.into_buffer_arg(),
        products.into_buffer_arg(),
        of_bias.clone().into_buffer_arg(),
        of_weight.clone().into_buffer_arg(),
        parts as u32,
    );
    let output = empty(&input, input.shape().as_slice(), input.dtype);
    input_gradient::launch(
        &client,
        count,
        dim,
        input.into_buffer_arg(),
        gradient.into_buffer_arg(),
        weight.into_buffer_arg(),
        bias.into_buffer_arg(),
        mean.into_buffer_arg(),
        variance.into_buffer_arg(),
        of_bias.clone().into_buffer_arg(),
        of_weight.clone().into_buffer_arg(),
        output.clone().into_buffer_arg(),
        epsilon as f32,
        positions as u32,
        channels as u32,
        relu,
        element,
    );
    (channels_second(output), of_weight, of_bias)
}

/// The gradient of a ReLU, given its output.
pub(super) fn relu_gradient(output: Values, gradient: Values) -> Values {
    let (output, gradient) = (channels_last(output), channels_last(gradient));
    let Some(element) = element(output.dtype) else { unreachable!("asked before") };
    let to = empty(&output, output.shape().as_slice(), output.dtype);
    let groups = output.shape().num_elements().div_ceil(256).min(1 << 14) as u32;
    let client = output.client.clone();
    gate::launch(
        &client,
        CubeCount::Static(groups, 1, 1),
        CubeDim::new_1d(256),
        output.into_buffer_arg(),
        gradient.into_buffer_arg(),
        to.clone().into_buffer_arg(),
        element,
    );
    channels_second(to)
}
