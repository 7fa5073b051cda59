#![doc = include_str!("../README.md")]
// The extension macro names Burn's items by their public paths.
#![allow(unused_qualifications)]

/// LLVM's names for the linker; nothing calls them.
#[cfg(feature = "cuda")]
use vireid_no_llvm as _;

mod adam;
mod autodiff;
#[cfg(feature = "flex")]
mod batch_norm;
#[cfg(feature = "flex")]
mod convolution;
#[cfg(feature = "flex")]
mod depthwise;
mod extension;
#[cfg(feature = "flex")]
mod flex;
mod follow;
#[cfg(feature = "flex")]
mod fresh;
mod gate;
#[cfg(feature = "gpu")]
mod gpu;
mod memory;
mod operations;
mod optimizer;
#[cfg(feature = "flex")]
mod padded;
mod same;
mod sgd;
mod windows;

#[cfg(feature = "gpu")]
pub use gpu::{ConvolutionAlgorithm, set_convolution_algorithm};
pub use memory::keep_freed_memory;
pub use operations::{
    BatchNormOutput, Tail, batch_norm_inference, batch_norm_train, conv2d, depthwise_conv2d, follow, matmul,
    running_statistics,
};
pub use optimizer::{Adam, SgdNesterov, SgdNesterovState};
pub use windows::same_padding;
