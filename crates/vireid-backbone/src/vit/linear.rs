use burn::module::{Initializer, Module, Param};
use burn::tensor::module::linear;
use burn::tensor::{Device, Tensor};

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

    /// # Shapes
    ///
    /// - `input`: `[batch, tokens, input]`
    /// - output: `[batch, tokens, output]`
    pub(super) fn forward(&self, input: Tensor<3>) -> Tensor<3> {
        linear(input, self.weight.val().transpose(), Some(self.bias.val()))
    }
}
