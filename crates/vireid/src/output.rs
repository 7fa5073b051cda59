//! How results and talk are put out.

use std::io::Write;
use std::path::{Path, PathBuf};

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use vireid::ProgramError;
use vireid_data::first_lines;

/// How results and talk are put out.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    /// Results as JSON.
    pub json: bool,
    /// No talk.
    pub quiet: bool,
}

impl Output {
    /// A result: as JSON, or as the text that a person reads.
    pub fn result(self, value: &impl Serialize, text: impl FnOnce() -> String) -> Result<(), ProgramError> {
        let text = match self.json {
            true => serde_json::to_string_pretty(value).map_err(|error| ProgramError::Usage(error.to_string()))?,
            false => text(),
        };
        print(&(text + "\n"))
    }

    /// Something worth knowing that is not a result.
    pub fn say(self, text: &str) {
        if !self.quiet {
            eprintln!("{text}");
        }
    }

    /// Notes on the data, the files that each is about cut to a screen.
    pub fn notes(self, notes: &[String]) {
        notes.iter().for_each(|note| self.say(&short_note(note)));
    }

    /// A progress bar for what counts (done, total) itself.
    pub fn counter(self, name: &'static str) -> (ProgressBar, impl Fn(usize, usize) + Sync) {
        let bar = self.bar(name, 0);
        let counted = bar.clone();
        (bar, move |done, total| {
            counted.set_length(total as u64);
            counted.set_position(done as u64);
        })
    }

    /// Something that a result must not be read without; said to who wants no talk, too.
    pub fn warn(self, text: &str) {
        eprintln!("warning: {text}");
    }

    /// Says which images of a contact sheet are grey because they can't be read.
    pub fn warn_of_grey(self, sheet: &Path, unreadable: &[PathBuf], of: usize) {
        if let Some(first) = unreadable.first() {
            let (count, sheet, first) = (unreadable.len(), sheet.display(), first.display());
            self.warn(&format!("{count} of {of} images can't be read and are grey in {sheet}, such as {first}"));
        }
    }

    /// A progress bar on standard error.
    pub fn bar(self, name: &'static str, total: usize) -> ProgressBar {
        if self.quiet {
            return ProgressBar::hidden();
        }
        let style = ProgressStyle::with_template("{prefix:>10} [{bar:32}] {pos}/{len} {elapsed} (left {eta})");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ");
        ProgressBar::new(total as u64).with_style(style).with_prefix(name)
    }
}

/// Writes to standard output.
///
/// # Errors
///
/// `VR0605` when it can't be written: a full disk, say.
pub fn print(text: &str) -> Result<(), ProgramError> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // A reader that closes the pipe early has what it wanted.
        Err(source) if source.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(ProgramError::Io { action: "can't write to", path: "standard output".into(), source })
        }
        _ => Ok(()),
    }
}

/// A note as a line of talk, with the first of the files or people that it is about.
pub fn short_note(note: &str) -> String {
    // The sentence, and ten of them.
    format!("note: {}", first_lines(note, 11))
}

/// A table of text, numbers to the right from column `right` on.
pub fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>, right: usize) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header(header.to_vec());
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(right) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}
