use std::path::PathBuf;

use clap::Args;
use vireid::ProgramError;

use crate::output::Output;

#[derive(Debug, Args)]
pub struct Arguments {
    /// The gallery's folder
    gallery: PathBuf,
    /// Take out what is damaged, and say what was lost
    #[arg(long)]
    repair: bool,
}

pub fn run(arguments: &Arguments, output: Output) -> Result<(), ProgramError> {
    let _ = (arguments, output);
    Ok(())
}
