//! The sections of a configuration that the engine reads.

use serde::{Deserialize, Serialize};
use vireid_backbone::{Pixels, Precision, WeightNames};

use crate::RangeSetting;
use crate::learning_rate::{RatePiece, rate_at};

/// How images are read, resized and loaded: `[input]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InputSettings {
    /// Height in pixels that every image is resized to, at least 1.
    pub height: usize,
    /// Width in pixels that every image is resized to, at least 1.
    pub width: usize,
    /// The filter that images are resized with: `lanczos`, `bicubic` or `bilinear`.
    pub filter: String,
    /// `full` (the default), `image`, or the two numbers that become black and white; for images with more than 8 bits.
    // Left out where it is the default, so that a configuration says what differs.
    #[serde(default, skip_serializing_if = "RangeSetting::is_full")]
    pub range: RangeSetting,
    /// Width in pixels of the black border that random crops are cut from; 0 is none.
    pub padding: usize,
    /// Memory for decoded images in MiB. What does not fit is decoded again each time.
    pub cache_mib: usize,
    /// Threads that load and augment batches.
    pub workers: usize,
    /// How many batches are made ready ahead of their step.
    pub prefetch: usize,
}

/// The network and its starting weights: `[backbone]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BackboneSettings {
    /// A name of [`networks::names`](crate::networks::names()), such as `resnet50`, `small`, `vit_base_16`, or one that
    /// you registered.
    pub name: String,
    /// The starting weights: a `.pth` or `.safetensors` file, `builtin:small` for those in the program, or `none` for
    /// random ones.
    pub weights: String,
    /// Whose names the file of weights has; found out from the file unless set.
    #[serde(default, skip_serializing_if = "WeightNames::is_auto")]
    pub names: WeightNames,
    /// Whether a residual network has AGW's non-local blocks.
    pub non_local: bool,
    /// How many parts of a batch batch norm treats separately, at least 1. Several devices share them evenly.
    pub bn_groups: usize,
    /// Whether a bottleneck has its stride on the first 1x1 convolution, and not on the 3x3 one.
    pub stride_in_1x1: bool,
    /// Number type of the convolutions, `f32` (the default) or `bf16`; all else is f32.
    // Left out where it is the default, so that a configuration says what differs.
    #[serde(default, skip_serializing_if = "is_f32")]
    pub precision: Precision,
    /// What numbers the first layer gets for bytes, `imagenet`, `half` or `lite`; what the network's weights are published
    /// for unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pixels: Option<Pixels>,
    /// Whether each block's activations are recomputed for its gradients instead of kept: less memory, longer steps.
    /// Off unless set.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub checkpointing: bool,
}

fn is_f32(precision: &Precision) -> bool {
    *precision == Precision::F32
}

/// How images are embedded: `[extraction]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExtractionSettings {
    /// Whether training images get the mean of the embeddings of the image and its mirror image before they are
    /// labelled. Tests have a setting of their own.
    pub flip_average: bool,
    /// Images per pass, at least 1, in tests too.
    pub batch: usize,
}

/// What the optimisers of all stages have in common: `[optimizer]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OptimizerSettings {
    /// Weight decay that the optimiser is made with: the weight of the L2 term in the gradient, but for `adamw`, which
    /// decays weights apart from it.
    pub weight_decay: f64,
}

/// The settings of one stage: an entry of `[[stages]]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageSettings {
    /// How many epochs the stage has. 0 leaves it out; where all have 0 the run keeps its starting network.
    pub epochs: usize,
    /// Steps per epoch; 0 where a method's number of steps follows from the data.
    pub iterations: usize,
    /// The learning rate over the epochs of the stage: pieces in a row, the first from epoch 0 on.
    pub learning_rate: Vec<RatePiece>,
    /// The optimiser by name, where it is not the method's own choice; see [`Optimizer::named`](crate::Optimizer::named).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optimizer: Option<String>,
    /// `backbone.bn_groups` of a stage that starts with a fresh network, where it differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bn_groups: Option<usize>,
    /// `evaluation.flip_average` of the tests within the stage, where it differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_flip_average: Option<bool>,
}

impl StageSettings {
    /// The learning rate at an epoch, counted from 0 within the stage.
    pub fn rate(&self, in_stage: usize) -> f64 {
        rate_at(&self.learning_rate, in_stage, self.epochs)
    }
}

/// When and how to test: `[evaluation]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EvaluationSettings {
    /// Test after every this many epochs, at least 1. The end of a stage is always tested.
    pub every: usize,
    /// How many galleries are drawn and averaged, at least 1, where the protocol draws any.
    pub trials: u32,
    /// Whether test images get the mean of the embeddings of the image and its mirror image.
    pub flip_average: bool,
    /// `input.filter` of test images, where it differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
}
