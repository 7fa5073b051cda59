use std::path::PathBuf;

use clap::Args;
use vireid::{EmbeddedImage, EmbeddingsFile, ProgramError};
use vireid_core::{Embeddings, Modality};
use vireid_methods::{TrainedNetwork, TrainingImages};

use crate::model::ModelArguments;
use crate::output::Output;

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    model: ModelArguments,
    /// Which images
    #[arg(long, value_enum, default_value_t = Part::All)]
    part: Part,
    /// Only this modality: visible or infrared
    #[arg(long, value_parser = modality)]
    modality: Option<Modality>,
    /// File to write: a .npy, with a .csv and a .json of the same name beside it, or a .parquet with all of it
    #[arg(long)]
    out: PathBuf,
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

/// A modality by its name.
pub fn modality(name: &str) -> Result<Modality, String> {
    let known = Modality::ALL.into_iter().find(|modality| modality.to_string() == name);
    known.ok_or_else(|| "a modality is visible or infrared".into())
}

pub fn run(arguments: &Arguments, output: Output) -> Result<(), ProgramError> {
    EmbeddingsFile::check_name(&arguments.out)?;
    let (trained, images, _) = arguments.model.open()?;
    let file = embed(&trained, &images, arguments.part, arguments.modality, output)?;
    file.save(&arguments.out)?;
    let (rows, dim) = (file.embeddings.rows(), file.embeddings.dim());
    let result = serde_json::json!({ "file": arguments.out, "images": rows, "dim": dim, "model": file.model });
    output.result(&result, || format!("{rows} embeddings of {dim} numbers in {}", arguments.out.display()))
}

/// Embeds the images of a part.
pub fn embed(
    trained: &TrainedNetwork,
    images: &TrainingImages,
    part: Part,
    only: Option<Modality>,
    output: Output,
) -> Result<EmbeddingsFile, ProgramError> {
    let (mut values, mut rows) = (Vec::new(), Vec::new());
    for modality in Modality::ALL.into_iter().filter(|modality| only.is_none_or(|only| only == *modality)) {
        let lists = [(Part::Train, images.train.get(modality)), (Part::Test, images.test.images.get(modality))];
        for (of, list) in lists {
            if list.is_empty() || (part != Part::All && part != of) {
                continue;
            }
            let bar = output.bar("embedding", list.len());
            values.extend_from_slice(trained.embed(list, modality, |done| bar.set_position(done as u64))?.as_slice());
            bar.finish_and_clear();
            rows.extend(list.samples().iter().map(|sample| EmbeddedImage {
                path: sample.path.clone(),
                modality: modality.to_string(),
                camera: sample.camera.0,
                identity: sample.identity.map(|identity| identity.0),
            }));
        }
    }
    if rows.is_empty() {
        return Err(ProgramError::Usage("there is no such image to embed; see --part and --modality".into()));
    }
    let embeddings = Embeddings::new(values, rows.len(), trained.dim()).map_err(vireid_methods::MethodError::from)?;
    Ok(EmbeddingsFile { embeddings, images: rows, model: trained.hash().into(), data: images.manifest()? })
}
