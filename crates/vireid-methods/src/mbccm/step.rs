//! One training step: losses, gradients and memory updates.

use burn::tensor::Tensor;
use vireid_core::PerModality;
use vireid_losses::symmetric_divergence_with_gradients;
use vireid_memory::MemoryBank;

use super::MbccmSettings;
use crate::parts::lookups::{LookUp, Lookups};
use crate::parts::views::{
    AUGMENTED, INFRARED, PLAIN, StepEmbeddings, StepLabels, add_cross_entropies, specific_step, targets,
};
use vireid_train::method::StepLoss;

/// Names of the loss parts of [`stage2_step`]: each view against the memory of its own modality, the shared memories, and the
/// consistency.
pub const PARTS: &[&str] =
    &["visible_plain", "visible_augmented", "infrared", "agnostic_visible", "agnostic_infrared", "consistency"];

/// The memories of an epoch. All start from the centroids.
#[derive(Debug, Clone)]
pub struct MemoryBanks {
    /// Visible clusters, moved by visible embeddings.
    pub visible: MemoryBank,
    /// Infrared clusters, moved by infrared embeddings.
    pub infrared: MemoryBank,
    /// Visible clusters, moved by both modalities.
    pub agnostic_visible: MemoryBank,
    /// Infrared clusters, moved by both modalities.
    pub agnostic_infrared: MemoryBank,
}

impl MemoryBanks {
    /// Banks of centroids.
    ///
    /// # Shapes
    ///
    /// - `centroids`: `[clusters, dim]` of each modality
    pub fn new(centroids: PerModality<Tensor<2>>, settings: &MbccmSettings) -> Self {
        let PerModality { visible, infrared } = centroids;
        Self {
            agnostic_visible: MemoryBank::new(visible.clone(), settings.momentum_agnostic),
            agnostic_infrared: MemoryBank::new(infrared.clone(), settings.momentum_agnostic),
            visible: MemoryBank::new(visible, settings.momentum_specific),
            infrared: MemoryBank::new(infrared, settings.momentum_specific),
        }
    }

    pub(super) fn named(&self) -> Vec<(&'static str, &MemoryBank)> {
        vec![
            ("visible", &self.visible),
            ("infrared", &self.infrared),
            ("agnostic_visible", &self.agnostic_visible),
            ("agnostic_infrared", &self.agnostic_infrared),
        ]
    }

    pub(super) fn restored(rows: &mut dyn FnMut(&str) -> Option<Tensor<2>>, settings: &MbccmSettings) -> Option<Self> {
        Some(Self {
            visible: MemoryBank::new(rows("visible")?, settings.momentum_specific),
            infrared: MemoryBank::new(rows("infrared")?, settings.momentum_specific),
            agnostic_visible: MemoryBank::new(rows("agnostic_visible")?, settings.momentum_agnostic),
            agnostic_infrared: MemoryBank::new(rows("agnostic_infrared")?, settings.momentum_agnostic),
        })
    }
}

/// Positions of the memories among a step's look-ups.
const OF_VISIBLE: usize = 0;
const OF_INFRARED: usize = 1;
const SHARED_VISIBLE: usize = 2;
const SHARED_INFRARED: usize = 3;

/// Stage 1: each view against the memory of its own modality.
///
/// The loss parts are [`SPECIFIC_PARTS`](crate::parts::views::SPECIFIC_PARTS).
pub fn stage1_step(
    banks: &mut MemoryBanks,
    embeddings: &StepEmbeddings,
    labels: StepLabels<'_>,
    settings: &MbccmSettings,
) -> StepLoss {
    let of = PerModality { visible: &mut banks.visible, infrared: &mut banks.infrared };
    specific_step(of, embeddings, labels, settings.temperature, settings.bank_gradient)
}

