//! A two-stream vision transformer (Dosovitskiy et al., ICLR 2021), as TransReID (He et al., ICCV 2021) has it.
//!
//! Names of parameters are those of timm, so that its files fit: `blocks.0.attn.qkv.weight`.

mod attention;
mod block;
mod config;
mod footprint;
mod layer_norm;
mod linear;
mod mlp;
mod net;
mod patches;
mod positions;
mod start;
#[cfg(test)]
mod tests;
mod weights;

pub use config::VitConfig;
pub use net::VitNet;
pub use weights::{load_transformer, load_vit};
