use serde::{Deserialize, Serialize};
use vireid_backbone::Precision;

use crate::RangeSetting;
use crate::learning_rate::{RatePiece, rate_at};

/// How images are read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InputSettings {
    /// Height in pixels.
    pub height: usize,
    /// Width in pixels.
    pub width: usize,
    /// `lanczos`, `bicubic` or `bilinear`.
    pub filter: String,
    /// `full`, `image`, or the two numbers that become black and white; of images with more than 8 bits.
    // Left out where it is the default, so that older runs keep their configuration's hash.
    #[serde(default, skip_serializing_if = "RangeSetting::is_full")]
    pub range: RangeSetting,
    /// Black border in pixels that random crops are cut from.
    pub padding: usize,
    /// Memory for decoded images in MiB.
    pub cache_mib: usize,
    /// Loader threads.
    pub workers: usize,
    /// Batches prepared ahead.
    pub prefetch: usize,
}

/// Which network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BackboneSettings {
    /// A name of [`networks`](crate::networks): `resnet18`, `resnet34`, `resnet50`, `small`, or one that you registered.
    pub name: String,
    /// A `.pth` or `.safetensors` file, `builtin:small`, or `none`.
    pub weights: String,
    /// AGW's non-local blocks.
    pub non_local: bool,
    /// Parts of a batch that batch norm treats separately.
    pub bn_groups: usize,
    /// Stride on the first 1x1 convolution of a bottleneck.
    pub stride_in_1x1: bool,
    /// `f32` or `bf16`, of the convolutions; all else is f32.
    // Left out where it is the default, so that older runs keep their configuration's hash.
    #[serde(default, skip_serializing_if = "is_f32")]
    pub precision: Precision,
    /// Make each block's activations anew for its gradients instead of keeping them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub checkpointing: bool,
}

fn is_f32(precision: &Precision) -> bool {
    *precision == Precision::F32
}

/// How images are embedded, to be labelled and in tests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExtractionSettings {
    /// Average the embeddings of an image and its mirror image before they are labelled.
    pub flip_average: bool,
    /// Images per batch.
    pub batch: usize,
}

/// What all stages' optimisers have in common.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OptimizerSettings {
    /// Weight of the L2 term in the gradient.
    pub weight_decay: f64,
}

/// One stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageSettings {
    /// Its epochs.
    pub epochs: usize,
    /// Steps per epoch; 0 where a method's number of steps follows from the data.
    pub iterations: usize,
    /// The rate over the epochs of the stage: pieces in a row, the first from epoch 0 on.
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
    /// The learning rate of an epoch of the stage.
    pub fn rate(&self, in_stage: usize) -> f64 {
        rate_at(&self.learning_rate, in_stage, self.epochs)
    }
}

/// When and how to test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EvaluationSettings {
    /// Test every this many epochs; the end of a stage is always tested.
    pub every: usize,
    /// Gallery draws that are averaged.
    pub trials: u32,
    /// Average the embeddings of an image and its mirror image.
    pub flip_average: bool,
    /// `input.filter` of test images, where it differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
}
