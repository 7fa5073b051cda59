//! One training step: losses, gradients and memory updates.
//!
//! A step compares three batches of embeddings (visible plain and augmented, infrared) with memories; each comparison is
//! a look-up. The released code moves a memory inside the backward pass of each look-up, which runs in reverse order of
//! creation, so a later look-up's gradient is taken against prototypes that earlier ones have moved already. Here that is
//! written out: gradients with respect to the logits in closed form, memories moved in that order with the state that
//! each gradient sees kept, and a linear objective that carries the gradient to the embeddings.

use burn::tensor::{Int, Tensor};
use vireid_core::PerModality;
use vireid_losses::{
    cross_entropy, cross_entropy_gradient, label_tensor, symmetric_divergence, symmetric_divergence_gradient,
};
use vireid_memory::{MemoryBank, normalize_rows};

use super::{BankGradient, MbccmSettings};
use crate::method::StepLoss;

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

/// The embeddings of a step on the autodiff device, not normalised.
///
/// # Shapes
///
/// - each `[batch, dim]`
#[derive(Debug, Clone)]
pub struct StepEmbeddings {
    /// Plain views of the visible images.
    pub plain: Tensor<2>,
    /// Channel-augmented views of the same images.
    pub augmented: Tensor<2>,
    /// Infrared images.
    pub infrared: Tensor<2>,
}

/// The labels of a step's slots: each slot holds a visible and an infrared image.
#[derive(Debug, Clone, Copy)]
pub struct StepLabels<'a> {
    /// Visible clusters.
    pub visible: &'a [usize],
    /// Infrared clusters.
    pub infrared: &'a [usize],
}

/// One view of the batch on its way through a step.
struct View {
    /// On the autodiff device.
    tracked: Tensor<2>,
    /// Off it.
    plain: Tensor<2>,
    /// Off it, rows of length 1.
    unit: Tensor<2>,
    /// Gradient with respect to the normalised embeddings, so far.
    unit_gradient: Tensor<2>,
    /// Gradient with respect to the embeddings themselves, so far.
    gradient: Tensor<2>,
}

impl View {
    fn new(tracked: &Tensor<2>) -> Self {
        let plain = tracked.clone().inner();
        let zero = plain.zeros_like();
        Self {
            tracked: tracked.clone(),
            unit: normalize_rows(plain.clone()),
            unit_gradient: zero.clone(),
            gradient: zero,
            plain,
        }
    }

    /// Adds the gradient of a look-up: `logits = unit . rows / temperature`.
    fn add(&mut self, logit_gradient: Tensor<2>, rows: Tensor<2>, temperature: f64) {
        self.unit_gradient = self.unit_gradient.clone() + logit_gradient.matmul(rows).div_scalar(temperature);
    }

    /// Adds the gradient of a look-up with embeddings that were not normalised.
    fn add_unnormalized(&mut self, logit_gradient: Tensor<2>, rows: Tensor<2>, temperature: f64) {
        self.gradient = self.gradient.clone() + logit_gradient.matmul(rows).div_scalar(temperature);
    }

    /// A scalar whose gradient is what has been added.
    fn objective(self) -> Tensor<1> {
        let unit = normalize_rows(self.tracked.clone()) * Tensor::from_inner(self.unit_gradient);
        (unit + self.tracked * Tensor::from_inner(self.gradient)).sum()
    }
}

/// A memory being moved: remembers what gradients see of it.
struct Moving<'a> {
    bank: &'a mut MemoryBank,
    before: Tensor<2>,
    rule: BankGradient,
}

impl<'a> Moving<'a> {
    fn new(bank: &'a mut MemoryBank, rule: BankGradient) -> Self {
        Self { before: bank.rows(), bank, rule }
    }

    /// What the gradient of a look-up that runs now sees.
    fn seen(&self) -> Tensor<2> {
        match self.rule {
            BankGradient::Live => self.bank.rows(),
            BankGradient::Snapshot => self.before.clone(),
        }
    }
}

/// A look-up's backward pass: the gradient against the memory as it stands, then the memory moves.
fn backward(view: &mut View, gradient: Tensor<2>, memory: &mut Moving<'_>, labels: &[usize], temperature: f64) {
    view.add(gradient, memory.seen(), temperature);
    memory.bank.update(&view.unit, labels);
}

