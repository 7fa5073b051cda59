//! Depthwise convolution: every channel of every image is a plane that its channel's kernel alone goes over.
//!
//! Nothing is laid out as columns. A plane is copied once into zeros, split by the stride as in [`Padded`]; from there on a
//! tap of the kernel is a distance within one array, and an output is a sum of as many shifted arrays as there are taps. The
//! zeros between rows are computed along and thrown away. All three passes are one of two such sums. How they are grouped
//! depends on the sizes alone: results are the same bits on any number of threads.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::fresh::fresh;
use crate::padded::{Padded, STEP};
use crate::windows::Windows;

/// Planes that a thread takes at a time.
const PLANES: usize = 8;

/// The sizes of a depthwise convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Depthwise {
    pub batch: usize,
    pub channels: usize,
    pub windows: Windows,
}

impl Depthwise {
    /// Pixels of an input's plane.
    fn pixels(&self) -> usize {
        self.windows.height * self.windows.width
    }

    /// Positions of an output's plane.
    fn positions(&self) -> usize {
        self.windows.out[0] * self.windows.out[1]
    }

    /// Weights of one channel.
    fn window(&self) -> usize {
        self.windows.kernel[0] * self.windows.kernel[1]
    }

    fn channel(&self, plane: usize) -> usize {
        plane % self.channels
    }

    /// `[batch, channels, out_height, out_width]`.
    pub fn forward(&self, input: &[f32], weight: &[f32]) -> Vec<f32> {
        let layout = Padded::new(1, self.windows);
        let ([out_height, out_width], pitch) = (self.windows.out, layout.pitch());
        let (pixels, positions, window) = (self.pixels(), self.positions(), self.window());
        let scratch = || {
            let sums = vec![0.0; whole_steps(out_height * pitch)];
            (layout.images(1), sums, Vec::with_capacity(window))
        };
        fresh(
            self.batch * self.channels * positions,
            PLANES * positions,
            scratch,
            |(padded, sums, taps), number, to| {
                for (plane, to) in to.chunks_exact_mut(positions).enumerate() {
                    let plane = number * PLANES + plane;
                    layout.pad(&input[plane * pixels..(plane + 1) * pixels], padded);
                    let weights = &weight[self.channel(plane) * window..][..window];
                    taps.clear();
                    taps.extend(layout.taps().iter().copied().zip(weights.iter().copied()));
                    Arch::new().dispatch(ShiftedSum { source: padded, taps, to: sums });
                    for (row, to) in sums.chunks_exact(pitch).zip(to.chunks_exact_mut(out_width)) {
                        to.copy_from_slice(&row[..out_width]);
                    }
                }
            },
        )
    }

    /// The gradient with respect to the input, `[batch, channels, height, width]`.
    pub fn input_gradient(&self, weight: &[f32], gradient: &[f32]) -> Vec<f32> {
        let phases = Phases::new(self.windows);
        let (pixels, positions, window) = (self.pixels(), self.positions(), self.window());
        let scratch = || {
            let sums = vec![0.0; whole_steps(phases.rows * phases.pitch)];
            (phases.bordered(), sums, Vec::with_capacity(window))
        };
        fresh(self.batch * self.channels * pixels, PLANES * pixels, scratch, |(bordered, sums, taps), number, to| {
            for (plane, to) in to.chunks_exact_mut(pixels).enumerate() {
                let plane = number * PLANES + plane;
                phases.border(&gradient[plane * positions..(plane + 1) * positions], bordered);
                let weights = &weight[self.channel(plane) * window..][..window];
                for phase in &phases.all {
                    taps.clear();
                    taps.extend(phase.taps.iter().map(|&(offset, tap)| (offset, weights[tap])));
                    Arch::new().dispatch(ShiftedSum { source: bordered, taps, to: sums });
                    phases.place(phase, sums, to);
                }
            }
        })
    }

