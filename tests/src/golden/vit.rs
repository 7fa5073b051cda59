use std::collections::HashMap;
use std::error::Error;

use burn::module::Module;
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::Tensor;
use safetensors::SafeTensors;
use vireid_backbone::parameters::named_parameters;
use vireid_backbone::{Backbone, VitConfig, VitNet, WeightFile, load_vit};
use vireid_core::Streams;

use super::case::values;
use super::{Case, Outputs};

/// What names of the network's weights begin with in a case.
const WEIGHTS: &str = "in.weights.";

/// The parameters whose gradients cases hold, by the names of the outputs.
const GRADIENTS: &[(&str, &str)] = &[
    ("gradient.cls_token", "cls_token"),
    ("gradient.pos_embed", "pos_embed"),
    ("gradient.patch_embed.proj.bias", "patch_embed.proj.bias"),
    ("gradient.patch_embed_infrared.proj.weight", "patch_embed_infrared.proj.weight"),
    ("gradient.blocks.0.norm1.weight", "blocks.0.norm1.weight"),
    ("gradient.blocks.0.attn.qkv.weight", "blocks.0.attn.qkv.weight"),
    ("gradient.blocks.0.attn.qkv.bias", "blocks.0.attn.qkv.bias"),
    ("gradient.blocks.1.attn.proj.weight", "blocks.1.attn.proj.weight"),
    ("gradient.blocks.0.mlp.fc1.bias", "blocks.0.mlp.fc1.bias"),
    ("gradient.blocks.1.mlp.fc2.weight", "blocks.1.mlp.fc2.weight"),
    ("gradient.norm.bias", "norm.bias"),
    ("gradient.neck.weight", "neck.weight"),
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
    let net = load_vit(net, &WeightFile::Bytes("the case's weights", &weights(&std::fs::read(case.path())?)?))?;
    let before = by_name(&net);
    let features = net.forward(case.tensor("visible", &device)?, case.tensor("infrared", &device)?);
    let pooled = Tensor::cat(vec![features.visible.pooled, features.infrared.pooled], 0);
    let embedding = Tensor::cat(vec![features.visible.embedding, features.infrared.embedding], 0);
    let factors: Tensor<3> = case.tensor("factors", &device)?;
    let weighted = |rows: &Tensor<2>, number: usize| {
        let factors: Tensor<2> = factors.clone().narrow(0, number, 1).squeeze_dim(0);
        (rows.clone() * factors).sum().div_scalar(5.0)
    };
    let has_neck = case.optional("weights.neck.weight").is_some();
    let loss = weighted(&pooled, 0);
    let loss = if has_neck { loss + weighted(&embedding, 1) } else { loss };
    let mut outputs = Outputs::from([
        ("pooled", values(pooled)),
        ("embedding", values(embedding)),
        ("loss", values(loss.clone())),
        ("pos_embed", before.get("pos_embed").cloned().unwrap_or_default()),
    ]);
    // A step of length 1 downhill tells the gradients of all parameters by name.
    let gradients = GradientsParams::from_grads(loss.backward(), &net);
    let after = by_name(&SgdConfig::new().init().step(1.0, net, gradients));
    for (output, parameter) in GRADIENTS {
        let (Some(old), Some(new)) = (before.get(*parameter), after.get(*parameter)) else { continue };
        outputs.insert(output, old.iter().zip(new).map(|(old, new)| old - new).collect());
    }
    Ok(outputs)
}

/// The file of weights that a case holds beside its inputs and outputs.
fn weights(case: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let case = SafeTensors::deserialize(case)?;
    let tensors = case.tensors().into_iter();
    let weights = tensors.filter_map(|(name, tensor)| Some((name.strip_prefix(WEIGHTS)?.to_string(), tensor)));
    Ok(safetensors::serialize(weights.collect::<Vec<_>>(), None)?)
}

fn by_name(net: &VitNet) -> HashMap<String, Vec<f64>> {
    let wide = |values: Vec<f32>| values.into_iter().map(f64::from).collect();
    named_parameters(&net.valid()).into_iter().map(|(name, _, values)| (name, wide(values))).collect()
}
