//! The part of a transformer's block that sees each token alone.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use vireid_onnx::{Graph, Value};

use super::linear::Linear;

/// Two linear layers with a GELU between them.
#[derive(Module, Debug)]
pub(super) struct Mlp {
    fc1: Linear,
    fc2: Linear,
}

impl Mlp {
    pub(super) fn zeros(dim: usize, hidden: usize, device: &Device) -> Self {
        Self { fc1: Linear::zeros(dim, hidden, device), fc2: Linear::zeros(hidden, dim, device) }
    }

    /// # Shapes
    ///
    /// - `tokens`, output: `[batch, tokens, dim]`
    pub(super) fn forward(&self, tokens: Tensor<3>) -> Tensor<3> {
        self.fc2.forward(gelu(self.fc1.forward(tokens)))
    }

    /// [`forward`](Self::forward) in a graph.
    pub(super) fn draw(&self, graph: &mut Graph, tokens: &Value) -> Value {
        let inside = self.fc1.draw(graph, "fc1", tokens);
        let inside = graph.gelu(&inside);
        self.fc2.draw(graph, "fc2", &inside)
    }
}

/// `x Phi(x)`, exact. Burn's own has the gradient of the tanh approximation on most devices.
fn gelu(x: Tensor<3>) -> Tensor<3> {
    let phi = x.clone().mul_scalar(std::f64::consts::FRAC_1_SQRT_2).erf().add_scalar(1.0).mul_scalar(0.5);
    x * phi
}
