//! Convolution by columns: each image's windows are laid out as a matrix, and the three passes are matrix products.
//!
//! Images are spread over threads, one product per image; a 1x1 convolution with stride 1 is a product on the image as it
//! is. How images are grouped, in sums over them and in products, depends on the sizes alone: results are the same bits on
//! any number of threads.

use rayon::prelude::*;
use vireid_product::{Shape, multiply};

use crate::fresh::fresh;
use crate::padded::{Padded, STEP};
use crate::windows::Windows;

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
    pub fn positions(&self) -> usize {
        self.out_height() * self.out_width()
    }

    fn windows(&self) -> Windows {
        Windows {
            height: self.height,
            width: self.width,
            out: [self.out_height(), self.out_width()],
            kernel: self.kernel,
            stride: self.stride,
            before: [self.padding; 2],
        }
    }

    /// Values under one window.
    pub fn window(&self) -> usize {
        self.input * self.kernel[0] * self.kernel[1]
    }

    fn image(&self) -> usize {
        self.input * self.height * self.width
    }

    /// Whether the windows are the image itself.
    fn is_product(&self) -> bool {
        self.kernel == [1, 1] && self.stride == 1 && self.padding == 0
    }

    fn out_image(&self) -> usize {
        self.output * self.positions()
    }

    fn weight_shape(&self) -> Shape {
        Shape::row_major(self.output, self.window())
    }

    /// Images of one of the parts that the batch falls into.
    fn images_per_part(&self) -> usize {
        self.batch.div_ceil(PARTS).max(1)
    }

    /// Images whose columns are side by side in one product: a product with few columns is slow.
    fn images_at_once(&self) -> usize {
        COLUMNS.div_ceil(self.positions().max(1)).min(self.images_per_part()).max(1)
    }

    /// `[batch, output, out_height, out_width]`.
    pub fn forward(&self, input: &[f32], weight: &[f32]) -> Vec<f32> {
        let at_once = self.images_at_once();
        fresh(
            self.batch * self.out_image(),
            at_once * self.out_image(),
            || self.scratch(at_once, true),
            |scratch, number, to| {
                let count = to.len() / self.out_image();
                let first = number * at_once;
                let Scratch { columns, planes, padded } = scratch;
                let columns =
                    self.columns(&input[first * self.image()..(first + count) * self.image()], columns, padded);
                let columns = (columns, Shape::row_major(self.window(), count * self.positions()));
                if count == 1 {
                    multiply(to, (weight, self.weight_shape()), columns, false);
                } else {
                    multiply(planes, (weight, self.weight_shape()), columns, false);
                    self.apart(planes, to);
                }
            },
        )
    }

    /// The gradient with respect to the input, `[batch, input, height, width]`.
    pub fn input_gradient(&self, weight: &[f32], gradient: &[f32]) -> Vec<f32> {
        let at_once = self.images_at_once();
        let transposed = (weight, self.weight_shape().transposed());
        fresh(
            self.batch * self.image(),
            at_once * self.image(),
            || self.scratch(at_once, false),
            |scratch, number, to| {
                let count = to.len() / self.image();
                let from = &gradient[number * at_once * self.out_image()..][..count * self.out_image()];
                let from = self.side_by_side(from, &mut scratch.planes);
                let from = (from, Shape::row_major(self.output, count * self.positions()));
                if self.is_product() && count == 1 {
                    multiply(to, transposed, from, false);
                    return;
                }
                multiply(&mut scratch.columns, transposed, from, false);
                for (number, image) in to.chunks_exact_mut(self.image()).enumerate() {
                    self.add_columns(&mut scratch.columns, number, count, image);
                }
            },
        )
    }

    /// The gradient with respect to the weight, `[output, input, kernel, kernel]`.
    pub fn weight_gradient(&self, input: &[f32], gradient: &[f32]) -> Vec<f32> {
        let size = self.output * self.window();
        let (per_part, at_once) = (self.images_per_part(), self.images_at_once());
        let images = input.par_chunks((per_part * self.image()).max(1));
        let gradients = gradient.par_chunks((per_part * self.out_image()).max(1));
        let run = self.batch.div_ceil(per_part).div_ceil(2 * rayon::current_num_threads()).max(1);
        let partial: Vec<Vec<f32>> = images
            .zip(gradients)
            .with_min_len(run)
            .map_init(
                || self.scratch(at_once, true),
                |scratch, (images, gradients)| {
                    let mut sum = vec![0.0; size];
                    let images = images.chunks((at_once * self.image()).max(1));
                    let gradients = gradients.chunks((at_once * self.out_image()).max(1));
                    for (number, (images, gradients)) in images.zip(gradients).enumerate() {
                        let Scratch { columns, planes, padded } = &mut *scratch;
                        let length = gradients.len() / self.output;
                        let columns = self.columns(images, columns, padded);
                        let columns = (columns, Shape::row_major(self.window(), length).transposed());
                        let gradients = (self.side_by_side(gradients, planes), Shape::row_major(self.output, length));
                        multiply(&mut sum, gradients, columns, number > 0);
                    }
                    sum
                },
            )
            .collect();
        const CHUNK: usize = 1 << 14;
        fresh(
            size,
            CHUNK,
            || (),
            |(), number, total| {
                let place = number * CHUNK..number * CHUNK + total.len();
                for part in &partial {
                    total.iter_mut().zip(&part[place.clone()]).for_each(|(sum, value)| *sum += value);
                }
            },
        )
    }

    /// Images `[images, output, positions]` as `[output, images, positions]`; a single image is both.
    fn side_by_side<'a>(&self, images: &'a [f32], planes: &'a mut [f32]) -> &'a [f32] {
        let (count, positions) = (images.len() / self.out_image().max(1), self.positions());
        if count <= 1 {
            return images;
        }
        for (number, image) in images.chunks_exact(self.out_image()).enumerate() {
            for (plane, target) in image.chunks_exact(positions).zip(planes.chunks_exact_mut(count * positions)) {
                target[number * positions..(number + 1) * positions].copy_from_slice(plane);
            }
        }
        planes
    }

    /// The reverse of [`Self::side_by_side`].
    fn apart(&self, planes: &[f32], images: &mut [f32]) {
        let (count, positions) = (images.len() / self.out_image(), self.positions());
        for (number, image) in images.chunks_exact_mut(self.out_image()).enumerate() {
            for (plane, source) in image.chunks_exact_mut(positions).zip(planes.chunks_exact(count * positions)) {
                plane.copy_from_slice(&source[number * positions..(number + 1) * positions]);
            }
        }
    }

    /// Whether each output position sits on an input position: stride 1 and padding that keeps the size.
    fn keeps_size(&self) -> bool {
        self.stride == 1 && self.out_height() == self.height && self.out_width() == self.width
    }

    /// Room for some images at once; with `padded`, room for padded images too.
    fn scratch(&self, images: usize, padded: bool) -> Scratch {
        let planes = vec![0.0; if images > 1 { images * self.out_image() } else { 0 }];
        if self.is_product() && images == 1 {
            return Scratch { columns: Vec::new(), planes, padded: None };
        }
        let columns = vec![0.0; self.window() * images * self.positions() + STEP];
        let padded =
            padded.then(|| Padded::new(self.input, self.windows())).map(|padded| (padded.images(images), padded));
        Scratch { columns, planes, padded }
    }

    /// The windows of images as the columns of a matrix, `[window, images, positions]`.
    fn columns<'a>(
        &self,
        images: &'a [f32],
        columns: &'a mut [f32],
        padded: &mut Option<(Vec<f32>, Padded)>,
    ) -> &'a [f32] {
        let Some((room, padded)) = padded else { return images };
        padded.pad(images, room);
        padded.window_columns(room, images.len() / self.image(), columns);
        columns
    }

    /// Adds the columns of one of several images back to the pixels that they were taken from.
    fn add_columns(&self, columns: &mut [f32], number: usize, images: usize, image: &mut [f32]) {
        let (out_width, positions) = (self.out_width(), self.positions());
        for (row, source) in columns.chunks_exact_mut(images * positions).take(self.window()).enumerate() {
            let source = &mut source[number * positions..(number + 1) * positions];
            let (plane, dy, dx) = self.tap(row);
            let plane = &mut image[plane * self.height * self.width..(plane + 1) * self.height * self.width];
            let (first, last) = self.valid_columns(dx);
            if self.keeps_size() {
                // The plane as a whole, shifted, without the columns whose pixel lies outside its row.
                let wrapped = (0..first).chain(last..out_width);
                wrapped.for_each(|column| source[column..].iter_mut().step_by(out_width).for_each(|x| *x = 0.0));
                let (shift, from, to) = self.overlap(dy, dx);
                if from < to {
                    let targets = plane[(from as isize + shift) as usize..].iter_mut();
                    targets.zip(&source[from..to]).for_each(|(to, &from)| *to += from);
                }
                continue;
            }
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

    /// How far a tap moves the plane, and the positions that stay within it.
    fn overlap(&self, dy: usize, dx: usize) -> (isize, usize, usize) {
        let padding = self.padding as isize;
        let shift = (dy as isize - padding) * self.width as isize + dx as isize - padding;
        let positions = self.positions() as isize;
        let first = (-shift).clamp(0, positions);
        let last = (positions - shift).clamp(first, positions);
        (shift, first as usize, last as usize)
    }

    /// Channel, row and column within the window of a row of the column matrix.
    fn tap(&self, row: usize) -> (usize, usize, usize) {
        let [kernel_height, kernel_width] = self.kernel;
        (row / (kernel_height * kernel_width), row / kernel_width % kernel_height, row % kernel_width)
    }

    /// Output columns whose pixel at offset `dx` lies within the image.
    fn valid_columns(&self, dx: usize) -> (usize, usize) {
        let first = self.padding.saturating_sub(dx).div_ceil(self.stride).min(self.out_width());
        let last = (self.width + self.padding).saturating_sub(dx).div_ceil(self.stride).min(self.out_width());
        (first.min(last), last)
    }
}

/// The least columns of a product, if there are enough images.
const COLUMNS: usize = 128;
/// Most parts that a batch falls into. Not the number of threads: sums would differ in their last bits.
const PARTS: usize = 16;

/// What a thread works in.
struct Scratch {
    columns: Vec<f32>,
    /// Output planes of several images side by side.
    planes: Vec<f32>,
    /// Room for padded images, and where their pixels are.
    padded: Option<(Vec<f32>, Padded)>,
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
    fn passes(sizes: Convolution) -> [Vec<u32>; 3] {
        let input = numbers(sizes.batch * sizes.image(), 1);
        let weight = numbers(sizes.output * sizes.window(), 2);
        let gradient = numbers(sizes.batch * sizes.out_image(), 3);
        [
            sizes.forward(&input, &weight),
            sizes.input_gradient(&weight, &gradient),
            sizes.weight_gradient(&input, &gradient),
        ]
        .map(|values| values.into_iter().map(f32::to_bits).collect())
    }

    #[test]
    fn the_number_of_threads_changes_no_bit() {
        let square = |batch, input, side, output, kernel, stride| Convolution {
            batch,
            input,
            height: side,
            width: side / 2,
            output,
            kernel: [kernel, kernel],
            stride,
            padding: kernel / 2,
        };
        let cases = [
            square(37, 5, 8, 7, 3, 1),
            square(40, 3, 10, 6, 7, 2),
            square(9, 16, 4, 8, 1, 1),
            square(70, 4, 4, 3, 1, 2),
            square(1, 2, 6, 2, 3, 1),
            square(0, 2, 6, 2, 3, 1),
        ];
        for sizes in cases {
            let on = |threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| passes(sizes))
            };
            let alone = on(1);
            assert!([2, 3, 16].into_iter().all(|threads| on(threads) == alone), "{sizes:?}");
        }
    }
}
