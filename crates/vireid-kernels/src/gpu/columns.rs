//! The windows of a convolution as rows of a matrix, in one kernel: padding, strides and images that are spread apart are
//! read in place, so that nothing but the matrix is written.

#![allow(missing_docs, clippy::too_many_arguments)]

use burn::backend::TensorMetadata;
use burn_cubecl::kernel::into_contiguous;
use cubecl::prelude::*;

use super::Values;
use super::layout::{element, empty, reshaped};

/// Most groups of threads of a launch; each thread goes on with the next element that none has.
const GROUPS: usize = 1 << 15;
const THREADS: usize = 256;

#[cube(launch)]
fn windows<F: Float>(
    images: &[F],
    columns: &mut [F],
    height: u32,
    width: u32,
    channels: u32,
    out_height: u32,
    out_width: u32,
    kernel: u32,
    stride: u32,
    padding: u32,
    spread: u32,
    #[define(F)] _element: ElemType,
) {
    let height = height as usize;
    let width = width as usize;
    let channels = channels as usize;
    let out_height = out_height as usize;
    let out_width = out_width as usize;
    let kernel = kernel as usize;
    let stride = stride as usize;
    let padding = padding as usize;
    let spread = spread as usize;
    let mut at = ABSOLUTE_POS;
    let step = (CUBE_COUNT_X * CUBE_DIM_X) as usize;
    while at < columns.len() {
        let channel = at % channels;
        let tap = at / channels;
        let row = tap / (kernel * kernel);
        let place = tap % (kernel * kernel);
        let image = row / (out_height * out_width);
        // Where the window reads, counted from the padding's corner, in images that are spread apart.
        let y = (row / out_width) % out_height * stride + place / kernel;
        let x = row % out_width * stride + place % kernel;
        let mut value = F::new(0.0f32);
        if y >= padding && x >= padding {
            let y = y - padding;
            let x = x - padding;
            let is_value = y % spread == 0 && x % spread == 0;
            let y = y / spread;
            let x = x / spread;
            if is_value && y < height && x < width {
                value = images[((image * height + y) * width + x) * channels + channel];
            }
        }
        columns[at] = value;
        at += step;
    }
}

/// How a convolution's windows are spread over an image.
#[derive(Debug, Clone, Copy)]
pub(super) struct Windows {
    /// Rows and columns of windows.
    pub out: [usize; 2],
    /// Side of a window.
    pub kernel: usize,
    /// Steps between windows.
    pub stride: usize,
    /// Zeros around the images.
    pub padding: usize,
    /// Steps between neighbouring pixels, with zeros between them: 1 where they are side by side.
    pub spread: usize,
}

/// `[batch, height, width, channels]` to `[batch * out_height * out_width, kernel * kernel * channels]`; nothing for types
/// that have no kernel.
pub(super) fn columns(images: Values, windows: Windows) -> Option<Values> {
    let Windows { out, kernel, stride, padding, spread } = windows;
    let [batch, height, width, channels] = images.shape().dims();
    let element = element(images.dtype())?;
    let images = into_contiguous(images);
    let shape = [batch * out[0] * out[1], kernel * kernel * channels];
    if kernel == 1 && stride == 1 && padding == 0 && spread == 1 {
        return Some(reshaped(images, &shape));
    }
    let to = empty(&images, &shape, images.dtype);
    let groups = (shape[0] * shape[1]).div_ceil(THREADS).clamp(1, GROUPS) as u32;
    let client = images.client.clone();
    windows::launch(
        &client,
        CubeCount::Static(groups, 1, 1),
        CubeDim::new_1d(THREADS as u32),
        images.into_buffer_arg(),
        to.clone().into_buffer_arg(),
        height as u32,
        width as u32,
        channels as u32,
        out[0] as u32,
        out[1] as u32,
        kernel as u32,
        stride as u32,
        padding as u32,
        spread as u32,
        element,
    );
    Some(to)
}
