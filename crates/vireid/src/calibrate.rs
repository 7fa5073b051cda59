use std::path::PathBuf;

use clap::Args;
use vireid::calibration::{Calibration, rates};
use vireid::{EmbeddedImage, EmbeddingsFile, OutputKind, Overwriting, ProgramError, write_bytes};
use vireid_core::Modality;
use vireid_data::ImageList;

use crate::extract::{Part, embed};
use crate::model::{ModelArguments, NetworkArguments, Which};
use crate::output::{Output, table};

/// File in the run directory, of the last network and of the best one.
const FILES: [(Which, &str); 2] = [(Which::Last, "calibration.json"), (Which::Best, "calibration-best.json")];

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    model: ModelArguments,
    /// Share of different people that may be taken for the same one
    #[arg(long, default_value_t = 0.01)]
    far: f64,
    #[command(flatten)]
    overwriting: Overwriting,
}

pub fn run(arguments: &Arguments, output: Output) -> Result<(), ProgramError> {
    if !(arguments.far > 0.0 && arguments.far < 1.0) {
        return Err(ProgramError::Usage(format!("--far {} is not between 0 and 1", arguments.far)));
    }
    let path = file_of(&arguments.model.network);
    arguments.overwriting.check(&path, OutputKind::Calibration, &[])?;
    let (trained, images, _) = arguments.model.open(output)?;
    // Training images have been pulled together by training, so held-out ones go first.
    let part = if images.test.protocol.is_some() { Part::Test } else { Part::All };
    let file = embed(&trained, &images, part, None, arguments.model.skip_corrupt, output)?;
    let (same, different) = pairs(&file);
    let mut calibration = Calibration::fit(trained.recipe(), arguments.far, &same, &different)?;
    calibration.left_out = file.images.iter().filter(|image| image.identity.is_none()).count();
    match trained.training_record() {
        Ok(record) => {
            let test = [&images.test.images.visible, &images.test.images.infrared];
            let train = [&images.train.visible, &images.train.infrared];
            let lists = if part == Part::Test { test.to_vec() } else { [train, test].concat() };
            let lists: Vec<&ImageList> = lists.into_iter().map(|list| &**list).collect();
            calibration.seen_people = Some(record.seen(&lists, &images.names));
        }
        Err(error) => output.warn(&error.to_string()),
    }
    let text =
        serde_json::to_string_pretty(&calibration).map_err(|error| ProgramError::NoPairs(error.to_string()))? + "\n";
    write_bytes(&path, text.as_bytes())?;
    output.say(&format!("kept in {}", path.display()));
    output.result(&calibration, || {
        let rows = rates(&same, &different);
        let warning = calibration.seen_people.and_then(|seen| seen.warning());
        let mut below = warning.map_or(String::new(), |warning| format!("\nwarning: {warning}"));
        if calibration.left_out > 0 {
            let (left_out, images) = (calibration.left_out, file.images.len());
            below += &format!("\n{left_out} of {images} images are of unknown people and in no pair");
        }
        format!(
            "{} pairs of one person, {} of different people\n{}\n\"same person\" from similarity {:.3} on: at most {} of different people are taken for one (distribution-free), {:.1} % of the same are missed{below}",
            calibration.same,
            calibration.different,
            table(&["false acceptance", "threshold", "false rejection"], rows, 0),
            calibration.threshold,
            calibration.far,
            100.0 * calibration.frr
        )
    })
}

/// Where the calibration of a network is kept.
pub fn file_of(network: &NetworkArguments) -> PathBuf {
    let name = FILES.iter().find(|(which, _)| *which == network.which).map_or("", |(_, name)| name);
    network.model.join(name)
}

/// Similarities of all pairs of a visible and an infrared image: of one person, and of different people, both ascending.
fn pairs<'a>(file: &'a EmbeddingsFile) -> (Vec<f64>, Vec<f64>) {
    let of = |modality: Modality| {
        let name = modality.to_string();
        let known = |(row, image): (usize, &'a EmbeddedImage)| {
            Some((row, image.identity.as_deref()?)).filter(|_| image.modality == name)
        };
        file.images.iter().enumerate().filter_map(known).collect::<Vec<(usize, &'a str)>>()
    };
    let (visible, infrared) = (of(Modality::Visible), of(Modality::Infrared));
    let (mut same, mut different) = (Vec::new(), Vec::new());
    for &(i, person) in &infrared {
        for &(v, other) in &visible {
            let (a, b) = (file.embeddings.row(i), file.embeddings.row(v));
            let similarity: f32 = a.iter().zip(b).map(|(a, b)| a * b).sum();
            if person == other { &mut same } else { &mut different }.push(f64::from(similarity));
        }
    }
    same.sort_unstable_by(f64::total_cmp);
    different.sort_unstable_by(f64::total_cmp);
    (same, different)
}
