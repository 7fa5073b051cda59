//! The methods as compositions, and the engine that trains any of them.
//!
//! A [`Method`] says how images are labelled and clusters associated, which memories there are, which images a step
//! takes and what it minimises; [`Engine`] does what they share: extracting embeddings, stepping, evaluating,
//! checkpointing.
//! [`registry`] lists the methods, [`data_sets`] the data sets; [`RunConfig`] holds every setting, from an embedded preset with
//! overrides.
//!
//! Invariant: the engine knows no method by name.
//! Invariant: true identities reach [`diagnostics`](events::ClusterReport) and evaluation only.
//! Invariant: the step loop reads nothing back from the device but the losses, every few steps.

pub mod baseline;
mod checkpoint;
mod cluster_flow;
mod config;
pub mod contrast;
pub mod contrast_step;
pub mod data_sets;
mod device;
mod device_neighbours;
pub mod dmic;
pub mod ecul;
mod engine;
mod engine_epoch;
pub mod epoch;
mod error;
mod evaluate;
mod event_history;
pub mod events;
mod extract;
pub mod instance;
pub mod instance_memory;
pub mod joint;
mod labelling;
mod learner;
pub mod lookups;
mod loss_log;
pub mod mbccm;
pub mod method;
pub mod mmm;
pub mod mult;
mod network;
mod optimizer;
mod pixels;
mod plan;
mod presets;
mod progress;
mod quiet;
mod range_setting;
mod recipe;
pub mod registry;
mod replicas;
mod run_dir;
pub mod schedule;
mod seen;
mod session;
mod state;
mod step_memory;
mod system;
mod table;
mod trained;
mod training_images;
pub mod update;
pub mod views;

pub use checkpoint::{Checkpoint, CheckpointKind, FORMAT_VERSION, Position};
pub use config::{
    BackboneSettings, ClusteringSettings, EvaluationSettings, InputSettings, LearningRate, NeighbourSearch,
    OptimizerSettings, PerModalityValue, RunConfig, SamplerSettings, StageSettings, parse_settings,
};
pub use device::{
    DeviceEntry, Devices, available_devices, missing_features, parse_device, parse_devices, resolve_device,
};
pub use device_neighbours::nearest_neighbours_on;
pub use engine::{BuildNetwork, Engine, Outcome};
pub use error::MethodError;
pub use evaluate::{Evaluation, TestImages, evaluate};
pub use event_history::without_repeated;
pub use extract::extract;
pub use labelling::{Clusters, Labels, cluster, dbscan_labels, encode, rows_on};
pub use method::Method;
pub use network::build_network;
pub use optimizer::{OptimizerKind, adam, sgd_nesterov};
pub use presets::{preset_layers, presets};
pub use progress::ProgressObserver;
pub use range_setting::RangeSetting;
pub use recipe::{EmbeddingRecipe, RecipeDifference};
pub use run_dir::{RunDir, RunLock};
pub use seen::{SeenPeople, TrainingRecord};
pub use session::{Session, SessionOptions};
pub use state::MethodState;
pub use step_memory::{MemoryNeed, activation_bytes};
pub use system::peak_memory_mib;
pub use table::{evaluation_table, seconds_table};
pub use trained::TrainedNetwork;
pub use training_images::{ImagePart, TrainingImages};
pub use vireid_eval::{Protocol, QueryCount, Score, Spread};

/// The README's example is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
