use burn::module::Module;
use burn::tensor::Tensor;
use vireid_core::{Modality, PerModality};

/// What training and evaluation need of a network.
///
/// A project with a network of its own implements this and nothing else.
pub trait Backbone: Module {
    /// Length of an embedding.
    fn dim(&self) -> usize;

    /// Training pass over one batch of both modalities. The embeddings are not normalised.
    ///
    /// # Shapes
    ///
    /// - `visible`: `[visible_batch, 3, height, width]`
    /// - `infrared`: `[infrared_batch, 3, height, width]`
    /// - output: `[visible_batch, dim]` and `[infrared_batch, dim]`
    fn forward(&self, visible: Tensor<4>, infrared: Tensor<4>) -> PerModality<Tensor<2>>;

    /// Inference pass over images of one modality: embeddings of length 1. Call it on [`Module::valid`] of the network
    /// with tensors off the autodiff device, so that no gradient graph is kept.
    ///
    /// # Shapes
    ///
    /// - `images`: `[batch, 3, height, width]`
    /// - output: `[batch, dim]`
    fn embed(&self, images: Tensor<4>, modality: Modality) -> Tensor<2>;
}
