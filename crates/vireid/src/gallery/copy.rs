use clap::Args;
use vireid::ProgramError;
use vireid_gallery::{Keeping, Store, copy};

use crate::gallery::opened::{open, open_or_create, shown};
use crate::output::Output;

#[derive(Debug, Args)]
pub struct Arguments {
    /// The gallery to copy from
    from: String,
    /// The gallery to copy to; made where there is none
    to: String,
    /// Copy the images as well, where they are kept
    #[arg(long)]
    keep_images: bool,
}

pub fn run(arguments: &Arguments, output: Output) -> Result<(), ProgramError> {
    let from = open(&arguments.from, None)?;
    let to = open_or_create(&arguments.to, from.model(), Keeping { images: arguments.keep_images })?;
    let count = from.count()?;
    let bar = output.bar("copying", (count.visible + count.infrared) as usize);
    let copied = copy(&*from, &*to, |done| bar.set_position(done));
    bar.finish_and_clear();
    let copied = copied?;
    copied.notes.iter().for_each(|note| output.warn(note));
    output.result(&copied, || {
        let (from, to) = (shown(&arguments.from), shown(&arguments.to));
        format!("{from} to {to}: {} entries copied, {} were there already", copied.new, copied.kept)
    })
}
