//! Self-attention of a vision transformer.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use vireid_onnx::{Graph, Value};

use super::linear::Linear;

/// Self-attention of several heads: softmax of scaled dot products.
#[derive(Module, Debug)]
pub(super) struct Attention {
    /// Queries, keys and values, one after another.
    qkv: Linear,
    proj: Linear,
    heads: usize,
}

impl Attention {
    pub(super) fn zeros(dim: usize, heads: usize, device: &Device) -> Self {
        Self { qkv: Linear::zeros(dim, 3 * dim, device), proj: Linear::zeros(dim, dim, device), heads }
    }

    /// # Shapes
    ///
    /// - `tokens`, output: `[batch, tokens, dim]`
    pub(super) fn forward(&self, tokens: Tensor<3>) -> Tensor<3> {
        let [batch, count, dim] = tokens.dims();
        let width = dim / self.heads;
        let qkv = self.qkv.forward(tokens).reshape([batch, count, 3, self.heads, width]).permute([2, 0, 3, 1, 4]);
        let part = |number: usize| -> Tensor<4> { qkv.clone().narrow(0, number, 1).squeeze_dim(0) };
        let scale = 1.0 / (width as f64).sqrt();
        let scores = part(0).mul_scalar(scale).matmul(part(1).transpose());
        let mixed = softmax(scores).matmul(part(2));
        self.proj.forward(mixed.swap_dims(1, 2).reshape([batch, count, dim]))
    }

    /// [`forward`](Self::forward) in a graph; `count` tokens.
    pub(super) fn draw(&self, graph: &mut Graph, tokens: &Value, count: usize) -> Value {
        let dim = self.proj.output();
        let width = dim / self.heads;
        let qkv = self.qkv.draw(graph, "qkv", tokens);
        let qkv = graph.reshape(&qkv, &[-1, count as i64, 3, self.heads as i64, width as i64]);
        let qkv = graph.transpose(&qkv, &[2, 0, 3, 1, 4]);
        let [queries, keys, values] = [0, 1, 2].map(|number| {
            let position = graph.position(number);
            graph.gather(&qkv, &position, 0)
        });
        let scale = graph.scalar("scale", (1.0 / (width as f64).sqrt()) as f32);
        let queries = graph.mul(&queries, &scale);
        let keys = graph.transpose(&keys, &[0, 1, 3, 2]);
        let scores = graph.matmul(&queries, &keys);
        let shares = graph.softmax(&scores, -1);
        let mixed = graph.matmul(&shares, &values);
        let mixed = graph.transpose(&mixed, &[0, 2, 1, 3]);
        let mixed = graph.reshape(&mixed, &[-1, count as i64, dim as i64]);
        self.proj.draw(graph, "proj", &mixed)
    }
}

/// Over the last axis. Burn's own rounds otherwise without a gradient graph on the CPU, and a checkpointed step is to be a plain
/// one to the bit.
fn softmax(scores: Tensor<4>) -> Tensor<4> {
    let powers = (scores.clone() - scores.detach().max_dim(3)).exp();
    powers.clone() / powers.sum_dim(3)
}
