//! The two-stream residual network: a stem per modality, a shared trunk, pooling and the last batch norm.

use burn::config::Config;
use burn::module::Module;
use burn::nn::PaddingConfig2d;
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, FloatDType, Tensor};
use vireid_core::{Modality, PerModality, Stream};
use vireid_kernels::Tail;
use vireid_onnx::{Graph, Value};

use crate::backbone::{Backbone, Features, Pass};
use crate::batch_norm::{BatchGroups, GroupedBatchNorm, GroupedBatchNormConfig, with_batch_statistics};
use crate::block::{Block, BlockConfig};
use crate::convolution::{Convolution, ConvolutionConfig};
use crate::gem::{GEM_EPSILON, draw_gem, gem_pool};
use crate::parameters::{fill_parameters, number_parameters};
use crate::shares::Shares;
use crate::unit::unit_rows;
use crate::{Pixels, Precision};

/// Kernel, stride and padding of a stem's pooling.
const POOL: (usize, usize, usize) = (3, 2, 1);

/// Configuration of a [`Stem`].
#[derive(Config, Debug)]
pub struct StemConfig {
    /// Channels of the output; 64 in ResNet.
    pub channels: usize,
    /// Side of the convolution's kernel; its stride is 2.
    pub kernel: usize,
    /// 3x3 max pooling with stride 2 at the end, which halves height and width once more.
    pub pool: bool,
    /// Number type of the convolution; 32 bits by default.
    #[config(default = "Precision::F32")]
    pub precision: Precision,
}

/// The first layers, which each modality has for itself.
#[derive(Module, Debug)]
pub struct Stem {
    conv: Convolution,
    bn: GroupedBatchNorm,
    pool: Option<MaxPool2d>,
}

impl StemConfig {
    /// Builds the stem for 3 channels. Convolutions start from He's normal initialisation; [`TwoStreamNetConfig::init`]
    /// draws its own.
    pub fn init(&self, device: &Device) -> Stem {
        let pool = || {
            let (kernel, stride, padding) = POOL;
            let padding = PaddingConfig2d::Explicit(padding, padding, padding, padding);
            MaxPool2dConfig::new([kernel; 2]).with_strides([stride; 2]).with_padding(padding).init()
        };
        Stem {
            conv: ConvolutionConfig::new([3, self.channels], self.kernel, 2)
                .with_precision(self.precision)
                .init(device),
            bn: GroupedBatchNormConfig::new(self.channels).init(device),
            pool: self.pool.then(pool),
        }
    }
}

impl Stem {
    /// # Shapes
    ///
    /// - `images`: `[batch, 3, height, width]`
    /// - output: `[batch, channels, height / 2, width / 2]`, halved again with pooling
    pub fn forward(&self, images: Tensor<4>, groups: &BatchGroups) -> Tensor<4> {
        let x = self.bn.forward_then(self.conv.forward(images), Tail::Relu, groups);
        match &self.pool {
            Some(pool) => pool.forward(x),
            None => x,
        }
    }

    fn draw(&self, graph: &mut Graph, images: &Value) -> Value {
        let x = graph.within("conv", |graph| self.conv.draw(graph, images));
        let x = graph.within("bn", |graph| self.bn.draw(graph, &x));
        let x = graph.relu(&x);
        match &self.pool {
            Some(_) => graph.max_pool(&x, POOL.0, POOL.1, POOL.2),
            None => x,
        }
    }
}

/// One stage of the shared trunk: blocks in a row, of which the first may shrink the image.
#[derive(Config, Debug)]
pub struct StageConfig {
    /// How many residual blocks it has, at least 1.
    pub blocks: usize,
    /// Channels between a block's convolutions.
    pub width: usize,
    /// Channels of the output; for the last stage the length of an embedding.
    pub output: usize,
    /// The factor by which the first block shrinks height and width.
    pub stride: usize,
    /// Non-local blocks follow the last this many blocks. In the last stage a ReLU follows the last of them, because pooling
    /// takes the root of what it gets.
    #[config(default = 0)]
    pub non_local: usize,
}

