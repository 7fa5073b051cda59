//! Banks of prototypes, and how they move.

use burn::tensor::{DType, Device, IndexingUpdateOp, Int, Tensor, TensorData};
use vireid_kernels::{follow, matmul};

/// One prototype per cluster, which embeddings are compared with and which move towards them. A constant for autodiff.
#[derive(Debug, Clone)]
pub struct MemoryBank {
    rows: Tensor<2>,
    momentum: f64,
}

/// Every row divided by its Euclidean length (at least 1e-12).
///
/// # Shapes
///
/// - `input`, output: `[rows, dim]`
pub fn normalize_rows(input: Tensor<2>) -> Tensor<2> {
    let norms = (input.clone() * input.clone()).sum_dim(1).sqrt().clamp_min(1e-12);
    input / norms
}

impl MemoryBank {
    /// A bank of prototypes. `momentum` is the weight of the old prototype in an update.
    ///
    /// # Shapes
    ///
    /// - `rows`: `[clusters, dim]`, off the autodiff device
    pub fn new(rows: Tensor<2>, momentum: f64) -> Self {
        Self { rows: rows.inner(), momentum }
    }

    /// The prototypes.
    ///
    /// # Shapes
    ///
    /// - output: `[clusters, dim]`
    pub fn rows(&self) -> Tensor<2> {
        self.rows.clone()
    }

    /// Inner products of embeddings with all prototypes, divided by the temperature.
    ///
    /// # Shapes
    ///
    /// - `embeddings`: `[batch, dim]`
    /// - output: `[batch, clusters]`
    pub fn logits(&self, embeddings: Tensor<2>, temperature: f64) -> Tensor<2> {
        let mut rows = self.rows();
        if embeddings.is_autodiff() {
            rows = Tensor::from_inner(rows);
        }
        matmul(embeddings, rows.transpose()).div_scalar(temperature)
    }

    /// Moves prototypes towards embeddings, one sample after the other in batch order:
    /// `m <- normalize(momentum * m + (1 - momentum) * x)` on the row of each sample's label.
    ///
    /// Cluster Contrast (Dai et al., ACCV 2022), the rule `CM`.
    ///
    /// # Shapes
    ///
    /// - `embeddings`: `[batch, dim]`, rows of length 1, off the autodiff device; `labels`: `batch` rows of the bank
    pub fn update(&mut self, embeddings: &Tensor<2>, labels: &[usize]) {
        self.rows = follow(self.rows(), embeddings.clone(), labels, self.momentum);
    }

    /// Moves each prototype that the batch touches once, towards its least similar sample (the first on ties).
    ///
    /// The rule `CM_Hard` of Cluster Contrast.
    ///
    /// # Shapes
    ///
    /// - as [`update`](Self::update)
    pub fn update_hardest(&mut self, embeddings: &Tensor<2>, labels: &[usize]) {
        if labels.is_empty() {
            return;
        }
        let mut touched: Vec<usize> = labels.to_vec();
        touched.sort_unstable();
        touched.dedup();
        let members: Vec<Vec<usize>> =
            touched.iter().map(|row| (0..labels.len()).filter(|&sample| labels[sample] == *row).collect()).collect();
        let width = members.iter().map(Vec::len).max().unwrap_or(0);
        // Short lists repeat their last sample: a repetition never is an earlier minimum.
        let padded: Vec<usize> =
            members.iter().flat_map(|list| (0..width).map(|position| list[position.min(list.len() - 1)])).collect();
        let own_rows = self.rows().select(0, self.index(labels));
        let similarity: Tensor<1> = (embeddings.clone() * own_rows).sum_dim(1).squeeze_dim(1);
        let candidates = self.index(&padded);
        let table: Tensor<2> = similarity.select(0, candidates.clone()).reshape([touched.len(), width]);
        let column = table.argmin(1);
        let table: Tensor<2, Int> = candidates.reshape([touched.len(), width]);
        let hardest: Tensor<1, Int> = table.gather(1, column).squeeze_dim(1);
        self.move_rows(&touched, embeddings.clone().select(0, hardest));
    }

    /// Moves each prototype that the batch touches once, towards the mean of its samples.
    ///
    /// # Shapes
    ///
    /// - as [`update`](Self::update)
    pub fn update_mean(&mut self, embeddings: &Tensor<2>, labels: &[usize]) {
        let groups: Vec<(usize, Vec<usize>)> = by_label(labels);
        self.update_towards(embeddings, &groups, false);
    }

    /// Moves some prototypes once each: row `groups[i].0` towards the mean of the embeddings at `groups[i].1`, scaled to
    /// length 1 where `normalize`.
    ///
    /// # Shapes
    ///
    /// - `embeddings`: `[batch, dim]`, rows of length 1, off the autodiff device; rows in `groups` distinct
    pub fn update_towards(&mut self, embeddings: &Tensor<2>, groups: &[(usize, Vec<usize>)], normalize: bool) {
        if groups.is_empty() {
            return;
        }
        let batch = embeddings.dims()[0];
        let mut weights = vec![0.0f32; groups.len() * batch];
        for (row, (_, members)) in groups.iter().enumerate() {
            members.iter().for_each(|member| weights[row * batch + member] += 1.0 / members.len() as f32);
        }
        let weights = Tensor::<2>::from_data(TensorData::new(weights, [groups.len(), batch]), &self.rows.device());
        let mean = matmul(weights, embeddings.clone());
        let rows: Vec<usize> = groups.iter().map(|(row, _)| *row).collect();
        self.move_rows(&rows, if normalize { normalize_rows(mean) } else { mean });
    }

