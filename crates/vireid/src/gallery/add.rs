//! `vireid gallery add`.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::json;
use vireid::{EmbeddingsFile, ProgramError};
use vireid_core::Modality;
use vireid_data::Sample;
use vireid_gallery::{Added, Existing, Facts, GalleryError, Item, Moment, Scalar, Store};
use vireid_methods::TrainedNetwork;

use crate::extract::Part;
use crate::filter_arguments::{distinct, pair};
use crate::gallery::opened::{model_of, open_or_create, shown};
use crate::model::ModelArguments;
use crate::output::Output;

/// Entries that are added at once.
const AT_ONCE: usize = 256;

#[derive(Debug, Args)]
pub struct Arguments {
    /// The gallery: a folder, or the address of an engine
    gallery: String,
    #[command(flatten)]
    model: ModelArguments,
    /// Embeddings to add, as `vireid extract` writes them, instead of the images of --data
    #[arg(long, conflicts_with_all = ["data", "dataset", "trial", "world_seed"])]
    index: Option<PathBuf>,
    /// Images of which part of the data set
    #[arg(long, value_enum, default_value_t = Part::All)]
    part: Part,
    /// Keep the images themselves, so that answers can be seen
    #[arg(long)]
    keep_images: bool,
    /// Take the time of each image's file for the time at which it was seen
    #[arg(long)]
    file_times: bool,
    /// Say this of every entry; may be given several times
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    meta: Vec<(String, Scalar)>,
    /// What to do with an entry whose id is there already
    #[arg(long, value_enum, default_value_t = IfThere::Keep)]
    existing: IfThere,
    /// What ids begin with, for crops of several places whose paths are alike
    #[arg(long, default_value = "")]
    prefix: String,
}

/// What to do with an entry whose id is there already, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum IfThere {
    /// The old one stays
    Keep,
    /// The new one takes its place
    Replace,
    /// It is an error
    Refuse,
}

impl From<IfThere> for Existing {
    fn from(existing: IfThere) -> Self {
        match existing {
            IfThere::Keep => Existing::Keep,
            IfThere::Replace => Existing::Replace,
            IfThere::Refuse => Existing::Refuse,
        }
    }
}

pub fn run(arguments: &Arguments, output: Output) -> Result<(), ProgramError> {
    let adding = match &arguments.index {
        Some(path) => from_index(arguments, path, output)?,
        None => from_images(arguments, output)?,
    };
    let Adding { new, replaced, kept, unusable, .. } = adding;
    let place = shown(&arguments.gallery);
    let result = json!({ "gallery": place, "new": new, "replaced": replaced, "kept": kept, "unusable": unusable });
    output.result(&result, || {
        let left_out = if unusable == 0 { String::new() } else { format!(", {unusable} images can't be used") };
        format!("{place}: {new} entries added, {replaced} replaced, {kept} were there already{left_out}")
    })
}

/// Entries on their way into a gallery, and what became of those before.
struct Adding<'a> {
    arguments: &'a Arguments,
    store: Box<dyn Store>,
    metadata: BTreeMap<String, Scalar>,
    /// Ids of this call: a list that is trained on and one that is tested on may share images.
    seen: HashSet<String>,
    new: usize,
    replaced: usize,
    kept: usize,
    unusable: usize,
}

impl<'a> Adding<'a> {
    fn new(arguments: &'a Arguments, trained: &TrainedNetwork) -> Result<Self, ProgramError> {
        let store = open_or_create(&arguments.gallery, &model_of(trained), arguments.keep_images)?;
        let metadata = distinct(&arguments.meta)?;
        Ok(Self { arguments, store, metadata, seen: HashSet::new(), new: 0, replaced: 0, kept: 0, unusable: 0 })
    }

    /// Whether an image is to be looked at: the first of its id, and not of an entry that is there and stays.
    ///
    /// # Errors
    ///
    /// `VR0802` for an entry that is there and must not be.
    fn is_wanted(&mut self, id: &str) -> Result<bool, ProgramError> {
        if !self.seen.insert(id.into()) {
            return Ok(false);
        }
        let existing = self.arguments.existing;
        let settled = existing != IfThere::Replace && self.store.get(id)?.is_some();
        if settled && existing == IfThere::Refuse {
            return Err(GalleryError::Exists { id: id.into() }.into());
        }
        self.kept += usize::from(settled);
        Ok(!settled)
    }

    /// An image's id: its path below the data, or the whole of it where it is elsewhere.
    fn id(&self, path: &Path, root: Option<&Path>) -> String {
        self.arguments.prefix.clone() + &id(path, root)
    }

    fn add(&mut self, items: Vec<Item>) -> Result<(), ProgramError> {
        for added in self.store.add(items, self.arguments.existing.into())? {
            match added {
                Added::New => self.new += 1,
                Added::Replaced => self.replaced += 1,
                Added::Kept => self.kept += 1,
            }
        }
        Ok(())
    }

