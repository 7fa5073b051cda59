//! What a protocol ranks by.

use vireid_core::Embeddings;

use crate::{EvalError, similarities};

/// How far the images of a gallery are from queries: what a protocol ranks by.
pub trait Distances: Sync {
    /// Queries x gallery, row after row; smaller is nearer. Rows of embeddings have length 1.
    ///
    /// # Errors
    ///
    /// `VR0402` when the dimensions differ, and whatever else a measure refuses.
    fn between(&self, queries: &Embeddings, gallery: &Embeddings) -> Result<Vec<f32>, EvalError>;

    /// Whether the distance of a pair depends on that pair alone, and not on what else is there: then those of all galleries
    /// that a protocol draws are computed once.
    fn are_of_pairs(&self) -> bool;
}

/// The cosine, negated: what protocols rank by unless something else is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cosine;

impl Distances for Cosine {
    fn between(&self, queries: &Embeddings, gallery: &Embeddings) -> Result<Vec<f32>, EvalError> {
        Ok(similarities(queries, gallery)?.into_iter().map(|similarity| -similarity).collect())
    }

    fn are_of_pairs(&self) -> bool {
        true
    }
}
