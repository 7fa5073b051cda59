//! The EfficientNet-Lites by their names.

use std::path::PathBuf;

use burn::tensor::Device;
use vireid_backbone::{BackboneError, EfficientNet, EfficientNetConfig, WeightFile, WeightReport, load_efficient};
use vireid_core::Streams;
use vireid_data::ImageSize;

use super::settings::{refuse_precision, refuse_what_residual_networks_have};
use super::{Counted, Footprint, NetworkKind};
use crate::{BackboneSettings, MethodError};

/// The two-stream EfficientNet-Lites: `efficientnet_lite0`.
#[derive(Debug, Clone, Copy)]
pub struct Efficient;

impl NetworkKind for Efficient {
    type Network = EfficientNet;

    fn names(&self) -> Vec<String> {
        vec!["efficientnet_lite0".into()]
    }

    fn init(
        &self,
        settings: &BackboneSettings,
        size: ImageSize,
        streams: Streams,
        device: &Device,
    ) -> Result<EfficientNet, MethodError> {
        Ok(self.import(settings, size, streams, device)?.0)
    }

    fn import(
        &self,
        settings: &BackboneSettings,
        _size: ImageSize,
        streams: Streams,
        device: &Device,
    ) -> Result<(EfficientNet, Option<WeightReport>), MethodError> {
        refuse_what_residual_networks_have(settings)?;
        refuse_precision(settings, device)?;
        let config = config(settings)?.with_bn_groups(settings.bn_groups).with_precision(settings.precision);
        let network = config.init(device, &mut streams.stream("init", [0; 3]));
        match settings.weights.as_str() {
            "none" => Ok((network, None)),
            path => {
                let file = WeightFile::Path(PathBuf::from(path));
                let (network, report) = load_efficient(network, &file, settings.names)?;
                Ok((network, Some(report)))
            }
        }
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

fn config(settings: &BackboneSettings) -> Result<EfficientNetConfig, MethodError> {
    let message = || BackboneError::Config(format!("there is no EfficientNet '{}'", settings.name));
    let config = EfficientNetConfig::by_name(&settings.name).ok_or_else(message)?;
    let pixels = settings.pixels.unwrap_or(config.pixels);
    Ok(config.with_pixels(pixels))
}
