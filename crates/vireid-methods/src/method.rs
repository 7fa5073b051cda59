//! What a method is.

use burn::tensor::{Device, Tensor};
use vireid_backbone::Features;
use vireid_core::{PerModality, Stream};
use vireid_data::ViewRecipes;
use vireid_data::sampler::StepPlan;

use crate::epoch::{Epoch, EpochAt};
use crate::state::MethodState;
use crate::{MethodError, OptimizerKind, RunConfig};

/// One of a method's stages. Its epochs, steps and learning rates are settings; what is here is the method's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stage {
    /// Its name.
    pub name: &'static str,
    /// What it starts from.
    pub start: StageStart,
    /// How it steps.
    pub optimizer: OptimizerKind,
}

/// What a stage starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StageStart {
    /// Network and optimiser as the stage before left them.
    Continue,
    /// The network as the stage before left it, and an optimiser without memory of it.
    FreshOptimizer,
    /// The starting weights of the run, and a fresh optimiser.
    FreshNetwork,
}

/// One line of what a method is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The stage, or `all`.
    pub stage: &'static str,
    /// Labeller, associator, memories, objective, sampler, ...
    pub part: &'static str,
    /// What it is, with its settings.
    pub what: String,
}

impl Part {
    /// A line.
    pub fn new(stage: &'static str, part: &'static str, what: impl Into<String>) -> Self {
        Self { stage, part, what: what.into() }
    }
}

/// What the network gave for a batch.
#[derive(Debug, Clone)]
pub struct Outputs {
    /// Features, view after view of each modality's images, on the autodiff device in a step.
    pub features: PerModality<Features>,
    /// Logits of the classifier, where the stage has one.
    ///
    /// # Shapes
    ///
    /// - each `[views * images, classes]`
    pub logits: Option<PerModality<Tensor<2>>>,
}

/// What a step minimises.
#[derive(Debug)]
pub struct StepLoss {
    /// A scalar whose gradient is the step's. Its value need not be the loss: see `parts`.
    pub objective: Tensor<1>,
    /// The loss by parts, off the autodiff device, in the order of [`Method::loss_parts`].
    ///
    /// # Shapes
    ///
    /// - `[parts]`
    pub parts: Tensor<1>,
}

/// A method: labels, memories, batches and an objective.
///
/// The engine calls, each epoch: [`prepare`](Self::prepare), [`plan`](Self::plan), [`step`](Self::step) for every batch,
/// [`finish`](Self::finish). Between two of them it may save [`state`](Self::state) and, in another process,
/// [`restore`](Self::restore) it and go on. Stages and epochs are counted from 0.
pub trait Method: Send {
    /// Its name, as in the registry.
    fn name(&self) -> &'static str;

    /// Its stages, in order.
    fn stages(&self) -> Vec<Stage>;

    /// What it is made of, part by part, for listings and comparisons.
    fn composition(&self) -> Vec<Part>;

    /// The augmented views of a batch.
    fn recipes(&self, at: EpochAt) -> ViewRecipes;

    /// Makes the epoch's labels and memories.
    ///
    /// # Errors
    ///
    /// When the embeddings can't be clustered or associated.
    fn prepare(&mut self, epoch: &mut dyn Epoch) -> Result<(), MethodError>;

    /// The images of every step of an epoch, from the labels that [`prepare`](Self::prepare) made; the same for the same
    /// labels and stream.
    ///
    /// # Errors
    ///
    /// `VR0107` when there are too few clusters.
    fn plan(&self, at: EpochAt, config: &RunConfig, stream: &mut Stream) -> Result<Vec<StepPlan>, MethodError>;

    /// Classes of a classifier on the embeddings, where the stage trains one; known after [`prepare`](Self::prepare).
    fn classes(&self, _at: EpochAt) -> Option<usize> {
        None
    }

    /// Names of the parts of the loss in an epoch. Where steps alternate, every step reports all parts, 0 for those it
    /// does not have.
    fn loss_parts(&self, at: EpochAt) -> &'static [&'static str];

    /// The objective of one batch; moves the memories.
    fn step(&mut self, at: EpochAt, plan: &StepPlan, outputs: Outputs) -> StepLoss;

    /// After the last step of an epoch.
    ///
    /// # Errors
    ///
    /// What a pass over images refuses.
    fn finish(&mut self, _epoch: &mut dyn Epoch) -> Result<(), MethodError> {
        Ok(())
    }

    /// What a checkpoint must hold. `within_epoch` when the epoch has been prepared and is not finished; else only what
    /// outlives an epoch is needed.
    fn state(&self, within_epoch: bool) -> MethodState;

    /// Puts the state of a checkpoint back; `None` when it is incomplete.
    fn restore(&mut self, state: &MethodState, within_epoch: bool, device: &Device) -> Option<()>;
}
