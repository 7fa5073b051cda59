//! What similarities mean, in words.

/// What a similarity between an image of each modality means.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verdict {
    /// That they show one person, if as many pairs do as do not.
    pub probability: f64,
    /// Whether the similarity reaches the threshold.
    pub same: bool,
}

/// What similarities mean, learned from labelled pairs.
pub trait Verdicts: Send + Sync {
    /// What a similarity means.
    fn verdict(&self, similarity: f32) -> Verdict;

    /// The least similarity of "the same person".
    fn threshold(&self) -> f64;
}
