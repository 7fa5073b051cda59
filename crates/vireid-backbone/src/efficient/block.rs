//! The inverted residual block of EfficientNet-Lite.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use vireid_kernels::Tail;
use vireid_onnx::{Graph, Value};

use super::config::BlockSizes;
use super::layers::{Depthwise, Pointwise};
use crate::{BatchGroups, Precision};

/// An inverted residual block (Sandler et al., CVPR 2018): wide inside, with a depthwise convolution there, narrow and linear
/// at its ends, where the shortcut is.
#[derive(Module, Debug)]
pub(super) struct InvertedBlock {
    expand: Option<Pointwise>,
    depthwise: Depthwise,
    project: Pointwise,
    has_shortcut: bool,
}

impl InvertedBlock {
    pub fn new(sizes: &BlockSizes, precision: Precision, device: &Device) -> Self {
        let BlockSizes { input, inside, output, kernel, stride } = *sizes;
        Self {
            expand: sizes.expands().then(|| Pointwise::new(input, inside, precision, device)),
            depthwise: Depthwise::new(inside, kernel, stride, precision, device),
            project: Pointwise::new(inside, output, precision, device),
            has_shortcut: sizes.has_shortcut(),
        }
    }

    pub fn forward(&self, input: Tensor<4>, groups: &BatchGroups) -> Tensor<4> {
        let x = match &self.expand {
            Some(expand) => expand.forward(input.clone(), Tail::Relu6, groups),
            None => input.clone(),
        };
        let x = self.depthwise.forward(x, groups);
        let x = self.project.forward(x, Tail::Nothing, groups);
        if self.has_shortcut { x + input } else { x }
    }

    pub fn draw(&self, graph: &mut Graph, input: &Value) -> Value {
        let x = match &self.expand {
            Some(expand) => graph.within("expand", |graph| expand.draw(graph, input, &Tail::Relu6)),
            None => input.clone(),
        };
        let x = graph.within("depthwise", |graph| self.depthwise.draw(graph, &x));
        let x = graph.within("project", |graph| self.project.draw(graph, &x, &Tail::Nothing));
        if self.has_shortcut { graph.add(&x, input) } else { x }
    }
}
