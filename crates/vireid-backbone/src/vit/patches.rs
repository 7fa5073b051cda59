//! From an image's patches to tokens.

use burn::module::{Initializer, Module, Param};
use burn::tensor::{Device, Tensor};
use vireid_kernels::conv2d;
use vireid_onnx::{Graph, Value};

use super::VitConfig;
use crate::parameters::host;

/// Patches of images to tokens, by one convolution.
#[derive(Module, Debug)]
pub(super) struct PatchEmbedding {
    proj: Projection,
    stride: usize,
}

#[derive(Module, Debug)]
struct Projection {
    /// `[dim, 3, patch, patch]`.
    weight: Param<Tensor<4>>,
    /// `[dim]`.
    bias: Param<Tensor<1>>,
}

impl PatchEmbedding {
    pub(super) fn zeros(config: &VitConfig, device: &Device) -> Self {
        let init = Initializer::Zeros;
        let weight = init.init([config.dim, 3, config.patch, config.patch], device);
        Self { proj: Projection { weight, bias: init.init([config.dim], device) }, stride: config.stride }
    }

    /// # Shapes
    ///
    /// - `images`: `[batch, 3, height, width]`
    /// - output: `[batch, patches, dim]`, row by row
    pub(super) fn forward(&self, images: Tensor<4>) -> Tensor<3> {
        let maps = conv2d(images, self.proj.weight.val(), self.stride, 0);
        maps.flatten::<3>(2, 3).swap_dims(1, 2) + self.proj.bias.val().unsqueeze()
    }

    /// [`forward`](Self::forward) in a graph; `count` patches.
    pub(super) fn draw(&self, graph: &mut Graph, images: &Value, count: usize) -> Value {
        let (weight, bias) = (self.proj.weight.val(), self.proj.bias.val());
        let dim = weight.dims()[0] as i64;
        let maps = graph.within("proj", |graph| {
            let weight = graph.weights("weight", &weight.dims(), &host(weight));
            let bias = graph.weights("bias", &bias.dims(), &host(bias));
            graph.conv(images, &weight, Some(&bias), self.stride, 0)
        });
        let rows = graph.reshape(&maps, &[0, dim, count as i64]);
        graph.transpose(&rows, &[0, 2, 1])
    }
}
