//! Convolution, batch norm, optimisers and memories for Burn's CPU backend, several times faster than the stock ones, and for
//! graphics cards through CubeCL.
//!
//! A function takes and returns tensors like any of Burn's and carries gradients. On the CPU (`flex`) and on cards (`gpu`) it
//! runs the kernels of this crate, elsewhere the stock operation: nobody has to ask which backend it is.
//!
//! Invariant: `unsafe` stands in `fresh.rs` (new tensors) and `memory.rs` (a setting of the allocator) only.

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
mod extension;
#[cfg(feature = "flex")]
mod flex;
mod follow;
#[cfg(feature = "flex")]
mod fresh;
#[cfg(feature = "gpu")]
mod gpu;
mod memory;
mod operations;
mod optimizer;
#[cfg(feature = "flex")]
mod padded;
mod sgd;

#[cfg(feature = "gpu")]
pub use gpu::{ConvolutionAlgorithm, set_convolution_algorithm};
pub use memory::keep_freed_memory;
pub use operations::{
    BatchNormOutput, Tail, batch_norm_inference, batch_norm_train, conv2d, follow, matmul, running_statistics,
};
pub use optimizer::{Adam, SgdNesterov, SgdNesterovState};

/// The README's example is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
