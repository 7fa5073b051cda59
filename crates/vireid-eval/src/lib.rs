// The README's links lead to files of the repository. Here they lead to the items: the first definition of a link counts.
//! [`CPythonRandom`]: crate::CPythonRandom
//! [`llcm`]: mod@crate::llcm
//! [`own`]: mod@crate::own
//! [`Protocol`]: crate::Protocol
//! [`Score`]: crate::Score
//! [`quality`]: mod@crate::quality
//! [`rank_metrics`]: mod@crate::rank_metrics
//! [`regdb`]: mod@crate::regdb
//! [`single_shot`]: mod@crate::single_shot
//! [`sysu`]: mod@crate::sysu
//!
#![doc = include_str!("../README.md")]

mod cpython;
mod distances;
mod error;
pub mod llcm;
#[cfg(feature = "ndarray")]
pub mod ndarrays;
pub mod own;
mod protocol;
pub mod quality;
pub mod rank_metrics;
pub mod regdb;
mod score;
mod similarity;
pub mod single_shot;
pub mod sysu;

pub use cpython::CPythonRandom;
pub use distances::{Cosine, Distances};
pub use error::EvalError;
pub use protocol::Protocol;
pub use rank_metrics::{CmcRule, RankMetrics};
pub use score::{QueryCount, Score, Spread};
pub use similarity::similarities;
pub use single_shot::Annotations;
