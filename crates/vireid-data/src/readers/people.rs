//! Lists and folders of people by their numbers.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::path::{Path, PathBuf};

use super::listing::Listing;
use super::malformed;
use super::text::read_text;
use crate::DataError;
use crate::notes::{Notes, count};

/// The people of a list: numbers between commas, semicolons, spaces or line ends. A set: a person who is listed twice
/// counts once.
///
/// # Errors
///
/// `VR0103` with the line for a word that is not a number.
pub(super) fn people_of_list(path: &Path, notes: &mut Notes) -> Result<BTreeSet<u32>, DataError> {
    let (mut people, mut again) = (BTreeSet::new(), BTreeSet::new());
    for (number, line) in read_text(path)?.lines().enumerate() {
        let words = line.split([',', ';', ' ', '\t']).map(str::trim).filter(|word| !word.is_empty());
        for word in words {
            let reason = || format!("'{word}' is not an identity; numbers between commas are expected");
            let person = word.parse().map_err(|_| malformed(path, number + 1, reason()))?;
            if !people.insert(person) {
                again.insert(person);
            }
        }
    }
    if !again.is_empty() {
        let sentence = format!("{} names {} more than once, who count once", path.display(), people_count(&again));
        notes.say_of(sentence, &again);
    }
    Ok(people)
}

/// Folders of people below a camera's folder, by number: `0007`, or `7`.
///
/// # Errors
///
/// `VR0108`.
pub(super) fn people_folders(camera: &Path, notes: &mut Notes) -> Result<BTreeMap<u32, Vec<PathBuf>>, DataError> {
    let Listing { images, folders } = Listing::of(camera, notes)?;
    images.iter().for_each(|image| notes.leave_out(image, "next to the people's folders"));
    let mut people: BTreeMap<u32, Vec<PathBuf>> = BTreeMap::new();
    for folder in folders {
        match folder.file_name().and_then(|name| name.to_str()?.parse().ok()) {
            Some(person) => people.entry(person).or_default().push(folder),
            None => notes.leave_out(&folder, "its name is not a person's number"),
        }
    }
    let twice = people.values().filter(|folders| folders.len() > 1).flatten();
    let sentence = "these folders have the same person's number, and count as one person";
    notes.say_of(sentence.into(), twice.map(|folder| folder.display()));
    Ok(people)
}

/// Notes the people who have folders and are in no list.
pub(super) fn note_unlisted(unlisted: &BTreeSet<&u32>, notes: &mut Notes) {
    notes.say_of(format!("{} with folders in no list, not read", people_count(unlisted)), unlisted);
}

/// Refuses lists with people who have no image, or an empty folder.
pub(super) fn refuse_empty(folders: Vec<PathBuf>) -> Result<(), DataError> {
    if folders.is_empty() {
        return Ok(());
    }
    let mut deeper = Vec::new();
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        deeper.extend(Listing::images_below(folder, &mut Notes::default())?);
    }
    Err(DataError::EmptyFolders { folders, deeper })
}

/// Says which people of the test are in training too.
pub(super) fn note_trained_on<T: Ord + Display>(train: &BTreeSet<T>, test: &BTreeSet<T>, notes: &mut Notes) {
    let both: BTreeSet<&T> = train.intersection(test).collect();
    let (all, both_are) = (people_count(test), count(both.len(), "is", "are"));
    notes.say_of(
        format!("of the {all} of the test, {both_are} in training too, so scores are not only of new people"),
        both,
    );
}

fn people_count<T>(people: &BTreeSet<T>) -> String {
    count(people.len(), "person", "people")
}
