//! Batch norm over parts of a batch, each normalised on its own.

use burn::config::Config;
use burn::module::{Flag, Initializer, Module, ModuleMapper, Param, RunningState};
use burn::tensor::{Device, Tensor};
use vireid_kernels::{Tail, batch_norm_inference, batch_norm_train, running_statistics};
use vireid_onnx::{Graph, Value};

use crate::parameters::host;

/// Consecutive parts of a batch that are normalised on their own, as the devices of replicated training do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchGroups(Vec<usize>);

impl BatchGroups {
    /// One group: the whole batch is normalised together.
    pub fn whole(batch: usize) -> Self {
        Self(vec![batch])
    }

    /// At most `groups` parts of equal size, the last one shorter where it does not divide: PyTorch's `chunk`.
    pub fn chunks(batch: usize, groups: usize) -> Self {
        let size = batch.div_ceil(groups.max(1)).max(1);
        Self((0..batch).step_by(size).map(|start| size.min(batch - start)).collect())
    }

    /// [`chunks`](Self::chunks) of two batches that go together, as many of one as of the other: at most `groups`.
    pub fn paired(visible: usize, infrared: usize, groups: usize) -> (Self, Self) {
        let mut count = groups;
        while count > 1 {
            let (of_visible, of_infrared) = (Self::chunks(visible, count), Self::chunks(infrared, count));
            let (v, i) = (of_visible.0.len(), of_infrared.0.len());
            if v == i {
                return (of_visible, of_infrared);
            }
            count = v.min(i);
        }
        (Self::whole(visible), Self::whole(infrared))
    }

    /// Groups of the given sizes, which have to sum to the batch.
    pub fn of_sizes(sizes: Vec<usize>) -> Self {
        Self(sizes)
    }

    /// How many samples each group has, in batch order.
    pub fn sizes(&self) -> &[usize] {
        &self.0
    }
}

/// Configuration of a [`GroupedBatchNorm`].
#[derive(Config, Debug)]
pub struct GroupedBatchNormConfig {
    /// Number of channels: dimension 1 of the input.
    pub channels: usize,
    /// Weight of the new batch in the running statistics, from 0 to 1; 0.1 by default.
    #[config(default = 0.1)]
    pub momentum: f64,
    /// Added to the variance before the root; 1e-5 by default.
    #[config(default = 1e-5)]
    pub epsilon: f64,
}

/// Batch normalisation over parts of the batch, with PyTorch's running statistics.
///
/// Two differences from Burn's own: the running variance takes the unbiased estimate, as PyTorch's does; and a batch
/// may be normalised in groups, of which only the first feeds the running statistics, as under PyTorch's `DataParallel`.
#[derive(Module, Debug)]
pub struct GroupedBatchNorm {
    /// Scale of the normalised values, `[channels]`.
    pub weight: Param<Tensor<1>>,
    /// Added to the scaled values, `[channels]`.
    pub bias: Param<Tensor<1>>,
    /// Running mean, `[channels]`, which inference normalises by.
    pub running_mean: RunningState<Tensor<1>>,
    /// Running variance (unbiased), `[channels]`, which inference normalises by.
    pub running_var: RunningState<Tensor<1>>,
    batch_statistics: Param<Flag>,
    momentum: f64,
    epsilon: f64,
}

impl GroupedBatchNormConfig {
    /// Builds the layer: weight 1, bias 0, mean 0, variance 1. It normalises by the batch on an autodiff device, by the
    /// running statistics elsewhere.
    pub fn init(&self, device: &Device) -> GroupedBatchNorm {
        GroupedBatchNorm {
            weight: Initializer::Ones.init([self.channels], device),
            bias: Initializer::Zeros.init([self.channels], device),
            running_mean: RunningState::new(Tensor::zeros([self.channels], device)),
            running_var: RunningState::new(Tensor::ones([self.channels], device)),
            batch_statistics: Param::from_bool(device.is_autodiff()),
            momentum: self.momentum,
            epsilon: self.epsilon,
        }
    }
}

