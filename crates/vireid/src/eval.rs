use std::path::PathBuf;

use clap::Args;
use vireid::ProgramError;
use vireid_methods::{
    CheckpointKind, Evaluation, MethodError, TrainedNetwork, TrainingImages, evaluate, evaluation_table, parse_device,
};

use crate::output::Output;
use crate::train::SourceArguments;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Run directory of the network
    #[arg(long)]
    model: PathBuf,
    #[command(flatten)]
    source: SourceArguments,
    /// Device
    #[arg(long, default_value = "cpu")]
    device: String,
    /// Leave out images that can't be decoded
    #[arg(long)]
    skip_corrupt: bool,
}

pub fn run(arguments: &Arguments, output: Output) -> Result<(), ProgramError> {
    let device = parse_device(&arguments.device)?;
    let trained = TrainedNetwork::open(&arguments.model, CheckpointKind::Last, &device)?;
    let images = TrainingImages::open(arguments.source.source()?.open()?, trained.config(), arguments.skip_corrupt)?;
    if images.test.protocol.is_none() {
        let message = "there is no test set; a manifest with identities and split = test makes one".to_string();
        return Err(MethodError::Config(message).into());
    }
    let total = images.test.images.visible.len() + images.test.images.infrared.len();
    let bar = output.bar("testing", total);
    let scores =
        evaluate(trained.network(), &images.test, trained.config(), &device, |done| bar.set_position(done as u64))?;
    bar.finish_and_clear();
    let evaluation = Evaluation { moment: "trained".into(), epochs: trained.config().epochs(), scores };
    let synthetic = if images.synthetic { " (synthetic: says nothing about real data)" } else { "" };
    let title = format!("{} on {}{synthetic}", arguments.model.display(), images.name);
    output.result(&evaluation, || evaluation_table(&title, &[&evaluation]))
}
