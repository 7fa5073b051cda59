//! Windows of an image as the columns of a matrix, by way of a padded image.

use pulp::{Arch, Simd, WithSimd};

use crate::convolution::Convolution;

/// Numbers that are copied at once. A row of the output is copied in whole steps; what goes too far is overwritten by the
/// next row.
const STEP: usize = 16;

/// Where the pixels of a padded image lie: split by the remainder of their rows and columns modulo the stride, so that the
/// pixels under one tap of the window lie side by side along a row of the output.
pub(crate) struct Padded {
    sizes: Convolution,
    /// Remainders modulo the stride that some tap reads, for rows and columns.
    phases: [usize; 2],
    /// From one row of a phase to the next. The padding to the right of a row is the padding to the left of the next one.
    pitch: usize,
    /// Rows of a phase.
    rows: usize,
    /// The first pixel under each tap, in the order of the weights.
    taps: Vec<usize>,
}

impl Padded {
    pub fn new(sizes: Convolution) -> Self {
        let Convolution { stride, kernel, padding, .. } = sizes;
        let phases = kernel.map(|size| size.min(stride));
        let pitch = (sizes.width + padding).div_ceil(stride).max(sizes.out_width());
        let rows = (sizes.height + 2 * padding).div_ceil(stride);
        let mut taps = Vec::with_capacity(sizes.window());
        for channel in 0..sizes.input {
            for dy in 0..kernel[0] {
                for dx in 0..kernel[1] {
                    let phase = (channel * phases[0] + dy % stride) * phases[1] + dx % stride;
                    taps.push((phase * rows + dy / stride) * pitch + dx / stride);
                }
            }
        }
        Self { sizes, phases, pitch, rows, taps }
    }

    /// Numbers of one padded image.
    fn size(&self) -> usize {
        let planes = self.sizes.input * self.phases[0] * self.phases[1];
        let read = self.taps.iter().max().map_or(0, |tap| tap + self.sizes.out_height() * self.pitch);
        read.max(planes * self.rows * self.pitch)
    }

    /// Zeros, with room for padded images and one step more.
    pub fn images(&self, count: usize) -> Vec<f32> {
        vec![0.0; count * self.size() + STEP]
    }

    /// Room for the columns, `[window, images, positions]`, and one step more.
    pub fn columns(&self, count: usize) -> Vec<f32> {
        vec![0.0; self.sizes.window() * count * self.sizes.positions() + STEP]
    }

    /// Copies images into `padded`, whose padding stays as it is.
    pub fn pad(&self, images: &[f32], padded: &mut [f32]) {
        Arch::new().dispatch(Pad { layout: self, images, padded });
    }

    /// The windows of padded images as columns.
    pub fn window_columns(&self, padded: &[f32], images: usize, columns: &mut [f32]) {
        Arch::new().dispatch(WindowColumns { layout: self, padded, images, columns });
    }
}

/// Compiled for every kind of vector instruction, like [`WindowColumns`].
struct Pad<'a> {
    layout: &'a Padded,
    images: &'a [f32],
    padded: &'a mut [f32],
}

impl WithSimd for Pad<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Convolution { input, height, width, .. } = self.layout.sizes;
        let padded = self.padded.chunks_exact_mut(self.layout.size());
        for (image, padded) in self.images.chunks_exact(input * height * width).zip(padded) {
            for (row, pixels) in image.chunks_exact(width).enumerate() {
                pad_row(self.layout, row / height, row % height, pixels, padded);
            }
        }
    }
}

#[inline(always)]
fn pad_row(layout: &Padded, channel: usize, y: usize, pixels: &[f32], padded: &mut [f32]) {
    let Convolution { stride, padding, .. } = layout.sizes;
    let (phase_y, line) = ((y + padding) % stride, (y + padding) / stride);
    if phase_y >= layout.phases[0] {
        return;
    }
    for phase_x in 0..layout.phases[1] {
        // The first pixel whose padded column has this remainder.
        let first = (phase_x + stride - padding % stride) % stride;
        let phase = (channel * layout.phases[0] + phase_y) * layout.phases[1] + phase_x;
        let start = (phase * layout.rows + line) * layout.pitch + (first + padding) / stride;
        let Some(pixels) = pixels.get(first..) else { continue };
        let target = &mut padded[start..start + pixels.len().div_ceil(stride)];
        match stride {
            1 => target.copy_from_slice(pixels),
            // With the stride known, these are vector instructions.
            2 => {
                let (pairs, rest) = pixels.as_chunks::<2>();
                target.iter_mut().zip(pairs).for_each(|(to, pair)| *to = pair[0]);
                if let ([last], Some(to)) = (rest, target.last_mut()) {
                    *to = *last;
                }
            }
            _ => target.iter_mut().zip(pixels.iter().step_by(stride)).for_each(|(to, &from)| *to = from),
        }
    }
}

struct WindowColumns<'a> {
    layout: &'a Padded,
    padded: &'a [f32],
    images: usize,
    columns: &'a mut [f32],
}

impl WithSimd for WindowColumns<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { layout, padded, images, columns } = self;
        let (height, width, size) = (layout.sizes.out_height(), layout.sizes.out_width(), layout.size());
        let mut to = 0;
        for &tap in &layout.taps {
            for image in 0..images {
                for y in 0..height {
                    let from = image * size + tap + y * layout.pitch;
                    for x in (0..width).step_by(STEP) {
                        columns[to + x..to + x + STEP].copy_from_slice(&padded[from + x..from + x + STEP]);
                    }
                    to += width;
                }
            }
        }
    }
}