impl GroupedBatchNorm {
    /// Normalises by the batch's statistics, group by group; by the running ones after
    /// [`Module::valid`](burn::module::Module::valid), unless [`with_batch_statistics`] came after it.
    ///
    /// # Shapes
    ///
    /// - `input`, output: `[batch, channels, ...]`, where the sizes of `groups` sum to `batch`
    pub fn forward<const D: usize>(&self, input: Tensor<D>, groups: &BatchGroups) -> Tensor<D> {
        self.forward_then(input, Tail::Nothing, groups)
    }

    /// As [`forward`](Self::forward), followed by `tail`; the CPU does both in one pass over memory.
    ///
    /// # Shapes
    ///
    /// - as [`forward`](Self::forward); a residual `tail` has the shape of `input`
    pub fn forward_then<const D: usize>(&self, input: Tensor<D>, tail: Tail<D>, groups: &BatchGroups) -> Tensor<D> {
        if !self.batch_statistics.is_enabled() {
            let (mean, variance) = (self.running_mean.value(), self.running_var.value());
            return batch_norm_inference(input, self.weight.val(), self.bias.val(), mean, variance, self.epsilon, tail);
        }
        if let [_] = groups.sizes() {
            return self.normalize_group(input, tail, true);
        }
        let mut start = 0;
        let mut parts = Vec::with_capacity(groups.sizes().len());
        for &size in groups.sizes() {
            let part = |tensor: &Tensor<D>| tensor.clone().narrow(0, start, size);
            let tail = match &tail {
                Tail::Residual(shortcut) => Tail::Residual(part(shortcut)),
                other => other.clone(),
            };
            parts.push(self.normalize_group(part(&input), tail, start == 0));
            start += size;
        }
        Tensor::cat(parts, 0)
    }

    /// Inference as a node of a graph, for values of 3 or 4 axes.
    pub(crate) fn draw(&self, graph: &mut Graph, input: &Value) -> Value {
        let [weight, bias, mean, variance] = self.on_host();
        let shape = [weight.len()];
        let weight = graph.weights("weight", &shape, &weight);
        let bias = graph.weights("bias", &shape, &bias);
        let mean = graph.weights("running_mean", &shape, &mean);
        let variance = graph.weights("running_var", &shape, &variance);
        graph.batch_norm(input, [&weight, &bias, &mean, &variance], self.epsilon as f32)
    }

    /// Inference on `[batch, channels]` as a product and a sum: not every runtime takes the operator without an image.
    pub(crate) fn draw_rows(&self, graph: &mut Graph, rows: &Value) -> Value {
        let [weight, bias, mean, variance] = self.on_host().map(|values| values.into_iter().map(f64::from));
        let factors: Vec<f64> = weight.zip(variance).map(|(weight, v)| weight / (v + self.epsilon).sqrt()).collect();
        let shifts: Vec<f32> =
            bias.zip(mean).zip(&factors).map(|((bias, mean), factor)| (bias - mean * factor) as f32).collect();
        let factors: Vec<f32> = factors.into_iter().map(|factor| factor as f32).collect();
        let factors = graph.weights("factor", &[factors.len()], &factors);
        let shifts = graph.weights("shift", &[shifts.len()], &shifts);
        let scaled = graph.mul(rows, &factors);
        graph.add(&scaled, &shifts)
    }

    fn on_host(&self) -> [Vec<f32>; 4] {
        [self.weight.val(), self.bias.val(), self.running_mean.value(), self.running_var.value()].map(host)
    }

    fn normalize_group<const D: usize>(&self, input: Tensor<D>, tail: Tail<D>, feeds_statistics: bool) -> Tensor<D> {
        let dims = input.dims();
        let result = batch_norm_train(input, self.weight.val(), self.bias.val(), self.epsilon, tail);
        if feeds_statistics {
            let count: usize = dims.iter().product::<usize>() / dims[1];
            let unbiased = count as f64 / (count.max(2) - 1) as f64;
            self.move_statistics([result.mean, result.variance], unbiased);
        }
        result.output
    }

    fn move_statistics(&self, of_batch: [Tensor<1>; 2], unbiased: f64) {
        let states = [&self.running_mean, &self.running_var];
        let old = states.map(RunningState::value_sync);
        let is_tracked = old[0].is_autodiff();
        let (old, of_batch) = (old.map(plain), of_batch.map(plain));
        let device = old[0].device();
        let of_batch = of_batch.map(|value| value.to_device(&device));
        let new = running_statistics(old, of_batch, self.momentum, unbiased);
        for (state, value) in states.into_iter().zip(new) {
            state.update(if is_tracked { Tensor::from_inner(value) } else { value });
        }
    }
}

