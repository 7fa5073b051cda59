//! The operations as tensors see them: kernels on the CPU backend, stock operations on others, gradients on both.

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, AutodiffBackend, Backend, Dispatch, backend_extension};
use burn::tensor::Tensor;

use crate::adam::AdamRule;
use burn::tensor::ops::ConvOptions;

fn options(stride: usize, padding: usize) -> ConvOptions<2> {
    ConvOptions::new([stride, stride], [padding, padding], [1, 1], 1)
}

fn stock_adam<B: Backend>(
    parameters: FloatTensor<B>,
    gradient: FloatTensor<B>,
    moment1: FloatTensor<B>,
    moment2: FloatTensor<B>,
    rule: AdamRule,
) -> (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>) {
    let scaled = |tensor: FloatTensor<B>, factor: f64| B::float_mul_scalar(tensor, factor.into());
    let decay = scaled(parameters.clone(), rule.weight_decay);
    let gradient = B::float_add(gradient, decay);
    let square = B::float_mul(gradient.clone(), gradient.clone());
    let moment1 = B::float_add(scaled(moment1, rule.beta1), scaled(gradient, 1.0 - rule.beta1));
    let moment2 = B::float_add(scaled(moment2, rule.beta2), scaled(square, 1.0 - rule.beta2));
    let root = B::float_add_scalar(B::float_sqrt(moment2.clone()), rule.epsilon.into());
    let step = B::float_div(scaled(moment1.clone(), rule.rate), root);
    (B::float_sub(parameters, step), moment1, moment2)
}

/// The operations that a backend may have kernels for. The bodies here are the stock ones.
#[backend_extension(Flex: cfg(feature = "flex"), Cube: cfg(any(feature = "wgpu", feature = "cuda")), Autodiff)]
pub trait Kernels: Backend {
    /// Convolution without bias.
    fn kernel_conv2d(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        stride: usize,
        padding: usize,
    ) -> FloatTensor<Self> {
        Self::conv2d(input, weight, None, options(stride, padding))
    }

    /// Its gradient with respect to the input.
    fn kernel_conv2d_input_gradient(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        stride: usize,
        padding: usize,
    ) -> FloatTensor<Self> {
        Self::conv2d_x_backward(input, weight, gradient, options(stride, padding))
    }

    /// Its gradient with respect to the weight.
    fn kernel_conv2d_weight_gradient(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        stride: usize,
        padding: usize,
    ) -> FloatTensor<Self> {
        Self::conv2d_weight_backward(input, weight, gradient, options(stride, padding))
    }

    /// Batch norm with the statistics of the batch: output, mean and biased variance.
    fn kernel_batch_norm(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        epsilon: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let result = Self::batch_norm_train(input, weight, bias, epsilon);
        (result.output, result.mean, result.variance)
    }

    /// Its gradients with respect to input, weight and bias.
    fn kernel_batch_norm_gradients(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        variance: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        epsilon: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let result = Self::batch_norm_train_backward(input, weight, mean, variance, epsilon, gradient);
        (result.x_grad, result.gamma_grad, result.beta_grad)
    }

