//! Files that lists name.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs;
use std::path::{Component, Path, PathBuf};

use vireid_core::Identity;

use super::listing::Listing;
use super::malformed;
use super::text::read_text;
use crate::DataError;
use crate::notes::{Notes, count};

/// Where a file was named first, and for whom.
#[derive(Debug, Clone)]
struct Named {
    list: PathBuf,
    line: usize,
    identity: Option<Identity>,
}

/// What naming a file found.
#[derive(Debug)]
pub(super) enum Naming {
    /// The file was not named before.
    First,
    /// This list has named it already, for the same person.
    Again {
        /// In which line.
        line: usize,
    },
}

/// The files that the lists of a data set name. Two names of one file, such as `x` and `./x`, are one file.
#[derive(Debug, Default)]
pub(super) struct Files(HashMap<PathBuf, Named>);

impl Files {
    /// Notes that a line names a file; line 0 of a folder that is its own list.
    ///
    /// # Errors
    ///
    /// `VR0103` when another list has named it: an image has one use and one modality; or this one for somebody else.
    pub fn name(
        &mut self,
        path: &Path,
        list: &Path,
        line: usize,
        identity: Option<Identity>,
    ) -> Result<Naming, DataError> {
        let first = match self.0.entry(one_name(path)) {
            Entry::Vacant(place) => {
                place.insert(Named { list: list.into(), line, identity });
                return Ok(Naming::First);
            }
            Entry::Occupied(place) => place.get().clone(),
        };
        let wrong = |how: String| Err(malformed(list, line, format!("{} is {how}", path.display())));
        let place = match first.line {
            0 => first.list.display().to_string(),
            line => format!("{} line {line}", first.list.display()),
        };
        if first.list != list {
            return wrong(format!("also in {place}; an image has one use and one modality"));
        }
        if first.identity != identity {
            return wrong(format!("somebody else in {place}"));
        }
        Ok(Naming::Again { line: first.line })
    }

    /// Notes the images below a folder that no list names. `except` are folders that are read without a list.
    pub fn note_unlisted(&self, folder: &Path, except: &[PathBuf], notes: &mut Notes) {
        // What else is there does not matter to a list.
        let Ok(Listing { images, folders }) = Listing::of(folder, &mut Notes::default()) else {
            return notes.leave_out(folder, "it can't be listed");
        };
        for image in images.iter().filter(|image| !self.0.contains_key(&one_name(image))) {
            notes.leave_out(image, "in no list");
        }
        for folder in folders.iter().filter(|folder| !folder.is_symlink() && !except.contains(folder)) {
            self.note_unlisted(folder, except, notes);
        }
    }
}

/// The path of a file that a list names; backslashes separate folders where no file's name has them.
pub(super) fn listed_file(root: &Path, written: &str) -> PathBuf {
    let path = root.join(written);
    if written.contains('\\') && !path.exists() { root.join(written.replace('\\', "/")) } else { path }
}

/// One name for each file that is there, whatever it was called; without `.` and `..` for one that is not.
fn one_name(path: &Path) -> PathBuf {
    let plain = |path: &Path| {
        let mut plain = PathBuf::new();
        for part in path.components() {
            match part {
                Component::CurDir => (),
                Component::ParentDir if plain.file_name().is_some() => {
                    plain.pop();
                }
                part => plain.push(part),
            }
        }
        plain
    };
    fs::canonicalize(path).unwrap_or_else(|_| plain(path))
}

/// The lines `<path> <label>` of a list below a folder, as a set: a line that occurs twice counts once.
///
/// # Errors
///
/// `VR0103` for a line of another form, and those of [`Files::name`].
pub(super) fn labelled_files(
    root: &Path,
    list: &Path,
    files: &mut Files,
    notes: &mut Notes,
) -> Result<Vec<(usize, PathBuf, Identity)>, DataError> {
    let (mut named, mut again) = (Vec::new(), 0);
    for (number, line) in read_text(list)?.lines().enumerate() {
        let (number, line) = (number + 1, line.trim());
        if line.is_empty() {
            continue;
        }
        let entry =
            line.rsplit_once([' ', '\t']).and_then(|(file, label)| Some((file.trim_end(), label.parse().ok()?)));
        let Some((file, label)) = entry else {
            return Err(malformed(list, number, format!("'{line}' is not '<path> <label>'")));
        };
        let (path, identity) = (listed_file(root, file), Identity(label));
        match files.name(&path, list, number, Some(identity))? {
            Naming::First => named.push((number, path, identity)),
            Naming::Again { .. } => again += 1,
        }
    }
    if named.is_empty() {
        return Err(malformed(list, 1, "it lists no image".into()));
    }
    if again > 0 {
        notes.say(format!("{} names {} again, which count once", list.display(), count(again, "image", "images")));
    }
    Ok(named)
}