    /// The gradient with respect to the weight, `[channels, 1, kernel, kernel]`.
    pub fn weight_gradient(&self, input: &[f32], gradient: &[f32]) -> Vec<f32> {
        let layout = Padded::new(1, self.windows);
        let ([out_height, out_width], pitch) = (self.windows.out, layout.pitch());
        let (pixels, positions, window) = (self.pixels(), self.positions(), self.window());
        if pixels == 0 {
            return vec![0.0; self.channels * window];
        }
        let scratch = || (layout.images(1), vec![0.0; whole_steps(out_height * pitch)]);
        let of_channel = |(padded, spread): &mut (Vec<f32>, Vec<f32>), channel: usize| {
            let mut total = vec![0.0f64; window];
            for image in 0..self.batch {
                let plane = image * self.channels + channel;
                layout.pad(&input[plane * pixels..(plane + 1) * pixels], padded);
                // Between the rows it is zero: what lies there in the plane counts for nothing.
                let rows = gradient[plane * positions..(plane + 1) * positions].chunks_exact(out_width);
                for (row, to) in rows.zip(spread.chunks_exact_mut(pitch)) {
                    to[..out_width].copy_from_slice(row);
                }
                Arch::new().dispatch(Products {
                    source: padded,
                    by: spread,
                    offsets: layout.taps(),
                    total: &mut total,
                });
            }
            total.into_iter().map(|sum| sum as f32).collect::<Vec<f32>>()
        };
        (0..self.channels).into_par_iter().map_init(scratch, of_channel).flatten_iter().collect()
    }
}

/// A length in whole steps.
fn whole_steps(length: usize) -> usize {
    length.next_multiple_of(STEP)
}

/// Where the gradients of pixels come from: pixels whose padded rows and columns have equal remainders modulo the stride are
/// under the same taps, so they are one sum.
struct Phases {
    windows: Windows,
    all: Vec<Phase>,
    /// Rows of a phase, at most.
    rows: usize,
    /// From one row to the next, in a phase and in the gradients that it is summed from.
    pitch: usize,
    /// Rows above the gradients, and columns to the left of them, that are zero.
    border: [usize; 2],
}

struct Phase {
    remainder: [usize; 2],
    /// Where a tap begins in the bordered gradients, and its number in the kernel.
    taps: Vec<(usize, usize)>,
}

impl Phases {
    fn new(windows: Windows) -> Self {
        let Windows { height, width, stride, kernel, before, out } = windows;
        let border = kernel.map(|side| (side.max(1) - 1) / stride);
        let rows = (height + before[0]).div_ceil(stride).max(out[0]);
        let pitch = (width + before[1]).div_ceil(stride).max(out[1]) + border[1];
        let mut all = Vec::with_capacity(stride * stride);
        for remainder in (0..stride * stride).map(|number| [number / stride, number % stride]) {
            let of = |axis: usize| (remainder[axis]..kernel[axis]).step_by(stride);
            let taps = of(0).flat_map(|dy| {
                of(1).map(move |dx| {
                    let offset = (border[0] - dy / stride) * pitch + border[1] - dx / stride;
                    (offset, dy * kernel[1] + dx)
                })
            });
            all.push(Phase { remainder, taps: taps.collect() });
        }
        Self { windows, all, rows, pitch, border }
    }

    /// Zeros, with room for a plane of gradients and its border.
    fn bordered(&self) -> Vec<f32> {
        vec![0.0; whole_steps((self.rows + self.border[0]) * self.pitch + self.border[1]) + STEP]
    }

    /// Copies a plane of gradients into its border.
    fn border(&self, gradient: &[f32], to: &mut [f32]) {
        let out_width = self.windows.out[1];
        let rows = to[self.border[0] * self.pitch + self.border[1]..].chunks_mut(self.pitch);
        for (row, to) in gradient.chunks_exact(out_width).zip(rows) {
            to[..out_width].copy_from_slice(row);
        }
    }

    /// Writes the pixels of a phase where they belong in their plane.
    fn place(&self, phase: &Phase, sums: &[f32], plane: &mut [f32]) {
        let Windows { height, width, stride, before, .. } = self.windows;
        // The first pixel of the phase, and its place in it.
        let first = [0, 1].map(|axis| (phase.remainder[axis] + stride - before[axis] % stride) % stride);
        let from = [0, 1].map(|axis| (first[axis] + before[axis]) / stride);
        for (number, y) in (first[0]..height).step_by(stride).enumerate() {
            let sums = &sums[(from[0] + number) * self.pitch + from[1]..];
            let row = &mut plane[y * width..(y + 1) * width];
            match stride {
                1 => row.copy_from_slice(&sums[..width]),
                _ => row.iter_mut().skip(first[1]).step_by(stride).zip(sums).for_each(|(to, &sum)| *to = sum),
            }
        }
    }
}

