use vireid_core::{Coded, CoreError};

/// What can go wrong between embeddings and pseudo-labels.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ClusteringError {
    /// A parameter has no meaning.
    #[error("VR0201: {name} = {value} is out of range: {expected}")]
    Parameter {
        /// Name of the parameter.
        name: &'static str,
        /// Its value.
        value: String,
        /// What would be accepted.
        expected: &'static str,
    },
    /// Two inputs that must agree in length do not.
    #[error("VR0202: {what}: {left} against {right}")]
    Length {
        /// What was compared.
        what: &'static str,
        /// Length of the first.
        left: usize,
        /// Length of the second.
        right: usize,
    },
    /// The assignment solver refused the cost matrix.
    #[error("VR0203: no assignment exists for the {rows} x {columns} cost matrix: {reason}")]
    Assignment {
        /// Rows of the matrix.
        rows: usize,
        /// Columns of the matrix.
        columns: usize,
        /// The solver's words.
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
        /// Factor of the cost.
        lambda: f64,
    },
    /// Labels cannot be transferred without images and clusters on both sides.
    #[error("VR0205: labels cannot be transferred: a modality has no image or no cluster")]
    NothingToTransfer,
    /// Basic values are wrong.
    #[error(transparent)]
    Core(#[from] CoreError),
}

impl Coded for ClusteringError {}
