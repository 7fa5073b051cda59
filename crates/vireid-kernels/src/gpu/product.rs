//! Convolution by columns, on tensors: the windows of all images are laid out as one matrix, a row per output position, and
//! each pass is a matrix product. Channels are the innermost dimension in memory.

use burn::backend::ops::FloatTensorOps;
use burn::backend::{Cube, TensorMetadata};
use burn::tensor::Slice;

use super::{Pass, Problem, Values, Work};

/// Rows that one partial product of a weight gradient sums. The sum runs over all positions of all images and the result is
/// small, so that a single product would leave most of a card idle.
const ROWS: usize = 8192;

pub(super) fn run(work: Work) -> Values {
    let Work { problem, first, second } = work;
    let Problem { pass, input, weight, stride, padding, .. } = problem;
    let [outputs, channels, kernel, _] = weight;
    let [batch, _, height, width] = input;
    match pass {
        Pass::Forward => {
            let weight = permuted(second, &[0, 2, 3, 1]);
            nchw(convolve(nhwc(first), weight, [outputs, kernel, stride, padding]))
        }
        Pass::InputGradient => {
            // The gradient is a convolution with stride 1 of the output's gradient, spread apart by the stride, by the
            // weight turned about.
            let room = |side: usize| side + 2 * padding + 1 - kernel;
            let spread = spread(nhwc(first), [batch, room(height), room(width), outputs], stride);
            let weight = Cube::float_flip(permuted(second, &[1, 2, 3, 0]), &[1, 2]);
            nchw(convolve(spread, weight, [channels, kernel, 1, kernel - 1 - padding]))
        }
        Pass::WeightGradient => {
            let columns = columns(nhwc(first), kernel, stride, padding);
            let [rows, window] = columns.shape().dims();
            let gradient = reshaped(nhwc(second), &[rows, outputs]);
            let parts = (1..=rows.div_ceil(ROWS)).rev().find(|parts| rows % parts == 0).unwrap_or(1);
            let columns = reshaped(columns, &[parts, rows / parts, window]);
            let gradient = Cube::float_swap_dims(reshaped(gradient, &[parts, rows / parts, outputs]), 1, 2);
            let sum = Cube::float_sum_dim(Cube::float_matmul(gradient, columns), 0);
            permuted(reshaped(sum, &[outputs, kernel, kernel, channels]), &[0, 3, 1, 2])
        }
    }
}

/// `[batch, height, width, channels]` by `[outputs, kernel, kernel, channels]`.
fn convolve(input: Values, weight: Values, [outputs, kernel, stride, padding]: [usize; 4]) -> Values {
    let [batch, height, width, channels] = input.shape().dims();
    let side = |length: usize| (length + 2 * padding - kernel) / stride + 1;
    let columns = columns(input, kernel, stride, padding);
    let weight = Cube::float_swap_dims(reshaped(weight, &[outputs, kernel * kernel * channels]), 0, 1);
    reshaped(Cube::float_matmul(columns, weight), &[batch, side(height), side(width), outputs])
}

/// The windows as rows, `[batch * out_height * out_width, kernel * kernel * channels]`.
fn columns(input: Values, kernel: usize, stride: usize, padding: usize) -> Values {
    let [batch, height, width, channels] = input.shape().dims();
    let side = |length: usize| (length + 2 * padding - kernel) / stride + 1;
    let out = [side(height), side(width)];
    let input = match padding {
        0 => input,
        _ => {
            let device = input.device.clone();
            let room = [batch, height + 2 * padding, width + 2 * padding, channels];
            let room = Cube::float_zeros(room.into(), &device, input.dtype().into());
            let inner = |length: usize| steps(padding, length, 1);
            Cube::float_slice_assign(room, &[all(batch), inner(height), inner(width), all(channels)], input)
        }
    };
    let tap = |row: usize, column: usize| {
        if kernel == 1 && stride == 1 {
            return input.clone();
        }
        let slices = [all(batch), steps(row, out[0], stride), steps(column, out[1], stride), all(channels)];
        Cube::float_slice(input.clone(), &slices)
    };
    let mut taps: Vec<Values> = (0..kernel * kernel).map(|number| tap(number / kernel, number % kernel)).collect();
    let windows = match taps.len() {
        1 => taps.remove(0),
        _ => Cube::float_cat(taps, 3),
    };
    reshaped(windows, &[batch * out[0] * out[1], kernel * kernel * channels])
}

/// Rows and columns of images moved apart by the stride, with zeros between and behind them.
fn spread(images: Values, room: [usize; 4], stride: usize) -> Values {
    let [batch, height, width, channels] = images.shape().dims();
    if room == [batch, height, width, channels] {
        return images;
    }
    let device = images.device.clone();
    let zeros = Cube::float_zeros(room.into(), &device, images.dtype().into());
    let slices = [all(batch), steps(0, height, stride), steps(0, width, stride), all(channels)];
    Cube::float_slice_assign(zeros, &slices, images)
}

/// `count` indices from `start` on.
fn steps(start: usize, count: usize, step: usize) -> Slice {
    Slice::new(start as isize, Some((start + (count - 1) * step + 1) as isize), step as isize)
}

fn all(length: usize) -> Slice {
    steps(0, length, 1)
}

fn nhwc(tensor: Values) -> Values {
    permuted(tensor, &[0, 2, 3, 1])
}

fn nchw(tensor: Values) -> Values {
    permuted(tensor, &[0, 3, 1, 2])
}

fn permuted(tensor: Values, axes: &[usize]) -> Values {
    Cube::float_permute(tensor, axes)
}

fn reshaped(tensor: Values, shape: &[usize]) -> Values {
    Cube::float_reshape(tensor, shape.to_vec().into())
}
