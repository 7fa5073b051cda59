//! What the engine offers a method between steps.

use burn::tensor::Device;
use vireid_core::{Association, Camera, Embeddings, PerModality, Streams};
use vireid_data::ViewRecipes;
use vireid_data::sampler::StepPlan;

use crate::method::Outputs;
use crate::misgivings::LabelKeys;
use crate::{EngineConfig, MethodError};

/// An epoch and its place in the run. Stages and epochs are counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochAt {
    /// The stage that the epoch is in.
    pub stage: usize,
    /// The epoch, counted over all stages.
    pub epoch: usize,
    /// The epoch, counted from the start of its stage.
    pub in_stage: usize,
    /// How many epochs the stage has.
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
    /// The settings that decide about these labels: what a warning about them names.
    pub keys: LabelKeys,
}

/// An epoch as a method sees it. True identities are not among what it can ask for.
pub trait Epoch {
    /// Which epoch the method is called for.
    fn at(&self) -> EpochAt;

    /// The engine's settings of the run. A method has read its own settings when it was built.
    fn config(&self) -> &EngineConfig;

    /// The first of the run's devices, off its autodiff side: memories belong there.
    fn device(&self) -> &Device;

    /// The run's random streams. Name one for each purpose and key it by the epoch, so that a resumed run draws the
    /// same numbers.
    fn streams(&self) -> Streams;

    /// The camera of each training image, in the order of the lists.
    fn cameras(&self) -> PerModality<Vec<Camera>>;

    /// Embeds all training images with the network as it is, in inference mode: one row per image, in the order of the
    /// lists. With `extraction.flip_average` rows are means over an image and its mirror image, and shorter than 1.
    ///
    /// # Errors
    ///
    /// `VR0113` when an image can't be read any more, `VR0002` when the network answers with NaN, `VR0511` when a
    /// device fails.
    fn embeddings(&mut self) -> Result<PerModality<Embeddings>, MethodError>;

    /// Shows labels to whoever watches the run, with the truth beside them where it is known. Call it once for each
    /// labelling of an epoch.
    fn report(&mut self, labelling: &Labelling<'_>);

    /// Sends batches through the network in training mode (batch statistics, which move the running ones) without
    /// gradients and without a step. `each` gets a batch's plan and outputs. `stream` names the random stream of the
    /// augmentations.
    ///
    /// # Errors
    ///
    /// `VR0113` when an image can't be read any more, `VR0511` when the device fails, `VR0524` when the network's
    /// running statistics did not move.
    fn pass(
        &mut self,
        stream: &'static str,
        recipes: ViewRecipes,
        plans: Vec<StepPlan>,
        each: &mut dyn FnMut(&StepPlan, Outputs),
    ) -> Result<(), MethodError>;

    /// Tells that a long activity moved on: `done` of `total`. Its name is shown on a progress bar.
    fn tick(&mut self, activity: &'static str, done: usize, total: usize);
}
