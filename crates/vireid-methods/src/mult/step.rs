//! The steps of the second stage.
//!
//! In the space of visible clusters: L = own + mixed + refinement, where `own` compares every view with the memories of a
//! single modality, `mixed` with the memory that both modalities move, and refinement teaches the mixed memory's
//! predictions by those of the others. The space of infrared clusters is its mirror image. Terms and order of the
//! look-ups are those of the released code.

use burn::tensor::Tensor;
use vireid_core::PerModality;
use vireid_losses::{refinement, refinement_gradients, soft_cross_entropy, soft_cross_entropy_gradient};
use vireid_memory::MemoryBank;

use super::MultSettings;
use crate::parts::lookups::{LookUp, Lookups};
use crate::parts::views::{AUGMENTED, INFRARED, PLAIN, StepEmbeddings};
use vireid_train::method::StepLoss;

/// The memories of an epoch. All start from the centroids of the label space they are of.
#[derive(Debug, Clone)]
pub struct MemoryBanks {
    /// Visible clusters, moved by visible embeddings.
    pub visible: MemoryBank,
    /// Infrared clusters, moved by infrared embeddings.
    pub infrared: MemoryBank,
    /// Visible clusters, moved by infrared embeddings.
    pub infrared_in_visible_space: MemoryBank,
    /// Visible clusters, moved by the embeddings of both modalities.
    pub mixed_visible_space: MemoryBank,
    /// Infrared clusters, moved by visible embeddings.
    pub visible_in_infrared_space: MemoryBank,
    /// Infrared clusters, moved by the embeddings of both modalities.
    pub mixed_infrared_space: MemoryBank,
}

impl MemoryBanks {
    /// Banks of centroids.
    ///
    /// # Shapes
    ///
    /// - `centroids`: `[clusters, dim]` of each modality
    pub fn new(centroids: PerModality<Tensor<2>>, momentum: f64) -> Self {
        let visible = || MemoryBank::new(centroids.visible.clone(), momentum);
        let infrared = || MemoryBank::new(centroids.infrared.clone(), momentum);
        Self {
            visible: visible(),
            infrared: infrared(),
            infrared_in_visible_space: visible(),
            mixed_visible_space: visible(),
            visible_in_infrared_space: infrared(),
            mixed_infrared_space: infrared(),
        }
    }

