//! A training pass of a network, and the gradients of a linear loss of its features: what cases of networks have in common.

use std::collections::HashMap;
use std::error::Error;

use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::{Device, Tensor};
use safetensors::SafeTensors;
use vireid_backbone::Backbone;
use vireid_backbone::parameters::named_parameters;

use super::case::values;
use super::{Case, Outputs};

/// What names of the network's weights begin with in a case.
const WEIGHTS: &str = "in.weights.";

/// What the names of gradients begin with among the outputs; the parameter's name follows.
const GRADIENT: &str = "gradient.";

/// Features and loss of the case's images, and the gradients by name. The loss takes the embeddings in where `counts_neck`.
pub fn training_pass<B: Backbone>(
    case: &Case,
    device: &Device,
    net: B,
    counts_neck: bool,
    gradients: &[&'static str],
) -> Result<Outputs, Box<dyn Error>> {
    let before = by_name(&net);
    let features = net.forward(case.tensor("visible", device)?, case.tensor("infrared", device)?);
    let pooled = Tensor::cat(vec![features.visible.pooled, features.infrared.pooled], 0);
    let embedding = Tensor::cat(vec![features.visible.embedding, features.infrared.embedding], 0);
    let factors: Tensor<3> = case.tensor("factors", device)?;
    let weighted = |rows: &Tensor<2>, number: usize| {
        let factors: Tensor<2> = factors.clone().narrow(0, number, 1).squeeze_dim(0);
        (rows.clone() * factors).sum().div_scalar(5.0)
    };
    let loss = weighted(&pooled, 0);
    let loss = if counts_neck { loss + weighted(&embedding, 1) } else { loss };
    let mut outputs =
        Outputs::from([("pooled", values(pooled)), ("embedding", values(embedding)), ("loss", values(loss.clone()))]);
    // A step of length 1 downhill tells the gradients of all parameters by name.
    let steps = GradientsParams::from_grads(loss.backward(), &net);
    let after = by_name(&SgdConfig::new().init().step(1.0, net, steps));
    for output in gradients {
        let parameter = output.strip_prefix(GRADIENT).unwrap_or(output);
        let (Some(old), Some(new)) = (before.get(parameter), after.get(parameter)) else { continue };
        outputs.insert(output, old.iter().zip(new).map(|(old, new)| old - new).collect());
    }
    Ok(outputs)
}

/// The file of weights that a case holds beside its inputs and outputs.
pub fn weights(case: &Case) -> Result<Vec<u8>, Box<dyn Error>> {
    let bytes = std::fs::read(case.path())?;
    let case = SafeTensors::deserialize(&bytes)?;
    let tensors = case.tensors().into_iter();
    let weights = tensors.filter_map(|(name, tensor)| Some((name.strip_prefix(WEIGHTS)?.to_string(), tensor)));
    Ok(safetensors::serialize(weights.collect::<Vec<_>>(), None)?)
}

/// Values of all parameters.
pub fn by_name<B: Backbone>(net: &B) -> HashMap<String, Vec<f64>> {
    let wide = |values: Vec<f32>| values.into_iter().map(f64::from).collect();
    named_parameters(&net.valid()).into_iter().map(|(name, _, values)| (name, wide(values))).collect()
}
