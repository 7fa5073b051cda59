//! Cross entropy with hard and with soft labels.

use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::{DType, Device, IndexingUpdateOp, Int, Tensor, TensorData};

/// Labels as a tensor on a device.
///
/// # Shapes
///
/// - output: `[labels.len()]`
pub fn label_tensor(labels: &[usize], device: &Device) -> Tensor<1, Int> {
    let values: Vec<i32> = labels.iter().map(|&label| label as i32).collect();
    Tensor::from_data(TensorData::new(values, [labels.len()]), (device, DType::I32))
}

/// Mean over the batch of `-log softmax(logits)[label]`. With logits from a memory bank this is the cluster contrast
/// (InfoNCE) loss.
///
/// # Shapes
///
/// - `logits`: `[batch, classes]`, `labels`: `[batch]`, output: `[1]`
pub fn cross_entropy(logits: Tensor<2>, labels: Tensor<1, Int>) -> Tensor<1> {
    let [batch, _] = logits.dims();
    log_softmax(logits, 1).gather(1, labels.reshape([batch, 1])).mean().neg()
}

/// Mean over the batch of `-sum(targets * log softmax(logits))`.
///
/// # Shapes
///
/// - `logits`, `targets`: `[batch, classes]`, output: `[1]`
pub fn soft_cross_entropy(logits: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
    (log_softmax(logits, 1) * targets).sum_dim(1).mean().neg()
}

/// The gradient of [`cross_entropy`] with respect to the logits: `(softmax - one_hot) / batch`.
///
/// # Shapes
///
/// - as [`cross_entropy`]; output: `[batch, classes]`
pub fn cross_entropy_gradient(logits: Tensor<2>, labels: Tensor<1, Int>) -> Tensor<2> {
    let [batch, _] = logits.dims();
    let minus_one = Tensor::<2>::ones([batch, 1], &logits.device()).neg();
    // Not by a one-hot tensor: Burn refuses one of a single class, and a single cluster is a valid outcome.
    let difference = softmax(logits, 1).scatter(1, labels.reshape([batch, 1]), minus_one, IndexingUpdateOp::Add);
    difference.div_scalar(batch as f64)
}

/// The gradient of [`soft_cross_entropy`] with respect to the logits, for targets that sum to 1:
/// `(softmax - targets) / batch`.
///
/// # Shapes
///
/// - as [`soft_cross_entropy`]; output: `[batch, classes]`
pub fn soft_cross_entropy_gradient(logits: Tensor<2>, targets: Tensor<2>) -> Tensor<2> {
    let [batch, _] = logits.dims();
    (softmax(logits, 1) - targets).div_scalar(batch as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use vireid_compare::{assert_close, assert_near};

    /// Worked by hand: cosines .8, .6, .5 at temperature .05.
    #[test]
    fn worked_values() {
        let device = Device::default();
        let logits = Tensor::<2>::from_floats([[0.8, 0.6, 0.5]], &device).div_scalar(0.05);
        let labels = label_tensor(&[1], &device);
        let loss = cross_entropy(logits.clone(), labels.clone()).into_scalar::<f32>();
        assert_near(loss, 4.020_581, 1e-5);
        let gradient = cross_entropy_gradient(logits, labels).into_data().try_to_vec::<f32>().unwrap();
        assert_close(&gradient, &[0.979_629_2, -0.982_057_5, 0.002_428_258], 1e-6);
    }

    #[test]
    fn a_single_class_has_no_loss_and_no_gradient() {
        let device = Device::default();
        let logits = Tensor::<2>::from_floats([[3.0], [-1.0]], &device);
        let labels = label_tensor(&[0, 0], &device);
        assert_eq!(cross_entropy(logits.clone(), labels.clone()).into_scalar::<f32>(), 0.0);
        let gradient = cross_entropy_gradient(logits, labels).into_data().try_to_vec::<f32>().unwrap();
        assert_eq!(gradient, [0.0, 0.0]);
    }

    #[test]
    fn soft_targets_of_one_class_are_hard_labels() {
        let device = Device::default();
        let logits = Tensor::<2>::from_floats([[1.0, -2.0, 0.5], [0.0, 3.0, 0.1]], &device);
        let labels = label_tensor(&[2, 0], &device);
        let hard = cross_entropy(logits.clone(), labels.clone()).into_scalar::<f32>();
        let soft = soft_cross_entropy(logits, labels.one_hot::<2>(3).float()).into_scalar::<f32>();
        assert_near(hard, soft, 1e-6);
    }
}
