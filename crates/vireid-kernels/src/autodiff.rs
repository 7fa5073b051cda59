//! The gradients of the operations, on any backend below.

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, AutodiffBackend};

use crate::extension::Kernels;

impl<B: Kernels, C: CheckpointStrategy> Kernels for Autodiff<B, C> {
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

    fn kernel_batch_norm(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        epsilon: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        #[derive(Debug)]
        struct BatchNormBackward;

        impl<B: Kernels> Backward<B, 3> for BatchNormBackward {
            type State = (NodeId, NodeId, FloatTensor<B>, FloatTensor<B>, f64);

            fn backward(self, ops: Ops<Self::State, 3>, gradients: &mut Gradients, checkpointer: &mut Checkpointer) {
                let nodes = ops.parents;
                let gradient = gradients.consume::<B>(&ops.node);
                let (input, weight, mean, variance, epsilon) = ops.state;
                let input = checkpointer.retrieve_node_output::<FloatTensor<B>>(input);
                let weight = checkpointer.retrieve_node_output::<FloatTensor<B>>(weight);
                let (of_input, of_weight, of_bias) =
                    B::kernel_batch_norm_gradients(input, weight, mean, variance, gradient, epsilon);
                for (node, value) in nodes.into_iter().zip([of_input, of_weight, of_bias]) {
                    if let Some(node) = node {
                        gradients.register::<B>(node.id, value);
                    }
                }
            }
        }

        let nodes = [input.node(), weight.node(), bias.node()];
        let constant = |tensor: FloatTensor<B>| <Self as AutodiffBackend>::from_inner(tensor);
        match BatchNormBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let (of_input, of_weight) = (prep.checkpoint(&input), prep.checkpoint(&weight));
                let (output, mean, variance) = B::kernel_batch_norm(
                    input.into_primitive(),
                    weight.into_primitive(),
                    bias.into_primitive(),
                    epsilon,
                );
                let state = (of_input, of_weight, mean.clone(), variance.clone(), epsilon);
                (prep.finish(state, output), constant(mean), constant(variance))
            }
            OpsKind::UnTracked(prep) => {
                let (output, mean, variance) = B::kernel_batch_norm(
                    input.into_primitive(),
                    weight.into_primitive(),
                    bias.into_primitive(),
                    epsilon,
                );
                (prep.finish(output), constant(mean), constant(variance))
            }
        }
    }
}
