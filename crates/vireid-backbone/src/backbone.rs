use burn::module::{Module, ModuleDisplay};
use burn::tensor::Tensor;
use vireid_core::{Modality, PerModality};

/// What a training pass gives for a batch.
///
/// # Shapes
///
/// - each `[batch, dim]`
#[derive(Debug, Clone)]
pub struct Features {
    /// Pooled, before the neck.
    pub pooled: Tensor<2>,
    /// After the neck, not normalised.
    pub embedding: Tensor<2>,
}

impl Features {
    /// The rows from `start` on.
    pub fn narrow(&self, start: usize, length: usize) -> Self {
        let part = |rows: &Tensor<2>| rows.clone().narrow(0, start, length);
        Self { pooled: part(&self.pooled), embedding: part(&self.embedding) }
    }
}

/// Where a training pass stands that is made in pieces.
#[expect(clippy::large_enum_variant, reason = "a pass has a few of them, each of handles of tensors")]
#[derive(Debug, Clone)]
pub enum Pass {
    /// Before the first piece: images, `[batch, 3, height, width]` of either modality.
    Images(PerModality<Tensor<4>>),
    /// Between two pieces.
    Inside {
        /// What the next piece takes: `[batch, channels, height, width]`, in the network's own order of images.
        values: Tensor<4>,
        /// Images of either modality.
        images: PerModality<usize>,
    },
    /// After the last piece.
    Features(PerModality<Features>),
}

/// What training and evaluation need of a network.
///
/// A project with a network of its own implements this and nothing else.
pub trait Backbone: Module + ModuleDisplay {
    /// Length of an embedding.
    fn dim(&self) -> usize;

    /// Training pass over one batch of both modalities.
    ///
    /// # Shapes
    ///
    /// - `visible`: `[visible_batch, 3, height, width]`
    /// - `infrared`: `[infrared_batch, 3, height, width]`
    /// - output: `visible_batch` and `infrared_batch` rows
    fn forward(&self, visible: Tensor<4>, infrared: Tensor<4>) -> PerModality<Features>;

    /// Pieces that a training pass can be made in; see [`forward_piece`](Self::forward_piece).
    fn pieces(&self) -> usize {
        1
    }

    /// One piece of [`forward`](Self::forward), from 0 to [`pieces`](Self::pieces): the first takes images, the last gives
    /// features. A network with one piece alone can't be trained with a
    /// [`CheckpointedPass`](crate::CheckpointedPass) to any use.
    fn forward_piece(&self, _piece: usize, pass: Pass) -> Pass {
        match pass {
            Pass::Images(images) => Pass::Features(self.forward(images.visible, images.infrared)),
            other => other,
        }
    }

    /// Inference pass over images of one modality: embeddings of length 1. Call it on [`Module::valid`] of the network
    /// with tensors off the autodiff device, so that no gradient graph is kept.
    ///
    /// # Shapes
    ///
    /// - `images`: `[batch, 3, height, width]`
    /// - output: `[batch, dim]`
    fn embed(&self, images: Tensor<4>, modality: Modality) -> Tensor<2>;
}
