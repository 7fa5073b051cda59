//! The vision transformers by their names.

use std::path::PathBuf;

use burn::tensor::Device;
use vireid_backbone::{BackboneError, Precision, VitConfig, VitNet, WeightFile, WeightReport, load_transformer};
use vireid_core::Streams;
use vireid_data::ImageSize;

use super::settings::refuse_what_residual_networks_have;
use super::{Counted, Footprint, NetworkKind};
use crate::{BackboneSettings, MethodError};

/// The two-stream vision transformers: `vit_small_16`, `vit_base_16`.
#[derive(Debug, Clone, Copy)]
pub struct Transformer;

impl NetworkKind for Transformer {
    type Network = VitNet;

    fn names(&self) -> Vec<String> {
        ["vit_small_16", "vit_base_16"].map(String::from).to_vec()
    }

    fn init(
        &self,
        settings: &BackboneSettings,
        size: ImageSize,
        streams: Streams,
        device: &Device,
    ) -> Result<VitNet, MethodError> {
        Ok(self.import(settings, size, streams, device)?.0)
    }

    fn import(
        &self,
        settings: &BackboneSettings,
        size: ImageSize,
        streams: Streams,
        device: &Device,
    ) -> Result<(VitNet, Option<WeightReport>), MethodError> {
        refuse_what_residual_networks_have(settings)?;
        if settings.precision != Precision::F32 {
            let message = format!("{}: it computes in f32 only; leave backbone.precision at f32", settings.name);
            return Err(BackboneError::Config(message).into());
        }
        let config = config(settings, size)?.with_bn_groups(settings.bn_groups);
        let network = config.init(device, &mut streams.stream("init", [0; 3]))?;
        match settings.weights.as_str() {
            "none" => Ok((network, None)),
            path => {
                let file = WeightFile::Path(PathBuf::from(path));
                let (network, report) = load_transformer(network, &file, settings.names)?;
                Ok((network, Some(report)))
            }
        }
    }

    fn footprint(&self, settings: &BackboneSettings, size: ImageSize) -> Result<Option<Footprint>, MethodError> {
        let config = config(settings, size)?;
        Ok(Some(Footprint {
            activations: config.activations(),
            pieces: config.piece_sizes(),
            counted: Counted::Everything,
        }))
    }
}

fn config(settings: &BackboneSettings, size: ImageSize) -> Result<VitConfig, MethodError> {
    let message = || BackboneError::Config(format!("there is no transformer '{}'", settings.name));
    let config = VitConfig::by_name(&settings.name).ok_or_else(message)?;
    let pixels = settings.pixels.unwrap_or(config.pixels);
    Ok(config.with_image([size.height, size.width]).with_pixels(pixels))
}
