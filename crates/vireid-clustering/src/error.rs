//! The errors of this crate, codes VR02xx.

use vireid_core::{Coded, CoreError};

/// What can go wrong between embeddings and pseudo-labels.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ClusteringError {
    /// A parameter is out of its range.
    #[error("VR0201: {name} = {value} is out of range: {expected}")]
    Parameter {
        /// The parameter's name.
        name: &'static str,
        /// The value that was given.
        value: String,
        /// The values that would be accepted.
        expected: &'static str,
    },
    /// Two inputs that must agree in length do not.
    #[error("VR0202: {what}: {left} against {right}")]
    Length {
        /// What the two lengths are of.
        what: &'static str,
        /// The first length.
        left: usize,
        /// The second length.
        right: usize,
    },
    /// The assignment solver refused the cost matrix.
    #[error("VR0203: no assignment exists for the {rows} x {columns} cost matrix: {reason}")]
    Assignment {
        /// Number of rows of the matrix.
        rows: usize,
        /// Number of columns of the matrix.
        columns: usize,
        /// What the solver said.
        reason: String,
    },
    /// A transport kernel is zero along a row or a column.
    #[error(
        "VR0204: the transport broke down at step {step}: exp(-{lambda} cost) is zero along a row or a column; lower \
         lambda or use the logarithmic form"
    )]
    Transport {
        /// Step at which it happened, from 0.
        step: usize,
        /// The factor of the costs, [`Sinkhorn::lambda`](crate::Sinkhorn::lambda).
        lambda: f64,
    },
    /// Labels cannot be transferred without images and clusters on both sides.
    #[error("VR0205: labels cannot be transferred: a modality has no image or no cluster")]
    NothingToTransfer,
    /// Embeddings or labels are not valid as such.
    #[error(transparent)]
    Core(#[from] CoreError),
}

impl Coded for ClusteringError {}
