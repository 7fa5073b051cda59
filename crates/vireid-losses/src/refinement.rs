//! A prediction taught by another, sharpened one.

use burn::tensor::Tensor;
use burn::tensor::activation::{log_softmax, softmax};

/// A prediction taught by another, sharpened one: `-mean_b sum_k q ln p` with `p = softmax(logits)` and
/// `q = softmax(teacher / sharpen)`.
///
/// The online cross-memory refinement of MULT (OCLR), as released: the gradient flows into the teacher too.
///
/// # Shapes
///
/// - `logits`, `teacher`: `[batch, classes]`, output: `[1]`
pub fn refinement(logits: Tensor<2>, teacher: Tensor<2>, sharpen: f64) -> Tensor<1> {
    (log_softmax(logits, 1) * softmax(teacher.div_scalar(sharpen), 1)).sum_dim(1).mean().neg()
}

/// The gradients of [`refinement`] with respect to the logits and to the teacher.
///
/// With `c = -ln p`: `(p - q) / batch`, and `q (c - sum_k q c) / (sharpen * batch)`.
///
/// # Shapes
///
/// - as [`refinement`]; outputs: `[batch, classes]`
pub fn refinement_gradients(logits: Tensor<2>, teacher: Tensor<2>, sharpen: f64) -> (Tensor<2>, Tensor<2>) {
    let [batch, _] = logits.dims();
    let log_p = log_softmax(logits, 1);
    let q = softmax(teacher.div_scalar(sharpen), 1);
    let of_logits = (log_p.clone().exp() - q.clone()).div_scalar(batch as f64);
    let cost = log_p.neg();
    let mean_cost = (q.clone() * cost.clone()).sum_dim(1);
    let of_teacher = (q * (cost - mean_cost)).div_scalar(sharpen * batch as f64);
    (of_logits, of_teacher)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;
    use vireid_compare::{assert_close, assert_near};

    #[test]
    fn the_closed_form_is_the_gradient() {
        let device = Device::default().autodiff();
        let logits = Tensor::<2>::from_floats([[1.0, -2.0, 0.5], [0.0, 3.0, 1.0]], &device).require_grad();
        let teacher = Tensor::<2>::from_floats([[0.3, 0.1, -0.4], [1.0, 0.2, 0.9]], &device).require_grad();
        let gradients = refinement(logits.clone(), teacher.clone(), 0.2).backward();
        let (of_logits, of_teacher) = refinement_gradients(logits.clone().inner(), teacher.clone().inner(), 0.2);
        for (tensor, closed) in [(logits, of_logits), (teacher, of_teacher)] {
            let read = |tensor: Tensor<2>| tensor.into_data().try_to_vec::<f32>().unwrap();
            assert_close(&read(closed), &read(tensor.grad(&gradients).unwrap()), 1e-6);
        }
    }

    /// A teacher that agrees and is certain costs what is left of the student's doubt.
    #[test]
    fn a_certain_teacher_is_a_hard_label() {
        let device = Device::default();
        let logits = Tensor::<2>::from_floats([[0.0, 0.0]], &device);
        let teacher = Tensor::<2>::from_floats([[100.0, 0.0]], &device);
        assert_near(refinement(logits, teacher, 0.2).into_scalar::<f32>(), 2f32.ln(), 1e-6);
    }
}
