//! What is on disk, turned into augmented batches.
//!
//! [`readers`] find the images of a data set and who is on them; [`ImageList`] decodes and keeps them; [`sampler`]s choose
//! the images of each step from the pseudo-labels; [`transform`] augments them; [`Loader`] does both ahead of time on
//! threads of its own. [`synthetic`] draws a stand-in for a licensed data set, in the licensed one's own layout.
//!
//! Invariant: true identities are carried in [`Sample`] for evaluation and diagnostics only; samplers and loaders see
//! positions and pseudo-labels.
//! Invariant: every random choice comes from a named stream, so a batch is the same on whichever thread it is made.

mod dataset;
mod decode;
mod error;
mod fingerprint;
mod image_list;
mod jpeg;
mod loader;
mod names;
mod notes;
pub mod readers;
mod resize;
pub mod sampler;
mod spread;
pub mod synthetic;
pub mod transform;
mod value_range;

pub use dataset::{Dataset, Sample, TestSplit};
pub use error::{BadImage, DataError};
pub use fingerprint::fingerprint;
pub use image_list::{CacheBudget, ImageList, ImageSize};
pub use loader::{Batch, Loader, LoaderConfig, ViewRecipes};
pub use names::Names;
pub use notes::first_lines;
pub use resize::{ResizeFilter, resize_rgb};
pub use spread::Spread;
pub use value_range::{Depth, ValueRange};

/// The README's example is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
