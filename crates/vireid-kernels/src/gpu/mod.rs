//! Kernels for graphics cards: convolutions as matrix products (Burn's stock path takes a direct kernel without tensor
//! cores), and batch norm and Adam in few passes over memory.

// What runs on the card is written with the operators that CubeCL knows; it has no `is_multiple_of`, and its variables are assigned.
#![allow(clippy::manual_is_multiple_of, clippy::assign_op_pattern)]

mod adam;
mod algorithm;
mod batch_norm;
mod columns;
mod follow;
mod implicit;
mod layout;
mod matmul;
mod product;

use std::sync::Mutex;
use std::time::Instant;

use burn::backend::ops::{ActivationOps, FloatTensorOps, ModuleOps};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Cube, TensorMetadata};
use burn::tensor::DType;

use algorithm::convolution_algorithm;
pub use algorithm::{ConvolutionAlgorithm, set_convolution_algorithm};

use self::batch_norm::Channels;
use crate::adam::AdamRule;
use crate::extension::{
    Kernels, options, stock_adam, stock_batch_norm, stock_batch_norm_gradients, stock_batch_norm_inference,
    stock_running_statistics,
};
use crate::follow::stock_follow;
use crate::gate::Gate;

type Values = FloatTensor<Cube>;

/// Whether these kernels were compared with the CPU's on a tensor's device. Where they were not, the stock operations stay.
fn is_tried(tensor: &Values) -> bool {
    use burn_cubecl::CubeDevice::{Cuda, Wgpu};
    matches!(tensor.device, Cuda(_) | Wgpu(_))
}

/// One of the three passes of a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Pass {
    Forward,
    InputGradient,
    WeightGradient,
}

/// What decides how fast an algorithm is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Problem {
    pass: Pass,
    input: [usize; 4],
    weight: [usize; 4],
    stride: usize,
    padding: usize,
    dtype: DType,
}

/// `first` and `second` are input and weight, gradient and weight, or input and gradient.
#[derive(Clone)]
struct Work {
    problem: Problem,
    first: Values,
    second: Values,
}

impl Work {
    fn new(
        pass: Pass,
        shapes: ([usize; 4], [usize; 4]),
        tensors: (Values, Values),
        stride: usize,
        padding: usize,
    ) -> Self {
        let dtype = tensors.0.dtype();
        let problem = Problem { pass, input: shapes.0, weight: shapes.1, stride, padding, dtype };
        Self { problem, first: tensors.0, second: tensors.1 }
    }

    fn run(self) -> Values {
        if !is_tried(&self.first) {
            return self.stock();
        }
        let algorithm = match convolution_algorithm() {
            ConvolutionAlgorithm::Fastest => self.fastest(),
            other => other,
        };
        let stock = self.clone();
        self.by(algorithm).unwrap_or_else(|| stock.stock())
    }

    /// Nothing where the algorithm does not take this problem.
    fn by(self, algorithm: ConvolutionAlgorithm) -> Option<Values> {
        match algorithm {
            ConvolutionAlgorithm::Stock | ConvolutionAlgorithm::Fastest => Some(self.stock()),
            ConvolutionAlgorithm::Product => product::run(self),
            ConvolutionAlgorithm::Implicit(algorithm, tile) => implicit::run(self, algorithm, tile),
        }
    }

    fn stock(self) -> Values {
        let Problem { pass, input, weight, stride, padding, dtype } = self.problem;
        let options = options(stride, padding);
        let device = self.first.device.clone();
        let empty = |shape: [usize; 4]| Cube::float_empty(shape.into(), &device, dtype.into());
        match pass {
            Pass::Forward => Cube::conv2d(self.first, self.second, None, options),
            Pass::InputGradient => Cube::conv2d_x_backward(empty(input), self.second, self.first, options),
            Pass::WeightGradient => Cube::conv2d_weight_backward(self.first, empty(weight), self.second, options),
        }
    }

