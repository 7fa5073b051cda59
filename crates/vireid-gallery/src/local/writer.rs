//! The one thread that writes to a gallery.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread::{self, JoinHandle};

use super::erase::{drop_snapshot, erase};
use super::files::{HEADER, Header, Positioned, log_path, salt_of, unwritable, write_whole};
use super::frame::{self, Kind};
use super::group::Group;
use super::record::{Assignments, Place, Tombstone, write_assignments};
use super::request::{Meant, Request};
use super::snapshot::{self, Snapshot};
use super::state::State;
use super::view::Log;
use crate::{GalleryError, Judgement};

/// Entries that one frame says are gone, at most.
const BURIED_AT_ONCE: usize = if cfg!(test) { 3 } else { 1 << 16 };

/// The log of a snapshot, and where its index is.
type Made = (u32, (u64, u64));

/// What readers and the writer share.
pub(super) type Shared = Arc<RwLock<State>>;

pub(super) fn read(shared: &Shared) -> RwLockReadGuard<'_, State> {
    shared.read().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn write(shared: &Shared) -> RwLockWriteGuard<'_, State> {
    shared.write().unwrap_or_else(PoisonError::into_inner)
}

/// The only one who writes to a gallery: what is asked at the same time is written at once, and answered when it is on the disk.
pub(super) struct Writer {
    pub folder: PathBuf,
    pub gallery: u32,
    pub shared: Shared,
    /// Of each log that is not written to any more, once it is made.
    pub snapshots: Vec<Option<Snapshot>>,
    /// Length from which on a log is not written to any more.
    pub log_bytes: u64,
    /// Number of the log that is written to.
    pub log: u32,
    /// Where it goes on.
    pub end: u64,
    /// The last whole batch.
    pub batch: u64,
    /// A number for the next entry.
    pub sequence: u64,
    /// Frames of deleted entries that could not be overwritten.
    pub unsettled: Vec<Place>,
    /// Whether something was overwritten since the last frame that says so.
    pub settle: bool,
    /// Whether something was written since the last frame that says that all is well.
    pub dirty: bool,
    /// Why nothing can be written any more.
    pub broken: Option<GalleryError>,
    /// The making of a snapshot.
    pub making: Option<JoinHandle<Option<Made>>>,
}

/// Frames of deleted entries that could not be overwritten, and why.
#[derive(Debug)]
pub(super) struct NotErased {
    places: HashSet<Place>,
    path: PathBuf,
    reason: String,
}

impl NotErased {
    /// What those are told of whose frames these are; nothing for others.
    pub fn of(&self, places: &[Place]) -> Result<(), GalleryError> {
        if places.iter().any(|place| self.places.contains(place)) { Err(self.error()) } else { Ok(()) }
    }

    fn error(&self) -> GalleryError {
        GalleryError::CantWrite { path: self.path.clone(), reason: self.reason.clone() }
    }
}

impl Writer {
    /// Serves until nobody can ask any more.
    pub fn run(mut self, requests: &Receiver<Request>) {
        let mut held = None;
        while let Some(request) = held.take().or_else(|| requests.recv().ok()) {
            // An answer that nobody waits for is lost.
            match request {
                Request::Add(items, existing, answer) => {
                    held = Group::gather(&self, requests, (items, existing, answer)).write(&mut self);
                }
                Request::Delete(meant, answer) => drop(answer.send(self.delete(&meant))),
                Request::Judge(judgement, answer) => drop(answer.send(self.judge(*judgement))),
                Request::Assign(people, answer) => drop(answer.send(self.assign(&people))),
            }
        }
        self.join();
        if self.dirty {
            // Then a damaged last batch is told from one that a crash cut short.
            let _ = self.settle();
        }
    }

    pub fn salt(&self) -> u32 {
        salt_of(self.gallery, self.log)
    }

    /// Says that everything deleted so far was overwritten, or nothing where it was not.
    pub fn settle(&mut self) -> Result<(), GalleryError> {
        self.settle = true;
        self.commit(Vec::new())?;
        self.dirty = false;
        Ok(())
    }

