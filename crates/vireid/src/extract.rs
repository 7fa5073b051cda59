//! `vireid extract`.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use clap::Args;
use vireid::{EmbeddedImage, EmbeddingsFile, OutputKind, Overwriting, ProgramError};
use vireid_core::{Embeddings, Modality};
use vireid_data::{BadImage, DataError, ImageList};
use vireid_methods::{ImagePart, MethodError, TrainedNetwork, TrainingImages};

use crate::model::ModelArguments;
use crate::output::Output;

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    model: ModelArguments,
    /// Images of which part of the data set
    #[arg(long, value_enum, default_value_t = Part::All)]
    part: Part,
    /// Only this modality: visible or infrared
    #[arg(long, value_parser = modality)]
    modality: Option<Modality>,
    /// File to write: a .npy, with a .csv and a .json of the same name next to it, or a .parquet with all of it
    #[arg(long)]
    out: PathBuf,
    #[command(flatten)]
    overwriting: Overwriting,
}

/// Images of a data set, by use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    /// Training and test images
    All,
    /// Training images
    Train,
    /// Test images
    Test,
}

impl Part {
    /// Whether an image of a part is meant.
    pub fn includes(self, part: ImagePart) -> bool {
        match self {
            Part::All => true,
            Part::Train => part == ImagePart::Train,
            Part::Test => part == ImagePart::Test,
        }
    }
}

/// A modality by its name.
pub fn modality(name: &str) -> Result<Modality, String> {
    let known = Modality::ALL.into_iter().find(|modality| modality.to_string() == name);
    known.ok_or_else(|| "a modality is visible or infrared".into())
}

pub fn run(arguments: &Arguments, output: Output) -> Result<(), ProgramError> {
    EmbeddingsFile::check_name(&arguments.out)?;
    let read = arguments.model.source.of_run(&arguments.model.network.model)?.lists();
    arguments.overwriting.check(&arguments.out, OutputKind::Embeddings, &read)?;
    let (trained, images, _) = arguments.model.open(output)?;
    let skip_corrupt = arguments.model.skip_corrupt;
    let file = embed(&trained, &images, arguments.part, arguments.modality, skip_corrupt, output)?;
    file.save(&arguments.out)?;
    let (rows, dim) = (file.embeddings.rows(), file.embeddings.dim());
    let result = serde_json::json!({ "file": arguments.out, "images": rows, "dim": dim, "model": trained.hash() });
    output.result(&result, || format!("{rows} embeddings of {dim} numbers in {}", arguments.out.display()))
}

/// Embeds the images of a part, each once.
pub fn embed(
    trained: &TrainedNetwork,
    images: &TrainingImages,
    part: Part,
    only: Option<Modality>,
    skip_corrupt: bool,
    output: Output,
) -> Result<EmbeddingsFile, ProgramError> {
    let mut images = images.only(|of, modality| part.includes(of) && only.is_none_or(|only| only == modality));
    let mut left_out = leave_out_unnameable(&mut images, skip_corrupt)?;
    let (mut values, mut rows) = (Vec::new(), Vec::new());
    let (mut seen, mut unusable, mut repeated) = (HashSet::new(), Vec::new(), 0);
    for modality in Modality::ALL {
        for list in [images.train.get(modality), images.test.images.get(modality)] {
            if list.is_empty() {
                continue;
            }
            // A list that is trained on and one that is tested on may share images.
            let samples = list.samples();
            let fresh = list.select((0..samples.len()).filter(|&at| seen.insert((modality, &samples[at].path))));
            repeated += samples.len() - fresh.len();
            let bar = output.bar("embedding", fresh.len());
            let embedded = trained.embed_usable(&fresh, modality, skip_corrupt, |done| bar.set_position(done as u64));
            bar.finish_and_clear();
            let (embeddings, bad) = embedded?;
            values.extend_from_slice(embeddings.as_slice());
            let usable = fresh.without(&bad);
            unusable.extend(bad);
            rows.extend(usable.samples().iter().map(|sample| EmbeddedImage {
                path: absolute(&sample.path),
                modality: modality.to_string(),
                camera: images.names.camera(sample.camera),
                identity: sample.identity.map(|identity| images.names.person(identity)),
            }));
        }
    }
    left_out += unusable.len();
    if left_out > 0 {
        output.say(&format!("{left_out} images that can't be used left out"));
    }
    if repeated > 0 {
        output.say(&format!("{repeated} images are in two lists; each is embedded once"));
    }
    if rows.is_empty() {
        return Err(ProgramError::Usage("there is no image to embed; see --part and --modality".into()));
    }
    let embeddings = Embeddings::new(values, rows.len(), trained.dim()).map_err(MethodError::from)?;
    // Of what was embedded alone: nothing else has been read, nor need it be there.
    let data = images.without(&unusable).manifest()?;
    Ok(EmbeddingsFile { embeddings, images: rows, recipe: trained.recipe().clone(), data })
}

/// Refuses, or leaves out and counts, images that no index can name by their whole path: before hours of work.
fn leave_out_unnameable(images: &mut TrainingImages, skip: bool) -> Result<usize, MethodError> {
    let parts = [&images.train, &images.test.images];
    let lists: Vec<&ImageList> = parts.iter().flat_map(|lists| [&*lists.visible, &*lists.infrared]).collect();
    let total = lists.iter().map(|list| list.len()).sum();
    let paths: HashSet<&Path> = lists.iter().flat_map(|list| list.samples()).map(|sample| &*sample.path).collect();
    let unnameable = |path: &Path| BadImage::if_unnameable(&absolute(path)).map(|bad| (path.to_path_buf(), bad));
    let mut unnameable: Vec<(PathBuf, BadImage)> = paths.into_iter().filter_map(unnameable).collect();
    if !unnameable.is_empty() && !skip {
        unnameable.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let bad = unnameable.into_iter().map(|(_, bad)| bad).collect();
        return Err(DataError::BadImages { images: bad, total }.into());
    }
    // They are in the lists by the paths that lead to them from here.
    let bad: Vec<BadImage> = unnameable.into_iter().map(|(path, bad)| BadImage { path, ..bad }).collect();
    *images = images.without(&bad);
    Ok(bad.len())
}

/// The path from the root of the file system, for a search may start from any folder.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.into())
}