/// How many activations one image has in a piece of a network: what the memory of a training step is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PieceSize {
    /// How many numbers the piece makes that gradients need: of a residual network, what its convolutions compute.
    pub inside: usize,
    /// How many numbers it passes on to the next piece.
    pub output: usize,
}

/// Configuration of a [`TwoStreamNet`].
#[derive(Config, Debug)]
pub struct TwoStreamNetConfig {
    /// The stem, built once for each modality.
    pub stem: StemConfig,
    /// The stages that both modalities share, in order.
    pub stages: Vec<StageConfig>,
    /// Bottleneck blocks (ResNet-50) instead of basic ones (ResNet-18 and 34).
    pub bottleneck: bool,
    /// Projections on every first block even where shapes agree (the small network), or only where they do not.
    #[config(default = false)]
    pub always_project: bool,
    /// Where a bottleneck has its stride: see [`BlockConfig::stride_in_1x1`].
    #[config(default = false)]
    pub stride_in_1x1: bool,
    /// Parts of a batch that batch norm treats separately, as many devices would; 1 is the whole batch.
    #[config(default = 1)]
    pub bn_groups: usize,
    /// Number type of the convolutions, except in non-local blocks, which have one channel inside; 32 bits by default.
    #[config(default = "Precision::F32")]
    pub precision: Precision,
    /// What numbers it gets for bytes.
    #[config(default = "Pixels::Imagenet")]
    pub pixels: Pixels,
}

impl TwoStreamNetConfig {
    fn resnet(blocks: [usize; 4], bottleneck: bool) -> Self {
        let expansion = if bottleneck { 4 } else { 1 };
        // The last stage keeps its resolution (stride 1), as re-identification networks do.
        let stages = blocks
            .into_iter()
            .zip([(64, 1), (128, 2), (256, 2), (512, 1)])
            .map(|(blocks, (width, stride))| StageConfig::new(blocks, width, width * expansion, stride))
            .collect();
        Self::new(StemConfig::new(64, 7, true), stages, bottleneck)
    }

    /// ResNet-18; embeddings have 512 numbers. The last stage keeps its resolution.
    pub fn resnet18() -> Self {
        Self::resnet([2, 2, 2, 2], false)
    }

    /// ResNet-34; embeddings have 512 numbers. The last stage keeps its resolution.
    pub fn resnet34() -> Self {
        Self::resnet([3, 4, 6, 3], false)
    }

    /// ResNet-50; embeddings have 2048 numbers. The last stage keeps its resolution.
    pub fn resnet50() -> Self {
        Self::resnet([3, 4, 6, 3], true)
    }

    /// A network of 0.3 M parameters for 96 x 48 images, which trains in minutes on two CPU cores; embeddings have 128
    /// numbers. Its weights are [`SMALL_WEIGHTS`](crate::SMALL_WEIGHTS).
    pub fn small() -> Self {
        let stages =
            vec![StageConfig::new(1, 32, 32, 2), StageConfig::new(1, 64, 64, 2), StageConfig::new(1, 128, 128, 1)];
        Self::new(StemConfig::new(24, 5, false), stages, false).with_always_project(true)
    }

