//! The gradients of the operations, on any backend below.

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, AutodiffBackend};

use crate::extension::Kernels;
use crate::gate::Gate;

impl<B: Kernels, C: CheckpointStrategy> Kernels for Autodiff<B, C> {
    fn kernel_matmul(lhs: FloatTensor<Self>, rhs: FloatTensor<Self>) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct MatmulBackward;

        impl<B: Kernels> Backward<B, 2> for MatmulBackward {
            type State = (NodeId, NodeId);

            fn backward(self, ops: Ops<Self::State, 2>, gradients: &mut Gradients, checkpointer: &mut Checkpointer) {
                let [of_lhs, of_rhs] = ops.parents;
                let gradient = gradients.consume::<B>(&ops.node);
                let lhs = checkpointer.retrieve_node_output::<FloatTensor<B>>(ops.state.0);
                let rhs = checkpointer.retrieve_node_output::<FloatTensor<B>>(ops.state.1);
                if let Some(node) = of_lhs {
                    let value = B::kernel_matmul(gradient.clone(), B::float_transpose(rhs));
                    gradients.register::<B>(node.id, value);
                }
                if let Some(node) = of_rhs {
                    gradients.register::<B>(node.id, B::kernel_matmul(B::float_transpose(lhs), gradient));
                }
            }
        }

        match MatmulBackward.prepare::<C>([lhs.node(), rhs.node()]).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = (prep.checkpoint(&lhs), prep.checkpoint(&rhs));
                prep.finish(state, B::kernel_matmul(lhs.into_primitive(), rhs.into_primitive()))
            }
            OpsKind::UnTracked(prep) => prep.finish(B::kernel_matmul(lhs.into_primitive(), rhs.into_primitive())),
        }
    }

    fn kernel_conv2d(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        stride: usize,
        padding: usize,
    ) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct Conv2dBackward;

        impl<B: Kernels> Backward<B, 2> for Conv2dBackward {
            type State = (NodeId, NodeId, usize, usize);

            fn backward(self, ops: Ops<Self::State, 2>, gradients: &mut Gradients, checkpointer: &mut Checkpointer) {
                let [of_input, of_weight] = ops.parents;
                let gradient = gradients.consume::<B>(&ops.node);
                let (input, weight, stride, padding) = ops.state;
                let input = checkpointer.retrieve_node_output::<FloatTensor<B>>(input);
                let weight = checkpointer.retrieve_node_output::<FloatTensor<B>>(weight);
                if let Some(node) = of_input {
                    let (input, weight, gradient) = (input.clone(), weight.clone(), gradient.clone());
                    let value = B::kernel_conv2d_input_gradient(input, weight, gradient, stride, padding);
                    gradients.register::<B>(node.id, value);
                }
                if let Some(node) = of_weight {
                    let value = B::kernel_conv2d_weight_gradient(input, weight, gradient, stride, padding);
                    gradients.register::<B>(node.id, value);
                }
            }
        }

        match Conv2dBackward.prepare::<C>([input.node(), weight.node()]).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = (prep.checkpoint(&input), prep.checkpoint(&weight), stride, padding);
                prep.finish(state, B::kernel_conv2d(input.into_primitive(), weight.into_primitive(), stride, padding))
            }
            OpsKind::UnTracked(prep) => {
                prep.finish(B::kernel_conv2d(input.into_primitive(), weight.into_primitive(), stride, padding))
            }
        }
    }

    fn kernel_depthwise(input: FloatTensor<Self>, weight: FloatTensor<Self>, stride: usize) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct DepthwiseBackward;

        impl<B: Kernels> Backward<B, 2> for DepthwiseBackward {
            type State = (NodeId, NodeId, usize);

            fn backward(self, ops: Ops<Self::State, 2>, gradients: &mut Gradients, checkpointer: &mut Checkpointer) {
                let [of_input, of_weight] = ops.parents;
                let gradient = gradients.consume::<B>(&ops.node);
                let (input, weight, stride) = ops.state;
                let input = checkpointer.retrieve_node_output::<FloatTensor<B>>(input);
                let weight = checkpointer.retrieve_node_output::<FloatTensor<B>>(weight);
                if let Some(node) = of_input {
                    let (input, weight, gradient) = (input.clone(), weight.clone(), gradient.clone());
                    let value = B::kernel_depthwise_input_gradient(input, weight, gradient, stride);
                    gradients.register::<B>(node.id, value);
                }
                if let Some(node) = of_weight {
                    let value = B::kernel_depthwise_weight_gradient(input, weight, gradient, stride);
                    gradients.register::<B>(node.id, value);
                }
            }
        }

        match DepthwiseBackward.prepare::<C>([input.node(), weight.node()]).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = (prep.checkpoint(&input), prep.checkpoint(&weight), stride);
                prep.finish(state, B::kernel_depthwise(input.into_primitive(), weight.into_primitive(), stride))
            }
            OpsKind::UnTracked(prep) => {
                prep.finish(B::kernel_depthwise(input.into_primitive(), weight.into_primitive(), stride))
            }
        }
    }

    fn kernel_batch_norm(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        epsilon: f64,
        gate: Gate,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        #[derive(Debug)]
        struct BatchNormBackward;

        impl<B: Kernels> Backward<B, 3> for BatchNormBackward {
            type State = Normalization<B>;

            fn backward(self, ops: Ops<Self::State, 3>, gradients: &mut Gradients, checkpointer: &mut Checkpointer) {
                let gradient = gradients.consume::<B>(&ops.node);
                let values = ops.state.gradients(gradient, checkpointer);
                for (node, value) in ops.parents.into_iter().zip(values) {
                    if let Some(node) = node {
                        gradients.register::<B>(node.id, value);
                    }
                }
            }
        }

        let nodes = [input.node(), weight.node(), bias.node()];
        match BatchNormBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let checkpoints = [&input, &weight, &bias].map(|tensor| prep.checkpoint(tensor));
                let [input, weight, bias] = [input, weight, bias].map(|tensor| tensor.into_primitive());
                let (output, mean, variance) = B::kernel_batch_norm(input, weight, bias, epsilon, gate);
                let statistics = constants::<B, C>(&mean, &variance);
                let output = prep.finish(Normalization { checkpoints, mean, variance, epsilon, gate }, output);
                (output, statistics.0, statistics.1)
            }
            OpsKind::UnTracked(prep) => {
                let [input, weight, bias] = [input, weight, bias].map(|tensor| tensor.into_primitive());
                let (output, mean, variance) = B::kernel_batch_norm(input, weight, bias, epsilon, gate);
                let statistics = constants::<B, C>(&mean, &variance);
                (prep.finish(output), statistics.0, statistics.1)
            }
        }
    }

    fn kernel_batch_norm_residual(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        epsilon: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        #[derive(Debug)]
        struct ResidualBackward;

        impl<B: Kernels> Backward<B, 4> for ResidualBackward {
            /// With the output, which is the ReLU's gate.
            type State = (Normalization<B>, FloatTensor<B>);

            fn backward(self, ops: Ops<Self::State, 4>, gradients: &mut Gradients, checkpointer: &mut Checkpointer) {
                let (normalization, output) = ops.state;
                let gradient = B::kernel_relu_gradient(output, gradients.consume::<B>(&ops.node));
                let [of_input, of_weight, of_bias] = normalization.gradients(gradient.clone(), checkpointer);
                for (node, value) in ops.parents.into_iter().zip([of_input, of_weight, of_bias, gradient]) {
                    if let Some(node) = node {
                        gradients.register::<B>(node.id, value);
                    }
                }
            }
        }

        let nodes = [input.node(), weight.node(), bias.node(), residual.node()];
        match ResidualBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let checkpoints = [&input, &weight, &bias].map(|tensor| prep.checkpoint(tensor));
                let [input, weight, bias, residual] =
                    [input, weight, bias, residual].map(|tensor| tensor.into_primitive());
                let (output, mean, variance) = B::kernel_batch_norm_residual(input, weight, bias, residual, epsilon);
                let statistics = constants::<B, C>(&mean, &variance);
                let normalization = Normalization { checkpoints, mean, variance, epsilon, gate: Gate::Open };
                (prep.finish((normalization, output.clone()), output), statistics.0, statistics.1)
            }
            OpsKind::UnTracked(prep) => {
                let [input, weight, bias, residual] =
                    [input, weight, bias, residual].map(|tensor| tensor.into_primitive());
                let (output, mean, variance) = B::kernel_batch_norm_residual(input, weight, bias, residual, epsilon);
                let statistics = constants::<B, C>(&mean, &variance);
                (prep.finish(output), statistics.0, statistics.1)
            }
        }
    }
}

