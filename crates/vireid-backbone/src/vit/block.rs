//! A block of a vision transformer.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use vireid_onnx::{Graph, Value};

use super::VitConfig;
use super::attention::Attention;
use super::layer_norm::LayerNorm;
use super::mlp::Mlp;

/// A block of the transformer, which normalises before each of its two parts.
#[derive(Module, Debug)]
pub(super) struct VitBlock {
    norm1: LayerNorm,
    attn: Attention,
    norm2: LayerNorm,
    mlp: Mlp,
}

impl VitBlock {
    pub(super) fn new(config: &VitConfig, device: &Device) -> Self {
        let dim = config.dim;
        Self {
            norm1: LayerNorm::new(dim, device),
            attn: Attention::zeros(dim, config.heads, device),
            norm2: LayerNorm::new(dim, device),
            mlp: Mlp::zeros(dim, config.mlp_ratio * dim, device),
        }
    }

    /// # Shapes
    ///
    /// - `tokens`, output: `[batch, tokens, dim]`
    pub(super) fn forward(&self, tokens: Tensor<3>) -> Tensor<3> {
        let tokens = tokens.clone() + self.attn.forward(self.norm1.forward(tokens));
        tokens.clone() + self.mlp.forward(self.norm2.forward(tokens))
    }

    /// [`forward`](Self::forward) in a graph; `count` tokens.
    pub(super) fn draw(&self, graph: &mut Graph, tokens: &Value, count: usize) -> Value {
        let normalised = self.norm1.draw(graph, "norm1", tokens);
        let attended = graph.within("attn", |graph| self.attn.draw(graph, &normalised, count));
        let tokens = graph.add(tokens, &attended);
        let normalised = self.norm2.draw(graph, "norm2", &tokens);
        let mixed = graph.within("mlp", |graph| self.mlp.draw(graph, &normalised));
        graph.add(&tokens, &mixed)
    }
}
