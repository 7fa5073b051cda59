//! Overwriting what is to be gone.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::files::{HEADER, Header, log_path, shred, snapshot_path};
use super::frame::{self, HEAD, Kind, u64_of};
use super::record::Place;
use super::scan::scan;
use super::snapshot::{self, Snapshot};
use super::state::State;
use super::view::Log;

/// What became of places that were to be overwritten.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Those that could not be.
    pub failed: Vec<Place>,
    /// The file and the reason of the first of them.
    pub error: Option<(PathBuf, io::Error)>,
}

/// Overwrites frames in logs and snapshots, and waits until that is on the disk. A place can be old: what is alive there stays.
pub(super) fn erase(state: &State, snapshots: &mut [Option<Snapshot>], places: &[Place]) -> Outcome {
    let mut by_log: BTreeMap<u32, Vec<Place>> = BTreeMap::new();
    for place in places {
        by_log.entry(place.log).or_default().push(*place);
    }
    let mut outcome = Outcome::default();
    for (number, places) in by_log {
        // A log that is not there has nothing.
        let (Ok(log), Some(snapshot)) = (state.log(number), snapshots.get_mut((number as usize).wrapping_sub(1)))
        else {
            continue;
        };
        let mut in_log = InLog { state, log, gaps: None };
        let (mut gone, mut failed, mut error) = (Vec::new(), Vec::new(), None);
        for place in &places {
            match in_log.erase(place) {
                Ok(Found::Gone) => gone.push((place.offset, false)),
                Ok(Found::Erased) => gone.push((place.offset, true)),
                Ok(Found::Other) => (),
                Err(why) => {
                    failed.push(*place);
                    error.get_or_insert(why);
                }
            }
        }
        if let Err(why) = log.file.sync().and_then(|()| in_snapshot(&state.folder, number, snapshot, &gone)) {
            failed = places;
            error.get_or_insert(why);
        }
        outcome.failed.append(&mut failed);
        if let Some(error) = error {
            outcome.error.get_or_insert((log_path(&state.folder, number), error));
        }
    }
    outcome
}

/// What was at a place.
enum Found {
    /// What was to go.
    Erased,
    /// Nothing any more.
    Gone,
    /// What is to stay.
    Other,
}

/// Damage in a log, and the batch that it is in.
struct Gap {
    from: u64,
    to: u64,
    batch: u64,
}

struct InLog<'a> {
    state: &'a State,
    log: &'a Log,
    gaps: Option<Vec<Gap>>,
}

impl InLog<'_> {
    fn erase(&mut self, place: &Place) -> io::Result<Found> {
        let bytes = frame::read_at(&self.log.file, place.offset)?;
        let Some(frame) = frame::read(&bytes, self.log.salt, 0) else { return self.erase_damaged(place) };
        let table = &self.state.table;
        let alive = match frame.kind {
            Kind::Erased => return Ok(Found::Gone),
            Kind::Entry | Kind::Image => {
                u64_of(&mut { frame.payload }).is_some_and(|sequence| table.row(sequence).is_some())
            }
            Kind::Judge => table.said.is_at(place.log, place.offset),
            _ => true,
        };
        if alive {
            return Ok(Found::Other);
        }
        snapshot::erase(&self.log.file, self.log.salt, place.offset, frame.payload.len(), frame.batch)?;
        // Images are not in snapshots.
        Ok(if frame.kind == Kind::Image { Found::Gone } else { Found::Erased })
    }

    /// Of a place that no sound frame is at: an overwriting that was cut short, or damage. Whatever is sound around it stays.
    fn erase_damaged(&mut self, place: &Place) -> io::Result<Found> {
        let gaps = match &self.gaps {
            Some(gaps) => gaps,
            None => self.gaps.insert(gaps(self.log)?),
        };
        let end = place.offset + HEAD as u64 + u64::from(place.length);
        let mut found = Found::Other;
        for gap in gaps {
            let (from, to) = (gap.from.max(place.offset), gap.to.min(end));
            if from >= to {
                continue;
            }
            match ((to - from) as usize).checked_sub(HEAD) {
                Some(length) => snapshot::erase(&self.log.file, self.log.salt, from, length, gap.batch)?,
                None => self.log.file.write(&[0; HEAD][..(to - from) as usize], from)?,
            }
            found = Found::Gone;
        }
        Ok(found)
    }
}

fn gaps(log: &Log) -> io::Result<Vec<Gap>> {
    let mut bytes = vec![0; log.file.len()? as usize];
    log.file.read(&mut bytes, 0)?;
    let first = Header::read(&bytes, log.salt).map_or(1, |header| header.batch);
    let scanned = scan(&bytes, log.salt, HEADER, first);
    let gap = |(from, to): &(u64, u64)| Gap { from: *from, to: *to, batch: scanned.batch_at(*from, first) };
    Ok(scanned.faults.iter().map(gap).collect())
}

/// Overwrites what a snapshot has of frames, or all of it and removes it where that fails or nobody has it open: it can be made again.
fn in_snapshot(folder: &Path, log: u32, held: &mut Option<Snapshot>, gone: &[(u64, bool)]) -> io::Result<()> {
    if let Some(snapshot) = held {
        let erased = gone.iter().try_for_each(|(offset, is_kept)| snapshot.erase(*offset, *is_kept));
        if erased.and_then(|()| snapshot.sync()).is_ok() {
            return Ok(());
        }
    }
    *held = None;
    drop_snapshot(folder, log)
}

/// Overwrites a snapshot's file and removes it, and one that was not finished.
pub(super) fn drop_snapshot(folder: &Path, log: u32) -> io::Result<()> {
    let path = snapshot_path(folder, log);
    for path in [path.with_added_extension("new"), path] {
        if fs::exists(&path)? {
            shred(&path)?;
        }
    }
    Ok(())
}
