//! InfoNCE with several positives.

use burn::tensor::Tensor;
use burn::tensor::activation::{log_softmax, softplus};
use serde::{Deserialize, Serialize};

/// How InfoNCE goes on where a row has several positives. With one positive each of them is the plain cross entropy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Positives {
    /// The mean over positives of `-log softmax`: positives compete with one another in the denominator (as in supervised
    /// contrast, Khosla et al., NeurIPS 2020, eq. 2).
    MeanOfLogs,
    /// `-log` of the sum of the positives' softmax: one near positive is enough.
    LogOfSum,
    /// The mean over positives of `-log(exp(p) / (exp(p) + sum over negatives of exp(n)))`: the other positives are in no
    /// denominator.
    EachAlone,
}

/// A logit that counts for nothing.
const NOTHING: f64 = -1e9;

/// Multi-positive InfoNCE: the mean over the batch of what [`Positives`] makes of a row's logits.
///
/// # Shapes
///
/// - `logits`: `[batch, classes]`
/// - `positives`: `[batch, classes]`, 1 for a row's positives, at least one of them, and 0 for all others
/// - output: `[1]`
pub fn multi_positive_nce(logits: Tensor<2>, positives: Tensor<2>, reading: Positives) -> Tensor<1> {
    let counts = positives.clone().sum_dim(1);
    let of_rows = match reading {
        Positives::MeanOfLogs => (log_softmax(logits, 1) * positives).sum_dim(1).neg() / counts,
        Positives::LogOfSum => log_sum_exp(log_softmax(logits, 1) + left_out(positives)).neg(),
        Positives::EachAlone => {
            let negatives = log_sum_exp(logits.clone() + left_out(positives.clone().neg().add_scalar(1.0)));
            (softplus(negatives - logits, 1.0) * positives).sum_dim(1) / counts
        }
    };
    of_rows.mean()
}

/// 0 where `kept` is 1, and what makes a logit nothing where it is 0.
fn left_out(kept: Tensor<2>) -> Tensor<2> {
    kept.sub_scalar(1.0).mul_scalar(-NOTHING)
}

fn log_sum_exp(logits: Tensor<2>) -> Tensor<2> {
    let largest = logits.clone().detach().max_dim(1);
    (logits - largest.clone()).exp().sum_dim(1).log() + largest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cross_entropy, label_tensor};
    use burn::tensor::{Device, TensorData};
    use vireid_compare::{assert_close, assert_near};

    const READINGS: [Positives; 3] = [Positives::MeanOfLogs, Positives::LogOfSum, Positives::EachAlone];

    fn rows(values: &[f32], width: usize, device: &Device) -> Tensor<2> {
        Tensor::from_data(TensorData::new(values.to_vec(), [values.len() / width, width]), device)
    }

    /// Logits ln 1, ln 2, ln 3, ln 4 with the second and the last for positives.
    #[test]
    fn worked_values() {
        let device = Device::default();
        let logits = || rows(&[1f32, 2.0, 3.0, 4.0].map(f32::ln), 4, &device);
        let positives = || rows(&[0.0, 1.0, 0.0, 1.0], 4, &device);
        let expected = [-(0.2f32.ln() + 0.4f32.ln()) / 2.0, -0.6f32.ln(), (3f32.ln() + 2f32.ln()) / 2.0];
        for (reading, expected) in READINGS.into_iter().zip(expected) {
            assert_near(multi_positive_nce(logits(), positives(), reading).into_scalar::<f32>(), expected, 1e-6);
        }
    }

    /// At a temperature of 0.05 logits reach 20; and rows whose positives are all there is have nothing to lose but to one
    /// another.
    #[test]
    fn one_positive_is_the_cross_entropy_and_no_negative_costs_nothing() {
        let device = Device::default().autodiff();
        let values: Vec<f32> = (0..15).map(|i| 20.0 * (i as f32 * 0.7).sin()).collect();
        let labels = [2usize, 0, 4];
        let one_hot: Vec<f32> = (0..15).map(|i| f32::from(u8::from(labels[i / 5] == i % 5))).collect();
        let gradient = |loss: Tensor<1>, logits: &Tensor<2>| {
            let read = logits.grad(&loss.backward()).unwrap().into_data();
            read.try_to_vec::<f32>().unwrap()
        };
        let logits = rows(&values, 5, &device).require_grad();
        let plain = cross_entropy(logits.clone(), label_tensor(&labels, &device));
        let expected = (plain.clone().into_scalar::<f32>(), gradient(plain, &logits));
        for reading in READINGS {
            let logits = rows(&values, 5, &device).require_grad();
            let loss = multi_positive_nce(logits.clone(), rows(&one_hot, 5, &device), reading);
            assert_near(loss.clone().into_scalar::<f32>(), expected.0, 1e-5);
            assert_close(&gradient(loss, &logits), &expected.1, 1e-5);
            let all = multi_positive_nce(rows(&values, 5, &device), rows(&[1.0; 15], 5, &device), reading);
            let is_nothing = all.into_scalar::<f32>().abs() < 1e-6;
            assert_eq!(is_nothing, reading != Positives::MeanOfLogs, "{reading:?}");
        }
    }

    /// Against differences of the loss itself.
    #[test]
    fn gradients() {
        let (plain, device) = (Device::default(), Device::default().autodiff());
        let values: Vec<f32> = (0..12).map(|i| 2.0 * (i as f32 * 1.3).sin()).collect();
        let marks: Vec<f32> = [1, 0, 1, 0, 0, 1, 0, 0, 1, 1, 1, 0].map(|mark| mark as f32).to_vec();
        for reading in READINGS {
            let logits = rows(&values, 4, &device).require_grad();
            let loss = multi_positive_nce(logits.clone(), rows(&marks, 4, &device), reading);
            let got = logits.grad(&loss.backward()).unwrap().into_data().try_to_vec::<f32>().unwrap();
            let at = |moved: usize, by: f32| {
                let mut values = values.clone();
                values[moved] += by;
                let loss = multi_positive_nce(rows(&values, 4, &plain), rows(&marks, 4, &plain), reading);
                loss.into_scalar::<f32>()
            };
            let expected: Vec<f32> = (0..12).map(|i| (at(i, 0.02) - at(i, -0.02)) / 0.04).collect();
            assert_close(&got, &expected, 2e-4);
        }
    }
}
