//! `vireid cluster`, which has two forms.

mod arrays;
mod index;
mod origins;
mod truth;

use clap::Args;
use vireid::{Overwriting, ProgramError};

use crate::output::Output;

#[derive(Debug, Args)]
#[command(override_usage = "vireid cluster [OPTIONS] --model <MODEL> --index <INDEX> --out <OUT>
       vireid cluster [OPTIONS] --embeddings <NPY>")]
pub struct Arguments {
    #[command(flatten)]
    index: index::Arguments,
    #[command(flatten)]
    overwriting: Overwriting,
    #[command(flatten)]
    arrays: arrays::Arguments,
}

pub fn run(arguments: &Arguments, output: Output) -> Result<(), ProgramError> {
    match arguments.arrays.inputs() {
        Some(inputs) => inputs.run(arguments.overwriting, output),
        None => arguments.index.run(arguments.overwriting, output),
    }
}
