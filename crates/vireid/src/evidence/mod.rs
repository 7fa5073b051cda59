//! What a finished run can show: ranked answers with the failures first, clusters that found each other across the
//! modalities, and a map of the embeddings. None of it needs labels; where identities are known, right and wrong are
//! marked.

mod map;
mod pairs;
mod ranked;

use std::path::Path;

use serde::{Deserialize, Deserializer, Serialize};
use vireid::{DataSource, ProgramError, Tile, write_bytes, write_evidence_sheet};
use vireid_core::{Embeddings, Modality, PerModality};
use vireid_data::{ImageList, Names, Sample};
use vireid_methods::{CheckpointKind, TrainedNetwork, TrainingImages, parse_devices};

use crate::output::Output;

pub use map::Point;
pub use pairs::MatchedPair;
pub use ranked::RankedList;

/// Files in the run directory.
pub const FILE: &str = "evidence.json";
pub const RANKED: &str = "ranked.png";
pub const PAIRS: &str = "pairs.png";

/// All of it, as kept in the run directory with its two pictures.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Evidence {
    /// Which images were searched: `test` or `training`.
    pub part: String,
    pub ranked: Vec<RankedList>,
    pub pairs: Vec<MatchedPair>,
    pub map: Vec<Point>,
}

/// Images with their embeddings.
pub struct Embedded<'a> {
    pub samples: PerModality<&'a [Sample]>,
    pub rows: PerModality<Embeddings>,
    pub names: &'a Names,
}

/// Writes the evidence of a run into its folder.
pub fn write(run: &Path, source: &DataSource, device: &str, output: Output) -> Result<(), ProgramError> {
    let devices = parse_devices(device)?;
    let trained = TrainedNetwork::open(run, CheckpointKind::Last, devices.clone())?;
    let dataset = source.open_with(!output.quiet)?;
    let (bar, count) = output.counter("decoding");
    let images = TrainingImages::open(dataset, trained.config(), true, count)?;
    bar.finish_and_clear();
    let train = embed(&trained, &images.names, images.train.as_ref().map(|list| list.as_ref()), "training", output)?;
    let has_test = images.test.protocol.is_some();
    let test = match has_test {
        true => {
            Some(embed(&trained, &images.names, images.test.images.as_ref().map(|list| list.as_ref()), "test", output)?)
        }
        false => None,
    };
    let searched = test.as_ref().unwrap_or(&train);
    let bar = output.bar("answers", searched.samples.infrared.len().min(ranked::SCORED));
    let (ranked, sheet) = ranked::ranked(searched, || bar.inc(1));
    bar.finish_and_clear();
    write_sheet(&run.join(RANKED), &sheet, output)?;
    let (pairs, sheet) = pairs::pairs(&train, trained.run_config(), devices.first());
    if !sheet.is_empty() {
        write_sheet(&run.join(PAIRS), &sheet, output)?;
    }
    let part = if has_test { "test" } else { "training" };
    let map = map::map(searched, trained.config().seed);
    let evidence = Evidence { part: part.into(), ranked, pairs, map };
    let path = run.join(FILE);
    let text = serde_json::to_string(&evidence).map_err(std::io::Error::other);
    let text = text.map_err(|source| ProgramError::Io { action: "can't write", path: path.clone(), source })?;
    write_bytes(&path, (text + "\n").as_bytes())
}

fn write_sheet(path: &Path, rows: &[Vec<Tile>], output: Output) -> Result<(), ProgramError> {
    let unreadable = write_evidence_sheet(path, rows)?;
    output.warn_of_grey(path, &unreadable, rows.iter().map(Vec::len).sum());
    Ok(())
}

fn embed<'a>(
    trained: &TrainedNetwork,
    names: &'a Names,
    lists: PerModality<&'a ImageList>,
    name: &'static str,
    output: Output,
) -> Result<Embedded<'a>, ProgramError> {
    let bar = output.bar(name, lists.visible.len() + lists.infrared.len());
    let visible = trained.embed(lists.visible, Modality::Visible, |done| bar.set_position(done as u64))?;
    let before = lists.visible.len();
    let infrared =
        trained.embed(lists.infrared, Modality::Infrared, |done| bar.set_position((before + done) as u64))?;
    bar.finish_and_clear();
    Ok(Embedded { samples: lists.map(ImageList::samples), rows: PerModality { visible, infrared }, names })
}

/// Whether two images show one person, where that is known.
fn is_same(a: &Sample, b: &Sample) -> Option<bool> {
    Some(a.identity? == b.identity?)
}

/// A name; files of older versions hold numbers instead.
fn name<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Name::deserialize(from).map(String::from)
}

/// [`name`] of what may be unknown.
fn known_name<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<Name>::deserialize(from)?.map(String::from))
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Name {
    Text(String),
    Number(u64),
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        match name {
            Name::Text(text) => text,
            Name::Number(number) => number.to_string(),
        }
    }
}

/// `count` numbers below `of`, evenly spread.
fn spread(count: usize, of: usize) -> impl Iterator<Item = usize> {
    let count = count.min(of);
    (0..count).map(move |number| number * of / count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_of_older_versions_is_read() {
        let older = r#"{"part": "test", "pairs": [],
            "ranked": [{"query": "a", "camera": 3, "first_right": null, "average_precision": null, "answers": [
                {"path": "b", "modality": "visible", "camera": 1, "similarity": 0.5, "right": null}]}],
            "map": [{"x": 0, "y": 1, "modality": "visible", "camera": 2, "identity": 7},
                {"x": 0, "y": 1, "modality": "visible", "camera": "noto", "identity": null}]}"#;
        let evidence: Evidence = serde_json::from_str(older).unwrap();
        assert_eq!((evidence.ranked[0].camera.as_str(), evidence.ranked[0].answers[0].camera.as_str()), ("3", "1"));
        let names = evidence.map.iter().map(|point| (point.camera.as_str(), point.identity.as_deref()));
        assert_eq!(names.collect::<Vec<_>>(), [("2", Some("7")), ("noto", None)]);
    }
}
