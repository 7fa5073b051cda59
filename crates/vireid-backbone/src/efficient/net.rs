//! The two-stream EfficientNet-Lite: its pass, its starting values, its weights.

use burn::module::Module;
use burn::tensor::{Device, FloatDType, Tensor};
use vireid_core::{Modality, PerModality, Stream};
use vireid_kernels::Tail;
use vireid_onnx::{Graph, Value};

use super::EfficientNetConfig;
use super::block::InvertedBlock;
use super::layers::{LiteStem, Pointwise};
use crate::backbone::{Backbone, Features, Pass};
use crate::gem::{GEM_EPSILON, draw_gem, gem_pool};
use crate::loading::load_named;
use crate::parameters::fill_parameters;
use crate::shares::Shares;
use crate::unit::unit_rows;
use crate::{BackboneError, BatchGroups, GroupedBatchNorm, GroupedBatchNormConfig, Pixels};
use crate::{WeightFile, WeightNames, WeightReport, with_batch_statistics};

/// An EfficientNet-Lite with a first layer per modality and everything else shared: GeM pooling and a batch-norm neck give the
/// embedding. A network for CPUs: on graphics cards its depthwise convolutions and ReLU6 run as Burn's stock operations.
#[derive(Module, Debug)]
pub struct EfficientNet {
    stem_visible: LiteStem,
    stem_infrared: LiteStem,
    blocks: Vec<InvertedBlock>,
    last: Pointwise,
    neck: GroupedBatchNorm,
    dim: usize,
    bn_groups: usize,
    #[module(skip)]
    pixels: Pixels,
}

impl EfficientNet {
    /// The network before its values are drawn.
    pub(super) fn undrawn(config: &EfficientNetConfig, device: &Device) -> Self {
        let (dim, precision) = (config.head, config.precision);
        let stem = || LiteStem::new(config.stem, precision, device);
        let sizes = config.blocks();
        let mut neck = GroupedBatchNormConfig::new(dim).init(device);
        neck.bias = neck.bias.set_require_grad(false);
        let input = sizes.last().map_or(config.stem, |block| block.output);
        Self {
            stem_visible: stem(),
            stem_infrared: stem(),
            blocks: sizes.iter().map(|sizes| InvertedBlock::new(sizes, precision, device)).collect(),
            last: Pointwise::new(input, dim, precision, device),
            neck,
            dim,
            bn_groups: config.bn_groups,
            pixels: config.pixels,
        }
    }

    /// A pass over images of one modality; the embeddings are not normalised.
    ///
    /// # Shapes
    ///
    /// - `images`: `[batch, 3, height, width]`
    /// - output: `batch` rows
    pub fn forward_one(&self, images: Tensor<4>, modality: Modality) -> Features {
        let groups = BatchGroups::chunks(images.dims()[0], self.bn_groups);
        let x = self.stem(modality).1.forward(self.pixels.of(images), &groups);
        self.end(self.blocks.iter().fold(x, |x, block| block.forward(x, &groups)), &groups)
    }

    /// The first layer of a modality, and the field that it is in.
    fn stem(&self, modality: Modality) -> (&'static str, &LiteStem) {
        match modality {
            Modality::Visible => ("stem_visible", &self.stem_visible),
            Modality::Infrared => ("stem_infrared", &self.stem_infrared),
        }
    }

    /// The last convolution, pooling and the neck.
    fn end(&self, x: Tensor<4>, groups: &BatchGroups) -> Features {
        let x = self.last.forward(x, Tail::Relu6, groups);
        let pooled = gem_pool(x.cast(FloatDType::F32), GEM_EPSILON);
        Features { embedding: self.neck.forward(pooled.clone(), groups), pooled }
    }
}

impl Backbone for EfficientNet {
    fn dim(&self) -> usize {
        self.dim
    }

