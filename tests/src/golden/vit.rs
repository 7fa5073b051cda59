//! Golden passes of a vision transformer.

use std::error::Error;

use vireid_backbone::{VitConfig, WeightFile, load_vit};
use vireid_core::Streams;

use super::network::{by_name, training_pass, weights};
use super::{Case, Outputs};

/// The gradients that cases hold.
const GRADIENTS: &[&str] = &[
    "gradient.cls_token",
    "gradient.pos_embed",
    "gradient.patch_embed.proj.bias",
    "gradient.patch_embed_infrared.proj.weight",
    "gradient.blocks.0.norm1.weight",
    "gradient.blocks.0.attn.qkv.weight",
    "gradient.blocks.0.attn.qkv.bias",
    "gradient.blocks.1.attn.proj.weight",
    "gradient.blocks.0.mlp.fc1.bias",
    "gradient.blocks.1.mlp.fc2.weight",
    "gradient.norm.bias",
    "gradient.neck.weight",
];

/// A training pass of a vision transformer with weights of timm's names, and the gradients of a linear loss of its features.
/// The cases are made by `tests/golden/vit.py`. One has positions of another grid than the network and patches that overlap.
pub fn vit(case: &Case) -> Result<Outputs, Box<dyn Error>> {
    let size = |name| case.parameter::<usize>(name);
    let config = VitConfig::new(size("dim")?, size("depth")?, size("heads")?)
        .with_image([size("height")?, size("width")?])
        .with_patch(size("patch")?)
        .with_stride(size("stride")?);
    let device = case.device().autodiff();
    let net = config.init(&device, &mut Streams::new(0).stream("init", [0; 3]))?;
    let net = load_vit(net, &WeightFile::Bytes("the case's weights", &weights(case)?))?;
    let positions = by_name(&net).remove("pos_embed").unwrap_or_default();
    let has_neck = case.optional("weights.neck.weight").is_some();
    let mut outputs = training_pass(case, &device, net, has_neck, GRADIENTS)?;
    outputs.insert("pos_embed", positions);
    Ok(outputs)
}
