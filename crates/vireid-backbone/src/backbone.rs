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

    /// Inference pass over images of one modality: embeddings of length 1. Call it on [`Module::valid`] of the network
    /// with tensors off the autodiff device, so that no gradient graph is kept.
    ///
    /// # Shapes
    ///
    /// - `images`: `[batch, 3, height, width]`
    /// - output: `[batch, dim]`
    fn embed(&self, images: Tensor<4>, modality: Modality) -> Tensor<2>;
}
