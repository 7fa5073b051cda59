use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use super::files::{Positioned, damaged, log_path, unreadable};
use super::frame::{self, HEAD, Head, Kind};
use super::record::{Entry, Place, Tombstone, facts_of, row_of};
use super::snapshot::{self, Snapshot};
use super::table::{Chunk, Row, Table};
use crate::{Facts, GalleryError, Kept};

/// A log that is open.
#[derive(Debug)]
pub(super) struct Log {
    pub file: Positioned,
    pub salt: u32,
    /// Of a log that is not written to any more, once it is made.
    pub snapshot: Option<Snapshot>,
}

/// What a gallery is while it is open.
#[derive(Debug)]
pub(super) struct State {
    pub folder: PathBuf,
    pub dim: usize,
    pub table: Table,
    /// The log of number n is at n - 1.
    pub logs: Vec<Log>,
}

impl State {
    pub fn log(&self, number: u32) -> Result<&Log, GalleryError> {
        let at = (number as usize).checked_sub(1);
        let path = || log_path(&self.folder, number);
        at.and_then(|at| self.logs.get(at)).ok_or_else(|| damaged(&path(), "it is missing"))
    }

    /// Bytes of an entry's frame.
    pub fn frame_length(&self, chunk: &Chunk, row: usize) -> usize {
        HEAD + 12 + chunk.json(row).len() + 4 * self.dim
    }

    /// The row of an entry, from bytes that begin with its frame.
    pub fn row_in(&self, bytes: &[u8], row: &Row) -> Result<Vec<f32>, GalleryError> {
        let salt = self.log(row.log)?.salt;
        let frame = frame::read(bytes, salt, 0).filter(|frame| frame.kind == Kind::Entry);
        let entry = frame.and_then(|frame| Entry::read(frame.payload, self.dim));
        let entry = entry.filter(|entry| entry.sequence == row.sequence);
        entry.map(|entry| row_of(entry.row)).ok_or_else(|| self.broken(row.log, row.offset))
    }

    fn broken(&self, log: u32, offset: u64) -> GalleryError {
        damaged(&log_path(&self.folder, log), format!("the checksum at byte {offset} is wrong"))
    }

    pub fn facts(&self, chunk: &Chunk, row: usize) -> Result<Facts, GalleryError> {
        facts_of(chunk.json(row)).ok_or_else(|| self.broken(chunk.rows[row].log, chunk.rows[row].offset))
    }

    /// Everything of an entry but its image.
    pub fn kept(&self, chunk: &Chunk, number: usize) -> Result<Kept, GalleryError> {
        let row = &chunk.rows[number];
        let mut bytes = vec![0; self.frame_length(chunk, number)];
        let read = self.log(row.log)?.file.read(&mut bytes, row.offset);
        read.map_err(unreadable(&log_path(&self.folder, row.log)))?;
        let (facts, embedding) = (self.facts(chunk, number)?, self.row_in(&bytes, row)?);
        Ok(Kept { facts, embedding, person: row.person, has_image: row.image.is_some() })
    }

    /// The image of an entry.
    pub fn image(&self, row: &Row) -> Result<Option<Vec<u8>>, GalleryError> {
        let Some(offset) = row.image else { return Ok(None) };
        let (log, path) = (self.log(row.log)?, log_path(&self.folder, row.log));
        let place = self.place(row.log, offset)?;
        if offset + u64::from(place.length) > log.file.len().map_err(unreadable(&path))? {
            return Err(self.broken(row.log, offset));
        }
        let mut bytes = vec![0; HEAD + place.length as usize];
        log.file.read(&mut bytes, offset).map_err(unreadable(&path))?;
        let frame = frame::read(&bytes, log.salt, 0).filter(|frame| frame.kind == Kind::Image);
        let image = frame.and_then(|frame| frame.payload.strip_prefix(&row.sequence.to_le_bytes()));
        image.map(|image| Some(image.to_vec())).ok_or_else(|| self.broken(row.log, offset))
    }

    /// The frame that begins somewhere.
    fn place(&self, log: u32, offset: u64) -> Result<Place, GalleryError> {
        let mut head = [0; HEAD];
        let read = self.log(log)?.file.read(&mut head, offset);
        read.map_err(unreadable(&log_path(&self.folder, log)))?;
        let head = Head::of(&head).ok_or_else(|| self.broken(log, offset))?;
        Ok(Place { log, offset, length: head.length, batch: head.batch })
    }

    /// What has to be written and overwritten so that entries are gone.
    pub fn tombstone(&self, sequences: &[u64]) -> Result<Tombstone, GalleryError> {
        let mut tombstone = Tombstone { sequences: sequences.to_vec(), places: Vec::new() };
        let mut ids = HashSet::new();
        for sequence in sequences {
            let Some((chunk, number)) = self.table.find(*sequence) else { continue };
            let chunk = &self.table.chunks[chunk];
            let row = &chunk.rows[number];
            for offset in [Some(row.offset), row.image].into_iter().flatten() {
                tombstone.places.push(self.place(row.log, offset)?);
            }
            if !self.table.said.is_empty() {
                ids.insert(self.facts(chunk, number)?.id);
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
                log.snapshot.as_ref().map_or(Ok(()), |snapshot| snapshot.erase(place.offset))?;
            }
        }
        log.file.sync()?;
        log.snapshot.as_ref().map_or(Ok(()), Snapshot::sync)
    }
}

/// The log files of a folder are numbered from 1 without gaps: how many there are.
pub(super) fn count_logs(folder: &Path) -> u32 {
    (1..u32::MAX).take_while(|number| log_path(folder, *number).exists()).count() as u32
}
