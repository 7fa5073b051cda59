//! Objectives, as functions of tensors.
//!
//! Each takes a batch and returns a scalar. Where a method's published gradient is not that of its loss (a memory that
//! moves while the gradient is computed), the gradient with respect to the logits is here in closed form too.
//!
//! Invariant: nothing here holds state, reads a value back to the host or asks which Burn backend it runs on.

mod consistency;
mod cross_entropy;
mod mmd;
mod refinement;
mod supervised_contrast;
mod triplet;
mod weighted;

pub use consistency::{symmetric_divergence, symmetric_divergence_gradient, symmetric_divergence_with_gradients};
pub use cross_entropy::{
    cross_entropy, cross_entropy_gradient, label_tensor, soft_cross_entropy, soft_cross_entropy_gradient,
};
pub use mmd::mmd;
pub use refinement::{refinement, refinement_gradients};
pub use supervised_contrast::{contrast_among, contrast_with_classes, contrast_with_entries, supervised_contrast};
pub use triplet::{batch_hard_triplet, pairwise_distances};
pub use weighted::{cross_entropies, weighted_cross_entropy, weighted_l1, weighted_l2};

/// The README's example is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
