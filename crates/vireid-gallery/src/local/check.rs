//! Looking for damage on the disk, and taking it out.

use std::path::Path;

use super::erase::{drop_snapshot, erase};
use super::files::{HEADER, Header, Positioned, log_path, salt_of, snapshot_path, unwritable};
use super::frame::{self, HEAD, Kind};
use super::load::{Fault, Loaded, load};
use super::manifest::Manifest;
use super::scan::scan;
use crate::{Count, GalleryError};

/// How a gallery on disk is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Entries that can be read.
    pub entries: Count,
    /// Judgements that can be read.
    pub judgements: u64,
    /// Logs.
    pub logs: u64,
    /// Bytes of the logs.
    pub bytes: u64,
    /// How many of them held what is deleted.
    pub erased: u64,
    /// Bytes that a crash left of what was not acknowledged. The next opening takes them away.
    pub torn: u64,
    /// Damage to what was acknowledged.
    pub faults: Vec<Fault>,
}

/// Reads every byte of every log.
pub(super) fn check(folder: &Path) -> Result<Health, GalleryError> {
    let (manifest, _lock) = Manifest::open(folder)?;
    examine(folder, &manifest).map(health)
}

fn examine(folder: &Path, manifest: &Manifest) -> Result<Loaded, GalleryError> {
    load(folder, manifest.salt, manifest.model.dim, true)
}

fn health(loaded: Loaded) -> Health {
    Health {
        entries: loaded.state.table.count(),
        judgements: loaded.state.table.said.last().count() as u64,
        logs: loaded.state.logs.len() as u64,
        bytes: loaded.bytes.0,
        erased: loaded.bytes.1,
        torn: loaded.torn,
        faults: loaded.faults,
    }
}

/// Overwrites damage with frames that say nothing, until there is none, and what belongs to nothing then.
pub(super) fn repair(folder: &Path) -> Result<Health, GalleryError> {
    let (manifest, _lock) = Manifest::open(folder)?;
    let mut dropped = Vec::new();
    let mut loaded = loop {
        let loaded = examine(folder, &manifest)?;
        // One at a time: what is torn can look different once the damage before it is gone. One that comes back can't be dropped.
        match loaded.faults.first() {
            Some(fault) if !dropped.contains(fault) => {
                drop_fault(folder, &manifest, fault, loaded.state.logs.len() as u32)?;
                dropped.push(fault.clone());
            }
            _ => break loaded,
        }
    };
    // Nobody could delete it.
    let orphans = loaded.take_orphans();
    if !orphans.is_empty() {
        let outcome = erase(&loaded.state, &mut loaded.snapshots, &orphans);
        if let Some((path, error)) = outcome.error {
            return Err(unwritable(&path)(error));
        }
        loaded = examine(folder, &manifest)?;
    }
    Ok(Health { faults: dropped, ..health(loaded) })
}

fn drop_fault(folder: &Path, manifest: &Manifest, fault: &Fault, logs: u32) -> Result<(), GalleryError> {
    let Some(log) = (1..=logs).find(|log| log_path(folder, *log) == fault.path) else { return Ok(()) };
    let io = unwritable(&fault.path);
    let (file, salt) = (Positioned::open(&fault.path).map_err(&io)?, salt_of(manifest.salt, log));
    let mut bytes = vec![0; file.len().map_err(&io)? as usize];
    file.read(&mut bytes, 0).map_err(&io)?;
    let is_last = fault.offset + fault.bytes == bytes.len() as u64;
    let first = Header::read(&bytes, salt).map_or(1, |header| header.batch);
    let batch = scan(&bytes, salt, HEADER, first).batch_at(fault.offset, first);
    let frames = frames_over(fault.bytes as usize, salt, batch);
    let written = match frames {
        Some(frames) => file.write(&frames, fault.offset),
        None if is_last && log == logs => file.cut(fault.offset),
        // The end of a log that another follows: its last batch needs a commit.
        None => {
            let cut = if is_last { file.cut(fault.offset) } else { Ok(()) };
            cut.and_then(|()| file.write(&frames_over(HEAD, salt, batch).unwrap_or_default(), fault.offset))
        }
    };
    written.and_then(|()| file.sync()).map_err(&io)?;
    // It may still have what the log has not; made again, it is as the log is.
    drop_snapshot(folder, log).map_err(unwritable(&snapshot_path(folder, log)))
}

/// Frames that say nothing and have so many bytes; `None` for fewer than a frame has.
fn frames_over(bytes: usize, salt: u32, batch: u64) -> Option<Vec<u8>> {
    let mut frames = Vec::new();
    let mut erased = |length: usize| {
        let fill = |to: &mut Vec<u8>| to.resize(to.len() + length, 0);
        frame::write(&mut frames, salt, Kind::Erased, batch, fill);
    };
    // What is damaged may have ended a batch, whose other frames are sound: so they are kept. What is shorter was no end with more.
    let (more, commit) = match bytes {
        ..HEAD => return None,
        HEAD => (None, true),
        _ => match bytes.checked_sub(2 * HEAD) {
            None => (Some(bytes - HEAD), false),
            more => (more, true),
        },
    };
    more.into_iter().for_each(&mut erased);
    if commit {
        frame::write(&mut frames, salt, Kind::Commit, batch, |_| ());
    }
    Some(frames)
}
