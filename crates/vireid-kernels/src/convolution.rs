//! Convolution by columns: each image's windows are laid out as a matrix, and the three passes are matrix products.
//!
//! Images are spread over threads, one product per image; a 1x1 convolution with stride 1 is a product on the image as it
//! is. Sums over images are formed in a fixed number of parts, so results do not depend on timing.

use rayon::prelude::*;

use crate::product::{Shape, multiply};

/// The sizes of a convolution: square stride and padding, no dilation, no channel groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Convolution {
    pub batch: usize,
    pub input: usize,
    pub height: usize,
    pub width: usize,
    pub output: usize,
    pub kernel: [usize; 2],
    pub stride: usize,
    pub padding: usize,
}

impl Convolution {
    pub fn out_height(&self) -> usize {
        (self.height + 2 * self.padding - self.kernel[0]) / self.stride + 1
    }

    pub fn out_width(&self) -> usize {
        (self.width + 2 * self.padding - self.kernel[1]) / self.stride + 1
    }

    /// Output positions of one image.
    fn positions(&self) -> usize {
        self.out_height() * self.out_width()
    }

    /// Values under one window.
    fn window(&self) -> usize {
        self.input * self.kernel[0] * self.kernel[1]
    }

    fn image(&self) -> usize {
        self.input * self.height * self.width
    }

    /// Whether the windows are the image itself.
    fn is_product(&self) -> bool {
        self.kernel == [1, 1] && self.stride == 1 && self.padding == 0
    }

    fn column_shape(&self) -> Shape {
        Shape::row_major(self.window(), self.positions())
    }

    fn weight_shape(&self) -> Shape {
        Shape::row_major(self.output, self.window())
    }

    fn output_shape(&self) -> Shape {
        Shape::row_major(self.output, self.positions())
    }

    /// `[batch, output, out_height, out_width]`.
    pub fn forward(&self, input: &[f32], weight: &[f32]) -> Vec<f32> {
        let per_image = self.output * self.positions();
        let mut output = vec![0.0; self.batch * per_image];
        output.par_chunks_mut(per_image.max(1)).zip(input.par_chunks(self.image().max(1))).for_each_init(
            || self.scratch(),
            |scratch, (output, image)| {
                let columns = self.columns(image, scratch);
                multiply(output, (weight, self.weight_shape()), (columns, self.column_shape()), false);
            },
        );
        output
    }

    /// The gradient with respect to the input, `[batch, input, height, width]`.
    pub fn input_gradient(&self, weight: &[f32], output_gradient: &[f32]) -> Vec<f32> {
        let per_image = self.output * self.positions();
        let mut gradient = vec![0.0; self.batch * self.image()];
        let transposed = (weight, self.weight_shape().transposed());
        gradient.par_chunks_mut(self.image().max(1)).zip(output_gradient.par_chunks(per_image.max(1))).for_each_init(
            || self.scratch(),
            |scratch, (gradient, output_gradient)| {
                let from = (output_gradient, self.output_shape());
                if self.is_product() {
                    multiply(gradient, transposed, from, false);
                } else {
                    multiply(&mut scratch.columns, transposed, from, false);
                    self.add_columns(&mut scratch.columns, gradient);
                }
            },
        );
        gradient
    }

    /// The gradient with respect to the weight, `[output, input, kernel, kernel]`.
    pub fn weight_gradient(&self, input: &[f32], output_gradient: &[f32]) -> Vec<f32> {
        let size = self.output * self.window();
        let parts = rayon::current_num_threads().min(self.batch).max(1);
        let images_per_part = self.batch.div_ceil(parts).max(1);
        let partial: Vec<Vec<f32>> = input
            .par_chunks((images_per_part * self.image()).max(1))
            .zip(output_gradient.par_chunks((images_per_part * self.output * self.positions()).max(1)))
            .map(|(images, gradients)| {
                let (mut sum, mut scratch) = (vec![0.0; size], self.scratch());
                let pairs =
                    images.chunks(self.image().max(1)).zip(gradients.chunks((self.output * self.positions()).max(1)));
                for (number, (image, gradient)) in pairs.enumerate() {
                    let columns = self.columns(image, &mut scratch);
                    let transposed = (columns, self.column_shape().transposed());
                    multiply(&mut sum, (gradient, self.output_shape()), transposed, number > 0);
                }
                sum
            })
            .collect();
        let mut parts = partial.into_iter();
        let mut total = parts.next().unwrap_or_else(|| vec![0.0; size]);
        for part in parts {
            total.iter_mut().zip(part).for_each(|(sum, value)| *sum += value);
        }
        total
    }

    /// Whether each output position sits on an input position: stride 1 and padding that keeps the size.
    fn keeps_size(&self) -> bool {
        self.stride == 1 && self.out_height() == self.height && self.out_width() == self.width
    }

    /// Pixels of a row whose column is `phase` modulo the stride, rounded up so that all phases have equal room.
    fn phase_width(&self) -> usize {
        self.width.div_ceil(self.stride)
    }

    /// Room for the columns of one image and, with a stride, for the image split by phase.
    fn scratch(&self) -> Scratch {
        if self.is_product() {
            return Scratch::default();
        }
        let phases = self.input * self.height * self.stride * self.phase_width();
        Scratch {
            columns: vec![0.0; self.window() * self.positions()],
            phases: vec![0.0; if self.stride > 1 { phases } else { 0 }],
        }
    }