/// Stage 1: each view against the memory of its own modality.
///
/// The loss part is `specific`.
pub fn stage1_step(
    banks: &mut MemoryBanks,
    embeddings: &StepEmbeddings,
    labels: StepLabels<'_>,
    settings: &MbccmSettings,
) -> StepLoss {
    let (tau, rule) = (settings.temperature, settings.bank_gradient);
    let [mut plain, mut augmented, mut infrared] = views(embeddings);
    let (y_visible, y_infrared) = targets(labels, &plain.plain);
    let logits = [
        banks.visible.logits(plain.unit.clone(), tau),
        banks.visible.logits(augmented.unit.clone(), tau),
        banks.infrared.logits(infrared.unit.clone(), tau),
    ];
    let targets = [&y_visible, &y_visible, &y_infrared];
    let specific = sum_of_cross_entropies(&logits, targets);
    let gradient = |n: usize| cross_entropy_gradient(logits[n].clone(), targets[n].clone());

    let mut memory = Moving::new(&mut banks.infrared, rule);
    backward(&mut infrared, gradient(2), &mut memory, labels.infrared, tau);
    let mut memory = Moving::new(&mut banks.visible, rule);
    backward(&mut augmented, gradient(1), &mut memory, labels.visible, tau);
    backward(&mut plain, gradient(0), &mut memory, labels.visible, tau);

    StepLoss { objective: plain.objective() + augmented.objective() + infrared.objective(), parts: specific }
}

