//! The words that every crate of vireid shares.
//!
//! Invariant: nothing here knows Burn, a file or a device.
//! Invariant: an [`Identity`] (ground truth) and a [`ClusterId`] (pseudo-label) are different types, and so are the
//! cluster indices of the two modalities; "noise" and "no partner" are `Option`, never a negative number.

mod association;
mod embeddings;
mod error;
mod identity;
mod modality;
mod panics;
mod pseudo_labels;
mod streams;

pub use association::Association;
pub use embeddings::Embeddings;
pub use error::{Coded, CoreError};
pub use identity::{Camera, Identity};
pub use modality::{Infrared, Modality, ModalityTag, PerModality, Visible};
pub use panics::{guard_parser, one_line, quietly};
pub use pseudo_labels::{ClusterId, PseudoLabels};
pub use streams::{Stream, Streams};

/// The README's example is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
