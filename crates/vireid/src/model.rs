//! Which network and which images are meant, on a command line.

use std::path::PathBuf;

use clap::Args;
use vireid::{ProgramError, SourceArguments};
use vireid_methods::{CheckpointKind, Devices, TrainedNetwork, TrainingImages, parse_devices};

use crate::output::Output;

/// Which network of a run, on a command line.
#[derive(Debug, Args)]
pub struct NetworkArguments {
    /// Run directory of the network
    #[arg(long)]
    pub model: PathBuf,
    /// Which of its networks: that of the last epoch, or the one that scored best in a test while it was trained (chosen by
    /// test scores: not to be reported as if it were chosen blindly)
    #[arg(long, value_enum, default_value_t = Which::Last)]
    pub which: Which,
}

/// Which network of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Which {
    /// The network of the last epoch
    Last,
    /// The network with the best test score
    Best,
}

impl Which {
    /// The checkpoint that it is in.
    pub fn checkpoint(self) -> CheckpointKind {
        match self {
            Which::Last => CheckpointKind::Last,
            Which::Best => CheckpointKind::Best,
        }
    }
}

impl NetworkArguments {
    /// The network, on a device or several.
    pub fn open(&self, devices: impl Into<Devices>) -> Result<TrainedNetwork, ProgramError> {
        Ok(TrainedNetwork::open(&self.model, self.which.checkpoint(), devices)?)
    }
}

/// A trained network and the images to use it on, on a command line.
#[derive(Debug, Args)]
pub struct ModelArguments {
    #[command(flatten)]
    pub network: NetworkArguments,
    #[command(flatten)]
    pub source: SourceArguments,
    /// Device, or several separated by commas
    #[arg(long, default_value = "cpu")]
    device: String,
    /// Leave out images that can't be decoded
    #[arg(long)]
    pub skip_corrupt: bool,
}

impl ModelArguments {
    /// The devices that the network is to be on.
    pub fn devices(&self) -> Result<Devices, ProgramError> {
        Ok(parse_devices(&self.device)?)
    }

    /// The network, the images at its size, none of them decoded yet, and the devices that the network is on.
    pub fn open(&self, output: Output) -> Result<(TrainedNetwork, TrainingImages, Devices), ProgramError> {
        let devices = self.devices()?;
        let trained = self.network.open(devices.clone())?;
        let dataset = self.source.of_run(&self.network.model)?.open_with(!output.quiet)?;
        output.notes(&dataset.notes);
        let images = TrainingImages::listed(dataset, trained.config())?;
        Ok((trained, images, devices))
    }
}
