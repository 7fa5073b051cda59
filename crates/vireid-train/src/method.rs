//! What a method is.

use burn::tensor::{Device, Tensor};
use vireid_backbone::Features;
use vireid_core::{PerModality, Stream, Streams};
use vireid_data::ViewRecipes;
use vireid_data::sampler::StepPlan;

use crate::epoch::{Epoch, EpochAt};
use crate::state::MethodState;
use crate::{MethodError, Optimizer};

/// One of a method's stages. Its epochs, steps and learning rates are settings; what is here is the method's own.
#[derive(Debug, Clone, Copy)]
pub struct Stage {
    /// Its name, shown on progress bars.
    pub name: &'static str,
    /// What it starts from.
    pub start: StageStart,
    /// How it steps, where the settings of the stage name no other optimiser.
    pub optimizer: Optimizer,
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

/// Which step it is.
#[derive(Debug, Clone, Copy)]
pub struct StepAt {
    /// The epoch.
    pub epoch: EpochAt,
    /// The step within the epoch, counted from 0; a resumed run goes on counting.
    pub index: usize,
    streams: Streams,
}

impl StepAt {
    /// Step `index` of an epoch, in a run with these random streams.
    pub fn new(epoch: EpochAt, index: usize, streams: Streams) -> Self {
        Self { epoch, index, streams }
    }

    /// The random stream of a name, this step's own: the same numbers whether or not the run was interrupted before.
    pub fn stream(&self, name: &str) -> Stream {
        self.streams.stream(name, [self.epoch.epoch as u64, self.index as u64, 0])
    }
}

/// A method: labels, memories, batches and an objective.
///
/// The engine calls, each epoch: [`prepare`](Self::prepare), [`plan`](Self::plan), [`step`](Self::step) for every batch,
/// [`finish`](Self::finish). What `prepare` makes is a value of the method's own type, which the others get: none of them
/// can be called without it. Between two of them the engine may save [`state`](Self::state) and, in another process,
/// [`restore`](Self::restore) it and go on. Stages and epochs are counted from 0.
pub trait Method: Send {
    /// Labels and memories of an epoch.
    type Prepared: Send;

    /// Its name, as in the registry.
    fn name(&self) -> &str;

    /// Its stages, in order.
    fn stages(&self) -> Vec<Stage>;

    /// What it is made of, part by part, for listings and comparisons.
    fn composition(&self) -> Vec<Part>;

    /// What its settings make worth knowing before a run.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }

    /// The augmented views of a batch.
    fn recipes(&self, at: EpochAt) -> ViewRecipes;

    /// Most images of a modality that a step of the epoch takes, each of which may have several views: what the plan of a
    /// run's memory and time goes by.
    fn largest_batch(&self, at: EpochAt) -> usize;

    /// Makes the epoch's labels and memories.
    ///
    /// # Errors
    ///
    /// When the embeddings can't be clustered or associated.
    fn prepare(&mut self, epoch: &mut dyn Epoch) -> Result<Self::Prepared, MethodError>;

    /// The images of every step of an epoch, `iterations` of them where the method takes their number from the settings;
    /// the same for the same labels and stream.
    ///
    /// # Errors
    ///
    /// `VR0107` when there are too few clusters.
    fn plan(
        &self,
        prepared: &Self::Prepared,
        at: EpochAt,
        iterations: usize,
        stream: &mut Stream,
    ) -> Result<Vec<StepPlan>, MethodError>;

    /// Classes of a classifier on the embeddings, where the stage trains one.
    fn classes(&self, _prepared: &Self::Prepared) -> Option<usize> {
        None
    }

    /// Names of the parts of the loss in an epoch. Where steps alternate, every step reports all parts, 0 for those it
    /// does not have.
    fn loss_parts(&self, at: EpochAt) -> &'static [&'static str];

    /// The objective of one batch; moves the memories.
    fn step(&mut self, prepared: &mut Self::Prepared, at: StepAt, plan: &StepPlan, outputs: Outputs) -> StepLoss;

    /// After the last step of an epoch: what outlives it goes into the method.
    ///
    /// # Errors
    ///
    /// What a pass over images refuses.
    fn finish(&mut self, _prepared: Self::Prepared, _epoch: &mut dyn Epoch) -> Result<(), MethodError> {
        Ok(())
    }

    /// What a checkpoint must hold: within an epoch what was prepared for it, between two epochs what outlives them.
    fn state(&self, prepared: Option<&Self::Prepared>) -> MethodState;

    /// Puts back what outlives epochs, from the state of a checkpoint between two epochs; `None` when it is incomplete.
    fn restore(&mut self, _state: &MethodState, _device: &Device) -> Option<()> {
        Some(())
    }

    /// The same from the state of a checkpoint within the epoch `at`, and what was prepared for it.
    fn restore_within(&mut self, state: &MethodState, at: EpochAt, device: &Device) -> Option<Self::Prepared>;
}