    /// The configuration of a name: `resnet18`, `resnet34`, `resnet50` or `small`.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "resnet18" => Some(Self::resnet18()),
            "resnet34" => Some(Self::resnet34()),
            "resnet50" => Some(Self::resnet50()),
            "small" => Some(Self::small()),
            _ => None,
        }
    }

    /// Adds AGW's non-local blocks: after the last two blocks of the second stage and the last three of the third, but none
    /// in a network's last stage.
    pub fn with_non_local_blocks(mut self) -> Self {
        let before_the_last = self.stages.len().saturating_sub(1);
        for (stage, count) in self.stages[..before_the_last].iter_mut().skip(1).zip([2, 3]) {
            stage.non_local = count.min(stage.blocks);
        }
        self
    }

    /// Builds the network. Convolutions start from He's normal initialisation (fan-out), those of non-local blocks from
    /// PyTorch's default (weights and biases uniform within one over the root of the values under a window), the neck's
    /// weight from N(1, 0.01^2) with its bias frozen at 0, both stems equal; all drawn from `stream`, so a seed fixes the
    /// network on every device. The rest of a network is the same with and without non-local blocks.
    pub fn init(&self, device: &Device, stream: &mut Stream) -> TwoStreamNet {
        let mut input = self.stem.channels;
        let layers = self
            .stages
            .iter()
            .map(|stage| {
                let first = input;
                input = stage.output;
                Layer {
                    blocks: (0..stage.blocks).map(|number| self.block(stage, number, first).init(device)).collect(),
                }
            })
            .collect();
        let mut neck = GroupedBatchNormConfig::new(input).init(device);
        neck.bias = neck.bias.set_require_grad(false);
        let stem = self.stem.clone().with_precision(self.precision);
        let net = TwoStreamNet {
            stem_visible: stem.init(device),
            stem_infrared: stem.init(device),
            layers,
            neck,
            dim: input,
            bn_groups: self.bn_groups,
            pixels: self.pixels,
        };
        initialized(number_parameters(net), stream)
    }

    /// How many numbers the convolutions compute for one image of `height` x `width` pixels. A training step keeps
    /// each of them a few times over, so its memory grows with them.
    pub fn activations(&self, height: usize, width: usize) -> usize {
        self.piece_sizes(height, width).iter().map(|piece| piece.inside).sum()
    }

    /// The pieces that a [`CheckpointedPass`](crate::CheckpointedPass) is made in, without the head, which holds next to
    /// nothing.
    pub fn piece_sizes(&self, height: usize, width: usize) -> Vec<PieceSize> {
        let halved = |size: [usize; 2]| size.map(|side| side.div_ceil(2));
        let inside = halved([height, width]);
        let mut size = if self.stem.pool { halved(inside) } else { inside };
        let of = |channels: usize, [height, width]: [usize; 2]| channels * height * width;
        let mut pieces =
            vec![PieceSize { inside: of(self.stem.channels, inside), output: of(self.stem.channels, size) }];
        let mut input = self.stem.channels;
        for stage in &self.stages {
            for number in 0..stage.blocks {
                let (inside, after) = self.block(stage, number, input).activations(size);
                size = after;
                pieces.push(PieceSize { inside, output: of(stage.output, size) });
            }
            input = stage.output;
        }
        pieces
    }

    fn block(&self, stage: &StageConfig, number: usize, stage_input: usize) -> BlockConfig {
        let is_first = number == 0;
        let (input, stride) = if is_first { (stage_input, stage.stride) } else { (stage.output, 1) };
        let projection = is_first && (self.always_project || stride != 1 || input != stage.output);
        BlockConfig::new(input, stage.width, stage.output, stride, self.bottleneck, projection)
            .with_stride_in_1x1(self.stride_in_1x1)
            .with_non_local(number + stage.non_local >= stage.blocks)
            .with_precision(self.precision)
    }
}

#[derive(Module, Debug)]
struct Layer {
    blocks: Vec<Block>,
}

/// A residual network with one stem per modality and everything else shared: GeM pooling and a batch-norm neck give the
/// embedding.
///
/// In training the stems' outputs are concatenated, visible first, and share the statistics of every later batch norm.
#[derive(Module, Debug)]
pub struct TwoStreamNet {
    stem_visible: Stem,
    stem_infrared: Stem,
    layers: Vec<Layer>,
    neck: GroupedBatchNorm,
    dim: usize,
    bn_groups: usize,
    #[module(skip)]
    pixels: Pixels,
}

impl TwoStreamNet {
    /// A pass over images of one modality; the embeddings are not normalised.
    ///
    /// # Shapes
    ///
    /// - `images`: `[batch, 3, height, width]`
    /// - output: `[batch, dim]`
    pub fn forward_one(&self, images: Tensor<4>, modality: Modality) -> Tensor<2> {
        let groups = BatchGroups::chunks(images.dims()[0], self.bn_groups);
        let stem = match modality {
            Modality::Visible => &self.stem_visible,
            Modality::Infrared => &self.stem_infrared,
        };
        self.trunk(stem.forward(self.pixels.of(images), &groups), &groups).embedding
    }

