//! A step of cluster contrast together with instance contrast, with memories that a rule moves after the gradient: what
//! DMIC and ECUL train with.

use burn::tensor::Tensor;
use vireid_core::{PerModality, Stream};
use vireid_data::ViewRecipes;
use vireid_data::sampler::StepPlan;
use vireid_data::transform::Transform;
use vireid_memory::{MemoryBank, normalize_rows};

use super::baseline::{Baseline, JOINT};
use super::contrast::{Contrast, JointMean};
use super::instance::InstanceLoss;
use super::instance_memory::InstanceBatch;
use super::lookups::Update;
use super::update::UpdateRule;
use vireid_train::method::{Outputs, StepLoss};

/// How many views a visible image has in a batch.
pub(crate) const VIEWS: usize = 2;

/// The augmentations that the code of this line of methods shares: a plain and a channel-augmented visible view, a
/// channel-augmented infrared one.
pub fn published_recipes(padding: usize) -> ViewRecipes {
    use Transform::*;
    let head = [PadCrop(padding), Flip(0.5), Normalize, Erase(0.5)];
    let with = |tail: &[Transform]| [&head, tail].concat();
    ViewRecipes { visible: vec![with(&[]), with(&[ChannelPick])], infrared: vec![with(&[ChannelPickOrGrey(0.5)])] }
}

/// The instance-level term of an objective. A weight of 0 turns it off.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InstanceTerm {
    /// What the term compares an image with.
    pub loss: InstanceLoss,
    /// Temperature of its logits, above 0.
    pub temperature: f64,
    /// Its weight in steps on the modalities' own memories, for each of the two.
    pub own: f64,
    /// Its weight in steps on the joint memory.
    pub joint: f64,
}

/// A training step of cluster contrast with an instance-level term: what DMIC and ECUL have in common.
#[derive(Debug, Clone, Copy)]
pub struct ContrastStep {
    /// How embeddings are compared with the memories of clusters.
    pub contrast: Contrast,
    /// What the cluster loss of a joint step averages over.
    pub joint_mean: JointMean,
    /// How memories move, once after the gradient.
    pub update: UpdateRule,
    /// The term that compares images with images.
    pub instance: InstanceTerm,
    /// Whether the stage has joint steps too: then the losses of the other kind are reported as 0.
    pub has_joint: bool,
}

/// A look-up that moves nothing: a rule moves the memories after the gradient, once for all rows of a memory.
fn still() -> Update<'static> {
    Box::new(|_: &mut MemoryBank, _: &Tensor<2>, _: &[usize]| ())
}

/// Embeddings off the autodiff device, rows of length 1.
fn unit_rows(embeddings: &PerModality<Tensor<2>>) -> PerModality<Tensor<2>> {
    embeddings.as_ref().map(|rows| normalize_rows(rows.clone().inner()))
}

/// A step on the modalities' own memories: contrast of each modality with its own clusters, whose memories the rule then moves. The
/// loss parts are those of the two modalities.
///
/// # Shapes
///
/// - `embeddings`: `[batch, dim]` of each modality with as many `labels`, on the autodiff device, not normalised
pub fn own_step(
    contrast: Contrast,
    update: UpdateRule,
    baseline: &mut Baseline,
    labels: &PerModality<Vec<usize>>,
    embeddings: &PerModality<Tensor<2>>,
    stream: &mut Stream,
) -> StepLoss {
    let unit = unit_rows(embeddings);
    let PerModality { visible, infrared } = &mut baseline.banks;
    let banks = PerModality { visible: &mut *visible, infrared: &mut *infrared };
    let loss = contrast.specific_step(banks, embeddings, labels.as_ref().map(Vec::as_slice), still());
    update.apply(visible, &unit.visible, &labels.visible, labels.visible.len(), stream);
    update.apply(infrared, &unit.infrared, &labels.infrared, 0, stream);
    loss
}

impl ContrastStep {
    /// The objective of a batch; moves the memories. The loss parts are those of the two modalities and of the instance
    /// term, for own steps and then, where the stage has them, for joint ones.
    pub fn run(self, baseline: &mut Baseline, plan: &StepPlan, outputs: &Outputs, stream: &mut Stream) -> StepLoss {
        let labels = baseline.batch_labels(plan, VIEWS);
        let embeddings = outputs.features.as_ref().map(|features| features.embedding.clone());
        let slices = labels.as_ref().map(Vec::as_slice);
        let is_joint = plan.part == JOINT;
        let contrast = match &mut baseline.joint {
            Some(joint) if is_joint => {
                let contrast =
                    self.contrast.joint_step_by(self.joint_mean, &mut joint.bank, &embeddings, slices, still());
                let all = [labels.visible.clone(), labels.infrared.clone()].concat();
                let unit = unit_rows(&embeddings);
                let rows = Tensor::cat(vec![unit.visible, unit.infrared], 0);
                self.update.apply(&mut joint.bank, &rows, &all, labels.visible.len(), stream);
                contrast
            }
            _ => own_step(self.contrast, self.update, baseline, &labels, &embeddings, stream),
        };
        let instance = self.instance_loss(baseline, plan, &embeddings, &labels, stream);
        let value = match &instance {
            Some(instance) => instance.clone().inner(),
            None => contrast.parts.clone().narrow(0, 0, 1).zeros_like(),
        };
        let objective = match instance {
            Some(instance) => contrast.objective + instance,
            None => contrast.objective,
        };
        let own = Tensor::cat(vec![contrast.parts, value], 0);
        if !self.has_joint {
            return StepLoss { objective, parts: own };
        }
        let none = own.zeros_like();
        let parts = if is_joint { vec![none, own] } else { vec![own, none] };
        StepLoss { objective, parts: Tensor::cat(parts, 0) }
    }

    /// The weighted instance-level term, where it has a weight.
    fn instance_loss(
        self,
        baseline: &mut Baseline,
        plan: &StepPlan,
        embeddings: &PerModality<Tensor<2>>,
        labels: &PerModality<Vec<usize>>,
        stream: &mut Stream,
    ) -> Option<Tensor<1>> {
        let term = self.instance;
        let is_joint = plan.part == JOINT && baseline.joint.is_some();
        let weight = if is_joint { term.joint } else { term.own };
        if weight <= 0.0 {
            return None;
        }
        let PerModality { visible, infrared } = embeddings.clone();
        let count = labels.visible.len();
        let loss = match baseline.instances.take() {
            Some(mut memory) => {
                let all_labels = match &baseline.joint {
                    Some(joint) if is_joint => joint.labels.clone(),
                    _ => baseline.labels.indices(),
                };
                let batch = InstanceBatch {
                    unit: PerModality { visible: normalize_rows(visible), infrared: normalize_rows(infrared) },
                    images: PerModality { visible: plan.visible.repeat(VIEWS), infrared: plan.infrared.clone() },
                    labels,
                    all_labels: &all_labels,
                    is_joint,
                };
                let loss = memory.step(&batch, term.temperature, stream);
                baseline.instances = Some(memory);
                loss
            }
            None if is_joint => {
                let all = [labels.visible.clone(), labels.infrared.clone()].concat();
                term.loss.of(Tensor::cat(vec![visible, infrared], 0), &all, count, term.temperature)
            }
            None => {
                term.loss.of(visible, &labels.visible, count, term.temperature)
                    + term.loss.of(infrared, &labels.infrared, 0, term.temperature)
            }
        };
        Some(loss.mul_scalar(weight))
    }
}
