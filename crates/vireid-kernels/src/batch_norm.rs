//! Batch norm over `[batch, channels, positions]`, with the sum and the ReLU that follow it in a residual network.
//!
//! Sums are formed in f64 within a plane and in image order across planes: the same on any number of threads.

use rayon::prelude::*;

use crate::fresh::fresh;
use crate::gate::Gate;

/// What the forward pass gives.
pub(crate) struct Normalized {
    pub output: Vec<f32>,
    pub mean: Vec<f32>,
    /// Biased: the sum of squares divided by the number of values.
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

    /// Writes every plane of a new tensor: image, channel, plane.
    fn planes(&self, f: impl Fn(usize, usize, &mut [f32]) + Sync + Send) -> Vec<f32> {
        let image = self.channels * self.positions;
        fresh(
            self.batch * image,
            image,
            || (),
            |(), image, planes| {
                for (channel, plane) in planes.chunks_exact_mut(self.positions).enumerate() {
                    f(image, channel, plane);
                }
            },
        )
    }

    pub fn forward(&self, input: &[f32], weight: &[f32], bias: &[f32], epsilon: f64, tail: Tail) -> Normalized {
        let (mean, variance): (Vec<f32>, Vec<f32>) = self
            .per_channel(|channel| {
                let planes = (0..self.batch).map(|image| Moments::of(self.plane(input, image, channel)));
                let total = planes.fold(Moments::default(), Moments::merge);
                (total.mean as f32, (total.squares / self.count()) as f32)
            })
            .into_iter()
            .unzip();
        let output = self.apply(input, weight, bias, Statistics { mean: &mean, variance: &variance, epsilon }, tail);
        Normalized { output, mean, variance }
    }

    /// Normalises with given statistics.
    pub fn apply(
        &self,
        input: &[f32],
        weight: &[f32],
        bias: &[f32],
        statistics: Statistics<'_>,
        tail: Tail<'_>,
    ) -> Vec<f32> {
        self.planes(|image, channel, plane| {
            let (scale, offset) = statistics.line(channel, weight, bias);
            let input = self.plane(input, image, channel);
            match tail.residual.map(|residual| self.plane(residual, image, channel)) {
                Some(residual) => {
                    let values = plane.iter_mut().zip(input).zip(residual);
                    values.for_each(|((y, x), r)| *y = x * scale + offset + r);
                }
                None => plane.iter_mut().zip(input).for_each(|(y, x)| *y = x * scale + offset),
            }
            match tail.gate {
                Gate::Open => {}
                Gate::Relu => plane.iter_mut().for_each(|y| *y = Gate::Relu.apply(*y)),
                Gate::Relu6 => plane.iter_mut().for_each(|y| *y = Gate::Relu6.apply(*y)),
            }
        })
    }

    /// Gradients with respect to input, weight and bias. The gradient is that of the output behind the gate.
    pub fn backward(
        &self,
        input: &[f32],
        weight: &[f32],
        bias: &[f32],
        statistics: Statistics<'_>,
        gradient: &[f32],
        gate: Gate,
    ) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
        // A function for each gate: a choice within the loops would keep them out of vector instructions.
        match gate {
            Gate::Open => self.backward_by(input, weight, bias, statistics, gradient, |_| true),
            Gate::Relu => self.backward_by(input, weight, bias, statistics, gradient, |x| Gate::Relu.passes(x)),
            Gate::Relu6 => self.backward_by(input, weight, bias, statistics, gradient, |x| Gate::Relu6.passes(x)),
        }
    }

    fn backward_by(
        &self,
        input: &[f32],
        weight: &[f32],
        bias: &[f32],
        statistics: Statistics<'_>,
        gradient: &[f32],
        passes: impl Fn(f32) -> bool + Copy + Sync + Send,
    ) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
        // The value before the gate is worked out again from the input, in the very arithmetic of the forward pass.
        let gate = |channel: usize| {
            let (scale, offset) = statistics.line(channel, weight, bias);
            move |x: f32, g: f32| if passes(x * scale + offset) { g } else { 0.0 }
        };
        let sums = self.per_channel(|channel| {
            let (center, gate) = (statistics.mean[channel], gate(channel));
            let (mut plain, mut centered) = (0.0, 0.0);
            for image in 0..self.batch {
                let (x, g) = (self.plane(input, image, channel), self.plane(gradient, image, channel));
                let sums = sum_of_pairs(x, g, |x, g| {
                    let g = gate(x, g);
                    [g, (x - center) * g]
                });
                plain += sums[0];
                centered += sums[1];
            }
            (plain, centered)
        });
        let inverse: Vec<f32> = (0..self.channels).map(|channel| statistics.inverse_deviation(channel)).collect();
        let weight_gradient = sums.iter().zip(&inverse).map(|((_, centered), i)| (*centered as f32) * i).collect();
        let bias_gradient = sums.iter().map(|(plain, _)| *plain as f32).collect();
        let input_gradient = self.planes(|image, channel, plane| {
            let ((plain, centered), gate) = (sums[channel], gate(channel));
            let (scale, mean) = (weight[channel] * inverse[channel], statistics.mean[channel]);
            let mean_gradient = (plain / self.count()) as f32;
            let slope = (centered / self.count()) as f32 * inverse[channel] * inverse[channel];
            let (x, g) = (self.plane(input, image, channel), self.plane(gradient, image, channel));
            for ((target, &x), &g) in plane.iter_mut().zip(x).zip(g) {
                *target = scale * (gate(x, g) - mean_gradient - (x - mean) * slope);
            }
        });
        (input_gradient, weight_gradient, bias_gradient)
    }
}

