//! Snapshots of logs, which are read in place of them.

use std::fs;
use std::io;
use std::path::Path;

use rayon::prelude::*;

use super::code::code;
use super::files::{HEADER, Header, Positioned, log_path, salt_of, snapshot_path, write_whole};
use super::frame::{self, Frame, HEAD, Kind, u64_of};
use super::record::{Coded, Entry, row_of};
use super::scan::scan;

/// The snapshot of a log: the same frames, but with codes in place of rows, and without images. So it is read in a fraction of the time.
/// It is made from the log, and made again where it is missing or damaged.
#[derive(Debug)]
pub(super) struct Snapshot {
    file: Positioned,
    salt: u32,
    /// Where its index begins, and how many pairs there are: of the place of a frame in the log and here.
    index: (u64, u64),
}

/// What a snapshot says.
#[derive(Debug)]
pub(super) struct Contents<'a> {
    pub header: Header,
    pub frames: Vec<Frame<'a>>,
    /// Bytes of the log that are neither of entries, images or judgements nor erased.
    pub others: u64,
    /// Where its index is: see [`Snapshot::open`].
    pub index: (u64, u64),
}

/// Bytes of a pair of the index.
const PAIR: usize = 16;

/// Makes the snapshot of a log that is not written to any more. Where its index is: see [`Snapshot::open`].
pub(super) fn make(folder: &Path, gallery: u32, log: u32, dim: usize) -> io::Result<(u64, u64)> {
    let bytes = fs::read(log_path(folder, log))?;
    let salt = salt_of(gallery, log);
    let no = || io::Error::from(io::ErrorKind::InvalidData);
    let header = Header::read(&bytes, salt).ok_or_else(no)?;
    let scanned = scan(&bytes, salt, HEADER, header.batch);
    if !scanned.faults.is_empty() {
        return Err(no());
    }
    let codes = scanned.frames.par_iter().map(|frame| {
        let entry = Some(frame).filter(|frame| frame.kind == Kind::Entry);
        entry.map(|frame| Entry::read(frame.payload, dim).map(|entry| (entry, code(&row_of(entry.row)))))
    });
    // A salt of its own: a frame of the log would not pass for one of the snapshot.
    let salt = !salt;
    let mut to = header.write(salt);
    let mut index: Vec<(u64, u64)> = Vec::new();
    for (frame, coded) in scanned.frames.iter().zip(codes.collect::<Vec<_>>()) {
        let at = to.len() as u64;
        let place = frame.offset.to_le_bytes();
        let written = match (frame.kind, coded) {
            (Kind::Entry, Some(Some((Entry { sequence, json, .. }, code)))) => {
                index.push((frame.offset, at));
                let (scale, error) = (code.bound.scale, code.bound.error);
                let coded = Coded { sequence, scale, error, json, code: &code.bytes };
                frame::write(&mut to, salt, Kind::Row, frame.batch, |to| {
                    to.extend(place);
                    coded.write(to);
                })
            }
            (Kind::Entry, _) => return Err(no()),
            // Whose image it is and how long, and no more.
            (Kind::Image, _) => frame::write(&mut to, salt, frame.kind, frame.batch, |to| {
                to.extend(place);
                to.extend(frame.payload.get(..8).unwrap_or_default());
                to.extend((frame.payload.len() as u32).to_le_bytes());
            }),
            (Kind::Judge | Kind::Tombstone | Kind::Assign | Kind::Settled, _) => {
                if frame.kind == Kind::Judge {
                    index.push((frame.offset, at));
                }
                frame::write(&mut to, salt, frame.kind, frame.batch, |to| {
                    to.extend(place);
                    to.extend(frame.payload);
                })
            }
            (Kind::Commit | Kind::Erased | Kind::Row | Kind::End, _) => Some(()),
        };
        written.ok_or_else(no)?;
    }
    let batch = scanned.frames.last().map_or(header.batch, |frame| frame.batch);
    let other = |frame: &&Frame<'_>| !matches!(frame.kind, Kind::Entry | Kind::Image | Kind::Judge | Kind::Erased);
    let others: u64 = scanned.frames.iter().filter(other).map(|frame| frame.end() - frame.offset).sum();
    let place = ((to.len() + HEAD + 16) as u64, index.len() as u64);
    let end = frame::write(&mut to, salt, Kind::End, batch, |to| {
        to.extend((bytes.len() as u64).to_le_bytes());
        to.extend(others.to_le_bytes());
        index.iter().for_each(|(log, here)| to.extend([log.to_le_bytes(), here.to_le_bytes()].concat()));
    });
    end.ok_or_else(no)?;
    write_whole(&snapshot_path(folder, log), &to)?;
    Ok(place)
}