    fn path(&self) -> PathBuf {
        log_path(&self.folder, self.log)
    }

    /// Writes the frames of the next batch, which begin where the log ends, and waits until they are on the disk.
    pub fn commit(&mut self, mut frames: Vec<u8>) -> Result<(), GalleryError> {
        if let Some(GalleryError::CantWrite { path, reason }) = &self.broken {
            return Err(GalleryError::CantWrite { path: path.clone(), reason: reason.clone() });
        }
        let (salt, batch, path) = (self.salt(), self.batch + 1, self.path());
        if self.settle {
            let settled = if self.unsettled.is_empty() { self.batch } else { 0 };
            frame::write(&mut frames, salt, Kind::Settled, batch, |to| {
                to.extend(settled.to_le_bytes());
                // So that no number is used again once the log of its entry was written anew.
                to.extend(self.sequence.to_le_bytes());
            });
        }
        frame::write(&mut frames, salt, Kind::Commit, batch, |_| ());
        let log = Arc::clone(read(&self.shared).log(self.log)?);
        let file = &log.file;
        let written = file.write(&frames, self.end).and_then(|()| file.sync());
        if let Err(error) = written {
            // Else what is written next would lie behind what was written in part.
            let Err(worse) = file.cut(self.end) else { return Err(unwritable(&path)(error)) };
            let reason = format!("{error}, and what was written in part can't be taken back: {worse}; open it anew");
            self.broken = Some(GalleryError::CantWrite { path: path.clone(), reason: reason.clone() });
            let reason = format!("{reason}, and see then whether this request was kept");
            return Err(GalleryError::CantWrite { path, reason });
        }
        self.end += frames.len() as u64;
        (self.batch, self.settle, self.dirty) = (batch, false, true);
        Ok(())
    }

    /// Goes on in a new log if this one is long enough.
    pub fn roll(&mut self) -> Result<(), GalleryError> {
        if self.end < self.log_bytes || self.broken.is_some() {
            return Ok(());
        }
        self.join();
        let next = self.log + 1;
        let (path, salt) = (log_path(&self.folder, next), salt_of(self.gallery, next));
        let header = Header { log: next, batch: self.batch + 1, sequence: self.sequence };
        let made = write_whole(&path, &header.write(salt)).and_then(|()| Positioned::open(&path));
        let file = made.map_err(|error| {
            // No log may follow one that is still written to.
            let _ = std::fs::remove_file(&path);
            unwritable(&path)(error)
        })?;
        let dim = {
            let mut state = write(&self.shared);
            state.logs.push(Arc::new(Log { file, salt }));
            state.dim
        };
        self.snapshots.push(None);
        let (folder, gallery, log) = (self.folder.clone(), self.gallery, self.log);
        (self.log, self.end) = (next, HEADER as u64);
        let make = move || snapshot::make(&folder, gallery, log, dim).ok().map(|index| (log, index));
        self.making = thread::Builder::new().name("vireid-snapshot".into()).spawn(make).ok();
        Ok(())
    }

    /// Waits for a snapshot that is being made.
    fn join(&mut self) {
        if let Some((log, index)) = self.making.take().and_then(|making| making.join().ok().flatten()) {
            self.take_snapshot(log, index);
        }
    }

    /// Opens the snapshot of a log that was made. Without it, the log is read as a whole when the gallery is opened.
    pub fn take_snapshot(&mut self, log: u32, index: (u64, u64)) {
        let opened = Snapshot::open(&self.folder, salt_of(self.gallery, log), log, index);
        match (opened, self.snapshots.get_mut((log as usize).wrapping_sub(1))) {
            (Ok(snapshot), Some(of)) => *of = Some(snapshot),
            // What is not held open is not overwritten; it is looked for again when something is to be.
            _ => drop(drop_snapshot(&self.folder, log)),
        }
    }