/// The same off the autodiff device.
fn plain(tensor: Tensor<1>) -> Tensor<1> {
    if tensor.is_autodiff() { tensor.inner() } else { tensor }
}

/// Lets the batch norms of a module for inference normalise by the batch, and move their running statistics, as in
/// training: a training pass that keeps no gradient graph.
pub fn with_batch_statistics<M: Module>(module: M) -> M {
    module.map(&mut Enable)
}

struct Enable;

impl ModuleMapper for Enable {
    fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
        flag.with_value(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vireid_compare::assert_close;

    #[test]
    fn chunks_are_pytorchs() {
        assert_eq!(BatchGroups::chunks(10, 4).sizes(), [3, 3, 3, 1]);
        assert_eq!(BatchGroups::chunks(12, 3).sizes(), [4, 4, 4]);
        assert_eq!(BatchGroups::chunks(2, 4).sizes(), [1, 1]);
        assert!(BatchGroups::chunks(0, 4).sizes().is_empty());
    }

    /// Six visible images make three chunks of four asked for; eight infrared ones must make three as well.
    #[test]
    fn paired_chunks_lose_no_image() {
        for (visible, infrared, groups) in [(6, 8, 4), (12, 8, 4), (10, 3, 8), (1, 9, 2), (0, 3, 2), (7, 7, 1)] {
            let (v, i) = BatchGroups::paired(visible, infrared, groups);
            assert_eq!(v.sizes().len(), i.sizes().len());
            assert_eq!((v.sizes().iter().sum::<usize>(), i.sizes().iter().sum::<usize>()), (visible, infrared));
        }
        assert_eq!(BatchGroups::paired(6, 8, 4).1.sizes(), [3, 3, 2]);
    }

    fn read<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.into_data().try_to_vec().unwrap()
    }

    /// Worked by hand: the running variance takes the unbiased estimate.
    #[test]
    fn running_statistics() {
        let device = Device::default().autodiff();
        let norm = GroupedBatchNormConfig::new(2).init(&device);
        let input = Tensor::<2>::from_floats([[1.0, -2.0], [3.0, 0.0], [5.0, 4.0]], &device);
        let output = norm.forward(input, &BatchGroups::whole(3));
        let expected = [[-1.224_742_6, -1.069_045], [0.0, -0.267_261_24], [1.224_742_6, 1.336_306]];
        assert_close(&read(output), &expected.concat(), 1e-4);
        assert_close(&read(norm.running_mean.value_sync()), &[0.3, 0.066_666_67], 1e-4);
        assert_close(&read(norm.running_var.value_sync()), &[1.3, 1.833_333_3], 1e-4);
    }

    /// Without a gradient graph the statistics move as they do with one.
    #[test]
    fn batch_statistics_without_gradients() {
        let input = [[1.0, -2.0], [3.0, 0.0], [5.0, 4.0]];
        let device = Device::default();
        let groups = BatchGroups::whole(3);
        let trained = GroupedBatchNormConfig::new(2).init(&device.clone().autodiff());
        let shadow = with_batch_statistics(trained.valid());
        let expected = trained.forward(Tensor::<2>::from_floats(input, &device.clone().autodiff()), &groups);
        let got = shadow.forward(Tensor::<2>::from_floats(input, &device), &groups);
        got.into_data().assert_eq(&expected.inner().into_data(), true);
        let mean = |norm: &GroupedBatchNorm| norm.running_mean.value_sync().into_data().convert::<f32>();
        mean(&shadow).assert_eq(&mean(&trained), true);
        assert!(!trained.valid().batch_statistics.is_enabled());
    }

    #[test]
    fn inference_uses_the_running_statistics() {
        let device = Device::default();
        let norm = GroupedBatchNormConfig::new(1).init(&device);
        let input = Tensor::<2>::from_floats([[4.0], [8.0]], &device);
        assert_close(&read(norm.forward(input, &BatchGroups::chunks(2, 2))), &[4.0, 8.0], 1e-3);
    }
}
