//! What training and evaluation need of a network: the trait that all networks here implement.

use burn::module::{Module, ModuleDisplay};
use burn::tensor::Tensor;
use vireid_core::{Modality, PerModality};
use vireid_onnx::{Graph, Value};

/// What a training pass gives for a batch.
///
/// # Shapes
///
/// - each `[batch, dim]`
#[derive(Debug, Clone)]
pub struct Features {
    /// The output of pooling, which the neck has not normalised yet.
    pub pooled: Tensor<2>,
    /// The output of the batch-norm neck: what memories are compared with. Its rows are not scaled to length 1.
    pub embedding: Tensor<2>,
}

impl Features {
    /// The `length` rows from `start` on.
    pub fn narrow(&self, start: usize, length: usize) -> Self {
        let part = |rows: &Tensor<2>| rows.clone().narrow(0, start, length);
        Self { pooled: part(&self.pooled), embedding: part(&self.embedding) }
    }
}

/// How far a training pass has come that is made piece by piece.
#[expect(clippy::large_enum_variant, reason = "a pass has a few of them, each of handles of tensors")]
#[derive(Debug, Clone)]
pub enum Pass {
    /// Before the first piece: images, `[batch, 3, height, width]` of either modality.
    Images(PerModality<Tensor<4>>),
    /// Between two pieces: activations.
    Inside {
        /// What the next piece takes, an image per row in the network's own order: `[batch, channels, height, width]` of a
        /// convolutional network, `[batch, 1, tokens, dim]` of a [`VitNet`](crate::VitNet).
        values: Tensor<4>,
        /// How many images of each modality are in `values`.
        images: PerModality<usize>,
    },
    /// After the last piece: the features, visible and infrared images apart.
    Features(PerModality<Features>),
}

/// Which of a stage's learning rates a parameter has, where a stage has two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ParameterGroup {
    /// What may start from weights of another task, and has the lower rate.
    Trunk,
    /// What every task trains from scratch, and has the full rate.
    Head,
}

/// What training and evaluation need of a network.
///
/// To train your own network, implement this and nothing else.
pub trait Backbone: Module + ModuleDisplay {
    /// How many numbers an embedding has: the columns of [`Features::embedding`] and of what [`embed`](Self::embed)
    /// returns.
    fn dim(&self) -> usize;

    /// Training pass over one batch of both modalities.
    ///
    /// # Shapes
    ///
    /// - `visible`: `[visible_batch, 3, height, width]`
    /// - `infrared`: `[infrared_batch, 3, height, width]`
    /// - output: `visible_batch` and `infrared_batch` rows
    fn forward(&self, visible: Tensor<4>, infrared: Tensor<4>) -> PerModality<Features>;

    /// How many pieces a training pass can be made in; see [`forward_piece`](Self::forward_piece). 1 unless a network
    /// says otherwise.
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

    /// All pieces in a row: a [`forward`](Self::forward) for networks that are made piece by piece.
    ///
    /// # Panics
    ///
    /// Where the last piece gives no features.
    fn forward_pieces(&self, images: PerModality<Tensor<4>>) -> PerModality<Features> {
        match (0..self.pieces()).fold(Pass::Images(images), |pass, piece| self.forward_piece(piece, pass)) {
            Pass::Features(features) => features,
            _ => unreachable!("the last piece gives the features"),
        }
    }

    /// The network whose [`forward`](Self::forward), off the autodiff device as well, normalises by the batch and moves the
    /// running statistics: a training pass that keeps no gradient graph. It is called on [`Module::valid`] of the network.
    /// With [`GroupedBatchNorm`](crate::GroupedBatchNorm)s it is
    /// [`with_batch_statistics`](crate::with_batch_statistics); a network that treats a batch alike in training and in
    /// inference gives itself.
    fn in_training_mode(self) -> Self;

    /// The group of a parameter by its path of fields within the network, such as `["layers", "0", "conv", "weight"]`. By
    /// default a path through a field named `neck` leads to the head and any other one to the trunk.
    fn group(path: &[&str]) -> ParameterGroup {
        if path.contains(&"neck") { ParameterGroup::Head } else { ParameterGroup::Trunk }
    }

    /// Inference pass over images of one modality: embeddings of length 1. Call it on [`Module::valid`] of the network
    /// with tensors off the autodiff device, so that no gradient graph is kept.
    ///
    /// # Shapes
    ///
    /// - `images`: `[batch, 3, height, width]`
    /// - output: `[batch, dim]`
    fn embed(&self, images: Tensor<4>, modality: Modality) -> Tensor<2>;

    /// What [`embed`](Self::embed) does before it scales embeddings to length 1, drawn into an ONNX graph with the weights as
    /// they are; `None`, the default, where nobody has said how: then the network can't be exported as ONNX.
    ///
    /// # Shapes
    ///
    /// - `images`: `[batch, 3, height, width]`
    /// - output: `[batch, dim]`
    fn draw(&self, _graph: &mut Graph, _images: &Value, _modality: Modality) -> Option<Value> {
        None
    }
}