impl Snapshot {
    /// The sound snapshot among some bytes; `None` where there is none, or of a log of another length.
    pub fn read(bytes: &[u8], salt: u32, log_length: u64) -> Option<Contents<'_>> {
        let header = Header::read(bytes, !salt)?;
        let mut scanned = scan(bytes, !salt, HEADER, header.batch);
        let end = scanned.frames.pop().filter(|frame| frame.kind == Kind::End && scanned.faults.is_empty())?;
        let mut rest = end.payload;
        let (length, others) = (u64_of(&mut rest)?, u64_of(&mut rest)?);
        let index = (end.offset + (HEAD + 16) as u64, (rest.len() / PAIR) as u64);
        let whole = length == log_length && rest.len().is_multiple_of(PAIR);
        whole.then_some(Contents { header, frames: scanned.frames, others, index })
    }

    pub fn open(folder: &Path, salt: u32, log: u32, index: (u64, u64)) -> io::Result<Self> {
        Ok(Self { file: Positioned::open(&snapshot_path(folder, log))?, salt: !salt, index })
    }

    /// Overwrites what is kept here of a frame of the log, if anything is. `sync` makes it last.
    ///
    /// # Errors
    ///
    /// Where what is here is damaged: it is not known then what would be overwritten.
    pub fn erase(&self, offset: u64, is_kept: bool) -> io::Result<()> {
        let pair = |number: u64| {
            let mut bytes = [0; PAIR];
            self.file.read(&mut bytes, self.index.0 + number * PAIR as u64)?;
            let (log, here) = bytes.split_at(8);
            let of = |bytes: &[u8]| bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte));
            Ok::<_, io::Error>((of(log), of(here)))
        };
        let (mut low, mut high) = (0, self.index.1);
        while low < high {
            let middle = low + (high - low) / 2;
            match pair(middle)? {
                (log, _) if log < offset => low = middle + 1,
                (log, here) if log == offset => return self.erase_at(here, offset),
                _ => high = middle,
            }
        }
        if is_kept { Err(io::ErrorKind::InvalidData.into()) } else { Ok(()) }
    }

    fn erase_at(&self, here: u64, offset: u64) -> io::Result<()> {
        let bytes = frame::read_at(&self.file, here)?;
        match frame::read(&bytes, self.salt, 0) {
            Some(frame) if frame.kind == Kind::Erased => Ok(()),
            Some(frame) if frame.payload.starts_with(&offset.to_le_bytes()) => {
                erase(&self.file, self.salt, here, frame.payload.len(), frame.batch)
            }
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    pub fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }
}

/// Overwrites a frame with one that says nothing and is as long.
pub(super) fn erase(file: &Positioned, salt: u32, offset: u64, length: usize, batch: u64) -> io::Result<()> {
    let mut bytes = Vec::new();
    let zeros = |to: &mut Vec<u8>| to.resize(to.len() + length, 0);
    frame::write(&mut bytes, salt, Kind::Erased, batch, zeros).ok_or(io::ErrorKind::InvalidData)?;
    file.write(&bytes, offset)
}