    /// Through the shared layers, pooling and the neck.
    fn trunk(&self, x: Tensor<4>, groups: &BatchGroups) -> Features {
        self.head(self.blocks().fold(x, |x, block| block.forward(x, groups)), groups)
    }

    fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.layers.iter().flat_map(|layer| &layer.blocks)
    }

    /// Pooling and the neck.
    fn head(&self, x: Tensor<4>, groups: &BatchGroups) -> Features {
        let x = if self.blocks().last().is_some_and(Block::has_non_local) { relu(x) } else { x };
        let pooled = gem_pool(x.cast(FloatDType::F32), GEM_EPSILON);
        Features { embedding: self.neck.forward(pooled.clone(), groups), pooled }
    }

    /// Through the stems, in the order of [`Shares::join`].
    fn stems(&self, images: PerModality<Tensor<4>>, shares: &Shares) -> Tensor<4> {
        let images = images.map(|images| self.pixels.of(images));
        let visible = self.stem_visible.forward(images.visible, &shares.of(Modality::Visible));
        let infrared = self.stem_infrared.forward(images.infrared, &shares.of(Modality::Infrared));
        shares.join(PerModality { visible, infrared })
    }
}

impl Backbone for TwoStreamNet {
    fn dim(&self) -> usize {
        self.dim
    }

    fn forward(&self, visible: Tensor<4>, infrared: Tensor<4>) -> PerModality<Features> {
        self.forward_pieces(PerModality { visible, infrared })
    }

    /// The stems, each block, and the head.
    fn pieces(&self) -> usize {
        self.blocks().count() + 2
    }

    fn forward_piece(&self, piece: usize, pass: Pass) -> Pass {
        match pass {
            Pass::Images(batch) => {
                let images = batch.as_ref().map(|images| images.dims()[0]);
                Pass::Inside { values: self.stems(batch, &Shares::new(images, self.bn_groups)), images }
            }
            Pass::Inside { values, images } => {
                let shares = Shares::new(images, self.bn_groups);
                match self.blocks().nth(piece - 1) {
                    Some(block) => Pass::Inside { values: block.forward(values, &shares.joined()), images },
                    None => Pass::Features(shares.separate(&self.head(values, &shares.joined()))),
                }
            }
            features => features,
        }
    }

    fn in_training_mode(self) -> Self {
        with_batch_statistics(self)
    }

    fn embed(&self, images: Tensor<4>, modality: Modality) -> Tensor<2> {
        unit_rows(self.forward_one(images, modality))
    }

    fn draw(&self, graph: &mut Graph, images: &Value, modality: Modality) -> Option<Value> {
        let (name, stem) = match modality {
            Modality::Visible => ("stem_visible", &self.stem_visible),
            Modality::Infrared => ("stem_infrared", &self.stem_infrared),
        };
        let images = self.pixels.draw(graph, images);
        let mut x = graph.within(name, |graph| stem.draw(graph, &images));
        for (stage, layer) in self.layers.iter().enumerate() {
            for (number, block) in layer.blocks.iter().enumerate() {
                x = graph.within(format!("layers.{stage}.blocks.{number}"), |graph| block.draw(graph, &x));
            }
        }
        if self.blocks().last().is_some_and(Block::has_non_local) {
            x = graph.relu(&x);
        }
        let pooled = draw_gem(graph, &x, GEM_EPSILON);
        let rows = graph.reshape(&pooled, &[0, self.dim as i64]);
        Some(graph.within("neck", |graph| self.neck.draw_rows(graph, &rows)))
    }
}

