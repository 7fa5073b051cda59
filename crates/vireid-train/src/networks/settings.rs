//! Settings that not every kind of network has: none may be taken without a word.

use burn::tensor::Device;
use vireid_backbone::BackboneError;

use crate::{BackboneSettings, MethodError};

/// Refuses what only residual networks have.
///
/// # Errors
///
/// `VR0303`.
pub(super) fn refuse_what_residual_networks_have(settings: &BackboneSettings) -> Result<(), MethodError> {
    let refuse = |message: &str| Err(BackboneError::Config(format!("{}: {message}", settings.name)).into());
    if settings.non_local {
        return refuse("backbone.non_local = true is for residual networks; set it to false");
    }
    if settings.stride_in_1x1 {
        return refuse("backbone.stride_in_1x1 = true is for residual networks; set it to false");
    }
    if settings.weights.starts_with("builtin:") {
        return refuse("the weights in the program are the small network's; set backbone.weights to none or a file");
    }
    Ok(())
}

/// Refuses a number type that the device does not compute in.
///
/// # Errors
///
/// `VR0502`.
pub(super) fn refuse_precision(settings: &BackboneSettings, device: &Device) -> Result<(), MethodError> {
    if settings.precision.is_supported(&device.clone().inner()) {
        return Ok(());
    }
    let message = "this device does not compute in bf16; leave backbone.precision at f32";
    Err(MethodError::Config(message.into()))
}
