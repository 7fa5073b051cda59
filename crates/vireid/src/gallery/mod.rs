//! The verb `gallery`: what is kept, put in, moved, measured and forgotten.

mod add;
mod check;
mod copy;
mod delete;
mod info;
mod opened;
mod recall;

use clap::Subcommand;
use vireid::ProgramError;

use crate::output::Output;

pub use opened::{GalleryArguments, model_of, open, open_or_create};

/// What to do with a gallery.
#[derive(Debug, Subcommand)]
pub enum What {
    /// Embed images and add them; makes the gallery where there is none
    Add(add::Arguments),
    /// What a gallery holds
    Info(info::Arguments),
    /// Forget entries, on the disk as well
    Delete(delete::Arguments),
    /// Copy entries from one gallery to another of the same network; a copy that was stopped goes on
    Copy(copy::Arguments),
    /// Measure how many of the nearest entries an engine finds
    Recall(recall::Arguments),
    /// Read every file of a gallery and verify it
    Check(check::Arguments),
}

pub fn run(what: &What, output: Output) -> Result<(), ProgramError> {
    match what {
        What::Add(arguments) => add::run(arguments, output),
        What::Info(arguments) => info::run(arguments, output),
        What::Delete(arguments) => delete::run(arguments, output),
        What::Copy(arguments) => copy::run(arguments, output),
        What::Recall(arguments) => recall::run(arguments, output),
        What::Check(arguments) => check::run(arguments, output),
    }
}