    /// Mixes some distinct prototypes with others: `m <- keep * m + (1 - keep) * other`, scaled to length 1 where
    /// `normalize`.
    ///
    /// # Shapes
    ///
    /// - `others`: `[rows.len(), dim]`
    pub fn blend(&mut self, rows: &[usize], others: Tensor<2>, keep: f64, normalize: bool) {
        if rows.is_empty() {
            return;
        }
        let index = self.index(rows);
        let old = self.rows().select(0, index.clone());
        let mixed = old.clone().mul_scalar(keep) + others.mul_scalar(1.0 - keep);
        let new = if normalize { normalize_rows(mixed) } else { mixed };
        self.rows = self.rows().select_assign(0, index, new - old, IndexingUpdateOp::Add);
    }

    /// One update of distinct rows.
    fn move_rows(&mut self, rows: &[usize], towards: Tensor<2>) {
        let index = self.index(rows);
        let old = self.rows().select(0, index.clone());
        let moved = old.clone().mul_scalar(self.momentum) + towards.mul_scalar(1.0 - self.momentum);
        let norms = (moved.clone() * moved.clone()).sum_dim(1).sqrt();
        self.rows = self.rows().select_assign(0, index, moved / norms - old, IndexingUpdateOp::Add);
    }

    fn index(&self, positions: &[usize]) -> Tensor<1, Int> {
        index_tensor(positions, &self.rows.device())
    }
}

fn index_tensor(positions: &[usize], device: &Device) -> Tensor<1, Int> {
    let values: Vec<i32> = positions.iter().map(|&position| position as i32).collect();
    Tensor::from_data(TensorData::new(values, [positions.len()]), (device, DType::I32))
}

/// The positions of each label, labels in ascending order: the `groups` of [`MemoryBank::update_towards`].
pub fn by_label(labels: &[usize]) -> Vec<(usize, Vec<usize>)> {
    let mut groups = std::collections::BTreeMap::<usize, Vec<usize>>::new();
    labels.iter().enumerate().for_each(|(position, &label)| groups.entry(label).or_default().push(position));
    groups.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bank(momentum: f64) -> MemoryBank {
        MemoryBank::new(Tensor::from_floats([[1.0, 0.0], [0.0, 1.0]], &Device::default()), momentum)
    }

    fn check(bank: &MemoryBank, expected: [[f32; 2]; 2]) {
        vireid_compare::assert_close(&bank.rows().into_data().try_to_vec::<f32>().unwrap(), &expected.concat(), 1e-6);
    }

    /// Worked by hand.
    #[test]
    fn sequential_update() {
        let mut bank = bank(0.1);
        let x = Tensor::from_floats([[0.6, 0.8], [0.0, 1.0], [1.0, 0.0], [-0.8, 0.6]], &Device::default());
        bank.update(&x, &[0, 0, 1, 1]);
        check(&bank, [[0.068_000_23, 0.997_685_3], [-0.747_775_14, 0.663_952_1]]);
    }

    /// Against an independent implementation.
    #[test]
    fn towards_means_and_picks() {
        let x = Tensor::from_floats(
            [[0.6, 0.8], [0.8, 0.6], [0.5f32.sqrt(), 0.5f32.sqrt()], [0.0, 1.0]],
            &Device::default(),
        );
        let labels = [0, 0, 1, 0];
        let mut means = bank(0.1);
        means.update_mean(&x, &labels);
        check(&means, [[0.585_490_5, 0.810_679_2], [0.653_865_6, 0.756_610_7]]);
        let picks = [(0, vec![1]), (1, vec![2])];
        for (momentum, expected) in [
            (0.0, [[0.8, 0.6], [0.5f32.sqrt(), 0.5f32.sqrt()]]),
            (0.1, [[0.835_170_9, 0.549_990_6], [0.653_865_6, 0.756_610_7]]),
        ] {
            let mut picked = bank(momentum);
            picked.update_towards(&x, &picks, true);
            check(&picked, expected);
        }
        let mut sequence = bank(0.9);
        sequence.update(&x, &labels);
        check(&sequence, [[0.970_121_6, 0.242_619], [0.072_651_7, 0.997_357_4]]);
    }

    #[test]
    fn blending_keeps_what_is_not_named() {
        let mut mixed = bank(0.5);
        mixed.blend(&[1], Tensor::from_floats([[1.0, 0.0]], &Device::default()), 0.1, false);
        check(&mixed, [[1.0, 0.0], [0.9, 0.1]]);
        mixed.blend(&[1], Tensor::from_floats([[0.9, 0.1]], &Device::default()), 0.5, true);
        check(&mixed, [[1.0, 0.0], [0.993_883_7, 0.110_431_5]]);
        mixed.blend(&[], Tensor::zeros([0, 2], &Device::default()), 0.5, true);
    }

    #[test]
    fn without_momentum_the_last_sample_stays() {
        let mut bank = bank(0.0);
        let x = Tensor::from_floats([[0.6, 0.8], [0.8, 0.6]], &Device::default());
        bank.update(&x, &[0, 0]);
        check(&bank, [[0.8, 0.6], [0.0, 1.0]]);
    }

    #[test]
    fn the_hardest_sample_is_the_least_similar_and_the_first_on_ties() {
        let mut bank = bank(0.0);
        let x = Tensor::from_floats([[0.8, 0.6], [0.6, 0.8], [0.6, -0.8]], &Device::default());
        bank.update_hardest(&x, &[0, 0, 0]);
        check(&bank, [[0.6, 0.8], [0.0, 1.0]]);
        bank.update_hardest(&x, &[]);
    }
}
