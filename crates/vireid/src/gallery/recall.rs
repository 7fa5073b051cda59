//! `vireid gallery recall`.

use clap::Args;
use vireid::ProgramError;
use vireid_gallery::recall;

use crate::gallery::GalleryArguments;
use crate::output::Output;

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    gallery: GalleryArguments,
    /// How many entries to search with, drawn at random
    #[arg(long, default_value_t = 1000)]
    sample: usize,
    /// How many of the nearest are asked for
    #[arg(long, default_value_t = 10)]
    top: usize,
    /// Seed of the draw
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

pub fn run(arguments: &Arguments, output: Output) -> Result<(), ProgramError> {
    let store = arguments.gallery.open()?;
    let measured = recall(&*store, &*store, arguments.sample, arguments.seed, arguments.top)?;
    output.result(&measured, || {
        format!(
            "{}: recall@{} {:.4} on average over {} searches, {:.4} at worst, beside an exact search over all entries",
            arguments.gallery.shown(),
            measured.top,
            measured.mean,
            measured.queries,
            measured.lowest
        )
    })
}