    /// Batch norm with given statistics.
    fn kernel_batch_norm_inference(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        variance: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self> {
        Self::batch_norm(input, weight, bias, mean, variance, epsilon)
    }

    /// One update of Adam: parameters and both moments.
    fn kernel_adam(
        parameters: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        moment1: FloatTensor<Self>,
        moment2: FloatTensor<Self>,
        rule: AdamRule,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        stock_adam::<Self>(parameters, gradient, moment1, moment2, rule)
    }
}

/// Batch norm with given statistics, as in inference: `(input - mean) / sqrt(variance + epsilon) * weight + bias`.
///
/// # Shapes
///
/// - `input`, output: `[batch, channels, ...]`
/// - the others: `[channels]`
pub fn batch_norm_inference<const D: usize>(
    input: Tensor<D>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    mean: Tensor<1>,
    variance: Tensor<1>,
    epsilon: f64,
) -> Tensor<D> {
    Tensor::from_dispatch(Dispatch::kernel_batch_norm_inference(
        input.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
        mean.into_dispatch(),
        variance.into_dispatch(),
        epsilon,
    ))
}

/// One update of Adam, off the autodiff device: new parameters and moments.
///
/// # Shapes
///
/// - all of one shape
pub(crate) fn adam_update<const D: usize>(
    parameters: Tensor<D>,
    gradient: Tensor<D>,
    moment1: Tensor<D>,
    moment2: Tensor<D>,
    rule: AdamRule,
) -> (Tensor<D>, Tensor<D>, Tensor<D>) {
    let (parameters, moment1, moment2) = Dispatch::kernel_adam(
        parameters.into_dispatch(),
        gradient.into_dispatch(),
        moment1.into_dispatch(),
        moment2.into_dispatch(),
        rule,
    );
    (Tensor::from_dispatch(parameters), Tensor::from_dispatch(moment1), Tensor::from_dispatch(moment2))
}

/// What [`batch_norm_train`] gives.
#[derive(Debug, Clone)]
pub struct BatchNormOutput<const D: usize> {
    /// The normalised input.
    pub output: Tensor<D>,
    /// Mean of each channel; a constant for autodiff.
    pub mean: Tensor<1>,
    /// Biased variance of each channel; a constant for autodiff.
    pub variance: Tensor<1>,
}

/// Batch norm with the statistics of the batch.
///
/// # Shapes
///
/// - `input`, output: `[batch, channels, ...]`
/// - `weight`, `bias`, mean, variance: `[channels]`
pub fn batch_norm_train<const D: usize>(
    input: Tensor<D>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    epsilon: f64,
) -> BatchNormOutput<D> {
    let (output, mean, variance) =
        Dispatch::kernel_batch_norm(input.into_dispatch(), weight.into_dispatch(), bias.into_dispatch(), epsilon);
    BatchNormOutput {
        output: Tensor::from_dispatch(output),
        mean: Tensor::from_dispatch(mean),
        variance: Tensor::from_dispatch(variance),
    }
}

/// Convolution without bias, groups or dilation.
///
/// # Shapes
///
/// - `input`: `[batch, channels_in, height, width]`
/// - `weight`: `[channels_out, channels_in, kernel_height, kernel_width]`
/// - output: `[batch, channels_out, (height + 2 padding - kernel_height) / stride + 1, ...]`
pub fn conv2d(input: Tensor<4>, weight: Tensor<4>, stride: usize, padding: usize) -> Tensor<4> {
    Tensor::from_dispatch(Dispatch::kernel_conv2d(input.into_dispatch(), weight.into_dispatch(), stride, padding))
}

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

/// The kernels of the CPU backend, for f32; other types keep the stock operations.
#[cfg(feature = "flex")]
mod flex {
    use burn::backend::TensorMetadata;
    use burn::backend::flex::{Flex, FlexTensor};
    use burn::backend::ops::ModuleOps;
    use burn::tensor::{DType, TensorData};

    use rayon::prelude::*;

    use super::{Kernels, options, stock_adam};
    use crate::adam::{AdamRule, update};
    use crate::batch_norm::Planes;
    use crate::convolution::Convolution;

    fn values(tensor: &FlexTensor) -> &[f32] {
        match tensor.as_slice::<f32>() {
            Some(values) => values,
            None => unreachable!("made contiguous before"),
        }
    }

    fn tensor(values: Vec<f32>, shape: &[usize]) -> FlexTensor {
        FlexTensor::from_data(TensorData::new(values, shape.to_vec()))
    }

    /// The tensor with nothing in its storage but its own values, in order.
    fn own(contiguous: FlexTensor) -> FlexTensor {
        let whole = Some((0, contiguous.storage::<f32>().len()));
        if contiguous.layout().contiguous_offsets() == whole {
            return contiguous;
        }
        tensor(values(&contiguous).to_vec(), contiguous.shape().as_slice())
    }

    fn are_f32(tensors: &[&FlexTensor]) -> bool {
        tensors.iter().all(|tensor| tensor.dtype() == DType::F32)
    }

    fn sizes(input: &FlexTensor, weight: &FlexTensor, stride: usize, padding: usize) -> Convolution {
        let [batch, channels, height, width] = input.shape().dims();
        let [output, _, kernel_height, kernel_width] = weight.shape().dims();
        let kernel = [kernel_height, kernel_width];
        Convolution { batch, input: channels, height, width, output, kernel, stride, padding }
    }

    fn planes(input: &FlexTensor) -> Planes {
        let shape = input.shape();
        let dims = shape.as_slice();
        Planes { batch: dims[0], channels: dims[1], positions: dims[2..].iter().product() }
    }

    impl Kernels for Flex {
        fn kernel_conv2d(input: FlexTensor, weight: FlexTensor, stride: usize, padding: usize) -> FlexTensor {
            if !are_f32(&[&input, &weight]) {
                return <Flex as ModuleOps<Flex>>::conv2d(input, weight, None, options(stride, padding));
            }
            let c = sizes(&input, &weight, stride, padding);
            let (input, weight) = (input.to_contiguous(), weight.to_contiguous());
            let output = c.forward(values(&input), values(&weight));
            tensor(output, &[c.batch, c.output, c.out_height(), c.out_width()])
        }

        fn kernel_conv2d_input_gradient(
            input: FlexTensor,
            weight: FlexTensor,
            gradient: FlexTensor,
            stride: usize,
            padding: usize,
        ) -> FlexTensor {
            if !are_f32(&[&input, &weight, &gradient]) {
                return <Flex as ModuleOps<Flex>>::conv2d_x_backward(input, weight, gradient, options(stride, padding));
            }
            let c = sizes(&input, &weight, stride, padding);
            let (weight, gradient) = (weight.to_contiguous(), gradient.to_contiguous());
            let result = c.input_gradient(values(&weight), values(&gradient));
            tensor(result, &[c.batch, c.input, c.height, c.width])
        }

