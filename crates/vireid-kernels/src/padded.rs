//! Windows of an image as the columns of a matrix, by way of a padded image.

use pulp::{Arch, Simd, WithSimd};

use crate::windows::Windows;

/// Most numbers that are copied at once. A row of the output is copied in whole steps; what goes too far is overwritten by
/// the next row.
pub(crate) const STEP: usize = 16;

/// Where the pixels of a padded image are: split by the remainder of their rows and columns modulo the stride, so that the
/// pixels under one tap of the window are side by side along a row of the output.
pub(crate) struct Padded {
    channels: usize,
    windows: Windows,
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
    pub fn new(channels: usize, windows: Windows) -> Self {
        let Windows { stride, kernel, before, .. } = windows;
        let phases = kernel.map(|size| size.min(stride));
        let [below, right] = windows.after();
        let pitch = (windows.width + before[1].max(right)).div_ceil(stride).max(windows.out[1]);
        let rows = (windows.height + before[0] + below).div_ceil(stride);
        let mut taps = Vec::with_capacity(channels * kernel[0] * kernel[1]);
        for channel in 0..channels {
            for dy in 0..kernel[0] {
                for dx in 0..kernel[1] {
                    let phase = (channel * phases[0] + dy % stride) * phases[1] + dx % stride;
                    taps.push((phase * rows + dy / stride) * pitch + dx / stride);
                }
            }
        }
        Self { channels, windows, phases, pitch, rows, taps }
    }

    /// From one row of a phase to the next.
    pub fn pitch(&self) -> usize {
        self.pitch
    }

    /// The first pixel under each tap, in the order of the weights.
    pub fn taps(&self) -> &[usize] {
        &self.taps
    }

    /// Numbers of one padded image.
    fn size(&self) -> usize {
        let planes = self.channels * self.phases[0] * self.phases[1];
        let read = self.taps.iter().max().map_or(0, |tap| tap + self.windows.out[0] * self.pitch);
        read.max(planes * self.rows * self.pitch)
    }

    /// Zeros, with room for padded images and one step more.
    pub fn images(&self, count: usize) -> Vec<f32> {
        vec![0.0; count * self.size() + STEP]
    }

    /// Copies images into `padded`, whose padding stays as it is.
    pub fn pad(&self, images: &[f32], padded: &mut [f32]) {
        Arch::new().dispatch(Pad { layout: self, images, padded });
    }

    /// The windows of padded images as columns, `[window, images, positions]`; `columns` has room for one step more.
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
        let Windows { height, width, stride, before: [above, left], .. } = self.layout.windows;
        let Padded { channels, phases, pitch, rows, .. } = *self.layout;
        // Divisions are slow beside the copies: once per phase and row, not per image and channel.
        let phases_x: Vec<(usize, usize)> = (0..phases[1])
            .map(|phase| {
                // The first pixel whose padded column has this remainder.
                let first = (phase + stride - left % stride) % stride;
                (first, phase * rows * pitch + (first + left) / stride)
            })
            .collect();
        let starts: Vec<Option<usize>> = (0..height)
            .map(|y| {
                let (phase, line) = ((y + above) % stride, (y + above) / stride);
                (phase < phases[0]).then_some((phase * phases[1] * rows + line) * pitch)
            })
            .collect();
        let plane_size = phases[0] * phases[1] * rows * pitch;
        let padded = self.padded.chunks_exact_mut(self.layout.size());
        for (image, padded) in self.images.chunks_exact(channels * height * width).zip(padded) {
            let planes = image.chunks_exact(height * width).zip(padded.chunks_exact_mut(plane_size));
            for (plane, padded) in planes {
                for (row, start) in plane.chunks_exact(width).zip(&starts) {
                    let Some(start) = start else { continue };
                    for &(first, offset) in &phases_x {
                        let Some(pixels) = row.get(first..) else { continue };
                        every(stride, pixels, &mut padded[start + offset..]);
                    }
                }
            }
        }
    }
}

/// Copies every `stride`-th pixel.
#[inline(always)]
fn every(stride: usize, pixels: &[f32], target: &mut [f32]) {
    match stride {
        1 => target[..pixels.len()].copy_from_slice(pixels),
        // With the stride known, these are vector instructions.
        2 => {
            let (pairs, rest) = pixels.as_chunks::<2>();
            target.iter_mut().zip(pairs).for_each(|(to, pair)| *to = pair[0]);
            if let [last] = rest {
                target[pairs.len()] = *last;
            }
        }
        _ => target.iter_mut().zip(pixels.iter().step_by(stride)).for_each(|(to, &from)| *to = from),
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
        match self.layout.windows.out[1] {
            ..=8 => self.copy::<8>(),
            _ => self.copy::<STEP>(),
        }
    }
}

impl WindowColumns<'_> {
    #[inline(always)]
    fn copy<const N: usize>(self) {
        let Self { layout, padded, images, columns } = self;
        let ([height, width], size) = (layout.windows.out, layout.size());
        let mut to = 0;
        for &tap in &layout.taps {
            for image in 0..images {
                for y in 0..height {
                    let from = image * size + tap + y * layout.pitch;
                    for x in (0..width).step_by(N) {
                        columns[to + x..to + x + N].copy_from_slice(&padded[from + x..from + x + N]);
                    }
                    to += width;
                }
            }
        }
    }
}