/// Draws the starting values: the stems from equal copies of one stream, the rest from another, non-local blocks from a third.
fn initialized(net: TwoStreamNet, stream: &mut Stream) -> TwoStreamNet {
    let mut stems = [stream.clone(), stream.clone()];
    // The stems draw from the stream's start; far ahead of them the trunk draws its own.
    let mut trunk = stream.fork();
    let mut non_local = stream.fork();
    // Of the convolution that was visited last; its bias is the next parameter.
    let mut window = 1;
    fill_parameters(net, |path, shape| {
        let count = shape.iter().product();
        if path.contains(".non_local.") {
            if path.contains(".bn.") {
                return path.ends_with(".weight").then(|| vec![0.0; count]);
            }
            if shape.len() == 4 {
                window = shape[1..].iter().product();
            }
            let bound = 1.0 / (window as f64).sqrt();
            return Some((0..count).map(|_| non_local.uniform(-bound, bound) as f32).collect());
        }
        let stream = if path.starts_with("stem_visible") {
            &mut stems[0]
        } else if path.starts_with("stem_infrared") {
            &mut stems[1]
        } else {
            &mut trunk
        };
        match path {
            _ if shape.len() == 4 => {
                let fan_out = shape[0] * shape[2] * shape[3];
                let deviation = (2.0 / fan_out as f64).sqrt();
                Some((0..count).map(|_| stream.normal(0.0, deviation) as f32).collect())
            }
            "neck.weight" => Some((0..count).map(|_| stream.normal(1.0, 0.01) as f32).collect()),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::named_parameters;
    use vireid_compare::{assert_close, worse};
    use vireid_core::Streams;

    fn small(groups: usize, device: &Device) -> TwoStreamNet {
        TwoStreamNetConfig::small().with_bn_groups(groups).init(device, &mut Streams::new(0).stream("init", [0; 3]))
    }

    fn noise(count: usize, device: &Device) -> Tensor<4> {
        let mut stream = Streams::new(1).stream("noise", [0; 3]);
        let values: Vec<f32> = (0..count * 3 * 24 * 12).map(|_| stream.normal(0.0, 1.0) as f32).collect();
        Tensor::from_data(burn::tensor::TensorData::new(values, [count, 3, 24, 12]), device)
    }

    #[test]
    fn sizes() {
        let device = Device::default();
        let net = small(1, &device);
        let trained = net.num_params()
            - named_parameters(&net).iter().filter(|p| p.0.contains("running")).map(|p| p.2.len()).sum::<usize>();
        assert_eq!(trained, 308_912);
        assert_eq!(net.embed(noise(2, &device), Modality::Infrared).dims(), [2, 128]);
        let count = |config: TwoStreamNetConfig| {
            let net = config.init(&device, &mut Streams::new(0).stream("init", [0; 3]));
            let conv = |p: &(String, Vec<usize>, Vec<f32>)| if p.1.len() == 4 { p.2.len() } else { 0 };
            (net.dim(), named_parameters(&net).iter().map(conv).sum::<usize>())
        };
        // Convolutions of torchvision's networks without the classifier, plus the second stem's 9,408 weights.
        assert_eq!(count(TwoStreamNetConfig::resnet18()), (512, 11_166_912 + 9_408));
        assert_eq!(count(TwoStreamNetConfig::resnet50()), (2048, 23_454_912 + 9_408));
    }

    /// Layer by layer by hand, for the images of the papers.
    #[test]
    fn activations_of_one_image() {
        let resnet = TwoStreamNetConfig::resnet50();
        let stages = [3_649_536, 2_571_264, 1_783_296, 1_824_768];
        assert_eq!(resnet.activations(288, 144), 144 * 72 * 64 + stages.iter().sum::<usize>());
        let earlier = resnet.clone().with_stride_in_1x1(true).activations(288, 144);
        assert_eq!(resnet.activations(288, 144) - earlier, 128 * (72 * 36 - 36 * 18) + 256 * (36 * 18 - 18 * 9));
        let blocks = resnet.clone().with_non_local_blocks().activations(288, 144);
        assert_eq!(blocks - resnet.activations(288, 144), 2 * 512 * 36 * 18 + 3 * 1024 * 18 * 9);
        let pieces = resnet.piece_sizes(288, 144);
        assert_eq!(pieces.len(), 1 + 3 + 4 + 6 + 3);
        assert_eq!(pieces[0], PieceSize { inside: 144 * 72 * 64, output: 72 * 36 * 64 });
        assert_eq!(pieces[1], PieceSize { inside: 72 * 36 * (64 + 64 + 256 + 256), output: 72 * 36 * 256 });
        assert_eq!(pieces[16], PieceSize { inside: 18 * 9 * (512 + 512 + 2048), output: 18 * 9 * 2048 });
        let small = 48 * 24 * 24 + 3 * (24 * 12 * 32 + 12 * 6 * 64 + 12 * 6 * 128);
        assert_eq!(TwoStreamNetConfig::small().activations(96, 48), small);
    }

    #[test]
    fn the_seed_fixes_the_network_and_stems_start_equal() {
        let device = Device::default();
        let (a, b) = (named_parameters(&small(1, &device)), named_parameters(&small(1, &device)));
        assert_eq!(a, b);
        let values = |name: &str| a.iter().find(|p| p.0 == name).map(|p| p.2.clone()).unwrap();
        assert_eq!(values("stem_visible.conv.weight"), values("stem_infrared.conv.weight"));
        assert_ne!(values("stem_visible.conv.weight")[..10], values("layers.0.blocks.0.conv1.weight")[..10]);
    }

    /// Two groups are two devices: each sees its chunk of either modality and nothing else.
    #[test]
    fn groups_are_replicas() {
        let device = Device::default().autodiff();
        let (visible, infrared) = (noise(6, &device), noise(4, &device));
        let grouped = small(2, &device).forward(visible.clone(), infrared.clone());
        let alone = small(1, &device).forward(visible.narrow(0, 3, 3), infrared.narrow(0, 2, 2));
        let same = |part: Features, whole: Features| {
            let read = |tensor: Tensor<2>| tensor.into_data().try_to_vec::<f32>().unwrap();
            assert_close(&read(part.embedding), &read(whole.embedding), 1e-4);
        };
        same(grouped.visible.narrow(3, 3), alone.visible);
        same(grouped.infrared.narrow(2, 2), alone.infrared);
    }

    /// Bf16 rounds within the convolutions; weights, gradients and embeddings are f32, and near those of f32.
    #[test]
    fn bf16_is_near_f32() {
        let device = Device::default().autodiff();
        let run = |precision: Precision| {
            let config = TwoStreamNetConfig::small().with_precision(precision);
            let net = config.init(&device, &mut Streams::new(0).stream("init", [0; 3]));
            let features = net.forward(noise(6, &device), noise(4, &device));
            let gradients = features.visible.embedding.clone().powi_scalar(2).sum().backward();
            let conv = &net.stem_visible.conv.weight;
            let gradient = conv.grad(&gradients).unwrap().into_data().try_to_vec::<f32>().unwrap();
            (features.visible.embedding.into_data().try_to_vec::<f32>().unwrap(), gradient)
        };
        let cosine = |a: &[f32], b: &[f32]| {
            let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
            dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
        };
        let (half, whole) = (run(Precision::Bf16), run(Precision::F32));
        assert_ne!(half, whole);
        assert!(cosine(&half.0, &whole.0) > 0.999, "{}", cosine(&half.0, &whole.0));
        assert!(cosine(&half.1, &whole.1) > 0.98, "{}", cosine(&half.1, &whole.1));
    }

    #[test]
    fn non_local_blocks_start_as_the_identity() {
        let device = Device::default();
        let stream = || Streams::new(0).stream("init", [0; 3]);
        let plain = TwoStreamNetConfig::resnet18();
        let images = Tensor::ones([1, 3, 64, 32], &device);
        let without = plain.init(&device, &mut stream());
        let with = plain.with_non_local_blocks().init(&device, &mut stream());
        let values = named_parameters(&without).into_iter().map(|(name, shape, data)| (name, (shape, data))).collect();
        let (with, report) = crate::parameters::load_parameters(with, values);
        assert!(report.missing.iter().all(|name| name.contains("non_local")) && !report.missing.is_empty());
        let values = |tensor: Tensor<2>| tensor.into_data().try_to_vec::<f32>().unwrap();
        let (with, without) = (with.embed(images.clone(), Modality::Visible), without.embed(images, Modality::Visible));
        assert_close(&values(with), &values(without), 1e-6);
    }

    /// PyTorch's default of a convolution: weights and biases uniform within one over the root of its window.
    #[test]
    fn non_local_convolutions_start_from_pytorchs_default() {
        let config = TwoStreamNetConfig::resnet18().with_non_local_blocks();
        let net = config.init(&Device::default(), &mut Streams::new(0).stream("init", [0; 3]));
        let named = named_parameters(&net);
        let mut counts = [0; 3];
        for (name, shape, values) in named.iter().filter(|p| p.0.contains(".non_local.")) {
            if name.contains(".bn.") {
                let expected = f64::from(u8::from(name.ends_with("running_var")));
                assert_close(values, &vec![expected; values.len()], 0.0);
                counts[2] += 1;
                continue;
            }
            let channels = if name.contains("layers.1") { 128.0 } else { 256.0 };
            let is_out = name.contains(".out.");
            let bound = if is_out { 1.0 } else { 1.0 / f64::sqrt(channels) };
            let largest = values.iter().map(|value| f64::from(value.abs())).fold(0.0, worse);
            assert!(largest <= bound, "{name} {shape:?}: {largest}");
            if values.len() > 1 {
                let deviation = (values.iter().map(|v| f64::from(v * v)).sum::<f64>() / values.len() as f64).sqrt();
                let expected = bound / 3f64.sqrt();
                assert!((deviation / expected - 1.0).abs() < 0.2 && largest > 0.9 * bound, "{name}: {deviation}");
            }
            assert!(largest > 0.0, "{name} was not drawn");
            counts[usize::from(is_out)] += 1;
        }
        // Four blocks: two after the second stage's blocks, two after the third's.
        assert_eq!(counts, [4 * 3 * 2, 4 * 2, 4 * 4]);
        // The rest of the network does not notice them.
        let plain =
            TwoStreamNetConfig::resnet18().init(&Device::default(), &mut Streams::new(0).stream("init", [0; 3]));
        let rest: Vec<_> = named.into_iter().filter(|p| !p.0.contains(".non_local.")).collect();
        assert!(rest == named_parameters(&plain));
    }

    /// A block after the network's last ReLU used to give pooling negative numbers, whose root is NaN.
    #[test]
    fn non_local_blocks_give_no_nan() {
        let device = Device::default();
        let mut ends_in_one = TwoStreamNetConfig::small();
        ends_in_one.stages[2].non_local = 1;
        assert_eq!(TwoStreamNetConfig::small().with_non_local_blocks().stages[2].non_local, 0);
        for config in [TwoStreamNetConfig::small().with_non_local_blocks(), ends_in_one] {
            let net = config.init(&device, &mut Streams::new(0).stream("init", [0; 3]));
            // As after some steps, when a block is no longer the identity.
            let net = fill_parameters(net, |path, shape| {
                path.ends_with("non_local.bn.weight").then(|| vec![-3.0; shape.iter().product()])
            });
            let embedded = net.embed(noise(4, &device), Modality::Visible).into_data().try_to_vec::<f32>().unwrap();
            assert!(embedded.iter().all(|value| value.is_finite()), "{config}");
            let one = embedded.iter().map(|x| f64::from(x * x)).sum::<f64>();
            assert_close(&[one], &[4.0], 1e-4);
        }
    }

    /// Every draw comes from the seed's stream, none from the system: another process builds the same bytes.
    #[test]
    fn two_processes_build_the_same_bytes() {
        const CHILD: &str = "VIREID_TEST_NETWORK_BYTES";
        let config = TwoStreamNetConfig::small().with_non_local_blocks();
        let net = config.init(&Device::default(), &mut Streams::new(5).stream("init", [0; 3]));
        let parameters = named_parameters(&net);
        assert!(parameters.iter().any(|p| p.0.contains(".non_local.")));
        let bytes: Vec<u8> = parameters.iter().flat_map(|p| p.2.iter().flat_map(|value| value.to_le_bytes())).collect();
        if let Some(path) = std::env::var_os(CHILD) {
            return std::fs::write(path, bytes).unwrap();
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bytes");
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "two_stream::tests::two_processes_build_the_same_bytes"])
            .env(CHILD, &path)
            .output()
            .unwrap();
        assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
        assert!(std::fs::read(&path).unwrap() == bytes);
    }
}
