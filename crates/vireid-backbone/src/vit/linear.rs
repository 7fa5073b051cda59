//! A linear layer with its weight as PyTorch lays it out.

use burn::module::{Initializer, Module, Param};
use burn::tensor::module::linear;
use burn::tensor::{Device, Tensor};
use vireid_onnx::{Graph, Value};

use crate::parameters::host;

/// `x W^T + b`, its weight laid out as PyTorch's.
#[derive(Module, Debug)]
pub(super) struct Linear {
    /// `[output, input]`.
    weight: Param<Tensor<2>>,
    /// `[output]`.
    bias: Param<Tensor<1>>,
}

impl Linear {
    /// A layer of zeros, for [`start`](super::start) to fill.
    pub(super) fn zeros(input: usize, output: usize, device: &Device) -> Self {
        let init = Initializer::Zeros;
        Self { weight: init.init([output, input], device), bias: init.init([output], device) }
    }

    /// How many numbers it gives.
    pub(super) fn output(&self) -> usize {
        self.bias.dims()[0]
    }

    /// # Shapes
    ///
    /// - `input`: `[batch, tokens, input]`
    /// - output: `[batch, tokens, output]`
    pub(super) fn forward(&self, input: Tensor<3>) -> Tensor<3> {
        linear(input, self.weight.val().transpose(), Some(self.bias.val()))
    }

    /// [`forward`](Self::forward) in a graph.
    pub(super) fn draw(&self, graph: &mut Graph, part: &str, input: &Value) -> Value {
        graph.within(part, |graph| {
            let weight = self.weight.val().transpose();
            let weight = graph.weights("weight_transposed", &weight.dims(), &host(weight));
            let bias = graph.weights("bias", &self.bias.dims(), &host(self.bias.val()));
            let product = graph.matmul(input, &weight);
            graph.add(&product, &bias)
        })
    }
}
