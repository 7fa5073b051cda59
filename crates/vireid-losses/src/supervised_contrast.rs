//! Contrast with labels, in a batch and with stored entries.

use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::{DType, Int, Tensor, TensorData};
use vireid_kernels::matmul;

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

/// As [`supervised_contrast`], with positives only where `allowed(anchor, other)`.
///
/// # Shapes
///
/// - as [`supervised_contrast`]
pub fn contrast_among(
    unit: Tensor<2>,
    labels: &[usize],
    temperature: f64,
    allowed: impl Fn(usize, usize) -> bool,
) -> Tensor<1> {
    let count = labels.len();
    let device = unit.device();
    // Which pairs are positive is known on the host: 1 / (positives of the anchor * anchors with positives).
    let positives: Vec<Vec<usize>> = (0..count)
        .map(|i| (0..count).filter(|&j| j != i && labels[j] == labels[i] && allowed(i, j)).collect())
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
    let table = |values: Vec<f32>| Tensor::<2>::from_data(TensorData::new(values, [count, count]), &device);
    let logits = matmul(unit.clone(), unit.transpose()).div_scalar(temperature) + table(selves);
    (log_softmax(logits, 1) * table(weights)).sum().neg()
}

/// Contrast of a batch with stored entries, one per image: as [`supervised_contrast`] with the entries in the place of the
/// batch, an anchor's own entry left out. Entries without a label are nobody's positives. No gradient flows into entries.
///
/// # Shapes
///
/// - `unit`: `[batch, dim]`, `entries`: `[images, dim]`, rows of length 1, `entries` off the autodiff device; `own`: the
///   entry of each anchor; `labels`: `images` labels, that of an anchor at its own entry; output: `[1]`
pub fn contrast_with_entries(
    unit: Tensor<2>,
    entries: Tensor<2>,
    own: &[usize],
    labels: &[Option<usize>],
    temperature: f64,
) -> Tensor<1> {
    let (batch, images, device) = (own.len(), labels.len(), unit.device());
    let positives = |&anchor: &usize| {
        let others = labels.iter().filter(|label| label.is_some() && **label == labels[anchor]).count();
        others.saturating_sub(1)
    };
    let counts: Vec<usize> = own.iter().map(positives).collect();
    let anchors = counts.iter().filter(|&&count| count > 0).count();
    if anchors == 0 {
        return unit.sum().mul_scalar(0.0);
    }
    let integers = |values: Vec<i32>, shape: [usize; 2]| {
        Tensor::<2, Int>::from_data(TensorData::new(values, shape), (&device, DType::I32)).expand([batch, images])
    };
    let of_entry = labels.iter().map(|label| label.map_or(-1, |label| label as i32)).collect();
    let of_anchor = own.iter().map(|&anchor| labels[anchor].map_or(-2, |label| label as i32)).collect();
    let is_same = integers(of_entry, [1, images]).equal(integers(of_anchor, [batch, 1])).float();
    let places = (0..images as i32).collect();
    let own_places = own.iter().map(|&anchor| anchor as i32).collect();
    let is_own = integers(places, [1, images]).equal(integers(own_places, [batch, 1])).float();
    let share = |&count: &usize| if count > 0 { 1.0 / (count * anchors) as f32 } else { 0.0 };
    let share: Vec<f32> = counts.iter().map(share).collect();
    let share = Tensor::<2>::from_data(TensorData::new(share, [batch, 1]), &device);
    let entries = if unit.is_autodiff() { Tensor::from_inner(entries) } else { entries };
    let logits = matmul(unit, entries.transpose()).div_scalar(temperature) + is_own.clone().mul_scalar(-1e9);
    let weights = (is_same - is_own).clamp_min(0.0) * share;
    (log_softmax(logits, 1) * weights).sum().neg()
}

