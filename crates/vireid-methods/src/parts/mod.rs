//! What methods share: settings, labellers, memories, batches and objectives.

pub mod auto;
pub mod baseline;
pub mod contrast;
pub mod contrast_step;
mod device_neighbours;
pub mod instance;
pub mod instance_memory;
pub mod joint;
pub mod labelling;
pub mod lookups;
pub mod settings;
pub mod update;
pub mod views;
pub mod within;

pub use device_neighbours::{nearest_across_on, nearest_neighbours_on};
