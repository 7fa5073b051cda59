//! The two-stream vision transformer and its pass.

use burn::module::{Initializer, Module, Param};
use burn::tensor::{Device, Tensor};
use vireid_core::{Modality, PerModality};
use vireid_onnx::{Graph, Value};

use super::VitConfig;
use super::block::VitBlock;
use super::layer_norm::LayerNorm;
use super::patches::PatchEmbedding;
use crate::backbone::{Backbone, Features, Pass};
use crate::parameters::host;
use crate::shares::Shares;
use crate::unit::unit_rows;
use crate::{BatchGroups, GroupedBatchNorm, GroupedBatchNormConfig, Pixels, with_batch_statistics};

/// A vision transformer with a patch embedding per modality, or one for both, and everything else shared. The class token
/// after the last norm is what the neck gets. It takes images of one size, that of its [`VitConfig`].
#[derive(Module, Debug)]
pub struct VitNet {
    /// The visible images', or both modalities'.
    patch_embed: PatchEmbedding,
    patch_embed_infrared: Option<PatchEmbedding>,
    cls_token: Param<Tensor<3>>,
    /// Of the class token, then of the patches row by row.
    pos_embed: Param<Tensor<3>>,
    blocks: Vec<VitBlock>,
    norm: LayerNorm,
    neck: GroupedBatchNorm,
    grid: [usize; 2],
    bn_groups: usize,
    #[module(skip)]
    pixels: Pixels,
}

impl VitNet {
    /// The network before its values are drawn.
    pub(super) fn zeros(config: &VitConfig, device: &Device) -> Self {
        let (dim, init) = (config.dim, Initializer::Zeros);
        let [rows, columns] = config.grid();
        let patches = || PatchEmbedding::zeros(config, device);
        let mut neck = GroupedBatchNormConfig::new(dim).init(device);
        neck.bias = neck.bias.set_require_grad(false);
        Self {
            patch_embed: patches(),
            patch_embed_infrared: (!config.shared_patch_embedding).then(patches),
            cls_token: init.init([1, 1, dim], device),
            pos_embed: init.init([1, 1 + rows * columns, dim], device),
            blocks: (0..config.depth).map(|_| VitBlock::new(config, device)).collect(),
            norm: LayerNorm::new(dim, device),
            neck,
            grid: [rows, columns],
            bn_groups: config.bn_groups,
            pixels: config.pixels,
        }
    }

    /// Rows and columns of patches.
    pub fn grid(&self) -> [usize; 2] {
        self.grid
    }

    /// Whether infrared images have a patch embedding of their own.
    pub fn has_infrared_patches(&self) -> bool {
        self.patch_embed_infrared.is_some()
    }

    /// A pass over images of one modality; the embeddings are not normalised.
    ///
    /// # Shapes
    ///
    /// - `images`: `[batch, 3, height, width]`
    /// - output: `batch` rows
    pub fn forward_one(&self, images: Tensor<4>, modality: Modality) -> Features {
        let groups = BatchGroups::chunks(images.dims()[0], self.bn_groups);
        let tokens = self.positioned(self.patches(images, modality));
        self.head(self.blocks.iter().fold(tokens, |tokens, block| block.forward(tokens)), &groups)
    }

    fn patches(&self, images: Tensor<4>, modality: Modality) -> Tensor<3> {
        self.patch_embedding(modality).1.forward(self.pixels.of(images))
    }

    /// The patch embedding of a modality, and the field that it is in.
    fn patch_embedding(&self, modality: Modality) -> (&'static str, &PatchEmbedding) {
        match (modality, &self.patch_embed_infrared) {
            (Modality::Infrared, Some(own)) => ("patch_embed_infrared", own),
            _ => ("patch_embed", &self.patch_embed),
        }
    }

    /// Positions, with the class token added to the first: what to add to a row of zeros and the patches behind it.
    fn positions_and_class(&self) -> (Vec<usize>, Vec<f32>) {
        let mut values = host(self.pos_embed.val());
        values.iter_mut().zip(host(self.cls_token.val())).for_each(|(position, class)| *position += class);
        (self.pos_embed.dims().to_vec(), values)
    }

    /// The class token put first, and positions added.
    fn positioned(&self, patches: Tensor<3>) -> Tensor<3> {
        let [batch, _, dim] = patches.dims();
        let class = self.cls_token.val().expand([batch, 1, dim]);
        Tensor::cat(vec![class, patches], 1) + self.pos_embed.val()
    }

    /// The last norm of the class token, and the neck.
    fn head(&self, tokens: Tensor<3>, groups: &BatchGroups) -> Features {
        let pooled: Tensor<2> = self.norm.forward(tokens.narrow(1, 0, 1).squeeze_dim(1));
        Features { embedding: self.neck.forward(pooled.clone(), groups), pooled }
    }
}

impl Backbone for VitNet {
    fn dim(&self) -> usize {
        self.cls_token.dims()[2]
    }

    fn forward(&self, visible: Tensor<4>, infrared: Tensor<4>) -> PerModality<Features> {
        self.forward_pieces(PerModality { visible, infrared })
    }

    /// The patches, each block, and the head.
    fn pieces(&self) -> usize {
        self.blocks.len() + 2
    }

    fn forward_piece(&self, piece: usize, pass: Pass) -> Pass {
        match pass {
            Pass::Images(batch) => {
                let images = batch.as_ref().map(|images| images.dims()[0]);
                let patches = PerModality {
                    visible: self.patches(batch.visible, Modality::Visible),
                    infrared: self.patches(batch.infrared, Modality::Infrared),
                };
                let tokens = self.positioned(Shares::new(images, self.bn_groups).join(patches));
                Pass::Inside { values: tokens.unsqueeze_dim(1), images }
            }
            Pass::Inside { values, images } => {
                let tokens: Tensor<3> = values.squeeze_dim(1);
                match self.blocks.get(piece - 1) {
                    Some(block) => Pass::Inside { values: block.forward(tokens).unsqueeze_dim(1), images },
                    None => {
                        let shares = Shares::new(images, self.bn_groups);
                        Pass::Features(shares.separate(&self.head(tokens, &shares.joined())))
                    }
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
        let patches = self.grid[0] * self.grid[1];
        let images = &self.pixels.draw(graph, images);
        let (field, embedding) = self.patch_embedding(modality);
        let rows = graph.within(field, |graph| embedding.draw(graph, images, patches));
        let rows = graph.pad(&rows, &[0, 1, 0], &[0, 0, 0]);
        let (shape, values) = self.positions_and_class();
        let positions = graph.weights("pos_embed_and_cls_token", &shape, &values);
        let mut tokens = graph.add(&rows, &positions);
        for (number, block) in self.blocks.iter().enumerate() {
            tokens = graph.within(format!("blocks.{number}"), |graph| block.draw(graph, &tokens, patches + 1));
        }
        let first = graph.position(0);
        let class = graph.gather(&tokens, &first, 1);
        let pooled = self.norm.draw(graph, "norm", &class);
        Some(graph.within("neck", |graph| self.neck.draw_rows(graph, &pooled)))
    }
}
