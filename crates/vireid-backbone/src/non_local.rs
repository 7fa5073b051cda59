//! The non-local block of AGW.

use burn::config::Config;
use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::{Device, FloatDType, Tensor};
use vireid_onnx::{Graph, Value};

use crate::parameters::host;
use crate::{BatchGroups, GroupedBatchNorm, GroupedBatchNormConfig};

/// Configuration of a [`NonLocalBlock`].
#[derive(Config, Debug)]
pub struct NonLocalBlockConfig {
    /// Channels of the input, and of the output.
    pub channels: usize,
}

/// The non-local block of AGW (Ye et al., TPAMI 2021): plain dot-product attention over positions, divided by their
/// number, added to the input.
///
/// The released code's inner width is 1 (a reduction by `r // r`), kept here. With one inner channel the attention
/// matrix has rank one, so `y_i = theta_i * mean_j(phi_j g_j)` and no position-by-position matrix is formed.
#[derive(Module, Debug)]
pub struct NonLocalBlock {
    /// 1x1 convolution to one channel: the query.
    pub theta: Conv2d,
    /// 1x1 convolution to one channel: the key.
    pub phi: Conv2d,
    /// 1x1 convolution to one channel: the value.
    pub g: Conv2d,
    /// 1x1 convolution from one channel back to all of them.
    pub out: Conv2d,
    /// Its weight starts at 0, so the block starts as the identity.
    pub bn: GroupedBatchNorm,
}

impl NonLocalBlockConfig {
    /// Builds the block, its convolutions drawn by Burn; a [`TwoStreamNet`](crate::TwoStreamNet) draws them again from its
    /// stream.
    pub fn init(&self, device: &Device) -> NonLocalBlock {
        let narrow = || Conv2dConfig::new([self.channels, 1], [1, 1]).init(device);
        NonLocalBlock {
            theta: narrow(),
            phi: narrow(),
            g: narrow(),
            out: Conv2dConfig::new([1, self.channels], [1, 1]).init(device),
            bn: GroupedBatchNormConfig::new(self.channels).init(device),
        }
    }
}

impl NonLocalBlock {
    /// Adds the attention to the input.
    ///
    /// # Shapes
    ///
    /// - `input`, output: `[batch, channels, height, width]`
    pub fn forward(&self, input: Tensor<4>, groups: &BatchGroups) -> Tensor<4> {
        let [batch, _, height, width] = input.dims();
        let precision = FloatDType::from(input.dtype());
        let input = input.cast(FloatDType::F32);
        let keyed = self.phi.forward(input.clone()) * self.g.forward(input.clone());
        let mean: Tensor<4> = keyed.reshape([batch, height * width]).mean_dim(1).reshape([batch, 1, 1, 1]);
        let attended = self.theta.forward(input.clone()) * mean;
        (self.bn.forward(self.out.forward(attended), groups) + input).cast(precision)
    }

    /// Inference in a graph.
    pub(crate) fn draw(&self, graph: &mut Graph, input: &Value) -> Value {
        let phi = draw_conv(graph, "phi", &self.phi, input);
        let g = draw_conv(graph, "g", &self.g, input);
        let keyed = graph.mul(&phi, &g);
        let mean = graph.mean(&keyed, &[2, 3]);
        let theta = draw_conv(graph, "theta", &self.theta, input);
        let attended = graph.mul(&theta, &mean);
        let out = draw_conv(graph, "out", &self.out, &attended);
        let out = graph.within("bn", |graph| self.bn.draw(graph, &out));
        graph.add(&out, input)
    }
}

/// A 1x1 convolution with its bias.
fn draw_conv(graph: &mut Graph, part: &str, conv: &Conv2d, input: &Value) -> Value {
    graph.within(part, |graph| {
        let weight = graph.weights("weight", &conv.weight.dims(), &host(conv.weight.val()));
        let bias = conv.bias.as_ref().map(|bias| graph.weights("bias", &bias.dims(), &host(bias.val())));
        graph.conv(input, &weight, bias.as_ref(), 1, 0)
    })
}
