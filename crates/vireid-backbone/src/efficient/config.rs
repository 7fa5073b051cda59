//! The sizes of an EfficientNet-Lite, block by block.

use burn::config::Config;
use burn::tensor::Device;
use vireid_core::Stream;

use super::EfficientNet;
use super::net::started;
use crate::parameters::number_parameters;
use crate::{PieceSize, Pixels, Precision};

/// How many times wider than its input a block is inside, but for the first stage's.
const EXPANSION: usize = 6;

/// One stage of an [`EfficientNet`]: inverted residual blocks in a row, of which the first may shrink the image.
#[derive(Config, Debug, PartialEq, Eq)]
pub struct InvertedStageConfig {
    /// How many blocks it has, at least 1.
    pub blocks: usize,
    /// Side of the depthwise kernels.
    pub kernel: usize,
    /// The factor by which the first block shrinks height and width.
    pub stride: usize,
    /// How many times as many channels a block has inside as its input; at 1 it has no first convolution.
    pub expansion: usize,
    /// Channels of the output.
    pub output: usize,
}

/// Configuration of an [`EfficientNet`].
#[derive(Config, Debug)]
pub struct EfficientNetConfig {
    /// Channels of the first convolution, 3x3 with stride 2, built once for each modality.
    pub stem: usize,
    /// The stages that both modalities share, in order.
    pub stages: Vec<InvertedStageConfig>,
    /// Channels of the last convolution, 1x1: the length of an embedding.
    pub head: usize,
    /// Parts of a batch that batch norm treats separately, as many devices would; 1 is the whole batch.
    #[config(default = 1)]
    pub bn_groups: usize,
    /// Number type of the convolutions; 32 bits by default.
    #[config(default = "Precision::F32")]
    pub precision: Precision,
    /// What numbers it gets for bytes; what the published weights want by default.
    #[config(default = "Pixels::Lite")]
    pub pixels: Pixels,
}

/// One block, with what it takes from its place.
pub(super) struct BlockSizes {
    pub input: usize,
    pub inside: usize,
    pub output: usize,
    pub kernel: usize,
    pub stride: usize,
}

impl BlockSizes {
    /// Whether its first convolution widens the input: without one it is as wide inside already.
    pub fn expands(&self) -> bool {
        self.inside != self.input
    }

    /// Whether the input is added to the output.
    pub fn has_shortcut(&self) -> bool {
        self.stride == 1 && self.input == self.output
    }
}

impl EfficientNetConfig {
    /// EfficientNet-Lite0; embeddings have 1280 numbers. The last stage that would shrink the image keeps its resolution, as
    /// re-identification networks do.
    pub fn lite0() -> Self {
        let stage = InvertedStageConfig::new;
        let stages = vec![
            stage(1, 3, 1, 1, 16),
            stage(2, 3, 2, EXPANSION, 24),
            stage(2, 5, 2, EXPANSION, 40),
            stage(3, 3, 2, EXPANSION, 80),
            stage(3, 5, 1, EXPANSION, 112),
            stage(4, 5, 1, EXPANSION, 192),
            stage(1, 3, 1, EXPANSION, 320),
        ];
        Self::new(32, stages, 1280)
    }

    /// The configuration of a name: `efficientnet_lite0`.
    pub fn by_name(name: &str) -> Option<Self> {
        (name == "efficientnet_lite0").then(Self::lite0)
    }

    /// Builds the network. Convolutions start from He's normal initialisation (fan-out, of a depthwise kernel its area), the
    /// neck's weight from N(1, 0.01^2) with its bias frozen at 0, both stems equal; all drawn from `stream`, so a seed fixes
    /// the network on every device.
    pub fn init(&self, device: &Device, stream: &mut Stream) -> EfficientNet {
        started(number_parameters(EfficientNet::undrawn(self, device)), stream)
    }

    /// How many numbers the convolutions compute for one image of `height` x `width` pixels. A training step keeps each of
    /// them a few times over, so its memory grows with them.
    pub fn activations(&self, height: usize, width: usize) -> usize {
        self.piece_sizes(height, width).iter().map(|piece| piece.inside).sum()
    }

    /// The pieces that a [`CheckpointedPass`](crate::CheckpointedPass) is made in.
    pub fn piece_sizes(&self, height: usize, width: usize) -> Vec<PieceSize> {
        let shrunk = |size: [usize; 2], by: usize| size.map(|side| side.div_ceil(by));
        let of = |channels: usize, [height, width]: [usize; 2]| channels * height * width;
        let mut size = shrunk([height, width], 2);
        let mut pieces = vec![PieceSize { inside: of(self.stem, size), output: of(self.stem, size) }];
        for block in self.blocks() {
            let after = shrunk(size, block.stride);
            let expanded = if block.expands() { of(block.inside, size) } else { 0 };
            let inside = expanded + of(block.inside, after) + of(block.output, after);
            pieces.push(PieceSize { inside, output: of(block.output, after) });
            size = after;
        }
        pieces.push(PieceSize { inside: of(self.head, size), output: self.head });
        pieces
    }

    /// The blocks in order.
    pub(super) fn blocks(&self) -> Vec<BlockSizes> {
        let mut input = self.stem;
        let mut blocks = Vec::new();
        for stage in &self.stages {
            for number in 0..stage.blocks {
                let stride = if number == 0 { stage.stride } else { 1 };
                let (inside, output) = (input * stage.expansion, stage.output);
                blocks.push(BlockSizes { input, inside, output, kernel: stage.kernel, stride });
                input = output;
            }
        }
        blocks
    }
}
