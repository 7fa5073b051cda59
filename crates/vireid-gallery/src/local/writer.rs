use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread::{self, JoinHandle};

use super::files::{HEADER, Header, Positioned, log_path, salt_of, unwritable, write_whole};
use super::frame::{self, Kind};
use super::group::Group;
use super::record::{Assignments, Place, write_assignments};
use super::request::{Meant, Request};
use super::snapshot::{self, Snapshot};
use super::state::State;
use super::view::Log;
use crate::{GalleryError, Judgement};

/// Entries that one batch deletes at most.
const BURIED_AT_ONCE: usize = 1 << 16;

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
            frame::write(&mut frames, salt, Kind::Settled, batch, |to| to.extend(settled.to_le_bytes()));
        }
        frame::write(&mut frames, salt, Kind::Commit, batch, |_| ());
        let log = Arc::clone(read(&self.shared).log(self.log)?);
        let file = &log.file;
        let written = file.write(&frames, self.end).and_then(|()| file.sync());
        if let Err(error) = written {
            // Else what is written next would lie behind what was written in part.
            if let Err(worse) = file.cut(self.end).and_then(|()| file.sync()) {
                let reason =
                    format!("{error}, and what was written in part can't be taken back: {worse}; open it anew");
                self.broken = Some(GalleryError::CantWrite { path: path.clone(), reason });
            }
            return Err(unwritable(&path)(error));
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
            state.snapshots.push(None);
            state.dim
        };
        let (folder, gallery, log) = (self.folder.clone(), self.gallery, self.log);
        (self.log, self.end) = (next, HEADER as u64);
        let make = move || snapshot::make(&folder, gallery, log, dim).ok().map(|index| (log, index));
        self.making = thread::Builder::new().name("vireid-snapshot".into()).spawn(make).ok();
        Ok(())
    }

    /// Waits for a snapshot that is being made.
    fn join(&mut self) {
        if let Some((log, index)) = self.making.take().and_then(|making| making.join().ok().flatten()) {
            take_snapshot(&self.folder, &self.shared, self.gallery, log, index);
        }
    }

    /// Overwrites frames of deleted entries, and those that could not be overwritten before.
    pub fn erase(&mut self, places: Vec<Place>) -> Result<(), GalleryError> {
        // It may hold what is to go.
        self.join();
        self.unsettled.extend(places);
        if self.unsettled.is_empty() {
            return Ok(());
        }
        let erased = read(&self.shared).erase(&self.unsettled);
        erased.map_err(|(path, error)| GalleryError::CantWrite {
            path,
            reason: format!("{error}; what was deleted is not found any more, but is still on the disk until this or the next opening can overwrite it"),
        })?;
        self.unsettled.clear();
        self.settle = true;
        Ok(())
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
        for sequences in sequences.chunks(BURIED_AT_ONCE) {
            self.roll()?;
            let tombstone = read(&self.shared).tombstone(sequences)?;
            let mut frames = Vec::new();
            frame::write(&mut frames, self.salt(), Kind::Tombstone, self.batch + 1, |to| tombstone.write(to));
            self.commit(frames)?;
            write(&self.shared).bury(&tombstone);
            self.erase(tombstone.places)?;
        }
        if sequences.is_empty() && !self.unsettled.is_empty() {
            self.erase(Vec::new())?;
        }
        Ok(sequences.len() as u64)
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
        write(&self.shared).table.judge(judgement, place);
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

/// Opens the snapshot of a log that was made. Without it, the log is read as a whole when the gallery is opened.
pub(super) fn take_snapshot(folder: &Path, shared: &Shared, gallery: u32, log: u32, index: (u64, u64)) {
    if let Ok(snapshot) = Snapshot::open(folder, salt_of(gallery, log), log, index)
        && let Some(of) = write(shared).snapshots.get_mut(log as usize - 1)
    {
        *of = Some(snapshot);
    }
}
