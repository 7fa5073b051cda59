//! The residual networks by their names.

use std::path::PathBuf;

use burn::tensor::Device;
use vireid_backbone::{
    BackboneError, SMALL_WEIGHTS, TwoStreamNet, TwoStreamNetConfig, WeightFile, WeightReport, load_two_stream,
};
use vireid_core::Streams;
use vireid_data::ImageSize;

use super::settings::refuse_precision;
use super::{Counted, Footprint, NetworkKind};
use crate::{BackboneSettings, MethodError};

/// The two-stream residual networks: `small`, `resnet18`, `resnet34`, `resnet50`.
#[derive(Debug, Clone, Copy)]
pub struct Residual;

const NAMES: [&str; 4] = ["small", "resnet18", "resnet34", "resnet50"];

impl NetworkKind for Residual {
    type Network = TwoStreamNet;

    fn names(&self) -> Vec<String> {
        NAMES.map(String::from).to_vec()
    }

    fn init(
        &self,
        settings: &BackboneSettings,
        size: ImageSize,
        streams: Streams,
        device: &Device,
    ) -> Result<TwoStreamNet, MethodError> {
        Ok(self.import(settings, size, streams, device)?.0)
    }

    fn import(
        &self,
        settings: &BackboneSettings,
        _size: ImageSize,
        streams: Streams,
        device: &Device,
    ) -> Result<(TwoStreamNet, Option<WeightReport>), MethodError> {
        let config = config(settings)?;
        refuse_precision(settings, device)?;
        let net = config.init(device, &mut streams.stream("init", [0; 3]));
        let file = match settings.weights.as_str() {
            "none" => return Ok((net, None)),
            "builtin:small" => WeightFile::Bytes("builtin:small", SMALL_WEIGHTS),
            path => WeightFile::Path(PathBuf::from(path)),
        };
        let (net, report) = load_two_stream(net, &file, settings.names)?;
        Ok((net, Some(report)))
    }

    fn footprint(&self, settings: &BackboneSettings, size: ImageSize) -> Result<Option<Footprint>, MethodError> {
        let config = config(settings)?;
        let (height, width) = (size.height, size.width);
        Ok(Some(Footprint {
            activations: config.activations(height, width),
            pieces: config.piece_sizes(height, width),
            counted: Counted::Convolutions,
        }))
    }
}

fn config(settings: &BackboneSettings) -> Result<TwoStreamNetConfig, MethodError> {
    let config = TwoStreamNetConfig::from_name(&settings.name).ok_or_else(|| {
        let message = format!("there is no residual network '{}'; there are {}", settings.name, NAMES.join(", "));
        BackboneError::Config(message)
    })?;
    let config = if settings.non_local { config.with_non_local_blocks() } else { config };
    let pixels = settings.pixels.unwrap_or(config.pixels);
    Ok(config
        .with_bn_groups(settings.bn_groups)
        .with_stride_in_1x1(settings.stride_in_1x1)
        .with_pixels(pixels)
        .with_precision(settings.precision))
}

/// The residual network of the settings, with its starting weights, on the autodiff side of `device`.
///
/// # Errors
///
/// `VR0303` for the name of another kind of network, `VR0301` and `VR0302` for weights that can't be used, `VR0502` for a
/// precision that the device does not have.
pub fn build_network(
    settings: &BackboneSettings,
    streams: Streams,
    device: &Device,
) -> Result<TwoStreamNet, MethodError> {
    // Residual networks take images of any size.
    let any = ImageSize { height: 1, width: 1 };
    Residual.init(settings, any, streams, &device.clone().autodiff())
}
