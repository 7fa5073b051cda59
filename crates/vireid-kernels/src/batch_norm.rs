//! Batch norm with the statistics of the batch, over `[batch, channels, positions]`.
//!
//! Sums are formed in f64 within a plane and in image order across planes: the same on any number of threads.

use rayon::prelude::*;

/// What the forward pass gives.
pub(crate) struct Normalized {
    pub output: Vec<f32>,
    pub mean: Vec<f32>,
    /// Biased.
    pub variance: Vec<f32>,
}

/// The sizes of the input.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Planes {
    pub batch: usize,
    pub channels: usize,
    pub positions: usize,
}

impl Planes {
    fn count(&self) -> f64 {
        (self.batch * self.positions) as f64
    }

    fn plane<'a>(&self, values: &'a [f32], image: usize, channel: usize) -> &'a [f32] {
        let start = (image * self.channels + channel) * self.positions;
        &values[start..start + self.positions]
    }

    /// For each channel a function of its planes.
    fn per_channel<T: Send>(&self, f: impl Fn(usize) -> T + Send + Sync) -> Vec<T> {
        (0..self.channels).into_par_iter().map(f).collect()
    }

    /// Writes every plane of a new tensor.
    fn planes(&self, f: impl Fn(usize, usize, &mut [f32]) + Sync) -> Vec<f32> {
        let mut values = vec![0.0; self.batch * self.channels * self.positions];
        values.par_chunks_mut((self.channels * self.positions).max(1)).enumerate().for_each(|(image, planes)| {
            for (channel, plane) in planes.chunks_exact_mut(self.positions).enumerate() {
                f(image, channel, plane);
            }
        });
        values
    }

    pub fn forward(&self, input: &[f32], weight: &[f32], bias: &[f32], epsilon: f64) -> Normalized {
        let statistics = self.per_channel(|channel| {
            let planes = || (0..self.batch).map(|image| self.plane(input, image, channel));
            let mean = planes().map(sum).sum::<f64>() / self.count();
            let center = mean as f32;
            let variance =
                planes().map(|plane| sum_of(plane, |x| (x - center) * (x - center))).sum::<f64>() / self.count();
            (center, variance as f32)
        });
        let (mean, variance): (Vec<f32>, Vec<f32>) = statistics.into_iter().unzip();
        let output = self.apply(input, weight, bias, &mean, &variance, epsilon);
        Normalized { output, mean, variance }
    }

    /// Normalises with given statistics.
    pub fn apply(
        &self,
        input: &[f32],
        weight: &[f32],
        bias: &[f32],
        mean: &[f32],
        variance: &[f32],
        epsilon: f64,
    ) -> Vec<f32> {
        self.planes(|image, channel, plane| {
            let scale = weight[channel] * inverse_deviation(variance[channel], epsilon);
            let offset = bias[channel] - mean[channel] * scale;
            plane.iter_mut().zip(self.plane(input, image, channel)).for_each(|(y, x)| *y = x * scale + offset);
        })
    }

    /// Gradients with respect to input, weight and bias.
    pub fn backward(
        &self,
        input: &[f32],
        weight: &[f32],
        mean: &[f32],
        variance: &[f32],
        gradient: &[f32],
        epsilon: f64,
    ) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
        let sums = self.per_channel(|channel| {
            let center = mean[channel];
            let (mut plain, mut centered) = (0.0, 0.0);
            for image in 0..self.batch {
                let (x, g) = (self.plane(input, image, channel), self.plane(gradient, image, channel));
                plain += sum(g);
                centered += sum_of_pairs(x, g, |x, g| (x - center) * g);
            }
            (plain, centered)
        });
        let inverse: Vec<f32> = variance.iter().map(|&v| inverse_deviation(v, epsilon)).collect();
        let weight_gradient = sums.iter().zip(&inverse).map(|((_, centered), i)| (*centered as f32) * i).collect();
        let bias_gradient = sums.iter().map(|(plain, _)| *plain as f32).collect();
        let input_gradient = self.planes(|image, channel, plane| {
            let (plain, centered) = sums[channel];
            let scale = weight[channel] * inverse[channel];
            let mean_gradient = (plain / self.count()) as f32;
            let slope = (centered / self.count()) as f32 * inverse[channel] * inverse[channel];
            let (x, g) = (self.plane(input, image, channel), self.plane(gradient, image, channel));
            for ((target, x), g) in plane.iter_mut().zip(x).zip(g) {
                *target = scale * (g - mean_gradient - (x - mean[channel]) * slope);
            }
        });
        (input_gradient, weight_gradient, bias_gradient)
    }
}

fn inverse_deviation(variance: f32, epsilon: f64) -> f32 {
    (1.0 / (f64::from(variance) + epsilon).sqrt()) as f32
}

/// Values added in f32 before they go into the f64 sum: short enough to lose nothing that matters, wide enough for
/// vector instructions.
const LANES: usize = 16;

fn sum(values: &[f32]) -> f64 {
    sum_of(values, |x| x)
}

fn sum_of(values: &[f32], f: impl Fn(f32) -> f32) -> f64 {
    let mut total = 0.0f64;
    for block in values.chunks(64 * LANES) {
        let mut lanes = [0.0f32; LANES];
        let whole = block.chunks_exact(LANES);
        let rest = whole.remainder().iter().map(|&x| f(x)).sum::<f32>();
        for chunk in whole {
            lanes.iter_mut().zip(chunk).for_each(|(lane, &x)| *lane += f(x));
        }
        total += f64::from(lanes.iter().sum::<f32>() + rest);
    }
    total
}

fn sum_of_pairs(left: &[f32], right: &[f32], f: impl Fn(f32, f32) -> f32) -> f64 {
    let mut total = 0.0f64;
    for (left, right) in left.chunks(64 * LANES).zip(right.chunks(64 * LANES)) {
        let mut lanes = [0.0f32; LANES];
        let (l, r) = (left.chunks_exact(LANES), right.chunks_exact(LANES));
        let rest = l.remainder().iter().zip(r.remainder()).map(|(&x, &y)| f(x, y)).sum::<f32>();
        for (l, r) in l.zip(r) {
            for lane in 0..LANES {
                lanes[lane] += f(l[lane], r[lane]);
            }
        }
        total += f64::from(lanes.iter().sum::<f32>() + rest);
    }
    total
}
