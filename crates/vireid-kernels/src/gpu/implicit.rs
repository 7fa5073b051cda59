//! Convolution as cubek's implicit matrix product, on tensor cores where the card has them.

use burn_cubecl::ops::numeric::empty_device_dtype;
use burn_cubecl::ops::{permute_nchw_to_nhwc, permute_nhwc_to_nchw};
use cubek::convolution::{
    AcceleratedTileKind, ConvAlgorithm, ConvolutionArgs, ConvolutionInputs, Strategy, launch_ref,
};
use cubek::matmul::definition::{MatmulElems, MatmulGlobalElems};
use cubek::std::InputBinding;

use super::layout::element;
use super::{Pass, Problem, Values, Work};

/// Nothing where the algorithm does not take the problem.
pub(super) fn run(work: Work, algorithm: ConvAlgorithm, tile_kind: AcceleratedTileKind) -> Option<Values> {
    let Work { problem, first, second } = work;
    let Problem { pass, input, weight, stride, padding, dtype } = problem;
    if pass == Pass::InputGradient && (stride != 1 || algorithm == ConvAlgorithm::SimpleAsyncTma) {
        return None;
    }
    let (first, second) = (permute_nchw_to_nhwc(first), permute_nchw_to_nhwc(second));
    let [batch, channels, height, width] = input;
    let [outputs, _, kernel_height, kernel_width] = weight;
    let side = |length: usize, kernel: usize| (length + 2 * padding - kernel) / stride + 1;
    let shape = match pass {
        Pass::Forward => [batch, side(height, kernel_height), side(width, kernel_width), outputs],
        Pass::InputGradient => [batch, height, width, channels],
        Pass::WeightGradient => [outputs, kernel_height, kernel_width, channels],
    };
    let client = first.client.clone();
    let out = empty_device_dtype(client.clone(), first.device.clone(), shape.into(), dtype);
    let element = element(dtype)?;
    let elements = MatmulElems::from_globals(&MatmulGlobalElems { lhs: element, rhs: element, out: element });
    let [first, second] = [first, second].map(|tensor| InputBinding::new(tensor.binding(), element));
    let to = out.clone().binding();
    let inputs = match pass {
        Pass::Forward => ConvolutionInputs::Forward { input: first, weight: second, bias: None, out: to },
        Pass::InputGradient => ConvolutionInputs::BackwardData { out_grad: first, weights: second, in_grad: to },
        Pass::WeightGradient => ConvolutionInputs::BackwardWeight { input: first, out_grad: second, weight_grad: to },
    };
    let args = ConvolutionArgs { stride: [stride; 2], padding: [padding; 2], dilation: [1; 2] };
    let strategy = Strategy::Inferred { algorithm, tile_kind };
    launch_ref(&strategy, &client, inputs, args, elements).ok()?;
    Some(permute_nhwc_to_nchw(out))
}