    /// Overwrites frames of deleted entries, and those that could not be overwritten before.
    ///
    /// # Errors
    ///
    /// Those that could not be now; the next call tries again.
    pub fn erase(&mut self, places: &[Place]) -> Result<(), NotErased> {
        // It may hold what is to go.
        self.join();
        let mut all = std::mem::take(&mut self.unsettled);
        all.extend(places);
        all.sort_unstable();
        all.dedup();
        if all.is_empty() {
            return Ok(());
        }
        let outcome = erase(&read(&self.shared), &mut self.snapshots, &all);
        self.unsettled = outcome.failed;
        self.settle = true;
        let Some((path, error)) = outcome.error else { return Ok(()) };
        let reason = format!(
            "{error}; what was deleted is not found any more, but is still on the disk until another request or the next opening can overwrite it"
        );
        Err(NotErased { places: self.unsettled.iter().copied().collect(), path, reason })
    }

    fn delete(&mut self, meant: &Meant) -> Result<u64, GalleryError> {
        let mut sequences: Vec<u64> = {
            let table = &read(&self.shared).table;
            match meant {
                Meant::Ids(ids) => ids.iter().filter_map(|id| table.sequence(id)).collect(),
                Meant::Filter(filter) => {
                    let sieve = table.sieve(filter);
                    let meant = table.iter(0).filter(|(chunk, row)| sieve.admits(chunk, *row));
                    meant.map(|(chunk, row)| chunk.rows[row].sequence).collect()
                }
            }
        };
        sequences.sort_unstable();
        sequences.dedup();
        if sequences.is_empty() {
            // It may be asked again for what could not be overwritten.
            self.erase(&[]).map_err(|not| not.error())?;
            return Ok(0);
        }
        self.roll()?;
        let tombstone = read(&self.shared).tombstone(&sequences);
        let mut frames = Vec::new();
        let (mut sequences, mut places) = (sequences.chunks(BURIED_AT_ONCE), tombstone.places.chunks(BURIED_AT_ONCE));
        loop {
            let (sequences, places) = (sequences.next(), places.next());
            if sequences.is_none() && places.is_none() {
                break;
            }
            let part = Tombstone {
                sequences: sequences.unwrap_or_default().to_vec(),
                places: places.unwrap_or_default().to_vec(),
            };
            frame::write(&mut frames, self.salt(), Kind::Tombstone, self.batch + 1, |to| part.write(to));
        }
        self.commit(frames)?;
        write(&self.shared).bury(&tombstone);
        self.erase(&tombstone.places).or_else(|not| not.of(&tombstone.places))?;
        Ok(tombstone.sequences.len() as u64)
    }

    fn judge(&mut self, judgement: Judgement) -> Result<(), GalleryError> {
        for id in judgement.query.iter().chain([&judgement.answer]) {
            self.known(id)?;
        }
        self.roll()?;
        let json = serde_json::to_vec(&judgement);
        let json = json.map_err(|error| GalleryError::BadEntry { what: "judgement", reason: error.to_string() })?;
        let (batch, log, offset) = (self.batch + 1, self.log, self.end);
        let place = Place { log, offset, length: json.len() as u32, batch };
        let mut frames = Vec::new();
        frame::write(&mut frames, self.salt(), Kind::Judge, batch, |to| to.extend(json));
        self.commit(frames)?;
        write(&self.shared).table.said.say(judgement, place);
        Ok(())
    }

    fn assign(&mut self, people: &[(String, Option<u64>)]) -> Result<(), GalleryError> {
        let numbered = people.iter().map(|(id, person)| Ok((self.known(id)?, *person)));
        let assignments: Assignments = numbered.collect::<Result<_, GalleryError>>()?;
        self.roll()?;
        let mut frames = Vec::new();
        let fill = |to: &mut Vec<u8>| write_assignments(&assignments, to);
        frame::write(&mut frames, self.salt(), Kind::Assign, self.batch + 1, fill);
        self.commit(frames)?;
        let table = &mut write(&self.shared).table;
        for (sequence, person) in assignments {
            if let Some(row) = table.row_mut(sequence) {
                row.person = person;
            }
        }
        Ok(())
    }

    fn known(&self, id: &str) -> Result<u64, GalleryError> {
        read(&self.shared).table.sequence(id).ok_or_else(|| GalleryError::Unknown { id: id.into() })
    }
}
