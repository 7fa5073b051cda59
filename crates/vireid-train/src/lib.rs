#![doc = include_str!("../README.md")]

mod checkpoint;
mod cluster_flow;
mod config;
mod device;
mod engine;
mod engine_epoch;
pub mod epoch;
mod error;
mod evaluate;
mod event_history;
pub mod events;
mod extract;
mod import;
mod learner;
mod learning_rate;
mod loss_log;
pub mod method;
pub mod misgivings;
pub mod networks;
mod onnx;
mod optimizer;
mod pixels;
mod plan;
mod quiet;
mod range_setting;
mod recipe;
mod replicas;
mod run_dir;
mod running;
pub mod schedule;
mod sections;
mod seen;
mod session;
mod settings_hash;
mod state;
mod step_memory;
mod step_timing;
mod system;
mod tables;
#[cfg(test)]
mod testing;
mod trained;
mod training_images;

pub use checkpoint::{Checkpoint, CheckpointKind, FORMAT_VERSION, Position};
pub use config::{EngineConfig, RunConfig};
pub use device::{
    DeviceEntry, Devices, available_devices, missing_features, parse_device, parse_devices, resolve_device,
};
pub use engine::{BuildNetwork, Engine, Outcome};
pub use error::MethodError;
pub use evaluate::{Evaluation, TestImages, evaluate, evaluate_by};
pub use event_history::without_repeated;
pub use extract::extract;
pub use import::{IMPORTED, import_network};
pub use learning_rate::{RatePiece, RateShape};
pub use method::Method;
pub use networks::build_network;
pub use optimizer::{Optimizer, adam, sgd_nesterov};
pub use range_setting::RangeSetting;
pub use recipe::{EmbeddingRecipe, RecipeDifference};
pub use run_dir::{RunDir, RunLock};
pub use running::{AnyMethod, boxed};
pub use sections::{
    BackboneSettings, EvaluationSettings, ExtractionSettings, InputSettings, OptimizerSettings, StageSettings,
};
pub use seen::{SeenPeople, TrainingRecord};
pub use session::{Session, SessionOptions};
pub use state::MethodState;
pub use step_memory::{MemoryNeed, activation_bytes};
pub use system::peak_memory_mib;
pub use tables::{lay_over, parse_settings, remove};
pub use trained::TrainedNetwork;
pub use training_images::{ImagePart, TrainingImages};
pub use vireid_backbone::{BackboneError, FoundWeights, WeightFile, WeightNames, WeightReport};
pub use vireid_eval::{Protocol, QueryCount, Score, Spread};