    fn item(
        &self,
        id: String,
        modality: Modality,
        camera: String,
        path: &Path,
        row: &[f32],
    ) -> Result<Item, ProgramError> {
        let mut facts = Facts::new(id, modality);
        facts.camera = camera;
        facts.metadata = self.metadata.clone();
        let unreadable = |source| ProgramError::Io { action: "can't read", path: path.into(), source };
        if self.arguments.file_times {
            let modified = std::fs::metadata(path).and_then(|entry| entry.modified()).map_err(unreadable)?;
            facts.time = Some(Moment::from(modified));
        }
        let image = self.store.keeps().images.then(|| std::fs::read(path).map_err(unreadable)).transpose()?;
        Ok(Item { facts, embedding: row.to_vec(), image })
    }
}

/// Adds images of a data set, embedded as they go in: a call that was stopped goes on where it was.
fn from_images(arguments: &Arguments, output: Output) -> Result<Adding<'_>, ProgramError> {
    let (trained, images, _) = arguments.model.open(output)?;
    let root = arguments.model.source.of_run(&arguments.model.network.model)?.path;
    let images = images.only(|part, _| arguments.part.includes(part));
    let mut adding = Adding::new(arguments, &trained)?;
    let lists = Modality::ALL
        .map(|modality| [(modality, images.train.get(modality)), (modality, images.test.images.get(modality))]);
    let lists = lists.concat();
    let bar = output.bar("adding", lists.iter().map(|(_, list)| list.len()).sum());
    for (modality, list) in lists {
        let positions: Vec<usize> = (0..list.len()).collect();
        for part in positions.chunks(AT_ONCE) {
            let mut fresh = Vec::new();
            for &position in part {
                let id = adding.id(&list.samples()[position].path, Some(&root));
                if adding.is_wanted(&id)? {
                    fresh.push(position);
                }
            }
            let fresh = list.select(fresh);
            let (embeddings, bad) = trained.embed_usable(&fresh, modality, arguments.model.skip_corrupt, |_| ())?;
            adding.unusable += bad.len();
            let usable = fresh.without(&bad);
            let item = |(row, sample): (usize, &Sample)| {
                let camera = images.names.camera(sample.camera);
                adding.item(adding.id(&sample.path, Some(&root)), modality, camera, &sample.path, embeddings.row(row))
            };
            let items = usable.samples().iter().enumerate().map(item).collect::<Result<Vec<Item>, ProgramError>>()?;
            adding.add(items)?;
            bar.inc(part.len() as u64);
        }
    }
    bar.finish_and_clear();
    Ok(adding)
}

/// Adds what was embedded before.
fn from_index<'a>(arguments: &'a Arguments, path: &Path, output: Output) -> Result<Adding<'a>, ProgramError> {
    let trained = arguments.model.network.open(arguments.model.devices()?)?;
    let index = EmbeddingsFile::load(path)?;
    index.check_recipe(path, trained.recipe())?;
    let mut adding = Adding::new(arguments, &trained)?;
    let bar = output.bar("adding", index.images.len());
    let rows: Vec<usize> = (0..index.images.len()).collect();
    for part in rows.chunks(AT_ONCE) {
        let mut items = Vec::new();
        for &row in part {
            let image = &index.images[row];
            let id = adding.id(&image.path, None);
            if !adding.is_wanted(&id)? {
                continue;
            }
            // The index was checked when it was loaded: there is no third modality.
            let modality = Modality::ALL.into_iter().find(|modality| modality.name() == image.modality);
            let (modality, camera) = (modality.unwrap_or(Modality::Visible), image.camera.clone());
            items.push(adding.item(id, modality, camera, &image.path, index.embeddings.row(row))?);
        }
        adding.add(items)?;
        bar.inc(part.len() as u64);
    }
    bar.finish_and_clear();
    Ok(adding)
}

/// An image's id: its path below the data, or the whole of it where it is elsewhere.
fn id(path: &Path, root: Option<&Path>) -> String {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.into());
    let root = root.and_then(|root| std::path::absolute(root).ok());
    let below = root.as_ref().and_then(|root| absolute.strip_prefix(root).ok());
    below.unwrap_or(&absolute).to_string_lossy().replace('\\', "/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_the_path_below_the_data() {
        let root = std::env::current_dir().unwrap().join("crops");
        let image = root.join("visible").join("1").join("a.png");
        assert_eq!(id(&image, Some(Path::new("crops"))), "visible/1/a.png");
        assert_eq!(id(&image, None), image.to_string_lossy().replace('\\', "/"));
        assert!(id(Path::new("/elsewhere/a.png"), Some(&root)).ends_with("/elsewhere/a.png"));
    }
}
