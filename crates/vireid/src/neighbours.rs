//! A picture that needs no labels: infrared images and the visible ones that the network finds most similar.

use std::path::{Path, PathBuf};

use vireid::{DataSource, ProgramError, Tile, nearest, write_contact_sheet};
use vireid_core::Modality;
use vireid_data::Sample;
use vireid_methods::{CheckpointKind, TrainedNetwork, TrainingImages, parse_device};

use crate::output::Output;

/// File in the run directory.
pub const FILE: &str = "neighbours.png";
/// Queries, and answers to each.
const QUERIES: usize = 8;
const ANSWERS: usize = 10;

/// Writes the picture into a run's folder: of test images where there are any, otherwise of training images. Frames are green
/// and red where identities are known.
pub fn write(run: &Path, source: &DataSource, device: &str, output: Output) -> Result<PathBuf, ProgramError> {
    let device = parse_device(device)?;
    let trained = TrainedNetwork::open(run, CheckpointKind::Last, &device)?;
    let images = TrainingImages::open(source.open()?, trained.config(), true)?;
    let lists = if images.test.protocol.is_some() { &images.test.images } else { &images.train };
    let bar = output.bar("neighbours", lists.visible.len() + lists.infrared.len());
    let visible = trained.embed(&lists.visible, Modality::Visible, |done| bar.set_position(done as u64))?;
    let before = lists.visible.len();
    let infrared =
        trained.embed(&lists.infrared, Modality::Infrared, |done| bar.set_position((before + done) as u64))?;
    bar.finish_and_clear();
    let count = QUERIES.min(infrared.rows());
    let row = |number: usize| {
        // Evenly over the list, so that different people and cameras come up.
        let at = number * infrared.rows() / count;
        let query = &lists.infrared.samples()[at];
        let answers = nearest(&visible, infrared.row(at), ANSWERS).into_iter().map(|hit| {
            let answer = &lists.visible.samples()[hit.row];
            Tile { path: answer.path.clone(), frame: frame(query, answer) }
        });
        std::iter::once(Tile { path: query.path.clone(), frame: Tile::QUERY }).chain(answers).collect::<Vec<Tile>>()
    };
    let path = run.join(FILE);
    write_contact_sheet(&path, &(0..count).map(row).collect::<Vec<_>>())?;
    Ok(path)
}

fn frame(query: &Sample, answer: &Sample) -> [u8; 3] {
    match (query.identity, answer.identity) {
        (Some(query), Some(answer)) if query == answer => Tile::RIGHT,
        (Some(_), Some(_)) => Tile::WRONG,
        _ => Tile::PLAIN,
    }
}
