//! Layer norm, as timm computes it.

use burn::module::{Initializer, Module, Param};
use burn::tensor::{Device, Tensor};
use vireid_onnx::{Graph, Value};

use crate::parameters::host;

/// Added to the variance, as timm does (PyTorch's default is 1e-5).
const EPSILON: f64 = 1e-6;

/// Normalisation of each token.
#[derive(Module, Debug)]
pub(super) struct LayerNorm {
    weight: Param<Tensor<1>>,
    bias: Param<Tensor<1>>,
}

impl LayerNorm {
    pub(super) fn new(dim: usize, device: &Device) -> Self {
        Self { weight: Initializer::Ones.init([dim], device), bias: Initializer::Zeros.init([dim], device) }
    }

    /// # Shapes
    ///
    /// - `input`, output: `[..., dim]`
    pub(super) fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        // Burn's own rounds otherwise without a gradient graph on the CPU, and a checkpointed step is to be a plain one to the bit.
        let centered = input.clone() - input.mean_dim(D - 1);
        let variance = centered.clone().powi_scalar(2).mean_dim(D - 1);
        let normalised = centered / variance.add_scalar(EPSILON).sqrt();
        normalised * self.weight.val().unsqueeze() + self.bias.val().unsqueeze()
    }

    /// [`forward`](Self::forward) in a graph.
    pub(super) fn draw(&self, graph: &mut Graph, part: &str, input: &Value) -> Value {
        graph.within(part, |graph| {
            let weight = graph.weights("weight", &self.weight.dims(), &host(self.weight.val()));
            let bias = graph.weights("bias", &self.bias.dims(), &host(self.bias.val()));
            graph.layer_norm(input, &weight, &bias, EPSILON as f32)
        })
    }
}
