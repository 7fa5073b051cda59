//! Tensors as matrices of positions by channels, which is how convolutions leave them in memory.

use burn::backend::ops::FloatTensorOps;
use burn::backend::{Cube, TensorMetadata};
use burn::tensor::DType;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::{ElemType, FloatKind};
use cubecl::prelude::{CubeCount, CubeDim};

use super::Values;

/// Neighbouring channels that a group of threads works on.
pub(super) const WIDE: usize = 32;
/// Positions that it works on at a time.
pub(super) const TALL: usize = 8;
/// Groups that fill a large card several times over; more would only make more partial sums.
const GROUPS: usize = 2048;

/// Number of a kernel's element type; nothing for types that have no kernel.
pub(super) fn element(dtype: DType) -> Option<ElemType> {
    Some(ElemType::Float(match dtype {
        DType::F32 => FloatKind::F32,
        DType::BF16 => FloatKind::BF16,
        DType::F16 => FloatKind::F16,
        _ => return None,
    }))
}

/// `[batch, channels, ...]` with channels innermost in memory, `[batch, ..., channels]`.
pub(super) fn channels_last(tensor: Values) -> Values {
    let rank = tensor.shape().num_dims();
    let axes: Vec<usize> = std::iter::once(0).chain(2..rank).chain([1]).collect();
    into_contiguous(Cube::float_permute(tensor, &axes))
}

/// The reverse of [`channels_last`], by strides alone.
pub(super) fn channels_second(tensor: Values) -> Values {
    let rank = tensor.shape().num_dims();
    let axes: Vec<usize> = [0, rank - 1].into_iter().chain(1..rank - 1).collect();
    Cube::float_permute(tensor, &axes)
}

/// A new tensor of the shape of `like`, without gaps.
pub(super) fn empty(like: &Values, shape: &[usize], dtype: DType) -> Values {
    let count: usize = shape.iter().product();
    let handle = like.client.empty(count * dtype.size());
    CubeTensor::new_contiguous(like.client.clone(), like.device.clone(), shape.to_vec().into(), handle, dtype)
}

/// Positions and channels of a tensor whose channels are last.
pub(super) fn sizes(tensor: &Values) -> (usize, usize) {
    let shape = tensor.shape();
    let dims = shape.as_slice();
    let (channels, positions) = (dims[dims.len() - 1], dims[..dims.len() - 1].iter().product());
    (positions, channels)
}

/// Groups along channels and along positions, each of [`WIDE`] by [`TALL`] threads.
pub(super) fn grid(positions: usize, channels: usize) -> (CubeCount, CubeDim, usize) {
    let across = channels.div_ceil(WIDE).max(1);
    let down = (GROUPS / across).clamp(1, positions.div_ceil(TALL).max(1));
    (CubeCount::Static(across as u32, down as u32, 1), CubeDim::new_2d(WIDE as u32, TALL as u32), down)
}

pub(super) fn reshaped(tensor: Values, shape: &[usize]) -> Values {
    Cube::float_reshape(tensor, shape.to_vec().into())
}