    fn forward(&self, visible: Tensor<4>, infrared: Tensor<4>) -> PerModality<Features> {
        self.forward_pieces(PerModality { visible, infrared })
    }

    /// The stems, each block, and the end.
    fn pieces(&self) -> usize {
        self.blocks.len() + 2
    }

    fn forward_piece(&self, piece: usize, pass: Pass) -> Pass {
        match pass {
            Pass::Images(batch) => {
                let images = batch.as_ref().map(|images| images.dims()[0]);
                let shares = Shares::new(images, self.bn_groups);
                let stem =
                    |images, modality| self.stem(modality).1.forward(self.pixels.of(images), &shares.of(modality));
                let visible = stem(batch.visible, Modality::Visible);
                let infrared = stem(batch.infrared, Modality::Infrared);
                Pass::Inside { values: shares.join(PerModality { visible, infrared }), images }
            }
            Pass::Inside { values, images } => {
                let shares = Shares::new(images, self.bn_groups);
                match self.blocks.get(piece - 1) {
                    Some(block) => Pass::Inside { values: block.forward(values, &shares.joined()), images },
                    None => Pass::Features(shares.separate(&self.end(values, &shares.joined()))),
                }
            }
            features => features,
        }
    }

    fn in_training_mode(self) -> Self {
        with_batch_statistics(self)
    }

    fn embed(&self, images: Tensor<4>, modality: Modality) -> Tensor<2> {
        unit_rows(self.forward_one(images, modality).embedding)
    }

    fn draw(&self, graph: &mut Graph, images: &Value, modality: Modality) -> Option<Value> {
        let images = self.pixels.draw(graph, images);
        let (field, stem) = self.stem(modality);
        let mut x = graph.within(field, |graph| stem.draw(graph, &images));
        for (number, block) in self.blocks.iter().enumerate() {
            x = graph.within(format!("blocks.{number}"), |graph| block.draw(graph, &x));
        }
        let x = graph.within("last", |graph| self.last.draw(graph, &x, &Tail::Relu6));
        let pooled = draw_gem(graph, &x, GEM_EPSILON);
        let rows = graph.reshape(&pooled, &[0, self.dim as i64]);
        Some(graph.within("neck", |graph| self.neck.draw_rows(graph, &rows)))
    }
}

/// Draws the starting values: the stems from equal copies of one stream, the rest from another.
pub(super) fn started(net: EfficientNet, stream: &mut Stream) -> EfficientNet {
    let mut stems = [stream.clone(), stream.clone()];
    let mut trunk = stream.fork();
    fill_parameters(net, |path, shape| {
        let stream = match path.split('.').next() {
            Some("stem_visible") => &mut stems[0],
            Some("stem_infrared") => &mut stems[1],
            _ => &mut trunk,
        };
        let count = shape.iter().product();
        let mut draw = |mean: f64, deviation: f64| {
            let values: Vec<f32> = (0..count).map(|_| stream.normal(mean, deviation) as f32).collect();
            Some(values)
        };
        match *shape {
            [output, input, height, width] => {
                let is_depthwise = input == 1;
                let fan_out = if is_depthwise { height * width } else { output * height * width };
                draw(0.0, (2.0 / fan_out as f64).sqrt())
            }
            _ if path == "neck.weight" => draw(1.0, 0.01),
            _ => None,
        }
    })
}

/// Loads weights into an EfficientNet-Lite by the names of [`WeightNames`], and tells what was read. A file's only first layer
/// goes to both modalities, and classifiers are dropped.
///
/// # Errors
///
/// What [`WeightFile::read`] refuses; `VR0302` unless every tensor finds its place and every parameter its tensor. A file that
/// is not this project's may lack the neck, which it can't know.
pub fn load_efficient(
    net: EfficientNet,
    file: &WeightFile<'_>,
    names: WeightNames,
) -> Result<(EfficientNet, WeightReport), BackboneError> {
    load_named(net, file, names, false, |_| Ok(()))
}
