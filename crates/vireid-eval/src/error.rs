//! The errors of this crate, codes VR04xx.

use vireid_core::{Coded, CoreError};

/// What can go wrong in an evaluation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EvalError {
    /// No query has a correct answer in the gallery.
    #[error(
        "VR0401: none of the {queries} queries has a match among the {gallery} gallery images; query and gallery must hold the same people (seen by different cameras)"
    )]
    NoValidQuery {
        /// Number of queries.
        queries: usize,
        /// Number of gallery images.
        gallery: usize,
    },
    /// Inputs that must agree in length do not.
    #[error("VR0402: {what}: {left} against {right}")]
    Length {
        /// What the two lengths are of.
        what: &'static str,
        /// The first length.
        left: usize,
        /// The second length.
        right: usize,
    },
    /// What a measure of distance that is not of this crate says, with its own code.
    #[error("{0}")]
    Distances(String),
    /// The work was stopped.
    #[error(transparent)]
    Core(#[from] CoreError),
}

impl Coded for EvalError {}
