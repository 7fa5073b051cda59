#![doc = include_str!("../README.md")]

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
mod unpaired;
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
