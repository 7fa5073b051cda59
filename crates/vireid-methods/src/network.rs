use std::path::PathBuf;

use burn::tensor::Device;
use vireid_backbone::{BackboneError, SMALL_WEIGHTS, TwoStreamNet, TwoStreamNetConfig, WeightFile, load_imagenet};
use vireid_core::Streams;

use crate::{BackboneSettings, MethodError};

/// The configuration of the network of the settings.
///
/// # Errors
///
/// `VR0303` for an unknown name.
pub(crate) fn network_config(settings: &BackboneSettings) -> Result<TwoStreamNetConfig, MethodError> {
    let config = TwoStreamNetConfig::from_name(&settings.name).ok_or_else(|| {
        let message = format!("there is no '{}'; there are small, resnet18, resnet34, resnet50", settings.name);
        BackboneError::Config(message)
    })?;
    let config = if settings.non_local { config.with_non_local_blocks() } else { config };
    Ok(config
        .with_bn_groups(settings.bn_groups)
        .with_stride_in_1x1(settings.stride_in_1x1)
        .with_precision(settings.precision))
}

/// The network of the settings, with its starting weights, on an autodiff device.
///
/// # Errors
///
/// `VR0303` for an unknown name, `VR0301` and `VR0302` for weights that can't be used, `VR0502` for a precision that the
/// device does not have.
pub fn build_network(
    settings: &BackboneSettings,
    streams: Streams,
    device: &Device,
) -> Result<TwoStreamNet, MethodError> {
    let config = network_config(settings)?;
    let precision = settings.precision;
    if !precision.is_supported(device) {
        let message = "this device does not compute in bf16; leave backbone.precision at f32";
        return Err(MethodError::Config(message.into()));
    }
    let net = config.init(&device.clone().autodiff(), &mut streams.stream("init", [0; 3]));
    let file = match settings.weights.as_str() {
        "none" => return Ok(net),
        "builtin:small" => WeightFile::Bytes("builtin:small", SMALL_WEIGHTS),
        path => WeightFile::Path(PathBuf::from(path)),
    };
    Ok(load_imagenet(net, &file)?)
}
