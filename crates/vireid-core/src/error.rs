//! Errors with codes: what all crates' errors have in common, and this crate's, codes VR00xx.

/// An error with a stable code.
///
/// The message of every error of this workspace starts with its code (`VR0107: ...`), says what happened and where,
/// and what to do about it. Codes are never reused for another meaning, so programs may act on them:
///
/// ```
/// use vireid_core::{Coded, Embeddings};
///
/// let refused = Embeddings::new(vec![0.0; 3], 2, 2).unwrap_err();
/// assert_eq!(refused.code(), "VR0001");
/// ```
pub trait Coded: std::error::Error {
    /// The six characters of the code, such as `VR0107`.
    fn code(&self) -> String {
        self.to_string().chars().take(6).collect()
    }
}

/// What can be wrong with embeddings and labels as they come in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CoreError {
    /// The number of values is not rows times dimension.
    #[error("VR0001: {values} values can't be {rows} embeddings of dimension {dim}")]
    Shape {
        /// How many values were given.
        values: usize,
        /// How many rows they were said to be.
        rows: usize,
        /// How long each row was said to be.
        dim: usize,
    },
    /// An embedding holds a NaN or an infinity.
    #[error(
        "VR0002: embedding {row} holds a value that is not finite; the network has diverged or an image is damaged: lower the learning rate, check the images"
    )]
    NotFinite {
        /// The first row that holds such a value.
        row: usize,
    },
    /// Cluster numbers have a gap.
    #[error("VR0003: {}clusters are not numbered without gaps: no sample has label {missing}", before_a_noun(.of))]
    LabelGap {
        /// The name of the clusters' tag, such as `visible`; empty for that of a single set.
        of: &'static str,
        /// The smallest number that no sample has.
        missing: usize,
    },
    /// A panic that was caught where another language called: a fault of this project, and what it said.
    #[error("VR0005: a fault of vireid itself, please report it: {0}")]
    Fault(String),
    /// The length of an embedding is beyond the numbers of 32 bits.
    #[error(
        "VR0006: embedding {row} is too long for 32-bit floats: its squared length is beyond 3.4e38; scale the rows"
    )]
    TooLong {
        /// The first such row.
        row: usize,
    },
    /// Long work was asked to stop before its end.
    #[error("VR0004: the work was stopped before its end; nothing came of it")]
    Stopped,
}

fn before_a_noun(word: &str) -> String {
    if word.is_empty() { String::new() } else { format!("{word} ") }
}

impl Coded for CoreError {}
