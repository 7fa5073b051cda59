use crate::Modality;

/// An error with a stable code.
///
/// The message of every error of this workspace starts with its code (`VR0107: ...`), says what happened and where,
/// and what to do about it. Codes are never reused for another meaning.
pub trait Coded: std::error::Error {
    /// The six characters of the code, such as `VR0107`.
    fn code(&self) -> String {
        self.to_string().chars().take(6).collect()
    }
}

/// What can be wrong with the basic values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CoreError {
    /// The number of values is not rows times dimension.
    #[error("VR0001: {values} values can't be {rows} embeddings of dimension {dim}")]
    Shape {
        /// Values given.
        values: usize,
        /// Rows promised.
        rows: usize,
        /// Dimension promised.
        dim: usize,
    },
    /// A NaN or an infinity.
    #[error(
        "VR0002: embedding {row} holds a value that is not finite; the network has diverged or an image is damaged: lower the learning rate, check the images"
    )]
    NotFinite {
        /// The first such row.
        row: usize,
    },
    /// Cluster numbers have a gap.
    #[error("VR0003: {modality} clusters are not numbered without gaps: no sample has label {missing}")]
    LabelGap {
        /// Modality of the labels.
        modality: Modality,
        /// The first unused number.
        missing: usize,
    },
}

impl Coded for CoreError {}
