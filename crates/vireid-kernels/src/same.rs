//! Depthwise convolution by the stock operations, which know equal zeros on both sides alone: others are put around the
//! input first.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::Slice;
use burn::tensor::ops::ConvOptions;

use crate::windows::Windows;

/// Where an input lies within its zeros, and the convolution of both together.
struct Layout {
    /// The input with its zeros.
    shape: [usize; 4],
    /// The input within them.
    inside: [Slice; 4],
    options: ConvOptions<2>,
}

impl Layout {
    fn new<B: Backend>(input: &FloatTensor<B>, weight: &FloatTensor<B>, stride: usize) -> Self {
        let [batch, channels, height, width] = input.shape().dims();
        let [_, _, kernel_height, kernel_width] = weight.shape().dims();
        let windows = Windows::same([height, width], [kernel_height, kernel_width], stride);
        let ([above, left], [below, right]) = (windows.before, windows.after());
        let span = |start: usize, length: usize| Slice::from(start..start + length);
        Self {
            shape: [batch, channels, above + height + below, left + width + right],
            inside: [span(0, batch), span(0, channels), span(above, height), span(left, width)],
            options: ConvOptions::new([stride, stride], [0, 0], [1, 1], channels),
        }
    }

    fn surrounded<B: Backend>(&self, input: FloatTensor<B>) -> FloatTensor<B> {
        let zeros = B::float_zeros(self.shape.into(), &input.device(), input.dtype().into());
        B::float_slice_assign(zeros, &self.inside, input)
    }
}

pub(crate) fn stock_depthwise<B: Backend>(
    input: FloatTensor<B>,
    weight: FloatTensor<B>,
    stride: usize,
) -> FloatTensor<B> {
    let layout = Layout::new::<B>(&input, &weight, stride);
    B::conv2d(layout.surrounded::<B>(input), weight, None, layout.options)
}

pub(crate) fn stock_depthwise_input_gradient<B: Backend>(
    input: FloatTensor<B>,
    weight: FloatTensor<B>,
    gradient: FloatTensor<B>,
    stride: usize,
) -> FloatTensor<B> {
    let layout = Layout::new::<B>(&input, &weight, stride);
    let surrounded = layout.surrounded::<B>(input);
    B::float_slice(B::conv2d_x_backward(surrounded, weight, gradient, layout.options), &layout.inside)
}

pub(crate) fn stock_depthwise_weight_gradient<B: Backend>(
    input: FloatTensor<B>,
    weight: FloatTensor<B>,
    gradient: FloatTensor<B>,
    stride: usize,
) -> FloatTensor<B> {
    let layout = Layout::new::<B>(&input, &weight, stride);
    B::conv2d_weight_backward(layout.surrounded::<B>(input), weight, gradient, layout.options)
}
