//! What makes embeddings of images.

use vireid_core::Modality;

/// What became of one image: its embedding, of length 1, or why it can't be used.
pub type Embedded = Result<Vec<f32>, String>;

/// The network or its device failed, so that no image was embedded; what it said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbedderFailed(pub String);

/// What makes embeddings of images. Called from one thread at a time.
pub trait Embedder: Send + Sync {
    /// Embeds images of one modality, each the bytes of a file (JPEG, PNG, ...); one result for each, in order.
    ///
    /// # Errors
    ///
    /// Where the network itself failed, whatever the images.
    fn embed(&self, images: &[Vec<u8>], modality: Modality) -> Result<Vec<Embedded>, EmbedderFailed>;

    /// How many images are best embedded at once.
    fn batch(&self) -> usize;
}