/// Contrast of a batch with stored entries, one per image, by classes: the mean over the batch of
/// `-log(sum of exp(s / t) over the entries of an anchor's class / sum over all entries + 1e-6)`. An anchor's own entry is
/// of its class, and an image without a label is a class of its own. No gradient flows into entries.
///
/// # Shapes
///
/// - as [`contrast_with_entries`]
pub fn contrast_with_classes(
    unit: Tensor<2>,
    entries: Tensor<2>,
    own: &[usize],
    labels: &[Option<usize>],
    temperature: f64,
) -> Tensor<1> {
    let (batch, images, device) = (own.len(), labels.len(), unit.device());
    let class = |(image, label): (usize, &Option<usize>)| label.map_or(-1 - image as i32, |label| label as i32);
    let classes: Vec<i32> = labels.iter().enumerate().map(class).collect();
    let of_anchors: Vec<i32> = own.iter().map(|&anchor| classes[anchor]).collect();
    let integers = |values: Vec<i32>, shape: [usize; 2]| {
        Tensor::<2, Int>::from_data(TensorData::new(values, shape), (&device, DType::I32)).expand([batch, images])
    };
    let is_same = integers(classes, [1, images]).equal(integers(of_anchors, [batch, 1])).float();
    let entries = if unit.is_autodiff() { Tensor::from_inner(entries) } else { entries };
    let shares = softmax(matmul(unit, entries.transpose()).div_scalar(temperature), 1);
    (shares * is_same).sum_dim(1).add_scalar(1e-6).log().mean().neg()
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;
    use vireid_compare::{assert_close, assert_near};

    fn unit() -> Tensor<2> {
        Tensor::from_floats([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0], [0.8, -0.6]], &Device::default())
    }

    /// Worked by hand for the pair of a batch of three at temperature 1.
    #[test]
    fn one_pair() {
        let rows = unit().narrow(0, 0, 3);
        let loss = supervised_contrast(rows, &[0, 0, 1], 1.0).into_scalar::<f32>();
        let expected = ((1.0 + (0f32 - 0.6).exp()).ln() + (1.0 + (0.8f32 - 0.6).exp()).ln()) / 2.0;
        assert_near(loss, expected, 1e-6);
    }

    /// With the batch itself as entries it is the contrast within the batch; strangers among the entries only add to the
    /// denominator.
    #[test]
    fn entries_that_are_the_batch() {
        let labels = [0usize, 1, 0, 1];
        let expected = supervised_contrast(unit(), &labels, 0.5).into_scalar::<f32>();
        assert_near(expected, 2.030_190_28, 1e-6);
        let some = labels.map(Some);
        let found = contrast_with_entries(unit(), unit(), &[0, 1, 2, 3], &some, 0.5).into_scalar::<f32>();
        assert_near(found, expected, 1e-6);
        let more = Tensor::cat(vec![unit(), unit().narrow(0, 1, 1)], 0);
        let with_noise = [Some(0), Some(1), Some(0), Some(1), None];
        let found = contrast_with_entries(unit(), more, &[0, 1, 2, 3], &with_noise, 0.5).into_scalar::<f32>();
        assert_near(found, 2.436_112_81, 1e-6);
        let none = contrast_with_entries(unit(), unit(), &[0, 1, 2, 3], &[Some(0), Some(1), Some(2), None], 0.5);
        assert_eq!(none.into_scalar::<f32>(), 0.0);
    }

    /// Written out over the numbers: a labelled anchor with a partner, an anchor that is noise and has only its own entry,
    /// and one so far from its class that the small term counts.
    #[test]
    fn classes_of_entries() {
        let entries = [[1.0f64, 0.0], [0.6, 0.8], [0.0, 1.0], [0.8, -0.6]];
        let labels = [Some(0), Some(0), None, Some(1)];
        let anchors = [[0.8f64, 0.6], [0.0, 1.0], [-1.0, 0.0]];
        let own = [0, 2, 3];
        for temperature in [1.0, 0.05] {
            let classes = [vec![0, 1], vec![2], vec![3]];
            let expected = classes.iter().zip(anchors).map(|(class, anchor)| {
                let exps = entries.map(|e| ((e[0] * anchor[0] + e[1] * anchor[1]) / temperature).exp());
                -(class.iter().map(|&entry| exps[entry]).sum::<f64>() / exps.iter().sum::<f64>() + 1e-6).ln()
            });
            let expected = expected.sum::<f64>() / 3.0;
            let device = Device::default();
            let rows = |rows: &[[f64; 2]]| {
                let values: Vec<f32> = rows.concat().into_iter().map(|x| x as f32).collect();
                Tensor::<2>::from_data(TensorData::new(values, [rows.len(), 2]), &device)
            };
            let found = contrast_with_classes(rows(&anchors), rows(&entries), &own, &labels, temperature);
            assert_close(&[found.into_scalar::<f32>()], &[expected], 1e-5);
        }
        let tracked = Tensor::from_inner(unit()).require_grad();
        let loss = contrast_with_classes(tracked.clone(), unit(), &[0, 1, 2, 3], &labels, 0.5);
        let gradient = tracked.grad(&loss.backward()).unwrap();
        assert!(gradient.abs().sum().into_scalar::<f32>() > 0.1);
    }

    #[test]
    fn no_positive_no_loss_and_the_order_is_nothing() {
        assert_eq!(supervised_contrast(unit(), &[0, 1, 2, 3], 0.05).into_scalar::<f32>(), 0.0);
        let labels = [0usize, 1, 0, 1];
        let order = [2usize, 0, 3, 1];
        let index = crate::label_tensor(&order, &Device::default());
        let shuffled = supervised_contrast(unit().select(0, index), &order.map(|i| labels[i]), 0.5);
        let straight = supervised_contrast(unit(), &labels, 0.5);
        assert_near(shuffled.into_scalar::<f32>(), straight.into_scalar::<f32>(), 1e-6);
    }

    #[test]
    fn positives_may_be_restricted() {
        let loss = contrast_among(unit(), &[0, 0, 0, 0], 0.5, |i, j| (i < 2) != (j < 2)).into_scalar::<f32>();
        // The formula written out pair by pair in double precision.
        assert_near(loss, 1.230_190_28, 1e-6);
        assert_eq!(contrast_among(unit(), &[0, 0, 1, 1], 0.5, |i, j| (i < 2) != (j < 2)).into_scalar::<f32>(), 0.0);
    }
}