    /// The windows of an image as the columns of a matrix.
    fn columns<'a>(&self, image: &'a [f32], scratch: &'a mut Scratch) -> &'a [f32] {
        if self.is_product() {
            return image;
        }
        if self.stride > 1 {
            self.split_phases(image, &mut scratch.phases);
        }
        let Scratch { columns, phases } = scratch;
        for (row, target) in columns.chunks_exact_mut(self.positions()).enumerate() {
            if self.keeps_size() {
                self.shift_plane(row, image, target);
            } else if self.stride > 1 {
                self.copy_rows(row, phases, target);
            } else {
                self.copy_rows(row, image, target);
            }
        }
        columns
    }

    /// Sorts the pixels of every row by their column modulo the stride, so that a window's pixels lie side by side.
    fn split_phases(&self, image: &[f32], phases: &mut [f32]) {
        let (stride, room) = (self.stride, self.phase_width());
        for (row, target) in image.chunks_exact(self.width).zip(phases.chunks_exact_mut(stride * room)) {
            for (phase, target) in target.chunks_exact_mut(room).enumerate() {
                let pixels = row.get(phase..).unwrap_or_default().iter().step_by(stride);
                target.iter_mut().zip(pixels).for_each(|(to, &from)| *to = from);
            }
        }
    }

    /// One row of the columns, row of the image by row: `image` is split by phase where there is a stride.
    fn copy_rows(&self, row: usize, image: &[f32], target: &mut [f32]) {
        let (plane, dy, dx) = self.tap(row);
        let row_length = self.stride * self.phase_width();
        let plane = &image[plane * self.height * row_length..(plane + 1) * self.height * row_length];
        let (first, last) = self.valid_columns(dx);
        for (y, target) in target.chunks_exact_mut(self.out_width()).enumerate() {
            let from = (y * self.stride + dy) as isize - self.padding as isize;
            if from < 0 || from >= self.height as isize || first >= last {
                target.fill(0.0);
                continue;
            }
            let source = &plane[from as usize * row_length..(from as usize + 1) * row_length];
            let column = first * self.stride + dx - self.padding;
            let start = column % self.stride * self.phase_width() + column / self.stride;
            target[..first].fill(0.0);
            target[last..].fill(0.0);
            target[first..last].copy_from_slice(&source[start..start + last - first]);
        }
    }

    /// One row of the columns where the size is kept: the plane as a whole, shifted, with zeros where it wrapped round.
    fn shift_plane(&self, row: usize, image: &[f32], target: &mut [f32]) {
        let (plane, dy, dx) = self.tap(row);
        let plane = &image[plane * self.positions()..(plane + 1) * self.positions()];
        let (shift, first, last) = self.overlap(dy, dx);
        target[..first].fill(0.0);
        target[last..].fill(0.0);
        if first < last {
            let start = (first as isize + shift) as usize;
            target[first..last].copy_from_slice(&plane[start..start + last - first]);
            self.clear_wrapped(dx, target);
        }
    }

    /// How far a tap moves the plane, and the positions that stay within it.
    fn overlap(&self, dy: usize, dx: usize) -> (isize, usize, usize) {
        let padding = self.padding as isize;
        let shift = (dy as isize - padding) * self.width as isize + dx as isize - padding;
        let positions = self.positions() as isize;
        let first = (-shift).clamp(0, positions);
        let last = (positions - shift).clamp(first, positions);
        (shift, first as usize, last as usize)
    }

    /// Zeros at the columns whose pixel lies outside its row.
    fn clear_wrapped(&self, dx: usize, plane: &mut [f32]) {
        let (first, last) = self.valid_columns(dx);
        for row in plane.chunks_exact_mut(self.width) {
            row[..first].fill(0.0);
            row[last..].fill(0.0);
        }
    }

    /// Adds the columns of a matrix back to the pixels of an image that they were taken from.
    fn add_columns(&self, columns: &mut [f32], image: &mut [f32]) {
        let out_width = self.out_width();
        for (row, source) in columns.chunks_exact_mut(self.positions()).enumerate() {
            let (plane, dy, dx) = self.tap(row);
            let plane = &mut image[plane * self.height * self.width..(plane + 1) * self.height * self.width];
            if self.keeps_size() {
                let (shift, first, last) = self.overlap(dy, dx);
                if first < last {
                    self.clear_wrapped(dx, source);
                    let start = (first as isize + shift) as usize;
                    let targets = plane[start..start + last - first].iter_mut();
                    targets.zip(&source[first..last]).for_each(|(to, &from)| *to += from);
                }
                continue;
            }
            let (first, last) = self.valid_columns(dx);
            for (y, source) in source.chunks_exact(out_width).enumerate() {
                let to = (y * self.stride + dy) as isize - self.padding as isize;
                if to < 0 || to >= self.height as isize || first >= last {
                    continue;
                }
                let target = &mut plane[to as usize * self.width..(to as usize + 1) * self.width];
                let start = first * self.stride + dx - self.padding;
                let targets = target[start..].iter_mut().step_by(self.stride);
                targets.zip(&source[first..last]).for_each(|(to, &from)| *to += from);
            }
        }
    }

    /// Channel, row and column within the window of a row of the column matrix.
    fn tap(&self, row: usize) -> (usize, usize, usize) {
        let [kernel_height, kernel_width] = self.kernel;
        (row / (kernel_height * kernel_width), row / kernel_width % kernel_height, row % kernel_width)
    }

    /// Output columns whose pixel at offset `dx` lies within the image.
    fn valid_columns(&self, dx: usize) -> (usize, usize) {
        let first = self.padding.saturating_sub(dx).div_ceil(self.stride);
        let last = (self.width + self.padding).saturating_sub(dx).div_ceil(self.stride).min(self.out_width());
        (first.min(last), last)
    }
}

/// What a thread works in.
#[derive(Default)]
struct Scratch {
    columns: Vec<f32>,
    phases: Vec<f32>,
}
