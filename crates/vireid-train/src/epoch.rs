//! What the engine offers a method between steps.

use burn::tensor::Device;
use vireid_core::{Association, Camera, Embeddings, PerModality, Streams};
use vireid_data::ViewRecipes;
use vireid_data::sampler::StepPlan;

use crate::method::Outputs;
use crate::{EngineConfig, MethodError};

/// Which epoch it is. All are counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochAt {
    /// The stage.
    pub stage: usize,
    /// The epoch, over all stages.
    pub epoch: usize,
    /// The epoch within the stage.
    pub in_stage: usize,
    /// Epochs of the stage.
    pub of: usize,
}

/// Labels to be shown with the truth beside them. See [`Epoch::report`].
#[derive(Debug, Clone, Default)]
pub struct Labelling<'a> {
    /// Which of an epoch's labels these are; empty where there are no others.
    pub moment: &'static str,
    /// The label of each image, each modality in its own space; `None` is noise.
    pub labels: PerModality<&'a [Option<usize>]>,
    /// Which clusters of the two belong together.
    pub association: Option<&'a Association>,
    /// The label of each image in one space for both modalities.
    pub joint: Option<PerModality<&'a [Option<usize>]>>,
    /// Other figures of the labelling, such as the threshold that made it.
    pub figures: Vec<(&'static str, f64)>,
}

/// An epoch as a method sees it. True identities are not among what it can ask for.
pub trait Epoch {
    /// Which epoch it is.
    fn at(&self) -> EpochAt;

    /// What the engine reads of the settings of the run; its own a method has read when it was built.
    fn config(&self) -> &EngineConfig;

    /// The device that trains; not its autodiff side.
    fn device(&self) -> &Device;

    /// The run's random streams.
    fn streams(&self) -> Streams;

    /// The cameras of the training images.
    fn cameras(&self) -> PerModality<Vec<Camera>>;

    /// Embeds the training images with the network as it is.
    ///
    /// # Errors
    ///
    /// `VR0113` when an image can't be read any more, `VR0002` when the network answers with NaN.
    fn embeddings(&mut self) -> Result<PerModality<Embeddings>, MethodError>;

    /// Shows labels to whoever watches the run, with the truth beside them where it is known.
    fn report(&mut self, labelling: &Labelling<'_>);

    /// Sends batches through the network in training mode (batch statistics, which move the running ones) without
    /// gradients and without a step. `each` gets a batch's plan and outputs. `stream` names the random stream of the
    /// augmentations.
    ///
    /// # Errors
    ///
    /// `VR0113` when an image can't be read any more, `VR0511` when the device fails.
    fn pass(
        &mut self,
        stream: &'static str,
        recipes: ViewRecipes,
        plans: Vec<StepPlan>,
        each: &mut dyn FnMut(&StepPlan, Outputs),
    ) -> Result<(), MethodError>;

    /// Tells that a long activity moved on: `done` of `total`.
    fn tick(&mut self, activity: &'static str, done: usize, total: usize);
}
