//! The layers that EfficientNet-Lite's blocks are made of.

use burn::module::{Initializer, Module, Param};
use burn::tensor::ops::PadMode;
use burn::tensor::{Device, Tensor};
use vireid_kernels::{Tail, conv2d, depthwise_conv2d, same_padding};
use vireid_onnx::{Graph, Value};

use crate::convolution::{Convolution, ConvolutionConfig};
use crate::parameters::host;
use crate::{BatchGroups, GroupedBatchNorm, GroupedBatchNormConfig, Precision};

/// Added to the variance before the root, as in the published network.
const EPSILON: f64 = 1e-3;
/// Side of the first convolution's kernel, and its stride.
const STEM: (usize, usize) = (3, 2);

fn norm(channels: usize, device: &Device) -> GroupedBatchNorm {
    GroupedBatchNormConfig::new(channels).with_epsilon(EPSILON).init(device)
}

fn zeros(shape: [usize; 4], device: &Device) -> Param<Tensor<4>> {
    Initializer::Zeros.init(shape, device)
}

/// ReLU6 behind a layer, or nothing.
fn gated(graph: &mut Graph, x: Value, tail: &Tail<4>) -> Value {
    match tail {
        Tail::Relu6 => graph.clip(&x, 0.0, 6.0),
        _ => x,
    }
}

/// A 1x1 convolution and its batch norm.
#[derive(Module, Debug)]
pub(super) struct Pointwise {
    conv: Convolution,
    bn: GroupedBatchNorm,
}

impl Pointwise {
    pub fn new(input: usize, output: usize, precision: Precision, device: &Device) -> Self {
        let conv = ConvolutionConfig::new([input, output], 1, 1).with_precision(precision).init(device);
        Self { conv, bn: norm(output, device) }
    }

    pub fn forward(&self, x: Tensor<4>, tail: Tail<4>, groups: &BatchGroups) -> Tensor<4> {
        self.bn.forward_then(self.conv.forward(x), tail, groups)
    }

    pub fn draw(&self, graph: &mut Graph, x: &Value, tail: &Tail<4>) -> Value {
        let x = graph.within("conv", |graph| self.conv.draw(graph, x));
        let x = graph.within("bn", |graph| self.bn.draw(graph, &x));
        gated(graph, x, tail)
    }
}

/// A depthwise convolution, its batch norm and a ReLU6.
#[derive(Module, Debug)]
pub(super) struct Depthwise {
    /// `[channels, 1, kernel, kernel]`.
    weight: Param<Tensor<4>>,
    bn: GroupedBatchNorm,
    stride: usize,
    #[module(skip)]
    precision: Precision,
}

impl Depthwise {
    pub fn new(channels: usize, kernel: usize, stride: usize, precision: Precision, device: &Device) -> Self {
        let weight = zeros([channels, 1, kernel, kernel], device);
        Self { weight, bn: norm(channels, device), stride, precision }
    }

    pub fn forward(&self, x: Tensor<4>, groups: &BatchGroups) -> Tensor<4> {
        let convolve = |x, weight| depthwise_conv2d(x, weight, self.stride);
        self.bn.forward_then(self.precision.run(x, self.weight.val(), convolve), Tail::Relu6, groups)
    }

    pub fn draw(&self, graph: &mut Graph, x: &Value) -> Value {
        let shape = self.weight.dims();
        let weight = graph.weights("weight", &shape, &host(self.weight.val()));
        let x = graph.conv_same(x, &weight, self.stride, shape[0]);
        let x = graph.within("bn", |graph| self.bn.draw(graph, &x));
        gated(graph, x, &Tail::Relu6)
    }
}

/// The first layers, which each modality has for itself: a 3x3 convolution with stride 2, its batch norm and a ReLU6.
#[derive(Module, Debug)]
pub(super) struct LiteStem {
    /// `[channels, 3, 3, 3]`.
    weight: Param<Tensor<4>>,
    bn: GroupedBatchNorm,
    #[module(skip)]
    precision: Precision,
}

impl LiteStem {
    pub fn new(channels: usize, precision: Precision, device: &Device) -> Self {
        Self { weight: zeros([channels, 3, STEM.0, STEM.0], device), bn: norm(channels, device), precision }
    }

    pub fn forward(&self, images: Tensor<4>, groups: &BatchGroups) -> Tensor<4> {
        let [_, _, height, width] = images.dims();
        let zeros = |side: usize| same_padding(side, STEM.0, STEM.1);
        let images = images.pad([zeros(height), zeros(width)], PadMode::Constant(0.0));
        let convolve = |images, weight| conv2d(images, weight, STEM.1, 0);
        self.bn.forward_then(self.precision.run(images, self.weight.val(), convolve), Tail::Relu6, groups)
    }

    pub fn draw(&self, graph: &mut Graph, images: &Value) -> Value {
        let weight = graph.weights("weight", &self.weight.dims(), &host(self.weight.val()));
        let x = graph.conv_same(images, &weight, STEM.1, 1);
        let x = graph.within("bn", |graph| self.bn.draw(graph, &x));
        gated(graph, x, &Tail::Relu6)
    }
}
