//! The symmetrised divergence of two predictions.

use burn::tensor::Tensor;
use burn::tensor::activation::softmax;

/// Probabilities are not taken below this.
const SMALLEST: f64 = 1e-12;

/// Half the symmetrised Kullback-Leibler divergence of two predictions, averaged over the batch:
/// `1/2 mean_b sum_k [q (ln q - ln p) + p (ln p - ln q)]` with `p = softmax(a)`, `q = softmax(b)`, both at least 1e-12.
///
/// MBCCM's cross-consistency term as released: the gradient flows into both arguments.
///
/// # Shapes
///
/// - `a`, `b`: `[batch, classes]`, output: `[1]`
pub fn symmetric_divergence(a: Tensor<2>, b: Tensor<2>) -> Tensor<1> {
    value(&Prediction::new(a), &Prediction::new(b))
}

/// [`symmetric_divergence`] and its gradients with respect to both arguments, with every logarithm taken once. The clamp
/// passes no gradient where a probability is below 1e-12.
///
/// # Shapes
///
/// - `a`, `b`, gradients: `[batch, classes]`; value: `[1]`
pub fn symmetric_divergence_with_gradients(a: Tensor<2>, b: Tensor<2>) -> (Tensor<1>, Tensor<2>, Tensor<2>) {
    let (a, b) = (Prediction::new(a), Prediction::new(b));
    (value(&a, &b), gradient(&a, &b), gradient(&b, &a))
}

/// Probabilities as the softmax gives them and as they are used, and their logarithms.
struct Prediction {
    raw: Tensor<2>,
    clamped: Tensor<2>,
    log: Tensor<2>,
}

impl Prediction {
    fn new(logits: Tensor<2>) -> Self {
        let raw = softmax(logits, 1);
        let clamped = raw.clone().clamp_min(SMALLEST);
        Self { log: clamped.clone().log(), raw, clamped }
    }
}

fn value(a: &Prediction, b: &Prediction) -> Tensor<1> {
    // q (ln q - ln p) + p (ln p - ln q) = (q - p)(ln q - ln p)
    let terms = (b.clamped.clone() - a.clamped.clone()) * (b.log.clone() - a.log.clone());
    terms.sum_dim(1).mean().mul_scalar(0.5)
}

fn gradient(a: &Prediction, b: &Prediction) -> Tensor<2> {
    let [batch, _] = a.raw.dims();
    let ratio = b.clamped.clone() / a.clamped.clone();
    let slope = (a.log.clone() - b.log.clone() + 1.0 - ratio).mul_scalar(0.5 / batch as f64);
    let slope = slope.mask_fill(a.raw.clone().lower_elem(SMALLEST), 0.0);
    let mean = (a.raw.clone() * slope.clone()).sum_dim(1);
    a.raw.clone() * (slope - mean)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};
    use vireid_compare::{assert_close, assert_near};

    fn near(got: Tensor<2>, expected: TensorData) {
        let [got, expected] =
            [got.into_data(), expected].map(|data| data.convert::<f32>().try_to_vec::<f32>().unwrap());
        assert_close(&got, &expected, 1e-6);
    }

    /// Worked by hand.
    #[test]
    fn worked_values() {
        let device = Device::default();
        let a = Tensor::<2>::from_floats([[2.0, 0.0, -1.0]], &device);
        let b = Tensor::<2>::from_floats([[1.0, 1.0, 0.0]], &device);
        let value = symmetric_divergence(a.clone(), b.clone()).into_scalar::<f32>();
        assert_near(value, 0.421_475_94, 1e-6);
        let (together, of_a, of_b) = symmetric_divergence_with_gradients(a, b);
        assert_near(together.into_scalar::<f32>(), value, 0.0);
        near(of_a, [[0.342_543_15, -0.250_419_1, -0.092_124_04]].into());
        near(of_b, [[-0.454_703_6, 0.332_414_97, 0.122_288_63]].into());
    }

    #[test]
    fn the_clamp_stops_the_gradient() {
        let device = Device::default();
        let a = Tensor::<2>::from_floats([[2.0, 0.0, -1.0], [0.0, 3.0, 1.0]], &device);
        let b = Tensor::<2>::from_floats([[400.0, -400.0, 0.0], [-900.0, 10.0, 5.0]], &device);
        let value = symmetric_divergence(a.clone(), b.clone()).into_scalar::<f32>();
        assert_near(value, 1.329_666_5, 1e-5);
        let (_, _, of_b) = symmetric_divergence_with_gradients(a, b);
        near(of_b, [[0.0; 3], [0.0, 0.031_931_92, -0.031_931_92]].into());
    }

    #[test]
    fn closed_form_equals_autodiff() {
        let device = Device::default().autodiff();
        let make = |seed| {
            let mut stream = vireid_core::Streams::new(seed).stream("logits", [0; 3]);
            let values: Vec<f32> = (0..35).map(|_| stream.normal(0.0, 3.0) as f32).collect();
            Tensor::<2>::from_data(TensorData::new(values, [5, 7]), &device).require_grad()
        };
        let (a, b) = (make(1), make(2));
        let gradients = symmetric_divergence(a.clone(), b.clone()).backward();
        let (ga, gb) = (a.grad(&gradients).unwrap(), b.grad(&gradients).unwrap());
        let (_, of_a, of_b) = symmetric_divergence_with_gradients(a.clone().inner(), b.inner());
        near(of_a, ga.into_data());
        near(of_b, gb.into_data());
        assert_near(symmetric_divergence(a.clone(), a).into_scalar::<f32>(), 0.0, 1e-7);
    }
}