/// What follows the normalisation: a sum with another tensor, then a gate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tail<'a> {
    pub residual: Option<&'a [f32]>,
    pub gate: Gate,
}

/// The statistics that a pass normalises with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Statistics<'a> {
    pub mean: &'a [f32],
    /// Biased, as in [`Normalized`].
    pub variance: &'a [f32],
    pub epsilon: f64,
}

impl Statistics<'_> {
    fn inverse_deviation(&self, channel: usize) -> f32 {
        (1.0 / (f64::from(self.variance[channel]) + self.epsilon).sqrt()) as f32
    }

    /// Slope and intercept of a channel's values.
    fn line(&self, channel: usize, weight: &[f32], bias: &[f32]) -> (f32, f32) {
        let scale = weight[channel] * self.inverse_deviation(channel);
        (scale, bias[channel] - self.mean[channel] * scale)
    }
}

/// The gradient of a ReLU's output at its input.
pub(crate) fn relu_gradient(output: &[f32], gradient: &[f32]) -> Vec<f32> {
    const CHUNK: usize = 1 << 14;
    fresh(
        output.len(),
        CHUNK,
        || (),
        |(), number, target| {
            let from = number * CHUNK..number * CHUNK + target.len();
            let pairs = output[from.clone()].iter().zip(&gradient[from]);
            target.iter_mut().zip(pairs).for_each(|(to, (&y, &g))| *to = if Gate::Relu.passes(y) { g } else { 0.0 });
        },
    )
}

/// Count, mean and sum of squared deviations, merged as in Chan, Golub and LeVeque (1979): each plane is read twice while
/// the cache still has it, so memory is read once, and nothing cancels.
#[derive(Debug, Clone, Copy, Default)]
struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    fn of(plane: &[f32]) -> Self {
        let count = plane.len() as f64;
        let mean = sum_of(plane, |x| x) / count;
        let center = mean as f32;
        // The center is rounded: the deviations from the mean itself are smaller by the square of the difference.
        let off = mean - f64::from(center);
        let squares = sum_of(plane, |x| (x - center) * (x - center)) - count * off * off;
        Self { count, mean, squares }
    }

    fn merge(self, other: Self) -> Self {
        let count = self.count + other.count;
        let difference = other.mean - self.mean;
        Self {
            count,
            mean: self.mean + difference * other.count / count,
            squares: self.squares + other.squares + difference * difference * self.count * other.count / count,
        }
    }
}

/// Values added in f32 before they go into the f64 sum: short enough to lose nothing that matters, wide enough for
/// vector instructions.
const LANES: usize = 16;

fn sum_of(values: &[f32], f: impl Fn(f32) -> f32) -> f64 {
    let mut total = 0.0f64;
    for block in values.chunks(64 * LANES) {
        let mut lanes = [0.0f32; LANES];
        let (whole, rest) = block.as_chunks::<LANES>();
        for chunk in whole {
            lanes.iter_mut().zip(chunk).for_each(|(lane, &x)| *lane += f(x));
        }
        total += f64::from(lanes.iter().sum::<f32>() + rest.iter().map(|&x| f(x)).sum::<f32>());
    }
    total
}

fn sum_of_pairs(left: &[f32], right: &[f32], f: impl Fn(f32, f32) -> [f32; 2]) -> [f64; 2] {
    let mut total = [0.0f64; 2];
    for (left, right) in left.chunks(64 * LANES).zip(right.chunks(64 * LANES)) {
        let mut lanes = [[0.0f32; LANES]; 2];
        let ((l, l_rest), (r, r_rest)) = (left.as_chunks::<LANES>(), right.as_chunks::<LANES>());
        for (l, r) in l.iter().zip(r) {
            for lane in 0..LANES {
                let [first, second] = f(l[lane], r[lane]);
                lanes[0][lane] += first;
                lanes[1][lane] += second;
            }
        }
        for (total, lanes) in total.iter_mut().zip(&lanes) {
            *total += f64::from(lanes.iter().sum::<f32>());
        }
        for (&x, &y) in l_rest.iter().zip(r_rest) {
            let [first, second] = f(x, y);
            total[0] += f64::from(first);
            total[1] += f64::from(second);
        }
    }
    total
}
