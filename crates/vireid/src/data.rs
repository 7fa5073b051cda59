//! `vireid data`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde::Serialize;
use vireid::{DataKind, DataSource, ProgramError, SourceArguments};
use vireid_core::Modality;
use vireid_data::{DataError, Sample};
use vireid_methods::data_sets::{self, REGDB, SYSU, data_sets};
use vireid_methods::{ImagePart, TrainingImages, preset};

use crate::output::{Output, short_note, table};

#[derive(Debug, Subcommand)]
pub enum What {
    /// Read every image once: counts against the published ones, what can't be used, what was left out, images that are
    /// there twice, a fingerprint
    Check {
        #[command(flatten)]
        source: SourceArguments,
    },
    /// Draw a synthetic world
    Synth {
        /// Folder to draw into: empty, or with the same world
        #[arg(long)]
        out: PathBuf,
        /// The data set whose layout and cameras it has, such as regdb
        #[arg(long, default_value = SYSU.name)]
        like: String,
        /// The same as --like regdb
        #[arg(long, hide = true, conflicts_with = "like")]
        regdb: bool,
        /// Seed of the world
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// As many images as the real data set has
        #[arg(long)]
        full: bool,
    },
}

/// One list of a data set.
#[derive(Debug, Serialize)]
struct Part {
    part: &'static str,
    modality: String,
    images: usize,
    published: Option<usize>,
    identities: Option<usize>,
    cameras: usize,
}

#[derive(Debug, Serialize)]
struct Check {
    name: String,
    synthetic: bool,
    parts: Vec<Part>,
    unusable: Vec<String>,
    /// What was read differently than it was written, or left out; images with the same contents. A sentence each, after which
    /// all the files that it is about have a line each.
    notes: Vec<String>,
    /// Two copies of a data set with the same images of the same people by the same cameras agree in it.
    fingerprint: String,
    /// Of names and lengths only, as earlier versions recorded it.
    quick_fingerprint: String,
}

pub fn run(what: &What, output: Output) -> Result<(), ProgramError> {
    match what {
        What::Check { source } => check(&source.source()?, output),
        What::Synth { out, like, regdb, seed, full } => {
            let kind = world_like(if *regdb { REGDB.name } else { like })?;
            let source = DataSource::new(Some(out), Some(kind), *seed, *full)?;
            let dataset = source.open_with(!output.quiet)?;
            let counts = (dataset.train.visible.len(), dataset.train.infrared.len());
            output.result(&serde_json::json!({ "folder": out, "visible": counts.0, "infrared": counts.1 }), || {
                format!("{}: {} visible and {} infrared training images", out.display(), counts.0, counts.1)
            })
        }
    }
}

/// The synthetic world in the manner of a data set.
fn world_like(name: &str) -> Result<DataKind, ProgramError> {
    let unknown = || {
        let known: Vec<&str> =
            data_sets().filter(|data_set| data_set.stand_in.is_some()).map(|data_set| data_set.name).collect();
        ProgramError::Usage(format!("no world is drawn in the manner of '{name}'; there are: {}", known.join(", ")))
    };
    data_sets::find(name).and_then(DataKind::world).ok_or_else(unknown)
}

