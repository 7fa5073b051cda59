//! `vireid calibrate`.

use std::path::PathBuf;

use clap::Args;
use vireid::calibration::{Calibration, rates};
use vireid::{EmbeddedImage, EmbeddingsFile, OutputKind, Overwriting, ProgramError, write_bytes};
use vireid_core::Modality;
use vireid_data::ImageList;
use vireid_gallery::Judgement;
use vireid_methods::{EmbeddingRecipe, SeenPeople, TrainedNetwork};

use crate::extract::{Part, embed};
use crate::gallery;
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
    /// Learn from the answers that people accepted and rejected in this gallery, instead of from labelled images
    #[arg(long, conflicts_with_all = ["data", "dataset", "trial", "world_seed"])]
    gallery: Option<String>,
    #[command(flatten)]
    overwriting: Overwriting,
}

pub fn run(arguments: &Arguments, output: Output) -> Result<(), ProgramError> {
    if !(arguments.far > 0.0 && arguments.far < 1.0) {
        return Err(ProgramError::Usage(format!("--far {} is not between 0 and 1", arguments.far)));
    }
    let path = file_of(&arguments.model.network);
    arguments.overwriting.check(&path, OutputKind::Calibration, &[])?;
    let Learned { mut same, mut different, seen_people, left_out, recipe } = match &arguments.gallery {
        Some(address) => from_judgements(address, arguments, output)?,
        None => from_images(arguments, output)?,
    };
    same.sort_unstable_by(f64::total_cmp);
    different.sort_unstable_by(f64::total_cmp);
    let mut calibration = Calibration::fit(&recipe, arguments.far, &same, &different)?;
    (calibration.left_out, calibration.seen_people) = (left_out, seen_people);
    let text =
        serde_json::to_string_pretty(&calibration).map_err(|error| ProgramError::NoPairs(error.to_string()))? + "\n";
    write_bytes(&path, text.as_bytes())?;
    output.say(&format!("kept in {}", path.display()));
    output.result(&calibration, || {
        let rows = rates(&same, &different);
        let warning = calibration.seen_people.and_then(|seen| seen.warning());
        let mut below = warning.map_or(String::new(), |warning| format!("\nwarning: {warning}"));
        if calibration.left_out > 0 {
            below += &format!("\n{} images are of unknown people and in no pair", calibration.left_out);
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

/// What a calibration is made of: similarities of pairs of a visible and an infrared image.
struct Learned {
    same: Vec<f64>,
    different: Vec<f64>,
    seen_people: Option<SeenPeople>,
    left_out: usize,
    recipe: EmbeddingRecipe,
}

/// From all pairs of labelled images.
fn from_images(arguments: &Arguments, output: Output) -> Result<Learned, ProgramError> {
    let (trained, images, _) = arguments.model.open(output)?;
    // Training images have been pulled together by training, so held-out ones go first.
    let part = if images.test.protocol.is_some() { Part::Test } else { Part::All };
    let file = embed(&trained, &images, part, None, arguments.model.skip_corrupt, output)?;
    let (same, different) = pairs(&file);
    let left_out = file.images.iter().filter(|image| image.identity.is_none()).count();
    let seen_people = match trained.training_record() {
        Ok(record) => {
            let test = [&images.test.images.visible, &images.test.images.infrared];
            let train = [&images.train.visible, &images.train.infrared];
            let lists = if part == Part::Test { test.to_vec() } else { [train, test].concat() };
            let lists: Vec<&ImageList> = lists.into_iter().map(|list| &**list).collect();
            Some(record.seen(&lists, &images.names))
        }
        Err(error) => {
            output.warn(&error.to_string());
            None
        }
    };
    Ok(Learned { same, different, seen_people, left_out, recipe: trained.recipe().clone() })
}

/// From what people said of answers.
fn from_judgements(address: &str, arguments: &Arguments, output: Output) -> Result<Learned, ProgramError> {
    let trained = arguments.model.network.open(arguments.model.devices()?)?;
    let store = gallery::open(address, Some(&gallery::model_of(&trained)))?;
    let across = store.judgements()?.into_iter().filter(|judged| judged.query_modality != judged.answer_modality);
    let (same, different): (Vec<Judgement>, Vec<Judgement>) = across.partition(|judged| judged.same);
    output.warn(
        "answers are the nearest entries, so the strangers among them are harder to tell apart than any two people: the rate holds for answers like those, and the probabilities are of answers, not of any pair",
    );
    let similarities = |judged: Vec<Judgement>| judged.iter().map(|judged| f64::from(judged.similarity)).collect();
    let recipe = trained.recipe().clone();
    Ok(Learned { same: similarities(same), different: similarities(different), seen_people: None, left_out: 0, recipe })
}

/// What was learned of a network's similarities, if it still holds; warns where it does not, or was learned from people whom
/// the network was trained on.
pub fn usable_calibration(
    network: &NetworkArguments,
    trained: &TrainedNetwork,
    output: Output,
) -> Result<Option<Calibration>, ProgramError> {
    let Some(calibration) = Calibration::load(&file_of(network))? else { return Ok(None) };
    if let Some(reason) = calibration.unfit_for(trained.recipe()) {
        output.warn(&reason);
        return Ok(None);
    }
    if let Some(warning) = calibration.seen_people.and_then(|seen| seen.warning()) {
        output.warn(&format!("of the people whom it was calibrated on, {warning}"));
    }
    Ok(Some(calibration))
}

/// Where the calibration of a network is kept.
pub fn file_of(network: &NetworkArguments) -> PathBuf {
    let name = FILES.iter().find(|(which, _)| *which == network.which).map_or("", |(_, name)| name);
    network.model.join(name)
}

/// Similarities of all pairs of a visible and an infrared image: of one person, and of different people.
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
    (same, different)
}
