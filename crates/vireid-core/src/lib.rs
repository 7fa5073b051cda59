// The README's links lead to files of the repository. Here they lead to the items: the first definition of a link counts.
//! [`Association`]: crate::Association
//! [`ClusterId`]: crate::ClusterId
//! [`ClusterTag`]: crate::ClusterTag
//! [`Coded`]: crate::Coded
//! [`Embeddings`]: crate::Embeddings
//! [`Identity`]: crate::Identity
//! [`PseudoLabels`]: crate::PseudoLabels
//! [`Stream`]: crate::Stream
//! [`Streams`]: crate::Streams
//!
#![doc = include_str!("../README.md")]

mod association;
mod cluster_tag;
pub mod draws;
mod embeddings;
mod error;
mod identity;
mod modality;
#[cfg(feature = "ndarray")]
mod ndarrays;
mod panics;
mod pseudo_labels;
mod streams;
mod watch;

pub use association::Association;
pub use cluster_tag::ClusterTag;
pub use embeddings::Embeddings;
pub use error::{Coded, CoreError};
pub use identity::{Camera, Identity};
pub use modality::{Infrared, Modality, ModalityTag, PerModality, Visible};
/// The crate whose arrays [`Embeddings`] and [`PseudoLabels`] are made from and turn into.
#[cfg(feature = "ndarray")]
pub use ndarray;
pub use panics::{guard_parser, one_line, quietly};
pub use pseudo_labels::{ClusterId, PseudoLabels};
/// The crate of the traits of random generators: [`Stream`] is an [`Rng`](rand_core::Rng).
pub use rand_chacha::rand_core;
pub use streams::{Stream, Streams};
pub use watch::{Followed, Watch, WatchStage, follow};
