//! The sizes of a vision transformer.

use burn::config::Config;
use burn::tensor::Device;
use vireid_core::Stream;

use super::VitNet;
use super::start::started;
use crate::parameters::number_parameters;
use crate::{BackboneError, Pixels};

/// Configuration of a [`VitNet`].
#[derive(Config, Debug)]
pub struct VitConfig {
    /// Length of a token, and of an embedding.
    pub dim: usize,
    /// How many blocks it has, at least 1.
    pub depth: usize,
    /// Heads of each attention; `dim` is a multiple of them.
    pub heads: usize,
    /// Height and width of the images, in pixels.
    #[config(default = "[256, 128]")]
    pub image: [usize; 2],
    /// Side of a patch, in pixels.
    #[config(default = 16)]
    pub patch: usize,
    /// Pixels from one patch to the next; patches overlap where it is less than their side, as TransReID's do with 12.
    #[config(default = 16)]
    pub stride: usize,
    /// Width of the layer inside a block's MLP, in lengths of a token.
    #[config(default = 4)]
    pub mlp_ratio: usize,
    /// One patch embedding for both modalities instead of one for each.
    #[config(default = false)]
    pub shared_patch_embedding: bool,
    /// Parts of a batch that the neck's batch norm treats separately, as many devices would; 1 is the whole batch.
    #[config(default = 1)]
    pub bn_groups: usize,
    /// What numbers it gets for bytes.
    #[config(default = "Pixels::Imagenet")]
    pub pixels: Pixels,
}

impl VitConfig {
    /// ViT-S/16 for images of 256 x 128; embeddings of 384.
    pub fn small16() -> Self {
        Self::new(384, 12, 6)
    }

    /// ViT-B/16 for images of 256 x 128; embeddings of 768.
    pub fn base16() -> Self {
        Self::new(768, 12, 12)
    }

    /// Two blocks of 48 for images of 32 x 16, for tests.
    pub fn tiny() -> Self {
        Self::new(48, 2, 3).with_image([32, 16]).with_patch(8).with_stride(8)
    }

    /// The configuration of a name: `vit_small_16` or `vit_base_16`.
    pub fn by_name(name: &str) -> Option<Self> {
        match name {
            "vit_small_16" => Some(Self::small16()),
            "vit_base_16" => Some(Self::base16()),
            _ => None,
        }
    }

    /// Rows and columns of patches.
    pub fn grid(&self) -> [usize; 2] {
        self.image.map(|side| if side < self.patch { 0 } else { (side - self.patch) / self.stride.max(1) + 1 })
    }

    /// Builds the network. It starts as timm starts one: linear layers and positions from N(0, 0.02^2), biases at 0, the class
    /// token from N(0, 1e-6^2), patch embeddings from PyTorch's default (weights and biases uniform within one over the root
    /// of the values under a patch), equal for both modalities; the neck's weight from N(1, 0.01^2) with its bias frozen
    /// at 0. All is drawn from `stream`, so a seed fixes the network on every device.
    ///
    /// # Errors
    ///
    /// `VR0303` for sizes that do not go together.
    pub fn init(&self, device: &Device, stream: &mut Stream) -> Result<VitNet, BackboneError> {
        self.check()?;
        Ok(started(number_parameters(VitNet::zeros(self, device)), stream))
    }

    fn check(&self) -> Result<(), BackboneError> {
        let refused = |message: String| Err(BackboneError::Config(message));
        let sizes = [self.dim, self.depth, self.heads, self.patch, self.stride, self.mlp_ratio];
        if sizes.contains(&0) {
            return refused("no size of a vision transformer is 0".into());
        }
        if !self.dim.is_multiple_of(self.heads) {
            return refused(format!("tokens of {} can't be shared out among {} heads", self.dim, self.heads));
        }
        if self.grid().contains(&0) {
            let ([height, width], patch) = (self.image, self.patch);
            return refused(format!("images of {height} x {width} pixels hold no patch of {patch} x {patch}"));
        }
        Ok(())
    }
}
