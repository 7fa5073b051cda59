//! A gallery as it was at some moment.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files::{Positioned, damaged, log_path, unreadable};
use super::frame::{self, HEAD, Kind};
use super::record::{Entry, facts_of, row_of};
use super::table::{Chunk, Row};
use crate::{Facts, GalleryError, Kept};

/// A log that is open.
#[derive(Debug)]
pub(super) struct Log {
    pub file: Positioned,
    pub salt: u32,
}

/// A gallery as it was at some moment. What was deleted since then can't be read any more.
#[derive(Debug, Clone)]
pub(super) struct View {
    pub folder: PathBuf,
    pub dim: usize,
    pub chunks: Vec<Arc<Chunk>>,
    /// The log of number n is at n - 1.
    pub logs: Vec<Arc<Log>>,
}

/// The log of a number.
pub(super) fn log_of<'a>(logs: &'a [Arc<Log>], folder: &Path, number: u32) -> Result<&'a Arc<Log>, GalleryError> {
    let at = (number as usize).checked_sub(1);
    at.and_then(|at| logs.get(at)).ok_or_else(|| damaged(&log_path(folder, number), "it is missing"))
}

impl View {
    fn log(&self, number: u32) -> Result<&Arc<Log>, GalleryError> {
        log_of(&self.logs, &self.folder, number)
    }

    /// Bytes of a log.
    pub fn read(&self, log: u32, offset: u64, length: usize) -> Result<Vec<u8>, GalleryError> {
        let mut bytes = vec![0; length];
        let read = self.log(log)?.file.read(&mut bytes, offset);
        read.map_err(unreadable(&log_path(&self.folder, log)))?;
        Ok(bytes)
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
        let bytes = self.read(row.log, row.offset, self.frame_length(chunk, number))?;
        let (facts, embedding) = (self.facts(chunk, number)?, self.row_in(&bytes, row)?);
        Ok(Kept { facts, embedding, person: row.person, has_image: row.image.is_some() })
    }

    /// The image of an entry.
    pub fn image(&self, row: &Row) -> Result<Option<Vec<u8>>, GalleryError> {
        let Some(offset) = row.image else { return Ok(None) };
        let log = self.log(row.log)?;
        let bytes = self.read(row.log, offset, HEAD + row.image_length as usize)?;
        let frame = frame::read(&bytes, log.salt, 0).filter(|frame| frame.kind == Kind::Image);
        let image = frame.and_then(|frame| frame.payload.strip_prefix(&row.sequence.to_le_bytes()));
        image.map(|image| Some(image.to_vec())).ok_or_else(|| self.broken(row.log, offset))
    }
}
