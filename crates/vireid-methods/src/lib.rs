//! MBCCM, MULT, MMM, DMIC and ECUL as compositions of shared parts.
//!
//! A [`Method`] says how images are labelled and clusters associated, which memories there are, which images a step
//! takes and what it minimises; the engine of [`vireid_train`], whose names are here too, does the rest. [`registry`] lists
//! the methods, [`data_sets`] the data sets, [`parts`] holds what methods share, and [`preset`] reads the settings of each.
//!
//! Invariant: methods know one another only by what [`parts`] holds.

pub mod data_sets;
pub mod dmic;
pub mod ecul;
pub mod mbccm;
pub mod mmm;
pub mod mult;
pub mod parts;
mod presets;
pub mod registry;

pub use parts::labelling::{Clusters, Labels, cluster, dbscan_labels, encode, rows_on};
pub use parts::nearest_neighbours_on;
pub use parts::settings::{ClusteringSettings, NeighbourSearch, PerModalityValue, SamplerSettings};
pub use presets::{preset, preset_layers, presets};
pub use vireid_train::*;

/// The README's example is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
