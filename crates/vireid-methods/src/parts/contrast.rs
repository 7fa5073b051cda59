//! Cluster contrast with one memory per modality, or one for both: the steps of the baselines that MMM, DMIC and ECUL
//! build on.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use vireid_core::PerModality;
use vireid_losses::label_tensor;
use vireid_memory::MemoryBank;

use super::lookups::{BankGradient, Lookups, Update};
use super::views::add_cross_entropies;
use vireid_train::method::StepLoss;

/// How embeddings are compared with memories, and what gradients see of these.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Contrast {
    /// Logits are cosine similarities divided by it. Above 0.
    pub temperature: f64,
    /// What gradients see of the memories.
    pub bank_gradient: BankGradient,
}

/// What the loss of a joint step averages over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JointMean {
    /// A mean for each modality; their sum is the loss.
    #[default]
    PerModality,
    /// One mean over the rows of all views.
    Pooled,
}

impl Contrast {
    /// Each modality against its own memory: `CE(visible) + CE(infrared)`, both views of the visible images in one mean.
    /// The loss parts are the two terms.
    ///
    /// # Shapes
    ///
    /// - `embeddings`: `[batch, dim]` of each modality with as many `labels`, on the autodiff device, not normalised
    pub fn specific_step(
        self,
        banks: PerModality<&mut MemoryBank>,
        embeddings: &PerModality<Tensor<2>>,
        labels: PerModality<&[usize]>,
        update: Update<'_>,
    ) -> StepLoss {
        let PerModality { visible, infrared } = embeddings;
        let step = Lookups::new(
            vec![banks.visible, banks.infrared],
            &[visible, infrared],
            self.temperature,
            self.bank_gradient,
        );
        let banks = PerModality { visible: 0, infrared: 1 };
        contrast(step.with_update(update), banks, embeddings, labels, JointMean::PerModality)
    }

    /// Both modalities against one memory: `CE(visible) + CE(infrared)`. In the live form the gradient of the infrared
    /// term sees the memory as the visible embeddings have moved it. The loss parts are the two terms.
    ///
    /// # Shapes
    ///
    /// - as [`specific_step`](Self::specific_step)
    pub fn joint_step(
        self,
        bank: &mut MemoryBank,
        embeddings: &PerModality<Tensor<2>>,
        labels: PerModality<&[usize]>,
        update: Update<'_>,
    ) -> StepLoss {
        self.joint_step_by(JointMean::PerModality, bank, embeddings, labels, update)
    }

    /// As [`joint_step`](Self::joint_step), with another mean. The loss parts are the two terms of the sum.
    ///
    /// # Shapes
    ///
    /// - as [`specific_step`](Self::specific_step)
    pub fn joint_step_by(
        self,
        mean: JointMean,
        bank: &mut MemoryBank,
        embeddings: &PerModality<Tensor<2>>,
        labels: PerModality<&[usize]>,
        update: Update<'_>,
    ) -> StepLoss {
        let PerModality { visible, infrared } = embeddings;
        let step = Lookups::new(vec![bank], &[visible, infrared], self.temperature, self.bank_gradient);
        contrast(step.with_update(update), PerModality { visible: 0, infrared: 0 }, embeddings, labels, mean)
    }
}

/// Positions of the views among a step's look-ups.
const VISIBLE: usize = 0;
const INFRARED: usize = 1;

fn contrast<'a>(
    mut step: Lookups<'a>,
    banks: PerModality<usize>,
    embeddings: &PerModality<Tensor<2>>,
    labels: PerModality<&'a [usize]>,
    mean: JointMean,
) -> StepLoss {
    let rows = labels.map(<[usize]>::len);
    let share = |own: usize| match mean {
        JointMean::PerModality => 1.0,
        JointMean::Pooled => own as f64 / (rows.visible + rows.infrared) as f64,
    };
    let device = embeddings.visible.clone().inner().device();
    // The infrared look-up comes first, so that the visible one moves the memory first.
    let infrared = step.look_up(banks.infrared, INFRARED, labels.infrared);
    let visible = step.look_up(banks.visible, VISIBLE, labels.visible);
    let mut term = |look_up, labels, share: f64| {
        add_cross_entropies(&mut step, &[(look_up, &label_tensor(labels, &device))], share).mul_scalar(share)
    };
    let of_visible = term(visible, labels.visible, share(rows.visible));
    let of_infrared = term(infrared, labels.infrared, share(rows.infrared));
    StepLoss { objective: step.backward(), parts: Tensor::cat(vec![of_visible, of_infrared], 0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};
    use vireid_compare::assert_close;
    use vireid_losses::cross_entropy;
    use vireid_memory::normalize_rows;

    fn rows(key: f32, count: usize, device: &Device) -> Tensor<2> {
        let values: Vec<f32> = (0..count * 3).map(|i| (i as f32 * key).sin()).collect();
        Tensor::from_data(TensorData::new(values, [count, 3]), device)
    }

    /// One mean over the rows of all views is the cross entropy of the batch as a whole, gradients too.
    #[test]
    fn a_pooled_mean_is_that_of_all_rows() {
        let (plain, device) = (Device::default(), Device::default().autodiff());
        let (visible, infrared) = (rows(0.7, 4, &device).require_grad(), rows(0.8, 2, &device).require_grad());
        let labels = PerModality { visible: vec![0usize, 1, 0, 1], infrared: vec![2usize, 1] };
        let mut bank = MemoryBank::new(normalize_rows(rows(1.1, 3, &plain)), 0.1);
        let all = normalize_rows(Tensor::cat(vec![visible.clone(), infrared.clone()], 0));
        let targets = label_tensor(&[labels.visible.clone(), labels.infrared.clone()].concat(), &device);
        let expected = cross_entropy(bank.logits(all, 0.05), targets);
        let expected_gradients = expected.clone().backward();
        let embeddings = PerModality { visible: visible.clone(), infrared: infrared.clone() };
        let contrast = Contrast { temperature: 0.05, bank_gradient: BankGradient::Snapshot };
        let slices = labels.as_ref().map(Vec::as_slice);
        let still = Box::new(|_: &mut MemoryBank, _: &Tensor<2>, _: &[usize]| ());
        let step = contrast.joint_step_by(JointMean::Pooled, &mut bank, &embeddings, slices, still);
        assert_close(&[step.parts.sum().into_scalar::<f32>()], &[expected.into_scalar::<f32>()], 1e-5);
        let gradients = step.objective.backward();
        for tensor in [visible, infrared] {
            let read = |gradients| tensor.grad(gradients).unwrap().into_data().try_to_vec::<f32>().unwrap();
            assert_close(&read(&gradients), &read(&expected_gradients), 1e-5);
        }
    }
}
