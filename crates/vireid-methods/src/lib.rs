#![doc = include_str!("../README.md")]

pub mod bmil;
pub mod data_sets;
pub mod dmic;
pub mod ecul;
pub mod mbccm;
pub mod mmm;
pub mod mult;
pub mod parts;
mod presets;
pub mod registry;

pub use parts::auto::Auto;
pub use parts::labelling::{Clusters, Labels, cluster, neighbours, rows_on};
pub use parts::nearest_neighbours_on;
pub use parts::settings::{ClusteringSettings, NeighbourSearch, PerModalityEps, SamplerSettings};
pub use presets::{preset, preset_layers, presets};
pub use vireid_train::*;