/// Writes the sum of shifted arrays: each tap is the place where its array begins, and its factor. `to` is whole steps.
struct ShiftedSum<'a> {
    source: &'a [f32],
    taps: &'a [(usize, f32)],
    to: &'a mut [f32],
}

impl WithSimd for ShiftedSum<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { source, taps, to } = self;
        let (pairs, last) = to.as_chunks_mut::<{ 2 * STEP }>();
        let done = pairs.len() * 2 * STEP;
        for (number, to) in pairs.iter_mut().enumerate() {
            *to = shifted_sum(&source[number * 2 * STEP..], taps);
        }
        if let Some(to) = last.first_chunk_mut::<STEP>() {
            *to = shifted_sum(&source[done..], taps);
        }
    }
}

#[inline(always)]
fn shifted_sum<const N: usize>(source: &[f32], taps: &[(usize, f32)]) -> [f32; N] {
    let mut sums = [0.0f32; N];
    for &(offset, factor) in taps {
        let values = &source[offset..offset + N];
        for (sum, value) in sums.iter_mut().zip(values) {
            *sum = value.mul_add(factor, *sum);
        }
    }
    sums
}

/// Adds the inner products of `by` with the arrays that begin at the offsets. `by` is whole steps.
struct Products<'a> {
    source: &'a [f32],
    by: &'a [f32],
    offsets: &'a [usize],
    total: &'a mut [f64],
}

impl WithSimd for Products<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { source, by, offsets, total } = self;
        // Several at once: `by` is read once for them, and their sums do not wait for one another.
        let (fives, rest) = offsets.as_chunks::<5>();
        let (of_fives, of_rest) = total.split_at_mut(fives.len() * 5);
        for (offsets, total) in fives.iter().zip(of_fives.chunks_exact_mut(5)) {
            products(source, by, offsets, total);
        }
        let (threes, rest) = rest.as_chunks::<3>();
        let (of_threes, of_rest) = of_rest.split_at_mut(threes.len() * 3);
        for (offsets, total) in threes.iter().zip(of_threes.chunks_exact_mut(3)) {
            products(source, by, offsets, total);
        }
        for (offset, total) in rest.iter().zip(of_rest) {
            products(source, by, &[*offset], std::slice::from_mut(total));
        }
    }
}

#[inline(always)]
fn products<const N: usize>(source: &[f32], by: &[f32], offsets: &[usize; N], total: &mut [f64]) {
    let mut sums = [[0.0f32; STEP]; N];
    for (number, by) in by.as_chunks::<STEP>().0.iter().enumerate() {
        for (sums, offset) in sums.iter_mut().zip(offsets) {
            let values = &source[number * STEP + offset..][..STEP];
            for ((sum, value), by) in sums.iter_mut().zip(values).zip(by) {
                *sum = value.mul_add(*by, *sum);
            }
        }
    }
    for (total, sums) in total.iter_mut().zip(&sums) {
        *total += f64::from(sums.iter().sum::<f32>());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vireid_core::Streams;

    fn numbers(count: usize, seed: u64) -> Vec<f32> {
        let mut stream = Streams::new(seed).stream("numbers", [0; 3]);
        (0..count).map(|_| stream.normal(0.0, 1.0) as f32).collect()
    }

    /// Forward pass and both gradients, to the bit.
    fn passes(sizes: Depthwise) -> [Vec<u32>; 3] {
        let planes = sizes.batch * sizes.channels;
        let input = numbers(planes * sizes.pixels(), 1);
        let weight = numbers(sizes.channels * sizes.window(), 2);
        let gradient = numbers(planes * sizes.positions(), 3);
        [
            sizes.forward(&input, &weight),
            sizes.input_gradient(&weight, &gradient),
            sizes.weight_gradient(&input, &gradient),
        ]
        .map(|values| values.into_iter().map(f32::to_bits).collect())
    }

    #[test]
    fn the_number_of_threads_changes_no_bit() {
        for (kernel, stride) in [(3, 1), (3, 2), (5, 1), (5, 2)] {
            let sizes = Depthwise { batch: 5, channels: 7, windows: Windows::same([9, 6], [kernel; 2], stride) };
            let on = |threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| passes(sizes))
            };
            assert!(on(1) == on(3), "{sizes:?}");
        }
    }
}
