//! The batches of embeddings that a step of one plain and one augmented visible view and infrared images has.

use burn::tensor::{Int, Tensor};
use vireid_backbone::Features;
use vireid_core::PerModality;
use vireid_losses::{cross_entropy, cross_entropy_gradient, label_tensor};
use vireid_memory::MemoryBank;

use super::lookups::{BankGradient, LookUp, Lookups};
use vireid_train::method::StepLoss;

/// Position of the plain visible view among the views of a step.
pub const PLAIN: usize = 0;
/// Position of the channel-augmented visible view.
pub const AUGMENTED: usize = 1;
/// Position of the infrared images, which have one view.
pub const INFRARED: usize = 2;

/// The embeddings of a step on the autodiff device, not normalised.
///
/// # Shapes
///
/// - each `[batch, dim]`
#[derive(Debug, Clone)]
pub struct StepEmbeddings {
    /// The visible images in their plain views.
    pub plain: Tensor<2>,
    /// The same images in their channel-augmented views.
    pub augmented: Tensor<2>,
    /// The infrared images in their only view.
    pub infrared: Tensor<2>,
}

impl StepEmbeddings {
    /// The embeddings of a batch whose visible rows are `plain` plain views, followed by as many augmented ones.
    pub fn new(features: PerModality<Features>, plain: usize) -> Self {
        let visible = features.visible.embedding;
        Self {
            plain: visible.clone().narrow(0, 0, plain),
            augmented: visible.narrow(0, plain, plain),
            infrared: features.infrared.embedding,
        }
    }

    /// A step's look-ups with these views, by the positions [`PLAIN`], [`AUGMENTED`] and [`INFRARED`].
    pub fn lookups<'a>(&self, banks: Vec<&'a mut MemoryBank>, temperature: f64, rule: BankGradient) -> Lookups<'a> {
        Lookups::new(banks, &[&self.plain, &self.augmented, &self.infrared], temperature, rule)
    }
}

/// The labels of a step's slots: each slot holds a visible and an infrared image.
#[derive(Debug, Clone, Copy)]
pub struct StepLabels<'a> {
    /// The visible cluster of each slot.
    pub visible: &'a [usize],
    /// The infrared cluster of each slot.
    pub infrared: &'a [usize],
}

/// Labels as tensors off the autodiff device.
pub(crate) fn targets(labels: StepLabels<'_>, like: &Tensor<2>) -> (Tensor<1, Int>, Tensor<1, Int>) {
    let device = like.clone().inner().device();
    (label_tensor(labels.visible, &device), label_tensor(labels.infrared, &device))
}

/// Names of the loss parts of [`specific_step`].
pub const SPECIFIC_PARTS: &[&str] = &["visible_plain", "visible_augmented", "infrared"];

/// Each view against the memory of its own modality: the first stage that several methods share.
///
/// The loss is the sum of three cross entropies: the visible images count twice, once per view. The loss parts are
/// [`SPECIFIC_PARTS`].
pub fn specific_step(
    banks: PerModality<&mut MemoryBank>,
    embeddings: &StepEmbeddings,
    labels: StepLabels<'_>,
    temperature: f64,
    rule: BankGradient,
) -> StepLoss {
    let (y_visible, y_infrared) = targets(labels, &embeddings.plain);
    let mut step = embeddings.lookups(vec![banks.visible, banks.infrared], temperature, rule);
    let specific = [
        (step.look_up(0, PLAIN, labels.visible), &y_visible),
        (step.look_up(0, AUGMENTED, labels.visible), &y_visible),
        (step.look_up(1, INFRARED, labels.infrared), &y_infrared),
    ];
    let parts = add_cross_entropies(&mut step, &specific, 1.0);
    StepLoss { objective: step.backward(), parts }
}

/// Some cross entropies; their gradients go in with a weight.
///
/// # Shapes
///
/// - output: `[terms]`
pub(crate) fn add_cross_entropies(
    step: &mut Lookups<'_>,
    terms: &[(LookUp, &Tensor<1, Int>)],
    weight: f64,
) -> Tensor<1> {
    let losses = terms.iter().map(|&(look_up, labels)| {
        let logits = step.logits(look_up);
        let gradient = cross_entropy_gradient(logits.clone(), labels.clone());
        step.add_gradient(look_up, gradient.mul_scalar(weight));
        cross_entropy(logits, labels.clone())
    });
    Tensor::cat(losses.collect(), 0)
}
