//! Convolution by columns, on tensors: the windows of all images are laid out as one matrix, a row per output position, and
//! each pass is a matrix product. Channels are the innermost dimension in memory.

use burn::backend::ops::FloatTensorOps;
use burn::backend::{Cube, TensorMetadata};

use super::columns::{Windows, columns};
use super::layout::reshaped;
use super::{Pass, Problem, Values, Work};

/// Rows that one partial product of a weight gradient sums. The sum runs over all positions of all images and the result is
/// small, so that a single product would leave most of a card idle.
const ROWS: usize = 8192;

/// Nothing for types that have no kernel.
pub(super) fn run(work: Work) -> Option<Values> {
    let Work { problem, first, second } = work;
    let Problem { pass, input, weight, stride, padding, .. } = problem;
    let [outputs, channels, kernel, _] = weight;
    let [_, _, height, width] = input;
    let out = [height, width].map(|side| (side + 2 * padding - kernel) / stride + 1);
    let windows = Windows { out, kernel, stride, padding, spread: 1 };
    match pass {
        Pass::Forward => {
            let weight = permuted(second, &[0, 2, 3, 1]);
            Some(nchw(convolve(nhwc(first), weight, windows)?))
        }
        Pass::InputGradient => {
            // The gradient is a convolution with stride 1 of the output's gradient, spread apart by the stride, by the
            // weight turned about.
            let weight = Cube::float_flip(permuted(second, &[1, 2, 3, 0]), &[1, 2]);
            let out = [height, width];
            let windows = Windows { out, kernel, stride: 1, padding: kernel - 1 - padding, spread: stride };
            Some(nchw(convolve(nhwc(first), weight, windows)?))
        }
        Pass::WeightGradient => {
            let columns = columns(nhwc(first), windows)?;
            let [rows, window] = columns.shape().dims();
            let gradient = reshaped(nhwc(second), &[rows, outputs]);
            let parts = (1..=rows.div_ceil(ROWS)).rev().find(|parts| rows % parts == 0).unwrap_or(1);
            let columns = reshaped(columns, &[parts, rows / parts, window]);
            let gradient = Cube::float_swap_dims(reshaped(gradient, &[parts, rows / parts, outputs]), 1, 2);
            let sum = Cube::float_sum_dim(Cube::float_matmul(gradient, columns), 0);
            Some(permuted(reshaped(sum, &[outputs, kernel, kernel, channels]), &[0, 3, 1, 2]))
        }
    }
}

/// `[batch, height, width, channels]` by `[outputs, kernel, kernel, channels]`.
fn convolve(input: Values, weight: Values, windows: Windows) -> Option<Values> {
    let [batch, _, _, channels] = input.shape().dims();
    let Windows { out, kernel, .. } = windows;
    let outputs = weight.shape().as_slice()[0];
    let columns = columns(input, windows)?;
    let weight = Cube::float_swap_dims(reshaped(weight, &[outputs, kernel * kernel * channels]), 0, 1);
    Some(reshaped(Cube::float_matmul(columns, weight), &[batch, out[0], out[1], outputs]))
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