type Tracked<B, C> = FloatTensor<Autodiff<B, C>>;

/// The statistics, which carry no gradient.
fn constants<B: Kernels, C: CheckpointStrategy>(
    mean: &FloatTensor<B>,
    variance: &FloatTensor<B>,
) -> (Tracked<B, C>, Tracked<B, C>) {
    let constant = |tensor: &FloatTensor<B>| <Autodiff<B, C> as AutodiffBackend>::from_inner(tensor.clone());
    (constant(mean), constant(variance))
}

/// What the backward pass of a batch norm needs.
#[derive(Debug, Clone)]
struct Normalization<B: Kernels> {
    /// Input, weight and bias.
    checkpoints: [NodeId; 3],
    mean: FloatTensor<B>,
    variance: FloatTensor<B>,
    epsilon: f64,
    gate: Gate,
}

impl<B: Kernels> Normalization<B> {
    /// Of input, weight and bias.
    fn gradients(self, gradient: FloatTensor<B>, checkpointer: &mut Checkpointer) -> [FloatTensor<B>; 3] {
        let [input, weight, bias] =
            self.checkpoints.map(|node| checkpointer.retrieve_node_output::<FloatTensor<B>>(node));
        let Self { mean, variance, epsilon, gate, .. } = self;
        B::kernel_batch_norm_gradients(input, weight, bias, mean, variance, gradient, epsilon, gate).into()
    }
}