    pub(super) fn named(&self) -> [(&'static str, &MemoryBank); 6] {
        [
            ("visible", &self.visible),
            ("infrared", &self.infrared),
            ("infrared_in_visible_space", &self.infrared_in_visible_space),
            ("mixed_visible_space", &self.mixed_visible_space),
            ("visible_in_infrared_space", &self.visible_in_infrared_space),
            ("mixed_infrared_space", &self.mixed_infrared_space),
        ]
    }

    pub(super) fn restored(rows: &dyn Fn(&str) -> Option<Tensor<2>>, momentum: f64) -> Option<Self> {
        let bank = |name| Some(MemoryBank::new(rows(name)?, momentum));
        Some(Self {
            visible: bank("visible")?,
            infrared: bank("infrared")?,
            infrared_in_visible_space: bank("infrared_in_visible_space")?,
            mixed_visible_space: bank("mixed_visible_space")?,
            visible_in_infrared_space: bank("visible_in_infrared_space")?,
            mixed_infrared_space: bank("mixed_infrared_space")?,
        })
    }
}

/// The labels of a batch's images of one modality in one label space.
#[derive(Debug, Clone)]
pub struct SpaceLabels {
    /// Which row of a memory an image moves.
    pub hard: Vec<usize>,
    /// What its prediction is trained towards, off the autodiff device.
    ///
    /// # Shapes
    ///
    /// - `[batch, clusters]`
    pub targets: Tensor<2>,
}

/// The labels of a batch: each modality over its own clusters and over the other's.
#[derive(Debug, Clone)]
pub struct BatchLabels {
    /// Labels of each modality's images over its own clusters.
    pub own: PerModality<SpaceLabels>,
    /// Labels of each modality's images over the other modality's clusters.
    pub cross: PerModality<SpaceLabels>,
}

/// Names of the loss parts of [`association_step`].
pub const PARTS: &[&str] = &["own_visible", "own_infrared", "mixed_visible", "mixed_infrared", "refinement"];

/// Positions of the memories among a step's look-ups.
const OWN_VISIBLE: usize = 0;
const OWN_INFRARED: usize = 1;
const GUEST: usize = 2;
const MIXED: usize = 3;

/// A step in one label space: that of visible clusters, or of infrared ones.
///
/// The loss parts are [`PARTS`].
pub fn association_step(
    banks: &mut MemoryBanks,
    embeddings: &StepEmbeddings,
    labels: &BatchLabels,
    in_visible_space: bool,
    settings: &MultSettings,
) -> StepLoss {
    let MemoryBanks { visible, infrared, .. } = banks;
    let (guest, mixed) = match in_visible_space {
        true => (&mut banks.infrared_in_visible_space, &mut banks.mixed_visible_space),
        false => (&mut banks.visible_in_infrared_space, &mut banks.mixed_infrared_space),
    };
    let of_space = vec![visible, infrared, guest, mixed];
    let mut step = embeddings.lookups(of_space, settings.temperature, settings.bank_gradient);
    let BatchLabels { own, cross } = labels;
    // The labels of either modality in the space of this step.
    let (of_visible, of_infrared) =
        if in_visible_space { (&own.visible, &cross.infrared) } else { (&cross.visible, &own.infrared) };

    // The order of these look-ups is that of the released code: it decides what each gradient sees of a memory.
    let (own_terms, by_space) = if in_visible_space {
        let plain = step.look_up(OWN_VISIBLE, PLAIN, &own.visible.hard);
        let augmented = step.look_up(OWN_VISIBLE, AUGMENTED, &own.visible.hard);
        let guest = step.look_up(GUEST, INFRARED, &of_infrared.hard);
        let infrared = step.look_up(OWN_INFRARED, INFRARED, &own.infrared.hard);
        let terms = PerModality {
            visible: vec![(plain, &own.visible), (augmented, &own.visible)],
            infrared: vec![(infrared, &own.infrared), (guest, of_infrared)],
        };
        (terms, [augmented, plain, guest])
    } else {
        let guest_plain = step.look_up(GUEST, PLAIN, &of_visible.hard);
        let guest_augmented = step.look_up(GUEST, AUGMENTED, &of_visible.hard);
        let infrared = step.look_up(OWN_INFRARED, INFRARED, &own.infrared.hard);
        let plain = step.look_up(OWN_VISIBLE, PLAIN, &own.visible.hard);
        let augmented = step.look_up(OWN_VISIBLE, AUGMENTED, &own.visible.hard);
        let of_own = [(plain, &own.visible), (augmented, &own.visible)];
        let of_guest = [(guest_plain, of_visible), (guest_augmented, of_visible)];
        let terms = PerModality { visible: [of_own, of_guest].concat(), infrared: vec![(infrared, &own.infrared)] };
        (terms, [guest_augmented, guest_plain, infrared])
    };
    let mixed = [
        step.look_up(MIXED, PLAIN, &of_visible.hard),
        step.look_up(MIXED, AUGMENTED, &of_visible.hard),
        step.look_up(MIXED, INFRARED, &of_infrared.hard),
    ];
    // The memories of the other modality, which these images do not move.
    let (for_visible, for_infrared) = if in_visible_space { (GUEST, OWN_VISIBLE) } else { (OWN_INFRARED, GUEST) };
    let by_other =
        [step.peek(for_visible, AUGMENTED), step.peek(for_visible, PLAIN), step.peek(for_infrared, INFRARED)];
    let lessons = lessons(mixed, by_space, by_other);

    let [plain, augmented, infrared] = mixed;
    let mut parts = vec![
        add_soft_cross_entropies(&mut step, &own_terms.visible),
        add_soft_cross_entropies(&mut step, &own_terms.infrared),
        add_soft_cross_entropies(&mut step, &[(plain, of_visible), (augmented, of_visible)]),
        add_soft_cross_entropies(&mut step, &[(infrared, of_infrared)]),
    ];
    parts.push(match settings.refinement {
        true => add_refinements(&mut step, &lessons, settings),
        false => parts[0].zeros_like(),
    });
    StepLoss { objective: step.backward(), parts: Tensor::cat(parts, 0) }
}

/// Who teaches whom: every view's prediction from the mixed memory, by the memory of its own modality and by the other's.
/// For visible images the teacher sees the other view.
fn lessons(mixed: [LookUp; 3], by_own: [LookUp; 3], by_other: [LookUp; 3]) -> Vec<(LookUp, LookUp)> {
    mixed.into_iter().zip(by_own).chain(mixed.into_iter().zip(by_other)).collect()
}

fn add_soft_cross_entropies(step: &mut Lookups<'_>, terms: &[(LookUp, &SpaceLabels)]) -> Tensor<1> {
    let losses = terms.iter().map(|&(look_up, SpaceLabels { targets, .. })| {
        let logits = step.logits(look_up);
        step.add_gradient(look_up, soft_cross_entropy_gradient(logits.clone(), targets.clone()));
        soft_cross_entropy(logits, targets.clone())
    });
    Tensor::cat(losses.collect(), 0).sum()
}

fn add_refinements(step: &mut Lookups<'_>, lessons: &[(LookUp, LookUp)], settings: &MultSettings) -> Tensor<1> {
    let losses = lessons.iter().map(|&(pupil, teacher)| {
        let (logits, target) = (step.logits(pupil), step.logits(teacher));
        let (of_pupil, of_teacher) = refinement_gradients(logits.clone(), target.clone(), settings.sharpen);
        step.add_gradient(pupil, of_pupil);
        if !settings.detach_teacher {
            step.add_gradient(teacher, of_teacher);
        }
        refinement(logits, target, settings.sharpen)
    });
    Tensor::cat(losses.collect(), 0).sum()
}
