use std::path::PathBuf;

use clap::Args;
use vireid::ProgramError;
use vireid_methods::{CheckpointKind, Devices, TrainedNetwork, TrainingImages, parse_devices};

use crate::train::SourceArguments;

/// A trained network and the images to use it on, on a command line.
#[derive(Debug, Args)]
pub struct ModelArguments {
    /// Run directory of the network
    #[arg(long)]
    pub model: PathBuf,
    #[command(flatten)]
    source: SourceArguments,
    /// Device, or several separated by commas
    #[arg(long, default_value = "cpu")]
    device: String,
    /// Leave out images that can't be decoded
    #[arg(long)]
    skip_corrupt: bool,
}

impl ModelArguments {
    /// The network and the images at its size, and the devices that the network is on.
    pub fn open(&self) -> Result<(TrainedNetwork, TrainingImages, Devices), ProgramError> {
        let devices = parse_devices(&self.device)?;
        let trained = TrainedNetwork::open(&self.model, CheckpointKind::Last, devices.clone())?;
        let images = TrainingImages::open(self.source.source()?.open()?, trained.config(), self.skip_corrupt)?;
        Ok((trained, images, devices))
    }
}