        fn kernel_conv2d_weight_gradient(
            input: FlexTensor,
            weight: FlexTensor,
            gradient: FlexTensor,
            stride: usize,
            padding: usize,
        ) -> FlexTensor {
            if !are_f32(&[&input, &weight, &gradient]) {
                let options = options(stride, padding);
                return <Flex as ModuleOps<Flex>>::conv2d_weight_backward(input, weight, gradient, options);
            }
            let c = sizes(&input, &weight, stride, padding);
            let (input, gradient) = (input.to_contiguous(), gradient.to_contiguous());
            let result = c.weight_gradient(values(&input), values(&gradient));
            tensor(result, &[c.output, c.input, c.kernel[0], c.kernel[1]])
        }

        fn kernel_batch_norm(
            input: FlexTensor,
            weight: FlexTensor,
            bias: FlexTensor,
            epsilon: f64,
        ) -> (FlexTensor, FlexTensor, FlexTensor) {
            if !are_f32(&[&input, &weight, &bias]) {
                let result = <Flex as ModuleOps<Flex>>::batch_norm_train(input, weight, bias, epsilon);
                return (result.output, result.mean, result.variance);
            }
            let (sizes, shape) = (planes(&input), input.shape());
            let [input, weight, bias] = [input, weight, bias].map(|tensor| tensor.to_contiguous());
            let result = sizes.forward(values(&input), values(&weight), values(&bias), epsilon);
            let channel = [sizes.channels];
            (tensor(result.output, shape.as_slice()), tensor(result.mean, &channel), tensor(result.variance, &channel))
        }

        fn kernel_batch_norm_gradients(
            input: FlexTensor,
            weight: FlexTensor,
            mean: FlexTensor,
            variance: FlexTensor,
            gradient: FlexTensor,
            epsilon: f64,
        ) -> (FlexTensor, FlexTensor, FlexTensor) {
            if !are_f32(&[&input, &weight, &mean, &variance, &gradient]) {
                let result = <Flex as ModuleOps<Flex>>::batch_norm_train_backward(
                    input, weight, mean, variance, epsilon, gradient,
                );
                return (result.x_grad, result.gamma_grad, result.beta_grad);
            }
            let (sizes, shape) = (planes(&input), input.shape());
            let [input, weight, mean, variance, gradient] =
                [input, weight, mean, variance, gradient].map(|tensor| tensor.to_contiguous());
            let (of_input, of_weight, of_bias) = sizes.backward(
                values(&input),
                values(&weight),
                values(&mean),
                values(&variance),
                values(&gradient),
                epsilon,
            );
            let channel = [sizes.channels];
            (tensor(of_input, shape.as_slice()), tensor(of_weight, &channel), tensor(of_bias, &channel))
        }

        fn kernel_batch_norm_inference(
            input: FlexTensor,
            weight: FlexTensor,
            bias: FlexTensor,
            mean: FlexTensor,
            variance: FlexTensor,
            epsilon: f64,
        ) -> FlexTensor {
            if !are_f32(&[&input, &weight, &bias, &mean, &variance]) {
                return <Flex as ModuleOps<Flex>>::batch_norm(input, weight, bias, mean, variance, epsilon);
            }
            let (sizes, shape) = (planes(&input), input.shape());
            let [input, weight, bias, mean, variance] =
                [input, weight, bias, mean, variance].map(|tensor| tensor.to_contiguous());
            let (weight, bias) = (values(&weight), values(&bias));
            let output = sizes.apply(values(&input), weight, bias, values(&mean), values(&variance), epsilon);
            tensor(output, shape.as_slice())
        }

        fn kernel_adam(
            parameters: FlexTensor,
            gradient: FlexTensor,
            moment1: FlexTensor,
            moment2: FlexTensor,
            rule: AdamRule,
        ) -> (FlexTensor, FlexTensor, FlexTensor) {
            const CHUNK: usize = 1 << 15;
            if !are_f32(&[&parameters, &gradient, &moment1, &moment2]) {
                return stock_adam::<Flex>(parameters, gradient, moment1, moment2, rule);
            }
            let [mut parameters, gradient, mut moment1, mut moment2] =
                [parameters, gradient, moment1, moment2].map(|tensor| own(tensor.to_contiguous()));
            // In place when nobody else holds the tensor; copied first when somebody does.
            let chunks = parameters.storage_mut::<f32>().par_chunks_mut(CHUNK);
            let moments = moment1
                .storage_mut::<f32>()
                .par_chunks_mut(CHUNK)
                .zip(moment2.storage_mut::<f32>().par_chunks_mut(CHUNK));
            chunks.zip(values(&gradient).par_chunks(CHUNK)).zip(moments).for_each(|((p, g), (m1, m2))| {
                update(p, g, m1, m2, rule);
            });
            (parameters, moment1, moment2)
        }
    }
}

/// The stock operations, by the default bodies.
#[cfg(any(feature = "wgpu", feature = "cuda"))]
impl Kernels for burn::backend::Cube {}
