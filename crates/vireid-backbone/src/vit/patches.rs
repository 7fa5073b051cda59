use burn::module::{Initializer, Module, Param};
use burn::tensor::{Device, Tensor};
use vireid_kernels::conv2d;

use super::VitConfig;

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
}
