//! How memories follow the embeddings of a batch.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use vireid_core::Stream;
use vireid_memory::{MemoryBank, by_label};

/// How the embeddings of a batch move the memories of their clusters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpdateRule {
    /// Every sample moves its cluster's memory, in batch order; at momentum 0 the last one stays.
    Sequential,
    /// One sample of each cluster, drawn at random.
    Random,
    /// A modality drawn first, then one of its samples: for a joint memory, where one modality has more views.
    RandomModality,
    /// The mean of one sample of each modality, drawn at random.
    RandomOfEach,
    /// The mean of each cluster's samples in the batch.
    Mean,
    /// The sample of each cluster that is least similar to its memory.
    Hardest,
}

impl UpdateRule {
    /// Moves a memory once by a batch. The first `visible` rows are visible views, the others infrared ones.
    ///
    /// # Shapes
    ///
    /// - `unit`: `[batch, dim]`, rows of length 1, off the autodiff device; `labels`: `batch` rows of the memory
    pub fn apply(self, bank: &mut MemoryBank, unit: &Tensor<2>, labels: &[usize], visible: usize, stream: &mut Stream) {
        match self {
            UpdateRule::Sequential => bank.update(unit, labels),
            UpdateRule::Mean => bank.update_mean(unit, labels),
            UpdateRule::Hardest => bank.update_hardest(unit, labels),
            UpdateRule::Random | UpdateRule::RandomModality | UpdateRule::RandomOfEach => {
                let picks = self.picks(labels, visible, stream);
                bank.update_towards(unit, &picks, true);
            }
        }
    }

    /// For each label of the batch the positions of the samples that its memory moves towards.
    fn picks(self, labels: &[usize], visible: usize, stream: &mut Stream) -> Vec<(usize, Vec<usize>)> {
        let mut one = |of: &[usize]| of[stream.below(of.len())];
        let mut picked = Vec::new();
        for (label, positions) in by_label(labels) {
            let (of_visible, of_infrared): (Vec<usize>, Vec<usize>) =
                positions.iter().partition(|&&position| position < visible);
            let of_both = !of_visible.is_empty() && !of_infrared.is_empty();
            let samples = match self {
                UpdateRule::RandomModality if of_both => {
                    let side = if one(&[0, 1]) == 0 { &of_visible } else { &of_infrared };
                    vec![one(side)]
                }
                UpdateRule::RandomOfEach if of_both => vec![one(&of_visible), one(&of_infrared)],
                _ => vec![one(&positions)],
            };
            picked.push((label, samples));
        }
        picked
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;
    use vireid_compare::assert_near;
    use vireid_core::Streams;
    use vireid_memory::normalize_rows;

    const LABELS: [usize; 6] = [3, 3, 1, 3, 1, 3];

    #[test]
    fn random_draws_are_even_and_repeat() {
        let stream = || Streams::new(1).stream("update", [0; 3]);
        let (mut a, mut b) = (stream(), stream());
        let mut counts = [0usize; 6];
        for _ in 0..10_000 {
            let picks = UpdateRule::Random.picks(&LABELS, 4, &mut a);
            assert_eq!(picks, UpdateRule::Random.picks(&LABELS, 4, &mut b));
            for (label, positions) in picks {
                assert!(positions.len() == 1 && LABELS[positions[0]] == label);
                counts[positions[0]] += 1;
            }
        }
        // Chi-square with three and one degrees of freedom; the limits are passed once in a thousand seeds.
        let statistic = |positions: &[usize]| {
            let expected = 10_000.0 / positions.len() as f64;
            positions.iter().map(|&p| (counts[p] as f64 - expected).powi(2) / expected).sum::<f64>()
        };
        assert!(statistic(&[0, 1, 3, 5]) < 16.27 && statistic(&[2, 4]) < 10.83, "{counts:?}");
    }

    #[test]
    fn modalities_count_equally_where_asked() {
        let mut stream = Streams::new(1).stream("update", [0; 3]);
        let draws = 4000;
        let infrared =
            (0..draws).filter(|_| UpdateRule::RandomModality.picks(&LABELS, 4, &mut stream)[1].1[0] >= 4).count();
        assert!((0.45..0.55).contains(&(infrared as f64 / f64::from(draws))), "{infrared}");
        let each = UpdateRule::RandomOfEach.picks(&LABELS, 4, &mut stream);
        assert!(each.iter().all(|(_, positions)| positions.len() == 2 && positions[0] < 4 && positions[1] >= 4));
    }

    #[test]
    fn only_clusters_of_the_batch_move_and_keep_length_one() {
        let device = Device::default();
        let unit = |key: f32, rows: usize| {
            let values: Vec<f32> = (0..rows * 3).map(|i| (i as f32 * key).sin()).collect();
            normalize_rows(Tensor::<2>::from_data(burn::tensor::TensorData::new(values, [rows, 3]), &device))
        };
        for rule in [
            UpdateRule::Sequential,
            UpdateRule::Random,
            UpdateRule::Mean,
            UpdateRule::Hardest,
            UpdateRule::RandomOfEach,
        ] {
            let mut bank = MemoryBank::new(unit(1.3, 5), 0.1);
            let before = bank.rows().into_data().try_to_vec::<f32>().unwrap();
            rule.apply(&mut bank, &unit(0.7, 6), &LABELS, 4, &mut Streams::new(2).stream("update", [0; 3]));
            let after = bank.rows().into_data().try_to_vec::<f32>().unwrap();
            for row in 0..5 {
                let (old, new) = (&before[3 * row..3 * row + 3], &after[3 * row..3 * row + 3]);
                assert_eq!(old != new, [1, 3].contains(&row), "{rule:?} row {row}");
                assert_near(new.iter().map(|x| x * x).sum::<f32>(), 1.0, 1e-5);
            }
        }
    }
}
