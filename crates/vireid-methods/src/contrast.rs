//! Cluster contrast with one memory per modality, or one for both: the steps of the baselines that MMM, DMIC and ECUL
//! build on.

use burn::tensor::Tensor;
use vireid_core::PerModality;
use vireid_losses::label_tensor;
use vireid_memory::MemoryBank;

use crate::lookups::{BankGradient, Lookups, Update};
use crate::method::StepLoss;
use crate::views::add_cross_entropies;

/// How a contrast compares and moves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Contrast {
    /// Temperature of the logits.
    pub temperature: f64,
    /// What gradients see of the memories.
    pub bank_gradient: BankGradient,
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
        contrast(step.with_update(update), PerModality { visible: 0, infrared: 1 }, embeddings, labels)
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
        let PerModality { visible, infrared } = embeddings;
        let step = Lookups::new(vec![bank], &[visible, infrared], self.temperature, self.bank_gradient);
        contrast(step.with_update(update), PerModality { visible: 0, infrared: 0 }, embeddings, labels)
    }
}

/// The views by position.
const VISIBLE: usize = 0;
const INFRARED: usize = 1;

fn contrast<'a>(
    mut step: Lookups<'a>,
    banks: PerModality<usize>,
    embeddings: &PerModality<Tensor<2>>,
    labels: PerModality<&'a [usize]>,
) -> StepLoss {
    let device = embeddings.visible.clone().inner().device();
    // The infrared look-up comes first, so that the visible one moves the memory first.
    let infrared = step.look_up(banks.infrared, INFRARED, labels.infrared);
    let visible = step.look_up(banks.visible, VISIBLE, labels.visible);
    let of_visible = add_cross_entropies(&mut step, &[(visible, &label_tensor(labels.visible, &device))], 1.0);
    let of_infrared = add_cross_entropies(&mut step, &[(infrared, &label_tensor(labels.infrared, &device))], 1.0);
    StepLoss { objective: step.backward(), parts: Tensor::cat(vec![of_visible, of_infrared], 0) }
}