fn check(source: &DataSource, output: Output) -> Result<(), ProgramError> {
    // Images are decoded by it. Of what is told, only the grey levels that are left depend on that.
    let config = preset(&format!("mbccm_{}_quick", source.kind.preset()), &[])?;
    let dataset = source.open_with(!output.quiet)?;
    let mut images = TrainingImages::listed(dataset, &config.engine)?;
    let listed = images.train.clone();
    let (bar, count) = output.counter("decoding");
    images.check(&[ImagePart::Train, ImagePart::Test], true, count)?;
    bar.finish_and_clear();
    let trainable = images.check_modalities(&listed);
    let lists = [("train", &images.train), ("test", &images.test.images)];
    let published = source.kind.data_set().published.filter(|_| !images.synthetic);
    let expected = published.map(|counts| [counts.train.images, counts.test.images]);
    let mut parts = Vec::new();
    for (number, (part, of)) in lists.into_iter().enumerate() {
        for modality in Modality::ALL {
            let samples = of.get(modality).samples();
            parts.push(Part {
                part,
                modality: modality.to_string(),
                images: samples.len(),
                published: expected.map(|counts| *counts[number].get(modality)),
                identities: distinct(samples, |sample| sample.identity.map(|i| i.0)),
                cameras: distinct(samples, |sample| Some(u32::from(sample.camera.0))).unwrap_or(0),
            });
        }
    }
    let check = Check {
        name: images.name.clone(),
        synthetic: images.synthetic,
        parts,
        unusable: images.skipped.iter().map(ToString::to_string).collect(),
        notes: images.notes.iter().cloned().chain(same_contents(&images)?).collect(),
        fingerprint: images.manifest()?,
        quick_fingerprint: images.quick_manifest(),
    };
    output.result(&check, || {
        let or_dash = |count: Option<usize>| count.map_or("-".into(), |count| count.to_string());
        let rows = check.parts.iter().map(|part| {
            vec![
                part.part.to_string(),
                part.modality.clone(),
                part.images.to_string(),
                or_dash(part.published),
                or_dash(part.identities),
                part.cameras.to_string(),
            ]
        });
        let mut text = table(&["part", "modality", "images", "published", "identities", "cameras"], rows, 2);
        for part in &check.parts {
            if let Some(missing) =
                part.published.and_then(|published| published.checked_sub(part.images)).filter(|n| *n > 0)
            {
                text += &format!("\n{missing} {} {} images are missing", part.part, part.modality);
            }
        }
        for part in &check.parts {
            if let Some(more) =
                part.published.and_then(|published| part.images.checked_sub(published)).filter(|n| *n > 0)
            {
                text += &format!("\n{more} {} {} images more than published", part.part, part.modality);
            }
        }
        if !check.unusable.is_empty() {
            text += &format!("\n{} images can't be used:\n  {}", check.unusable.len(), check.unusable.join("\n  "));
        }
        for note in &check.notes {
            text += &format!("\n{}", short_note(note));
        }
        if let Err(error) = trainable {
            text += &format!("\ntraining on it is not possible: {error}");
        }
        format!("{}\n{text}\nfingerprint {}", check.name, check.fingerprint)
    })
}

/// Says which images have the contents of another one: copies make scores look better than they are, across training and
/// test most of all.
fn same_contents(images: &TrainingImages) -> Result<Vec<String>, ProgramError> {
    let mut places: BTreeMap<[u8; 32], Vec<(&str, &Path)>> = BTreeMap::new();
    for (part, of) in [("train", &images.train), ("test", &images.test.images)] {
        for list in Modality::ALL.map(|modality| of.get(modality)) {
            for (position, sample) in list.samples().iter().enumerate() {
                let digest = list.digest(position).map_err(DataError::Image)?;
                places.entry(digest).or_default().push((part, sample.path.as_path()));
            }
        }
    }
    let (mut across, mut within) = (Vec::new(), Vec::new());
    for same in places.into_values().filter(|same| same.len() > 1) {
        let names = same.iter().map(|(_, path)| path.display().to_string()).collect::<Vec<_>>().join(" = ");
        let is_across = same.iter().any(|(part, _)| *part != same[0].0);
        if is_across { &mut across } else { &mut within }.push(names);
    }
    let told = |groups: &Vec<String>, place: &str| {
        let number = groups.len();
        format!(
            "images that are there more than once with the same contents, {place}: {number}:\n  {}",
            groups.join("\n  ")
        )
    };
    let found = [(across, "in training and test"), (within, "within training or test")];
    Ok(found.iter().filter(|(groups, _)| !groups.is_empty()).map(|(groups, place)| told(groups, place)).collect())
}

/// Number of distinct values; `None` when one is unknown, or there is no sample.
fn distinct(samples: &[Sample], of: impl Fn(&Sample) -> Option<u32>) -> Option<usize> {
    if samples.is_empty() {
        return None;
    }
    let all: Option<std::collections::HashSet<u32>> = samples.iter().map(of).collect();
    all.map(|values| values.len())
}