    /// The fastest algorithm, tried once per problem and process; each candidate runs once to compile and twice to count.
    fn fastest(&self) -> ConvolutionAlgorithm {
        let mut tried = TRIED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let fastest = |tried: &Tried| tried.1.first().map_or(ConvolutionAlgorithm::Stock, |(_, algorithm)| *algorithm);
        if let Some(found) = tried.iter().find(|tried| tried.0 == self.problem) {
            return fastest(found);
        }
        let device = self.first.device.clone();
        let mut seconds_of = Vec::new();
        for algorithm in ConvolutionAlgorithm::candidates() {
            let timed = || {
                let clock = Instant::now();
                drop(self.clone().by(algorithm)?);
                Cube::sync(&device).ok()?;
                Some(clock.elapsed().as_secs_f64())
            };
            if let Some(seconds) = timed().and_then(|_| Some(timed()?.min(timed()?))) {
                seconds_of.push((seconds, algorithm));
            }
        }
        seconds_of.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        let found = (self.problem.clone(), seconds_of);
        // At once: trying all shapes of a network takes minutes, most of it to compile kernels, and may be cut short.
        eprintln!("{}", trial(&found));
        let algorithm = fastest(&found);
        tried.push(found);
        algorithm
    }
}

/// A problem, and what each algorithm that takes it needs, the fastest first.
type Tried = (Problem, Vec<(f64, ConvolutionAlgorithm)>);

static TRIED: Mutex<Vec<Tried>> = Mutex::new(Vec::new());

/// One line: the pass, its shapes, and the rate of each algorithm in TFLOP/s, the fastest first.
fn trial((problem, seconds): &Tried) -> String {
    let Problem { pass, input, weight, stride, padding, dtype } = problem;
    let side = |length: usize| ((length + 2 * padding - weight[2]) / stride + 1) as f64;
    let window: usize = weight.iter().product();
    let operations = 2.0 * window as f64 * input[0] as f64 * side(input[2]) * side(input[3]);
    let rate =
        |(seconds, algorithm): &(f64, ConvolutionAlgorithm)| format!("{algorithm} {:.1}", operations / seconds / 1e12);
    let rates: Vec<String> = seconds.iter().map(rate).collect();
    format!("{pass:?} of {input:?} by {weight:?}, stride {stride}, {dtype:?}: {} TFLOP/s", rates.join(", "))
}

impl Kernels for Cube {
    fn kernel_matmul(lhs: Values, rhs: Values) -> Values {
        matmul::run(lhs.clone(), rhs.clone()).unwrap_or_else(|| Self::float_matmul(lhs, rhs))
    }

    fn kernel_conv2d(input: Values, weight: Values, stride: usize, padding: usize) -> Values {
        let shapes = (input.shape().dims(), weight.shape().dims());
        Work::new(Pass::Forward, shapes, (input, weight), stride, padding).run()
    }

    fn kernel_conv2d_input_gradient(
        input: Values,
        weight: Values,
        gradient: Values,
        stride: usize,
        padding: usize,
    ) -> Values {
        let shapes = (input.shape().dims(), weight.shape().dims());
        Work::new(Pass::InputGradient, shapes, (gradient, weight), stride, padding).run()
    }

    fn kernel_conv2d_weight_gradient(
        input: Values,
        weight: Values,
        gradient: Values,
        stride: usize,
        padding: usize,
    ) -> Values {
        let shapes = (input.shape().dims(), weight.shape().dims());
        Work::new(Pass::WeightGradient, shapes, (input, gradient), stride, padding).run()
    }

    fn kernel_batch_norm(
        input: Values,
        weight: Values,
        bias: Values,
        epsilon: f64,
        gate: Gate,
    ) -> (Values, Values, Values) {
        if gate == Gate::Relu6 || !batch_norm::takes(&[&input], &[&weight, &bias]) {
            return stock_batch_norm::<Self>(input, weight, bias, None, epsilon, gate);
        }
        let (mean, variance) = batch_norm::batch_statistics(input.clone());
        let by = Channels { weight, bias, mean: mean.clone(), variance: variance.clone() };
        (batch_norm::apply(input, by, None, epsilon, gate == Gate::Relu), mean, variance)
    }

