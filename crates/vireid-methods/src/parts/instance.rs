//! Contrast between the instances of a batch.

use burn::tensor::Tensor;
use burn::tensor::activation::softmax;
use serde::{Deserialize, Serialize};
use vireid_losses::{contrast_among, pairwise_distances, supervised_contrast};
use vireid_memory::normalize_rows;

/// Which images an instance-level loss compares the images of a batch with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstanceLoss {
    /// The other images of the batch; those of the same label are positives.
    Batch,
    /// As `Batch`, but in joint steps only images of the other modality are positives.
    CrossModality,
    /// AGW's triplet loss within the batch, weighted by softmaxes over the distances. It has no temperature.
    Triplet,
    /// All training images, each as it was last seen.
    Memory,
    /// All training images, each as it was last seen since the stage began, by classes: an image's own entry counts for
    /// it, and an image without a label is its own class.
    LastingMemory,
    /// A second memory that holds, for each cluster, one of its instances.
    SecondMemory,
}

impl InstanceLoss {
    /// Whether its memory outlives an epoch, to the end of the stage.
    pub fn lasts(self) -> bool {
        self == InstanceLoss::LastingMemory
    }

    /// The loss within a batch whose first `visible` rows are visible views, the others infrared ones. The losses with
    /// a memory are [`InstanceMemory`](super::instance_memory::InstanceMemory)'s; here they are computed as `Batch`.
    ///
    /// # Shapes
    ///
    /// - `embeddings`: `[batch, dim]` with as many `labels`, not normalised
    /// - output: `[1]`
    pub fn of(self, embeddings: Tensor<2>, labels: &[usize], visible: usize, temperature: f64) -> Tensor<1> {
        let unit = normalize_rows(embeddings);
        let is_joint = visible > 0 && visible < labels.len();
        match self {
            InstanceLoss::CrossModality if is_joint => {
                contrast_among(unit, labels, temperature, |i, j| (i < visible) != (j < visible))
            }
            InstanceLoss::Batch
            | InstanceLoss::CrossModality
            | InstanceLoss::Memory
            | InstanceLoss::LastingMemory
            | InstanceLoss::SecondMemory => supervised_contrast(unit, labels, temperature),
            InstanceLoss::Triplet => weighted_triplet(unit, labels),
        }
    }
}

/// `mean softplus(sum_p w_p d_p - sum_n w_n d_n)` with `w` the softmax of the distances of an anchor's positives and of
/// the negated distances of its negatives (AGW, Ye et al., 2021); over anchors that have both.
fn weighted_triplet(unit: Tensor<2>, labels: &[usize]) -> Tensor<1> {
    let (count, device) = (labels.len(), unit.device());
    let distances = pairwise_distances(unit.clone());
    let (mut positive, mut negative) = (vec![-1e9f32; count * count], vec![-1e9f32; count * count]);
    let mut anchors = vec![0.0f32; count];
    for i in 0..count {
        let (mut has_positive, mut has_negative) = (false, false);
        for j in (0..count).filter(|&j| j != i) {
            let same = labels[i] == labels[j];
            (if same { &mut positive } else { &mut negative })[i * count + j] = 0.0;
            has_positive |= same;
            has_negative |= !same;
        }
        anchors[i] = f32::from(u8::from(has_positive && has_negative));
    }
    let usable = anchors.iter().sum::<f32>();
    if usable == 0.0 {
        return unit.sum().mul_scalar(0.0);
    }
    let table =
        |values: Vec<f32>| Tensor::<2>::from_data(burn::tensor::TensorData::new(values, [count, count]), &device);
    let far = (softmax(distances.clone() + table(positive), 1) * distances.clone()).sum_dim(1);
    let near = (softmax(distances.clone().neg() + table(negative), 1) * distances).sum_dim(1);
    let share: Vec<f32> = anchors.iter().map(|anchor| anchor / usable).collect();
    let share = Tensor::<2>::from_data(burn::tensor::TensorData::new(share, [count, 1]), &device);
    let difference = far - near;
    // softplus(x) = max(x, 0) + ln(1 + exp(-|x|))
    let softplus = difference.clone().clamp_min(0.0) + difference.abs().neg().exp().add_scalar(1.0).log();
    (softplus * share).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;
    use vireid_compare::{assert_close, assert_near};

    /// Against an independent implementation; the last sample has no positive.
    #[test]
    fn in_the_batch() {
        let case: serde_json::Value = serde_json::from_str(include_str!("../../tests/cases/instance.json")).unwrap();
        let rows: Vec<Vec<f32>> = serde_json::from_value(case["X"].clone()).unwrap();
        let labels: Vec<usize> = serde_json::from_value(case["y"].clone()).unwrap();
        let data = burn::tensor::TensorData::new(rows.concat(), [rows.len(), 2]);
        let x = Tensor::<2>::from_data(data, &Device::default());
        let loss = f64::from(InstanceLoss::Batch.of(x, &labels, 0, 0.05).into_scalar::<f32>());
        assert_near(loss, case["loss"].as_f64().unwrap(), 1e-5);
    }

    /// Against the formula written out pair by pair in double precision: two and three positives of unequal distances, and
    /// anchors that have none and do not count.
    #[test]
    fn weighted_triplets() {
        let x = Tensor::<2>::from_floats(
            [[1.0, 0.0], [0.6, 0.8], [-1.0, 0.0], [0.0, 1.0], [0.8, -0.6]],
            &Device::default(),
        );
        let of = |labels: [usize; 5]| InstanceLoss::Triplet.of(x.clone(), &labels, 2, 0.05).into_scalar::<f32>();
        let got = [of([0, 0, 1, 1, 1]), of([0, 1, 0, 1, 0]), of([0, 0, 0, 1, 2]), of([0, 1, 2, 3, 4])];
        assert_close(&got, &[0.857_645_80, 0.693_702_73, 1.044_413_78, 0.0], 1e-6);
    }
}
