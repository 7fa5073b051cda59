//! How good embeddings and pseudo-labels are.
//!
//! A [`Protocol`] turns the embeddings of a test into [`Score`]s. [`sysu`], [`regdb`], [`llcm`] and [`own`] hold one each,
//! [`rank_metrics`] what they share: cumulative matching (Rank-k), mean average precision and mean inverse negative penalty.
//! [`quality`] compares pseudo-labels and cluster associations with the truth.
//!
//! Invariant: no file, image or device is seen here; functions take slices and return owned values.
//! Invariant: this is one of the two places that accept an [`Identity`](vireid_core::Identity) (diagnostics is the
//! other); nothing computed here can reach a loss.

mod cpython;
mod error;
pub mod llcm;
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
pub use error::EvalError;
pub use protocol::Protocol;
pub use rank_metrics::{CmcRule, RankMetrics};
pub use score::{QueryCount, Score, Spread};
pub use similarity::similarities;
pub use single_shot::Annotations;

/// The README's example is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
