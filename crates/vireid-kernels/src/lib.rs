//! Convolution and training-mode batch norm for Burn's CPU backend, several times faster than the stock ones; every other
//! backend keeps its own.
//!
//! A function takes and returns tensors like any of Burn's and carries gradients. On the CPU (`flex`, f32) it runs the
//! kernels of this crate, elsewhere the stock operation: nobody has to ask which backend it is.
//!
//! Invariant: `unsafe` stands in `product.rs` only.

// The extension macro names Burn's items by their public paths.
#![allow(unused_qualifications)]

mod batch_norm;
mod convolution;
mod extension;
mod product;

pub use extension::{BatchNormOutput, batch_norm_train, conv2d};