/// Stage 2: each view against the memory of its own modality, both shared memories, and consistency between them.
///
/// The loss parts are [`PARTS`], before their weights. The numbers of the look-ups are those of the method's
/// description: 1 to 3 the specific memories (plain, augmented, infrared), 4 to 6 the shared memory of visible clusters,
/// 7 to 9 that of infrared clusters; then each view against the memory of the other modality.
pub fn stage2_step(
    banks: &mut MemoryBanks,
    embeddings: &StepEmbeddings,
    labels: StepLabels<'_>,
    settings: &MbccmSettings,
) -> StepLoss {
    let (y_visible, y_infrared) = targets(labels, &embeddings.plain);
    let banks =
        vec![&mut banks.visible, &mut banks.infrared, &mut banks.agnostic_visible, &mut banks.agnostic_infrared];
    let mut step = embeddings.lookups(banks, settings.temperature, settings.bank_gradient);
    let z1 = step.look_up(OF_VISIBLE, PLAIN, labels.visible);
    let z2 = step.look_up(OF_VISIBLE, AUGMENTED, labels.visible);
    let z3 = step.look_up(OF_INFRARED, INFRARED, labels.infrared);
    let [z4, z5, z6] = [PLAIN, AUGMENTED, INFRARED].map(|view| step.look_up(SHARED_VISIBLE, view, labels.visible));
    let [z7, z8, z9] = [PLAIN, AUGMENTED, INFRARED].map(|view| step.look_up(SHARED_INFRARED, view, labels.infrared));
    let mut cross = |bank, view| match settings.cc_cross_normalize {
        true => step.peek(bank, view),
        false => step.peek_unnormalized(bank, view),
    };
    let [x_plain, x_augmented, x_infrared] =
        [(OF_INFRARED, PLAIN), (OF_INFRARED, AUGMENTED), (OF_VISIBLE, INFRARED)].map(|(bank, view)| cross(bank, view));

    let (v, r) = (&y_visible, &y_infrared);
    let parts = vec![
        add_cross_entropies(&mut step, &[(z1, v), (z2, v), (z3, r)], 1.0),
        add_cross_entropies(&mut step, &[(z4, v), (z5, v), (z6, v)], settings.alpha).sum(),
        add_cross_entropies(&mut step, &[(z7, r), (z8, r), (z9, r)], settings.alpha).sum(),
        add_divergences(
            &mut step,
            &[(z1, z4), (z2, z5), (z7, x_plain), (z8, x_augmented), (z6, x_infrared), (z3, z9)],
            settings.beta,
        ),
    ];
    StepLoss { objective: step.backward(), parts: Tensor::cat(parts, 0) }
}

