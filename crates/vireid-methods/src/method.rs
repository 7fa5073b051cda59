//! What a method is.

use burn::tensor::{Device, Tensor};
use vireid_core::{Association, Embeddings, PerModality, Stream};
use vireid_data::ViewRecipes;
use vireid_data::sampler::{BatchShape, StepPlan};
use vireid_memory::MemoryBank;

use crate::MethodError;
use crate::labelling::Labels;

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

/// A method: labels to association, memories, batches and an objective.
///
/// The engine calls, each epoch: [`associate`](Self::associate), [`build_memories`](Self::build_memories),
/// [`plan`](Self::plan), then [`step`](Self::step) for every batch. Stages are counted from 0.
pub trait Method: Send {
    /// Its name, as in the registry.
    fn name(&self) -> &'static str;

    /// What it is made of, part by part, for listings and comparisons.
    fn composition(&self) -> Vec<(&'static str, String)>;

    /// The augmented views of a batch.
    fn recipes(&self, stage: usize) -> ViewRecipes;

    /// Which clusters of the two modalities belong together; `None` when the stage does not associate.
    ///
    /// # Errors
    ///
    /// When the assignment can't be solved.
    fn associate(&self, stage: usize, centroids: &PerModality<Embeddings>) -> Result<Option<Association>, MethodError>;

    /// Builds the epoch's memories from the centroids.
    fn build_memories(&mut self, centroids: &PerModality<Embeddings>, device: &Device);

    /// The images of every step of an epoch.
    ///
    /// # Errors
    ///
    /// `VR0107` when there are too few clusters.
    fn plan(
        &self,
        stage: usize,
        labels: &Labels,
        association: Option<&Association>,
        shape: BatchShape,
        steps: usize,
        stream: &mut Stream,
    ) -> Result<Vec<StepPlan>, MethodError>;

    /// Names of the parts of the loss in a stage.
    fn loss_parts(&self, stage: usize) -> &'static [&'static str];

    /// The objective of one batch; moves the memories.
    ///
    /// # Shapes
    ///
    /// - `embeddings`: `[views * images, dim]` of each modality, view after view, on the autodiff device
    fn step(&mut self, stage: usize, plan: &StepPlan, embeddings: PerModality<Tensor<2>>) -> StepLoss;

    /// The memories by name, for a checkpoint.
    fn memories(&self) -> Vec<(&'static str, &MemoryBank)>;

    /// Puts memories of a checkpoint back; `rows(name)` gives their prototypes.
    fn restore_memories(&mut self, rows: &mut dyn FnMut(&str) -> Option<Tensor<2>>);
}
