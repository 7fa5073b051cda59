use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::error::some_of;

/// What a reader took otherwise than it was written, and what it left out.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    sentences: Vec<String>,
    left_out: BTreeMap<&'static str, Vec<PathBuf>>,
}

impl Notes {
    /// Something that is worth knowing.
    pub fn say(&mut self, sentence: String) {
        self.sentences.push(sentence);
    }

    /// A file or folder that was not read. `reason` says why, in a few words.
    pub fn leave_out(&mut self, path: &Path, reason: &'static str) {
        self.left_out.entry(reason).or_default().push(path.into());
    }

    /// All of it as sentences.
    pub fn into_sentences(self) -> Vec<String> {
        let left_out = self.left_out.into_iter().map(|(reason, paths)| {
            let names: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
            format!(
                "left out ({reason}): {}: {}",
                count(names.len(), "file or folder", "files or folders"),
                some_of(&names)
            )
        });
        self.sentences.into_iter().chain(left_out).collect()
    }
}

/// A number and its noun.
pub(crate) fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