/// The sum of the divergences of some pairs of predictions; their gradients go in with a weight.
fn add_divergences(step: &mut Lookups<'_>, pairs: &[(LookUp, LookUp); 6], weight: f64) -> Tensor<1> {
    let losses = pairs.map(|(a, b)| {
        let (value, of_a, of_b) = symmetric_divergence_with_gradients(step.logits(a), step.logits(b));
        step.add_gradient(a, of_a.mul_scalar(weight));
        step.add_gradient(b, of_b.mul_scalar(weight));
        value
    });
    Tensor::cat(losses.to_vec(), 0).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parts::lookups::BankGradient;
    use burn::tensor::{Device, Int, TensorData};
    use vireid_compare::{assert_close, assert_near, largest_difference, largest_relative_difference};
    use vireid_core::Streams;
    use vireid_losses::{cross_entropy, label_tensor, symmetric_divergence};
    use vireid_memory::normalize_rows;

    fn settings(bank_gradient: BankGradient, cc_cross_normalize: bool) -> MbccmSettings {
        MbccmSettings { bank_gradient, cc_cross_normalize, ..MbccmSettings::released() }
    }

    fn random(rows: usize, scale: f64, key: u64, device: &Device) -> Tensor<2> {
        let mut stream = Streams::new(9).stream("step", [key, 0, 0]);
        let values: Vec<f32> = (0..rows * 6).map(|_| stream.normal(0.0, scale) as f32).collect();
        Tensor::from_data(TensorData::new(values, [rows, 6]), device)
    }

    const Y_VISIBLE: [usize; 6] = [0, 0, 2, 2, 4, 4];
    const Y_INFRARED: [usize; 6] = [1, 1, 0, 0, 2, 2];
    const LABELS: StepLabels<'static> = StepLabels { visible: &Y_VISIBLE, infrared: &Y_INFRARED };

    fn banks(settings: &MbccmSettings) -> MemoryBanks {
        let device = Device::default();
        let rows = |count, key| normalize_rows(random(count, 1.0, key, &device));
        MemoryBanks::new(PerModality { visible: rows(5, 1), infrared: rows(3, 2) }, settings)
    }

    fn embeddings() -> StepEmbeddings {
        let device = Device::default().autodiff();
        let view = |key| random(6, 0.7, key, &device).require_grad();
        StepEmbeddings { plain: view(3), augmented: view(4), infrared: view(5) }
    }

    fn gradients(objective: &Tensor<1>, e: &StepEmbeddings) -> [TensorData; 3] {
        let gradients = objective.backward();
        [&e.plain, &e.augmented, &e.infrared].map(|view| view.grad(&gradients).unwrap().into_data())
    }

    fn near(got: &TensorData, expected: &TensorData) {
        let [got, expected] = [got, expected].map(|data| data.clone().try_to_vec::<f32>().unwrap());
        let difference = largest_relative_difference(&expected, &got, 0.2);
        assert!(difference < 1e-4, "{difference}");
    }

    /// With the memories fixed, the gradient is that of the loss as one would write it.
    #[test]
    fn snapshot_is_plain_autodiff() {
        for normalize in [false, true] {
            let s = settings(BankGradient::Snapshot, normalize);
            let (mut moved, fixed) = (banks(&s), banks(&s));
            let e = embeddings();
            let step = stage2_step(&mut moved, &e, LABELS, &s);
            let device = Device::default();
            let (yv, yr) = (label_tensor(&Y_VISIBLE, &device), label_tensor(&Y_INFRARED, &device));
            let (yv, yr) = (Tensor::from_inner(yv), Tensor::from_inner(yr));
            let unit = [&e.plain, &e.augmented, &e.infrared].map(|view| normalize_rows(view.clone()));
            let raw = if normalize { unit.clone() } else { [e.plain.clone(), e.augmented.clone(), e.infrared.clone()] };
            let z = |view: usize, bank: &MemoryBank| bank.logits(unit[view].clone(), 0.05);
            let ce = |z: Tensor<2>, y: &Tensor<1, Int>| cross_entropy(z, y.clone());
            let MemoryBanks { visible: v, infrared: r, agnostic_visible: va, agnostic_infrared: ra } = &fixed;
            let specific = ce(z(0, v), &yv) + ce(z(1, v), &yv) + ce(z(2, r), &yr);
            let shared = ce(z(0, va), &yv)
                + ce(z(1, va), &yv)
                + ce(z(2, va), &yv)
                + ce(z(0, ra), &yr)
                + ce(z(1, ra), &yr)
                + ce(z(2, ra), &yr);
            let cross = |view: usize, bank: &MemoryBank| bank.logits(raw[view].clone(), 0.05);
            let consistency = symmetric_divergence(z(0, v), z(0, va))
                + symmetric_divergence(z(1, v), z(1, va))
                + symmetric_divergence(z(0, ra), cross(0, r))
                + symmetric_divergence(z(1, ra), cross(1, r))
                + symmetric_divergence(z(2, va), cross(2, v))
                + symmetric_divergence(z(2, r), z(2, ra));
            let parts = step.parts.into_data().try_to_vec::<f32>().unwrap();
            let total = specific + shared.mul_scalar(0.9) + consistency.mul_scalar(0.5);
            let value = total.clone().into_scalar::<f32>();
            let views = [ce(z(0, v), &yv), ce(z(1, v), &yv), ce(z(2, r), &yr)].map(|view| view.into_scalar::<f32>());
            assert_close(&parts[..3], &views, 1e-4);
            let sum = parts[..3].iter().sum::<f32>() + 0.9 * (parts[3] + parts[4]) + 0.5 * parts[5];
            assert_near(sum, value, 2e-3 * f64::from(value));
            for (got, expected) in gradients(&step.objective, &e).iter().zip(&gradients(&total, &e)) {
                near(got, expected);
            }
        }
    }

    /// The updates of the shared memory of visible clusters end with the same samples as those of the specific one.
    #[test]
    fn the_shared_memory_of_visible_clusters_stays_equal_to_the_specific_one() {
        let s = settings(BankGradient::Live, false);
        let mut banks = banks(&s);
        let labels = StepLabels { visible: &[0; 24], infrared: &[1; 24] };
        let device = Device::default().autodiff();
        for key in 0..3 {
            let view = |offset: u64| random(24, 1.0, 10 * key + offset, &device).require_grad();
            let e = StepEmbeddings { plain: view(3), augmented: view(4), infrared: view(5) };
            stage2_step(&mut banks, &e, labels, &s);
        }
        near(&banks.visible.rows().into_data(), &banks.agnostic_visible.rows().into_data());
    }

    #[test]
    fn both_rules_move_the_memories_alike_but_differ_in_gradient() {
        let run = |rule| {
            let s = settings(rule, false);
            let (mut banks, e) = (banks(&s), embeddings());
            let step = stage1_step(&mut banks, &e, LABELS, &s);
            (banks.visible.rows().into_data(), gradients(&step.objective, &e))
        };
        let (live, snapshot) = (run(BankGradient::Live), run(BankGradient::Snapshot));
        near(&live.0, &snapshot.0);
        // The augmented view comes first and sees the memory before the step either way.
        near(&live.1[1], &snapshot.1[1]);
        let (a, b) =
            (live.1[0].clone().try_to_vec::<f32>().unwrap(), snapshot.1[0].clone().try_to_vec::<f32>().unwrap());
        assert!(largest_difference(&a, &b) > 1e-2);
    }
}