    fn kernel_batch_norm_residual(
        input: Values,
        weight: Values,
        bias: Values,
        residual: Values,
        epsilon: f64,
    ) -> (Values, Values, Values) {
        if !batch_norm::takes(&[&input, &residual], &[&weight, &bias]) {
            return stock_batch_norm::<Self>(input, weight, bias, Some(residual), epsilon, Gate::Relu);
        }
        let (mean, variance) = batch_norm::batch_statistics(input.clone());
        let by = Channels { weight, bias, mean: mean.clone(), variance: variance.clone() };
        (batch_norm::apply(input, by, Some(residual), epsilon, true), mean, variance)
    }

    fn kernel_batch_norm_gradients(
        input: Values,
        weight: Values,
        bias: Values,
        mean: Values,
        variance: Values,
        gradient: Values,
        epsilon: f64,
        gate: Gate,
    ) -> (Values, Values, Values) {
        if gate == Gate::Relu6 || !batch_norm::takes(&[&input, &gradient], &[&weight, &bias, &mean, &variance]) {
            return stock_batch_norm_gradients::<Self>(input, weight, bias, mean, variance, gradient, epsilon, gate);
        }
        batch_norm::gradients(input, Channels { weight, bias, mean, variance }, gradient, epsilon, gate == Gate::Relu)
    }

    fn kernel_relu_gradient(output: Values, gradient: Values) -> Values {
        if !batch_norm::takes(&[&output, &gradient], &[]) {
            return Self::relu_backward(output, gradient);
        }
        batch_norm::relu_gradient(output, gradient)
    }

    fn kernel_batch_norm_inference(
        input: Values,
        weight: Values,
        bias: Values,
        mean: Values,
        variance: Values,
        epsilon: f64,
        gate: Gate,
    ) -> Values {
        if gate == Gate::Relu6 || !batch_norm::takes(&[&input], &[&weight, &bias, &mean, &variance]) {
            return stock_batch_norm_inference::<Self>([input, weight, bias, mean, variance], None, epsilon, gate);
        }
        batch_norm::apply(input, Channels { weight, bias, mean, variance }, None, epsilon, gate == Gate::Relu)
    }

    fn kernel_batch_norm_residual_inference(
        input: Values,
        weight: Values,
        bias: Values,
        mean: Values,
        variance: Values,
        residual: Values,
        epsilon: f64,
    ) -> Values {
        if !batch_norm::takes(&[&input, &residual], &[&weight, &bias, &mean, &variance]) {
            let tensors = [input, weight, bias, mean, variance];
            return stock_batch_norm_inference::<Self>(tensors, Some(residual), epsilon, Gate::Relu);
        }
        batch_norm::apply(input, Channels { weight, bias, mean, variance }, Some(residual), epsilon, true)
    }

    fn kernel_running_statistics(
        mean: Values,
        variance: Values,
        batch_mean: Values,
        batch_variance: Values,
        momentum: f64,
        unbiased: f64,
    ) -> (Values, Values) {
        let tensors = [mean, variance, batch_mean, batch_variance];
        if !is_tried(&tensors[0]) || tensors.iter().any(|tensor| tensor.dtype() != DType::F32) {
            return stock_running_statistics::<Self>(tensors, momentum, unbiased);
        }
        batch_norm::running_statistics(tensors, momentum, unbiased)
    }

    fn kernel_follow(rows: Values, samples: Values, labels: Vec<usize>, momentum: f64) -> Values {
        if !follow::takes(&rows, &samples, &labels) {
            return stock_follow::<Self>(rows, samples, labels, momentum);
        }
        follow::run(rows, samples, &labels, momentum)
    }

    fn kernel_adam(
        parameters: Values,
        gradient: Values,
        moment1: Values,
        moment2: Values,
        rule: AdamRule,
    ) -> (Values, Values, Values) {
        if !adam::takes(&[&parameters, &gradient, &moment1, &moment2]) {
            return stock_adam::<Self>(parameters, gradient, moment1, moment2, rule);
        }
        adam::run([parameters, gradient, moment1, moment2], rule)
    }
}
