//! The number type that a network computes in.

use burn::tensor::{Device, FloatDType, Tensor};
use serde::{Deserialize, Serialize};

/// Number type of a network's convolutions and of what is between them. Weights, their gradients, the statistics of
/// batch norm, pooling and all that follows are always f32.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Single precision, on every device.
    #[default]
    F32,
    /// Images, activations and the weights that a convolution sees rounded to 8 bits of precision; sums as the backend
    /// makes them (in f32 on the CPU and on tensor cores).
    Bf16,
}

impl Precision {
    /// Whether a device computes in it.
    pub fn is_supported(self, device: &Device) -> bool {
        self == Self::F32 || device.supports_dtype(FloatDType::BF16)
    }

    /// `operation` of images and f32 weights in this precision, which its result keeps; gradients pass the casts.
    pub(crate) fn run(
        self,
        input: Tensor<4>,
        weight: Tensor<4>,
        operation: impl FnOnce(Tensor<4>, Tensor<4>) -> Tensor<4>,
    ) -> Tensor<4> {
        match self {
            Self::F32 => operation(input, weight),
            Self::Bf16 => operation(input.cast(FloatDType::BF16), weight.cast(FloatDType::BF16)),
        }
    }
}
