//! What readers have to tell besides the data.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::path::{Path, PathBuf};

/// What a reader read differently than it was written, and what it left out.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    told: Vec<String>,
    left_out: BTreeMap<&'static str, BTreeSet<PathBuf>>,
}

impl Notes {
    /// Adds a sentence.
    pub fn say(&mut self, sentence: String) {
        self.told.push(sentence);
    }

    /// Adds a sentence about names, which get a line each; nothing when there is no name.
    pub fn say_of(&mut self, sentence: String, names: impl IntoIterator<Item = impl Display>) {
        let names: Vec<String> = names.into_iter().map(|name| format!("\n  {name}")).collect();
        if !names.is_empty() {
            self.told.push(format!("{sentence}:{}", names.concat()));
        }
    }

    /// A file or folder that was not read. `reason` says why, in a few words. One that is met twice counts once.
    pub fn leave_out(&mut self, path: &Path, reason: &'static str) {
        self.left_out.entry(reason).or_default().insert(path.into());
    }

    /// All notes as texts: see [`Dataset::notes`](crate::Dataset::notes).
    pub fn into_texts(mut self) -> Vec<String> {
        for (reason, paths) in std::mem::take(&mut self.left_out) {
            let number = count(paths.len(), "file or folder", "files or folders");
            self.say_of(format!("left out ({reason}): {number}"), paths.iter().map(|path| path.display()));
        }
        self.told
    }
}

/// The first lines of a text, and how many more it has: lists of images may be long.
///
/// ```
/// assert_eq!(vireid_data::first_lines("3 are hidden:\n  a\n  b\n  c", 2), "3 are hidden:\n  a\n  and 2 more");
/// ```
pub fn first_lines(text: &str, most: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    match lines.len().saturating_sub(most) {
        0 => text.into(),
        more => format!("{}\n  and {more} more", lines[..most].join("\n")),
    }
}

/// A number and its noun, in the singular for 1.
pub(crate) fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
