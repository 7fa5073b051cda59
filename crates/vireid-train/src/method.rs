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
    /// Name of the stage, as events, reports and progress bars show it.
    pub name: &'static str,
    /// What network and optimiser it starts from.
    pub start: StageStart,
    /// The optimiser it steps with, where the settings of the stage name no other.
    pub optimizer: Optimizer,
}

/// What network and optimiser a stage starts from. The first stage of a run always starts fresh.
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
    /// Name of the stage that has it, or `all`.
    pub stage: &'static str,
    /// Which part it is: labeller, associator, memories, objective, sampler, ...
    pub part: &'static str,
    /// What the method takes for that part, with its settings, in words.
    pub what: String,
}

impl Part {
    /// A part of a stage (or of `all`), and what the method takes for it.
    pub fn new(stage: &'static str, part: &'static str, what: impl Into<String>) -> Self {
        Self { stage, part, what: what.into() }
    }
}

/// What the network gave for a batch, on the first device.
#[derive(Debug, Clone)]
pub struct Outputs {
    /// Features of the images, view after view within each modality. On the autodiff device in a step, off it in
    /// [`Epoch::pass`].
    pub features: PerModality<Features>,
    /// Logits of the classifier, where the stage has one.
    ///
    /// # Shapes
    ///
    /// - each `[views * images, classes]`
    pub logits: Option<PerModality<Tensor<2>>>,
}

/// What a step minimises, and what it tells of it.
#[derive(Debug)]
pub struct StepLoss {
    /// A scalar on the autodiff device whose gradient is the step's. Its value need not be the loss; `parts` has that.
    ///
    /// # Shapes
    ///
    /// - `[1]`
    pub objective: Tensor<1>,
    /// The loss by parts, off the autodiff device, in the order of [`Method::loss_parts`].
    ///
    /// # Shapes
    ///
    /// - `[parts]`
    pub parts: Tensor<1>,
}

/// A step and its place in the run, with the random streams that are its own.
#[derive(Debug, Clone, Copy)]
pub struct StepAt {
    /// The epoch that the step belongs to.
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

    /// A random stream that is this step's own, by a name: the same numbers whether or not the run was interrupted before.
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

    /// Name of the method, as a configuration's `method` gives it. Checkpoints are refused by a method of another name.
    fn name(&self) -> &str;

    /// The stages in order, at least one. A configuration must have as many `[[stages]]`.
    fn stages(&self) -> Vec<Stage>;

    /// What the method is made of, part by part, for listings and comparisons.
    fn composition(&self) -> Vec<Part>;

    /// Sentences on what its settings make worth knowing before a run; none unless this is overridden.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }

    /// The augmented views that each image of a batch has in an epoch: one list of transforms per view.
    fn recipes(&self, at: EpochAt) -> ViewRecipes;

    /// The most images of a modality that a step of the epoch takes, each of which may have several views. The plan of
    /// a run's memory and time goes by it.
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

    /// How many classes a classifier on the embeddings has, where the stage trains one. `None`, the default, is no
    /// classifier.
    fn classes(&self, _prepared: &Self::Prepared) -> Option<usize> {
        None
    }

    /// Names of the parts of the loss in an epoch. Where steps alternate, every step reports all parts, 0 for those it
    /// does not have.
    fn loss_parts(&self, at: EpochAt) -> &'static [&'static str];

    /// The objective of one batch. It moves the memories too; the engine steps the network afterwards.
    fn step(&mut self, prepared: &mut Self::Prepared, at: StepAt, plan: &StepPlan, outputs: Outputs) -> StepLoss;

    /// Called after the last step of an epoch. What is to outlive the epoch goes into the method here.
    ///
    /// # Errors
    ///
    /// What a pass over images refuses.
    fn finish(&mut self, _prepared: Self::Prepared, _epoch: &mut dyn Epoch) -> Result<(), MethodError> {
        Ok(())
    }

    /// What a checkpoint must hold: within an epoch (`prepared` is there) what was prepared for it too, between two epochs
    /// what outlives them.
    fn state(&self, prepared: Option<&Self::Prepared>) -> MethodState;

    /// Puts back what outlives epochs, from the state of a checkpoint between two epochs. `None` when the state is
    /// incomplete, which refuses the checkpoint with `VR0507`. The default suits methods that keep nothing.
    fn restore(&mut self, _state: &MethodState, _device: &Device) -> Option<()> {
        Some(())
    }

    /// Puts back everything from the state of a checkpoint within the epoch `at`, and returns what was prepared for it.
    /// `None` when the state is incomplete.
    fn restore_within(&mut self, state: &MethodState, at: EpochAt, device: &Device) -> Option<Self::Prepared>;
}
