// The README's links lead to files of the repository. Here they lead to the items: the first definition of a link counts.
//! [`batch_hard_triplet`]: crate::batch_hard_triplet()
//! [`contrast_among`]: crate::contrast_among()
//! [`contrast_with_classes`]: crate::contrast_with_classes()
//! [`contrast_with_entries`]: crate::contrast_with_entries()
//! [`cross_entropy`]: crate::cross_entropy()
//! [`cross_entropy_gradient`]: crate::cross_entropy_gradient()
//! [`mmd`]: crate::mmd()
//! [`multi_positive_nce`]: crate::multi_positive_nce()
//! [`refinement`]: crate::refinement()
//! [`soft_cross_entropy`]: crate::soft_cross_entropy()
//! [`soft_cross_entropy_gradient`]: crate::soft_cross_entropy_gradient()
//! [`supervised_contrast`]: crate::supervised_contrast()
//! [`symmetric_divergence`]: crate::symmetric_divergence()
//! [`weighted_cross_entropy`]: crate::weighted_cross_entropy()
//! [`weighted_l1`]: crate::weighted_l1()
//! [`weighted_l2`]: crate::weighted_l2()
//!
#![doc = include_str!("../README.md")]

mod consistency;
mod cross_entropy;
mod mmd;
mod multi_positive;
mod refinement;
mod supervised_contrast;
mod triplet;
mod weighted;

pub use consistency::{symmetric_divergence, symmetric_divergence_with_gradients};
pub use cross_entropy::{
    cross_entropy, cross_entropy_gradient, label_tensor, soft_cross_entropy, soft_cross_entropy_gradient,
};
pub use mmd::mmd;
pub use multi_positive::{Positives, multi_positive_nce};
pub use refinement::{refinement, refinement_gradients};
pub use supervised_contrast::{contrast_among, contrast_with_classes, contrast_with_entries, supervised_contrast};
pub use triplet::{batch_hard_triplet, pairwise_distances};
pub use weighted::{cross_entropies, weighted_cross_entropy, weighted_l1, weighted_l2};
