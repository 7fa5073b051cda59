//! `vireid gallery copy`.

use std::ops::ControlFlow;
use std::sync::atomic::Ordering;

use clap::Args;
use vireid::ProgramError;
use vireid_gallery::{Address, Opening, copy};

use crate::gallery::opened::{open, shown};
use crate::interrupt::stop_on_interrupt;
use crate::output::Output;

#[derive(Debug, Args)]
pub struct Arguments {
    /// The gallery to copy from
    from: String,
    /// The gallery to copy to; made where there is none
    to: String,
}

pub fn run(arguments: &Arguments, output: Output) -> Result<(), ProgramError> {
    let from = open(&arguments.from, None)?;
    let opening = Opening::OrCreate { model: from.model(), images: from.keeps().images };
    let to = Address::parse(&arguments.to)?.open(opening)?;
    let count = from.count()?;
    let bar = output.bar("copying", (count.visible + count.infrared) as usize);
    let stop = stop_on_interrupt();
    let copied = copy(&*from, &*to, |so_far| {
        bar.set_position(so_far.entries + so_far.there);
        if stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    bar.finish_and_clear();
    let copied = copied?;
    for (left, what) in [
        (copied.images_left, "images"),
        (copied.people_left, "entries' people"),
        (copied.judgements_left, "judgements"),
    ] {
        if left > 0 {
            output.warn(&format!("{left} {what} can't be kept by {}", shown(&arguments.to)));
        }
    }
    if copied.differing > 0 {
        output.warn(&format!("{} entries stayed as they were, although theirs are others", copied.differing));
    }
    if !copied.finished {
        output.say("stopped; the same command goes on");
    }
    output.result(&copied, || {
        let (from, to) = (shown(&arguments.from), shown(&arguments.to));
        format!("{from} to {to}: {} entries copied, {} were there already", copied.entries, copied.there)
    })
}
