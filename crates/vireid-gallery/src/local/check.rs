use std::path::Path;

use super::files::{Positioned, log_path, salt_of, snapshot_path, unwritable};
use super::frame::{self, HEAD, Kind};
use super::load::{Fault, load};
use super::manifest::Manifest;
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
    examine(folder, &manifest)
}

fn examine(folder: &Path, manifest: &Manifest) -> Result<Health, GalleryError> {
    let loaded = load(folder, manifest.salt, manifest.model.dim, true)?;
    Ok(Health {
        entries: loaded.state.table.count(),
        judgements: loaded.state.table.said.iter().filter(|said| said.last).count() as u64,
        logs: loaded.state.logs.len() as u64,
        bytes: loaded.bytes.0,
        erased: loaded.bytes.1,
        torn: loaded.torn,
        faults: loaded.faults,
    })
}

/// Overwrites damage with frames that say nothing, until there is none.
pub(super) fn repair(folder: &Path) -> Result<Health, GalleryError> {
    let (manifest, _lock) = Manifest::open(folder)?;
    let mut dropped = Vec::new();
    loop {
        let mut health = examine(folder, &manifest)?;
        // One at a time: what is torn can look different once the damage before it is gone. One that comes back can't be dropped.
        match health.faults.first().cloned() {
            Some(fault) if !dropped.contains(&fault) => {
                drop_fault(folder, &manifest, &fault, health.logs as u32)?;
                dropped.push(fault);
            }
            _ => {
                health.faults = dropped;
                return Ok(health);
            }
        }
    }
}

fn drop_fault(folder: &Path, manifest: &Manifest, fault: &Fault, logs: u32) -> Result<(), GalleryError> {
    let Some(log) = (1..=logs).find(|log| log_path(folder, *log) == fault.path) else { return Ok(()) };
    let io = unwritable(&fault.path);
    let (file, salt) = (Positioned::open(&fault.path).map_err(&io)?, salt_of(manifest.salt, log));
    let batch = batch_before(&file, salt, fault.offset).map_err(&io)?;
    let mut bytes = Vec::new();
    // What is damaged may have ended a batch, whose other frames are sound: so they are kept.
    let zeros = (fault.bytes as usize).checked_sub(2 * HEAD);
    if let Some(zeros) = zeros {
        let fill = |to: &mut Vec<u8>| to.resize(to.len() + zeros, 0);
        frame::write(&mut bytes, salt, Kind::Erased, batch, fill);
    }
    frame::write(&mut bytes, salt, Kind::Commit, batch, |_| ());
    // Only the last few bytes of a log are fewer than a frame has.
    let written =
        if bytes.len() as u64 == fault.bytes { file.write(&bytes, fault.offset) } else { file.cut(fault.offset) };
    written.and_then(|()| file.sync()).map_err(&io)?;
    // It may still have what the log has not; made again, it is as the log is.
    let snapshot = snapshot_path(folder, log);
    if snapshot.exists() { std::fs::remove_file(&snapshot).map_err(unwritable(&snapshot)) } else { Ok(()) }
}

/// The batch of the frame before a place.
fn batch_before(file: &Positioned, salt: u32, offset: u64) -> std::io::Result<u64> {
    use super::files::{HEADER, Header};
    let mut bytes = vec![0; offset as usize];
    file.read(&mut bytes, 0)?;
    let first = Header::read(&bytes, salt).map_or(1, |header| header.batch);
    let scanned = super::scan::scan(&bytes, salt, HEADER, first);
    Ok(scanned.frames.last().map_or(first, |frame| frame.batch + u64::from(frame.kind == Kind::Commit)))
}
