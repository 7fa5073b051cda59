//! The residual blocks of ResNet.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use vireid_kernels::Tail;
use vireid_onnx::{Graph, Value};

use crate::convolution::{Convolution, ConvolutionConfig};
use crate::{BatchGroups, GroupedBatchNorm, GroupedBatchNormConfig, NonLocalBlock, NonLocalBlockConfig, Precision};

/// Configuration of a residual [`Block`].
#[derive(Config, Debug)]
pub struct BlockConfig {
    /// Channels of the input.
    pub input: usize,
    /// Channels between the convolutions; in a bottleneck a quarter of `output` in ResNet.
    pub width: usize,
    /// Channels of the output.
    pub output: usize,
    /// The factor by which height and width shrink: 1 or 2 in ResNet.
    pub stride: usize,
    /// Three convolutions (1x1, 3x3, 1x1) instead of two 3x3.
    pub bottleneck: bool,
    /// A 1x1 convolution on the shortcut, needed where stride or channels change.
    pub projection: bool,
    /// The stride on a bottleneck's first 1x1 convolution (the original ResNet) instead of on the 3x3 (torchvision's).
    #[config(default = false)]
    pub stride_in_1x1: bool,
    /// A [`NonLocalBlock`] after the residual one; none by default.
    #[config(default = false)]
    pub non_local: bool,
    /// Number type of the convolutions; 32 bits by default.
    #[config(default = "Precision::F32")]
    pub precision: Precision,
}

/// A residual block of ResNet (He et al., CVPR 2016), basic or bottleneck. Convolutions have no bias.
#[derive(Module, Debug)]
pub struct Block {
    conv1: Convolution,
    bn1: GroupedBatchNorm,
    conv2: Convolution,
    bn2: GroupedBatchNorm,
    conv3: Option<Convolution>,
    bn3: Option<GroupedBatchNorm>,
    downsample: Option<Downsample>,
    non_local: Option<NonLocalBlock>,
}

#[derive(Module, Debug)]
struct Downsample {
    conv: Convolution,
    bn: GroupedBatchNorm,
}

impl BlockConfig {
    /// Builds the block. Convolutions start from He's normal initialisation;
    /// [`TwoStreamNetConfig::init`](crate::TwoStreamNetConfig::init) draws its own.
    pub fn init(&self, device: &Device) -> Block {
        let norm = |channels| GroupedBatchNormConfig::new(channels).init(device);
        let conv = |from, to, kernel, stride| {
            ConvolutionConfig::new([from, to], kernel, stride).with_precision(self.precision).init(device)
        };
        let (first, second) = if self.stride_in_1x1 { (self.stride, 1) } else { (1, self.stride) };
        let (conv1, conv2, second_width) = if self.bottleneck {
            (conv(self.input, self.width, 1, first), conv(self.width, self.width, 3, second), self.width)
        } else {
            (conv(self.input, self.width, 3, self.stride), conv(self.width, self.output, 3, 1), self.output)
        };
        Block {
            conv1,
            bn1: norm(self.width),
            conv2,
            bn2: norm(second_width),
            conv3: self.bottleneck.then(|| conv(self.width, self.output, 1, 1)),
            bn3: self.bottleneck.then(|| norm(self.output)),
            downsample: self
                .projection
                .then(|| Downsample { conv: conv(self.input, self.output, 1, self.stride), bn: norm(self.output) }),
            non_local: self.non_local.then(|| NonLocalBlockConfig::new(self.output).init(device)),
        }
    }
}

impl BlockConfig {
    /// Numbers that the convolutions give for one image of a height and width, and the height and width that come out.
    pub(crate) fn activations(&self, size: [usize; 2]) -> (usize, [usize; 2]) {
        let after = size.map(|side| side.div_ceil(self.stride));
        let (before_area, area) = (size[0] * size[1], after[0] * after[1]);
        let main = match self.bottleneck {
            true if self.stride_in_1x1 => area * (2 * self.width + self.output),
            true => before_area * self.width + area * (self.width + self.output),
            false => area * (self.width + self.output),
        };
        let beside = usize::from(self.projection) + usize::from(self.non_local);
        (main + beside * area * self.output, after)
    }
}

impl Block {
    /// Whether it ends in a non-local block, whose sum no ReLU follows.
    pub(crate) fn has_non_local(&self) -> bool {
        self.non_local.is_some()
    }

    /// # Shapes
    ///
    /// - `input`: `[batch, input, height, width]`
    /// - output: `[batch, output, height / stride, width / stride]`
    pub fn forward(&self, input: Tensor<4>, groups: &BatchGroups) -> Tensor<4> {
        let shortcut = match &self.downsample {
            Some(downsample) => downsample.bn.forward(downsample.conv.forward(input.clone()), groups),
            None => input.clone(),
        };
        let x = self.bn1.forward_then(self.conv1.forward(input), Tail::Relu, groups);
        let x = self.conv2.forward(x);
        let x = match (&self.conv3, &self.bn3) {
            (Some(conv3), Some(bn3)) => {
                let x = conv3.forward(self.bn2.forward_then(x, Tail::Relu, groups));
                bn3.forward_then(x, Tail::Residual(shortcut), groups)
            }
            _ => self.bn2.forward_then(x, Tail::Residual(shortcut), groups),
        };
        match &self.non_local {
            Some(non_local) => non_local.forward(x, groups),
            None => x,
        }
    }
    /// Inference in a graph.
    pub(crate) fn draw(&self, graph: &mut Graph, input: &Value) -> Value {
        let shortcut = match &self.downsample {
            Some(Downsample { conv, bn }) => graph.within("downsample", |graph| normalized(graph, "", conv, bn, input)),
            None => input.clone(),
        };
        let x = normalized(graph, "1", &self.conv1, &self.bn1, input);
        let x = graph.relu(&x);
        let x = normalized(graph, "2", &self.conv2, &self.bn2, &x);
        let x = match (&self.conv3, &self.bn3) {
            (Some(conv3), Some(bn3)) => {
                let x = graph.relu(&x);
                normalized(graph, "3", conv3, bn3, &x)
            }
            _ => x,
        };
        let sum = graph.add(&x, &shortcut);
        let x = graph.relu(&sum);
        match &self.non_local {
            Some(non_local) => graph.within("non_local", |graph| non_local.draw(graph, &x)),
            None => x,
        }
    }
}

/// A convolution and the batch norm behind it, which have one number in their names.
fn normalized(graph: &mut Graph, number: &str, conv: &Convolution, bn: &GroupedBatchNorm, input: &Value) -> Value {
    let x = graph.within(format!("conv{number}"), |graph| conv.draw(graph, input));
    graph.within(format!("bn{number}"), |graph| bn.draw(graph, &x))
}
