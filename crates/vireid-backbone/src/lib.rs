#![doc = include_str!("../README.md")]

mod architecture;
mod archive;
mod backbone;
mod batch_norm;
mod block;
mod checkpointing;
mod convolution;
mod efficient;
mod error;
mod gem;
mod imagenet;
mod loading;
mod name_rules;
mod naming;
mod non_local;
mod not_weights;
mod outward_names;
pub mod parameters;
mod pixels;
mod precision;
mod shares;
mod two_stream;
mod unit;
mod vit;
mod weight_file;
mod weight_names;

pub use archive::unpack_weights;
pub use backbone::{Backbone, Features, ParameterGroup, Pass};
pub use batch_norm::{BatchGroups, GroupedBatchNorm, GroupedBatchNormConfig, with_batch_statistics};
pub use block::{Block, BlockConfig};
pub use checkpointing::{CheckpointedPass, loss_gradients};
pub use convolution::{Convolution, ConvolutionConfig};
pub use efficient::{EfficientNet, EfficientNetConfig, InvertedStageConfig, load_efficient};
pub use error::BackboneError;
pub use gem::{gem_pool, gem_pool_clamped};
pub use imagenet::{load_imagenet, load_two_stream};
pub use loading::{FoundWeights, WeightReport};
pub use non_local::{NonLocalBlock, NonLocalBlockConfig};
pub use outward_names::{OutwardNames, outward_named};
pub use pixels::Pixels;
pub use precision::Precision;
pub use two_stream::{PieceSize, StageConfig, Stem, StemConfig, TwoStreamNet, TwoStreamNetConfig};
pub use vireid_onnx as onnx;
pub use vit::{VitConfig, VitNet, load_transformer, load_vit};
pub use weight_file::WeightFile;
pub use weight_names::WeightNames;

/// Weights of [`TwoStreamNetConfig::small`], trained on visible images of a synthetic world (safetensors).
pub const SMALL_WEIGHTS: &[u8] = include_bytes!("../weights/small.safetensors");
