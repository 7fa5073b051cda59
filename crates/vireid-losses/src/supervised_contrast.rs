use burn::tensor::Tensor;
use burn::tensor::activation::log_softmax;

/// In-batch contrast with labels (Khosla et al., NeurIPS 2020): for every anchor with positives, the mean over them of
/// `-log exp(s_ij / t) / sum_{l != i} exp(s_il / t)`; the mean over anchors that have positives, 0 where none has.
///
/// The gradient flows through both sides of a pair.
///
/// # Shapes
///
/// - `unit`: `[batch, dim]`, rows of length 1; `labels`: `batch` numbers; output: `[1]`
pub fn supervised_contrast(unit: Tensor<2>, labels: &[usize], temperature: f64) -> Tensor<1> {
    contrast_among(unit, labels, temperature, |_, _| true)
}

/// As [`supervised_contrast`], with positives only where `lawful(anchor, other)`.
///
/// # Shapes
///
/// - as [`supervised_contrast`]
pub fn contrast_among(
    unit: Tensor<2>,
    labels: &[usize],
    temperature: f64,
    lawful: impl Fn(usize, usize) -> bool,
) -> Tensor<1> {
    let count = labels.len();
    let device = unit.device();
    // Which pairs are positive is known on the host: 1 / (positives of the anchor * anchors with positives).
    let positives: Vec<Vec<usize>> = (0..count)
        .map(|i| (0..count).filter(|&j| j != i && labels[j] == labels[i] && lawful(i, j)).collect())
        .collect();
    let anchors = positives.iter().filter(|of| !of.is_empty()).count();
    if anchors == 0 {
        return unit.sum().mul_scalar(0.0);
    }
    let mut weights = vec![0.0f32; count * count];
    let mut selves = vec![0.0f32; count * count];
    for (i, of) in positives.iter().enumerate() {
        selves[i * count + i] = -1e9;
        of.iter().for_each(|&j| weights[i * count + j] = 1.0 / (of.len() * anchors) as f32);
    }
    let table =
        |values: Vec<f32>| Tensor::<2>::from_data(burn::tensor::TensorData::new(values, [count, count]), &device);
    let logits = unit.clone().matmul(unit.transpose()).div_scalar(temperature) + table(selves);
    (log_softmax(logits, 1) * table(weights)).sum().neg()
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, Tolerance};

    fn unit() -> Tensor<2> {
        Tensor::from_floats([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0], [0.8, -0.6]], &Device::default())
    }

    /// Worked by hand for the pair of a batch of three at temperature 1.
    #[test]
    fn one_pair() {
        let rows = unit().narrow(0, 0, 3);
        let loss = supervised_contrast(rows, &[0, 0, 1], 1.0).into_scalar::<f32>();
        let expected = ((1.0 + (0f32 - 0.6).exp()).ln() + (1.0 + (0.8f32 - 0.6).exp()).ln()) / 2.0;
        assert!((loss - expected).abs() < 1e-6, "{loss} {expected}");
    }

    #[test]
    fn no_positive_no_loss_and_the_order_is_nothing() {
        assert_eq!(supervised_contrast(unit(), &[0, 1, 2, 3], 0.05).into_scalar::<f32>(), 0.0);
        let labels = [0usize, 1, 0, 1];
        let order = [2usize, 0, 3, 1];
        let index = crate::label_tensor(&order, &Device::default());
        let shuffled = supervised_contrast(unit().select(0, index), &order.map(|i| labels[i]), 0.5);
        let straight = supervised_contrast(unit(), &labels, 0.5);
        shuffled.into_data().assert_approx_eq::<f32>(&straight.into_data(), Tolerance::absolute(1e-6));
    }

    #[test]
    fn positives_may_be_restricted() {
        let loss = contrast_among(unit(), &[0, 0, 0, 0], 0.5, |i, j| (i < 2) != (j < 2)).into_scalar::<f32>();
        assert!(loss.is_finite() && loss > 0.0);
        assert_eq!(contrast_among(unit(), &[0, 0, 1, 1], 0.5, |i, j| (i < 2) != (j < 2)).into_scalar::<f32>(), 0.0);
    }
}
