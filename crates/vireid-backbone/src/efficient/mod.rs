//! A two-stream EfficientNet-Lite (Tan and Le, ICML 2019; its Lite variant has no squeeze-and-excitation, and ReLU6).

mod block;
mod config;
mod layers;
mod net;
#[cfg(test)]
mod tests;

pub use config::{EfficientNetConfig, InvertedStageConfig};
pub use net::{EfficientNet, load_efficient};
