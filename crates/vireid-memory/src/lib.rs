//! Memory banks: one prototype per cluster, compared with embeddings and moved by them.
//!
//! A [`MemoryBank`] is a constant for autodiff. Its updates follow the sequential rules of the published code, in as few
//! tensor operations as those allow: samples of different rows commute, so a batch is applied in rounds over distinct
//! rows. Which sample goes in which round is decided on the host from the labels; nothing is read back from the device.
//!
//! Invariant: no code here asks which Burn backend it runs on, and no update waits for the device.

mod bank;

pub use bank::{MemoryBank, by_label, normalize_rows};

/// The README's example is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