/// Stage 2: each view against the memory of its own modality, both shared memories, and consistency between them.
///
/// The loss parts are `specific`, `agnostic_visible`, `agnostic_infrared` and `consistency`, before their weights. The
/// numbers of the look-ups are those of the method's description: 1 to 3 the specific memories (plain, augmented,
/// infrared), 4 to 6 the shared memory of visible clusters, 7 to 9 that of infrared clusters.
pub fn stage2_step(
    banks: &mut MemoryBanks,
    embeddings: &StepEmbeddings,
    labels: StepLabels<'_>,
    settings: &MbccmSettings,
) -> StepLoss {
    let (tau, rule) = (settings.temperature, settings.bank_gradient);
    let [mut plain, mut augmented, mut infrared] = views(embeddings);
    let (y_visible, y_infrared) = targets(labels, &plain.plain);
    let three = |first: &MemoryBank, second: &MemoryBank| {
        [
            first.logits(plain.unit.clone(), tau),
            first.logits(augmented.unit.clone(), tau),
            second.logits(infrared.unit.clone(), tau),
        ]
    };
    let [z1, z2, z3] = three(&banks.visible, &banks.infrared);
    let [z4, z5, z6] = three(&banks.agnostic_visible, &banks.agnostic_visible);
    let [z7, z8, z9] = three(&banks.agnostic_infrared, &banks.agnostic_infrared);
    let cross_input = |view: &View| if settings.cc_cross_normalize { view.unit.clone() } else { view.plain.clone() };
    // Each view against the memory of the other modality.
    let x_plain = banks.infrared.logits(cross_input(&plain), tau);
    let x_augmented = banks.infrared.logits(cross_input(&augmented), tau);
    let x_infrared = banks.visible.logits(cross_input(&infrared), tau);

    let pairs = [(&z1, &z4), (&z2, &z5), (&z7, &x_plain), (&z8, &x_augmented), (&z6, &x_infrared), (&z3, &z9)];
    let divergences = pairs.map(|(a, b)| symmetric_divergence(a.clone(), b.clone()));
    let parts = Tensor::cat(
        vec![
            sum_of_cross_entropies(&[z1.clone(), z2.clone(), z3.clone()], [&y_visible, &y_visible, &y_infrared]),
            sum_of_cross_entropies(&[z4.clone(), z5.clone(), z6.clone()], [&y_visible; 3]),
            sum_of_cross_entropies(&[z7.clone(), z8.clone(), z9.clone()], [&y_infrared; 3]),
            Tensor::cat(divergences.to_vec(), 0).sum(),
        ],
        0,
    );

    // Gradients with respect to the logits: cross entropy, and consistency with the pair's other logits.
    let consistency =
        |a: &Tensor<2>, b: &Tensor<2>| symmetric_divergence_gradient(a.clone(), b.clone()).mul_scalar(settings.beta);
    let gradient = |z: &Tensor<2>, y: &Tensor<1, Int>, weight: f64, other: &Tensor<2>| {
        cross_entropy_gradient(z.clone(), y.clone()).mul_scalar(weight) + consistency(z, other)
    };
    let alpha = settings.alpha;
    let g1 = gradient(&z1, &y_visible, 1.0, &z4);
    let g2 = gradient(&z2, &y_visible, 1.0, &z5);
    let g3 = gradient(&z3, &y_infrared, 1.0, &z9);
    let g4 = gradient(&z4, &y_visible, alpha, &z1);
    let g5 = gradient(&z5, &y_visible, alpha, &z2);
    let g6 = gradient(&z6, &y_visible, alpha, &x_infrared);
    let g7 = gradient(&z7, &y_infrared, alpha, &x_plain);
    let g8 = gradient(&z8, &y_infrared, alpha, &x_augmented);
    let g9 = gradient(&z9, &y_infrared, alpha, &z3);
    let (gx_plain, gx_augmented) = (consistency(&x_plain, &z7), consistency(&x_augmented, &z8));
    let gx_infrared = consistency(&x_infrared, &z6);

    // The backward pass: look-ups in reverse order of creation, each moving its memory after its gradient. The cross
    // look-ups come before the specific ones and move nothing.
    let mut memory = Moving::new(&mut banks.agnostic_infrared, rule);
    backward(&mut infrared, g9, &mut memory, labels.infrared, tau);
    backward(&mut augmented, g8, &mut memory, labels.infrared, tau);
    backward(&mut plain, g7, &mut memory, labels.infrared, tau);
    let mut memory = Moving::new(&mut banks.agnostic_visible, rule);
    backward(&mut infrared, g6, &mut memory, labels.visible, tau);
    backward(&mut augmented, g5, &mut memory, labels.visible, tau);
    backward(&mut plain, g4, &mut memory, labels.visible, tau);
    let add_cross = if settings.cc_cross_normalize { View::add } else { View::add_unnormalized };
    add_cross(&mut infrared, gx_infrared, banks.visible.rows(), tau);
    add_cross(&mut augmented, gx_augmented, banks.infrared.rows(), tau);
    add_cross(&mut plain, gx_plain, banks.infrared.rows(), tau);
    let mut memory = Moving::new(&mut banks.infrared, rule);
    backward(&mut infrared, g3, &mut memory, labels.infrared, tau);
    let mut memory = Moving::new(&mut banks.visible, rule);
    backward(&mut augmented, g2, &mut memory, labels.visible, tau);
    backward(&mut plain, g1, &mut memory, labels.visible, tau);

    StepLoss { objective: plain.objective() + augmented.objective() + infrared.objective(), parts }
}

fn views(embeddings: &StepEmbeddings) -> [View; 3] {
    [&embeddings.plain, &embeddings.augmented, &embeddings.infrared].map(View::new)
}

fn targets(labels: StepLabels<'_>, like: &Tensor<2>) -> (Tensor<1, Int>, Tensor<1, Int>) {
    let device = like.device();
    (label_tensor(labels.visible, &device), label_tensor(labels.infrared, &device))
}

fn sum_of_cross_entropies(logits: &[Tensor<2>; 3], labels: [&Tensor<1, Int>; 3]) -> Tensor<1> {
    let terms = logits.iter().zip(labels).map(|(z, y)| cross_entropy(z.clone(), y.clone())).collect();
    Tensor::cat(terms, 0).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData, Tolerance};
    use vireid_core::Streams;

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
        got.assert_approx_eq::<f32>(expected, Tolerance::absolute(2e-5).set_relative(1e-4));
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
            assert!((parts[0] + 0.9 * (parts[1] + parts[2]) + 0.5 * parts[3] - value).abs() < 2e-3 * value);
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
        assert!(a.iter().zip(&b).any(|(x, y)| (x - y).abs() > 1e-2));
    }
}
