//! `vireid gallery info`.

use clap::Args;
use serde::Serialize;
use vireid::ProgramError;
use vireid_gallery::Count;

use crate::gallery::GalleryArguments;
use crate::output::Output;

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    gallery: GalleryArguments,
}

#[derive(Debug, Serialize)]
struct Info {
    gallery: String,
    visible: u64,
    infrared: u64,
    judgements: Option<usize>,
    model: String,
    dim: usize,
}

pub fn run(arguments: &Arguments, output: Output) -> Result<(), ProgramError> {
    let store = arguments.gallery.open()?;
    let Count { visible, infrared } = store.count()?;
    let info = Info {
        gallery: arguments.gallery.shown(),
        visible,
        infrared,
        // Some engines keep none.
        judgements: store.judgements().ok().map(|judgements| judgements.len()),
        model: store.model().weights.clone(),
        dim: store.model().dim,
    };
    output.result(&info, || {
        let judgements = info.judgements.map_or("none can be kept".into(), |count| count.to_string());
        format!(
            "{}: {visible} visible and {infrared} infrared entries, judgements: {judgements}; embeddings of {} numbers by the network {}",
            info.gallery, info.dim, info.model
        )
    })
}
