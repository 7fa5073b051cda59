//! What a gallery is while it is open.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files::log_path;
use super::record::{Known, Place, Tombstone};
use super::table::Table;
use super::view::{Log, View, log_of};
use crate::{Filter, GalleryError, Kept};

/// What a gallery is while it is open.
#[derive(Debug)]
pub(super) struct State {
    pub folder: PathBuf,
    pub dim: usize,
    pub table: Table,
    /// The log of number n is at n - 1.
    pub logs: Vec<Arc<Log>>,
}

impl State {
    /// The gallery as it is now.
    pub fn view(&self) -> View {
        View { folder: self.folder.clone(), dim: self.dim, chunks: self.table.chunks.clone(), logs: self.logs.clone() }
    }

    pub fn log(&self, number: u32) -> Result<&Arc<Log>, GalleryError> {
        log_of(&self.logs, &self.folder, number)
    }

    /// The frames of an entry and its image, as they were when they were sound.
    pub fn places(&self, sequence: u64) -> Vec<Place> {
        let Some((chunk, number)) = self.table.find(sequence) else { return Vec::new() };
        let (chunk, batch) = (&self.table.chunks[chunk], 0);
        let row = &chunk.rows[number];
        let length = (12 + chunk.json(number).len() + 4 * self.dim) as u32;
        let image = row.image.map(|offset| Place { log: row.log, offset, length: row.image_length, batch });
        [Place { log: row.log, offset: row.offset, length, batch }].into_iter().chain(image).collect()
    }

    /// Entries from a number on.
    pub fn page(&self, from: u64, filter: &Filter, limit: usize) -> Meant {
        let (sieve, start) = (self.table.sieve(filter), self.table.from(from));
        let chunks = self.table.chunks.iter().enumerate().skip(start.0);
        let all = chunks.flat_map(|(chunk, of)| {
            let first = if chunk == start.0 { start.1 } else { 0 };
            (first..of.rows.len()).map(move |row| (chunk, row))
        });
        let mut meant = all.filter(|(chunk, row)| sieve.admits(&self.table.chunks[*chunk], *row));
        let rows = meant.by_ref().take(limit).collect();
        let next = meant.next().map(|(chunk, row)| self.table.chunks[chunk].rows[row].sequence.to_string());
        Meant { view: self.view(), rows, next }
    }

    /// What has to be written and overwritten so that entries are gone.
    pub fn tombstone(&self, sequences: &[u64]) -> Tombstone {
        let mut places: Vec<Place> = sequences.iter().flat_map(|sequence| self.places(*sequence)).collect();
        if !self.table.said.is_empty() {
            let id = |sequence: &u64| {
                let (chunk, row) = self.table.find(*sequence)?;
                Some(Known::read(self.table.chunks[chunk].json(row))?.id.into_owned())
            };
            let ids: HashSet<String> = sequences.iter().filter_map(id).collect();
            places.extend(self.table.said.places_of(|id| ids.contains(id)));
        }
        Tombstone { sequences: sequences.to_vec(), places }
    }

    /// Takes out what a tombstone is of.
    pub fn bury(&mut self, tombstone: &Tombstone) {
        self.table.bury(&tombstone.sequences, &tombstone.places);
    }
}

/// Entries of a gallery as it was at some moment, which are still to be read.
pub(super) struct Meant {
    view: View,
    /// By chunk and row.
    rows: Vec<(usize, usize)>,
    /// What to go on with.
    pub next: Option<String>,
}

impl Meant {
    pub fn entries(&self) -> Result<Vec<Kept>, GalleryError> {
        self.rows.iter().map(|(chunk, row)| self.view.kept(&self.view.chunks[*chunk], *row)).collect()
    }
}

/// The log files of a folder are numbered from 1 without gaps: how many there are.
pub(super) fn count_logs(folder: &Path) -> u32 {
    (1..u32::MAX).take_while(|number| log_path(folder, *number).exists()).count() as u32
}
