use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files::log_path;
use super::frame::{self, HEAD};
use super::record::{Place, Tombstone};
use super::snapshot::{self, Snapshot};
use super::table::Table;
use super::view::{Log, View, log_of};
use crate::GalleryError;

/// What a gallery is while it is open.
#[derive(Debug)]
pub(super) struct State {
    pub folder: PathBuf,
    pub dim: usize,
    pub table: Table,
    /// The log of number n is at n - 1.
    pub logs: Vec<Arc<Log>>,
    /// Of each log that is not written to any more, once it is made.
    pub snapshots: Vec<Option<Snapshot>>,
}

impl State {
    /// The gallery as it is now.
    pub fn view(&self) -> View {
        View { folder: self.folder.clone(), dim: self.dim, chunks: self.table.chunks.clone(), logs: self.logs.clone() }
    }

    pub fn log(&self, number: u32) -> Result<&Arc<Log>, GalleryError> {
        log_of(&self.logs, &self.folder, number)
    }

    pub fn snapshot(&self, number: u32) -> Option<&Snapshot> {
        self.snapshots.get((number as usize).checked_sub(1)?)?.as_ref()
    }

    /// What has to be written and overwritten so that entries are gone.
    pub fn tombstone(&self, sequences: &[u64]) -> Result<Tombstone, GalleryError> {
        let view = self.view();
        let mut tombstone = Tombstone { sequences: sequences.to_vec(), places: Vec::new() };
        let mut ids = HashSet::new();
        for sequence in sequences {
            let Some((chunk, number)) = self.table.find(*sequence) else { continue };
            let chunk = &self.table.chunks[chunk];
            let row = &chunk.rows[number];
            for offset in [Some(row.offset), row.image].into_iter().flatten() {
                tombstone.places.push(view.place(row.log, offset)?);
            }
            if !self.table.said.is_empty() {
                ids.insert(view.facts(chunk, number)?.id);
            }
        }
        let gone = self.table.said.iter().filter(|said| ids.iter().any(|id| said.names(id)));
        tombstone.places.extend(gone.map(|said| said.place));
        Ok(tombstone)
    }

    /// Takes out what a tombstone is of.
    pub fn bury(&mut self, tombstone: &Tombstone) {
        tombstone.sequences.iter().for_each(|sequence| self.table.remove(*sequence));
        self.table.unsay(&tombstone.places);
    }

    /// Overwrites frames in logs and snapshots, and waits until that is on the disk.
    pub fn erase(&self, places: &[Place]) -> Result<(), (PathBuf, io::Error)> {
        let mut touched: Vec<u32> = places.iter().map(|place| place.log).collect();
        touched.sort_unstable();
        touched.dedup();
        for number in touched {
            let in_log = places.iter().filter(|place| place.log == number);
            self.erase_in(number, in_log).map_err(|error| (log_path(&self.folder, number), error))?;
        }
        Ok(())
    }

    fn erase_in<'a>(&self, number: u32, places: impl Iterator<Item = &'a Place>) -> io::Result<()> {
        let log = self.log(number).map_err(|_| io::ErrorKind::NotFound)?;
        for place in places {
            // A torn overwriting leaves length and batch as they were. Where they differ, the log was written anew without the frame.
            let mut head = [0; HEAD];
            log.file.read(&mut head, place.offset)?;
            let mut rest = &head[1..];
            let found = (frame::u32_of(&mut rest), frame::u64_of(&mut rest));
            if found == (Some(place.length), Some(place.batch)) {
                snapshot::erase(&log.file, log.salt, place.offset, Some((place.length, place.batch)))?;
                self.snapshot(number).map_or(Ok(()), |snapshot| snapshot.erase(place.offset))?;
            }
        }
        log.file.sync()?;
        self.snapshot(number).map_or(Ok(()), Snapshot::sync)
    }
}

/// The log files of a folder are numbered from 1 without gaps: how many there are.
pub(super) fn count_logs(folder: &Path) -> u32 {
    (1..u32::MAX).take_while(|number| log_path(folder, *number).exists()).count() as u32
}
