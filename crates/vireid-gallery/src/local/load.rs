//! Reading a gallery from the disk.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;

use super::event::{Event, event};
use super::files::{HEADER, Header, Positioned, damaged, log_path, salt_of, snapshot_path, unreadable};
use super::frame::{Frame, HEAD, Kind};
use super::record::{Place, Tombstone};
use super::scan::scan;
use super::snapshot::{Contents, Snapshot};
use super::state::{State, count_logs};
use super::table::{NewRow, Table};
use super::view::Log;
use crate::GalleryError;

/// Frames that are read at once.
const SLICE: usize = 4096;

/// Bytes of a file that are damaged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The file.
    pub path: PathBuf,
    /// Where the damage begins, in bytes.
    pub offset: u64,
    /// How many bytes can't be read.
    pub bytes: u64,
}

/// A gallery as it was found on the disk.
#[derive(Debug)]
pub(super) struct Loaded {
    pub state: State,
    /// Of each log that is not written to any more, where there is one.
    pub snapshots: Vec<Option<Snapshot>>,
    /// The last whole batch.
    pub batch: u64,
    /// A number for the next entry.
    pub sequence: u64,
    /// Where the last log goes on.
    pub end: u64,
    /// Bytes behind it that a crash left.
    pub torn: u64,
    /// Whether the gallery was closed, and not left.
    pub closed: bool,
    /// Frames of deleted entries that may still be there.
    pub unsettled: Vec<Place>,
    /// Damage to what was acknowledged.
    pub faults: Vec<Fault>,
    /// Bytes of all logs, and how many of them say nothing any more.
    pub bytes: (u64, u64),
    /// Bytes of each log, and how many of them hold nothing or will.
    pub sizes: Vec<Size>,
    /// Frames of entries and images that nothing tells of any more, or will not: by the number of the entry.
    strays: Vec<(u64, Place)>,
    buffer: Vec<u8>,
    tombstones: Vec<(u64, Tombstone)>,
    settled: u64,
}

/// Bytes of a log.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    /// All of them.
    pub length: u64,
    /// Those of frames that were overwritten, where that was counted.
    pub erased: Option<u64>,
    /// Those that are neither of entries, images and judgements nor overwritten, where the others were not counted.
    pub others: u64,
}

/// Reads a gallery: by its snapshots where they are sound, or every byte of it.
pub(super) fn load(folder: &Path, gallery: u32, dim: usize, every_byte: bool) -> Result<Loaded, GalleryError> {
    let count = count_logs(folder);
    let first = log_path(folder, 1);
    let state = State { folder: folder.into(), dim, table: Table::new(dim), logs: Vec::new() };
    let mut loaded = Loaded {
        state,
        snapshots: Vec::new(),
        batch: 0,
        sequence: 0,
        end: 0,
        torn: 0,
        closed: true,
        unsettled: Vec::new(),
        faults: Vec::new(),
        bytes: (0, 0),
        sizes: Vec::new(),
        strays: Vec::new(),
        buffer: Vec::new(),
        tombstones: Vec::new(),
        settled: 0,
    };
    if count == 0 {
        return Err(damaged(&first, "it is missing"));
    }
    // A gap in the numbers.
    let names = fs::read_dir(folder).map_err(unreadable(folder))?.filter_map(Result::ok);
    let logs = names.filter(|name| name.path().extension().is_some_and(|extension| extension == "vgl")).count();
    if logs != count as usize {
        return Err(damaged(&log_path(folder, count + 1), "it is missing"));
    }
    for number in 1..=count {
        loaded.log(number, gallery, number < count, every_byte)?;
    }
    loaded.buffer = Vec::new();
    let settled = loaded.settled;
    let open = std::mem::take(&mut loaded.tombstones).into_iter().filter(|(batch, _)| *batch > settled);
    loaded.unsettled = open.flat_map(|(_, tombstone)| tombstone.places).collect();
    loaded.unsettled.sort_unstable();
    let unsettled = &loaded.unsettled;
    loaded.faults.retain(|fault| !overwritten(folder, fault, unsettled));
    Ok(loaded)
}

/// Whether damage is that of an overwriting that was cut short, which is done again.
fn overwritten(folder: &Path, fault: &Fault, places: &[Place]) -> bool {
    let (mut at, end) = (fault.offset, fault.offset + fault.bytes);
    for place in places.iter().filter(|place| log_path(folder, place.log) == fault.path) {
        if place.offset == at && at < end {
            at += HEAD as u64 + u64::from(place.length);
        }
    }
    at == end
}

impl Loaded {
    /// Takes out what was said of entries that are not there. Where that is kept, and all else that belongs to none that is: such is left
    /// where damage was dropped.
    pub fn take_orphans(&mut self) -> Vec<Place> {
        let mut places = self.state.table.unsay_unknown();
        let strays = self.strays.iter().filter(|(sequence, _)| self.state.table.row(*sequence).is_none());
        places.extend(strays.map(|(_, place)| *place));
        places
    }

    fn log(&mut self, number: u32, gallery: u32, sealed: bool, every_byte: bool) -> Result<(), GalleryError> {
        let folder = self.state.folder.clone();
        let (path, salt) = (log_path(&folder, number), salt_of(gallery, number));
        let file = Positioned::open(&path).map_err(unreadable(&path))?;
        let length = file.len().map_err(unreadable(&path))?;
        self.state.logs.push(Arc::new(Log { file, salt }));
        self.snapshots.push(None);
        // The memory of one snapshot is that of the next.
        let mut bytes = std::mem::take(&mut self.buffer);
        bytes.clear();
        let opened = sealed.then(|| File::open(snapshot_path(&folder, number)));
        if let Some(Ok(mut file)) = opened
            && file.read_to_end(&mut bytes).is_ok()
        {
            let read = Snapshot::read(&bytes, salt, length).filter(|contents| contents.header.log == number);
            if let Some(Contents { header, frames, others, index }) = read
                && let Ok(snapshot) = Snapshot::open(&folder, salt, number, index)
            {
                if let Some(last) = self.snapshots.last_mut() {
                    *last = Some(snapshot);
                }
                if !every_byte {
                    self.sizes.push(Size { length, erased: None, others });
                    self.sequence = self.sequence.max(header.sequence);
                    self.batch = frames.last().map_or(self.batch, |frame| frame.batch);
                    let failed = self.replay(&frames, number, true);
                    drop(frames);
                    self.buffer = bytes;
                    return match failed {
                        None => Ok(()),
                        Some(_) => Err(damaged(&snapshot_path(&folder, number), "it makes no sense; delete it")),
                    };
                }
            }
        }
        let bytes = fs::read(&path).map_err(unreadable(&path))?;
        let header = Header::read(&bytes, salt).filter(|header| header.log == number);
        let header = header.ok_or_else(|| damaged(&path, "its first bytes are not those of a log of this gallery"))?;
        let scanned = scan(&bytes, salt, HEADER, header.batch);
        let before = self.batch.max(header.batch.saturating_sub(1));
        let extent = scanned.extent(HEADER as u64, before, sealed);
        let fault = |(from, to): (u64, u64)| Fault { path: path.clone(), offset: from, bytes: to - from };
        self.faults.extend(extent.faults.iter().map(|range| fault(*range)));
        let whole: Vec<Frame<'_>> =
            scanned.frames.into_iter().filter(|frame| sealed || frame.end() <= extent.end).collect();
        (self.batch, self.sequence) = (extent.batch, self.sequence.max(header.sequence));
        (self.end, self.torn) = (extent.end, length - extent.end);
        self.closed = match whole.as_slice() {
            [.., before, last] => before.kind == Kind::Settled && before.batch == last.batch,
            rest => rest.is_empty(),
        };
        let erased = whole.iter().filter(|frame| frame.kind == Kind::Erased).map(|frame| frame.end() - frame.offset);
        let erased = erased.sum();
        self.bytes = (self.bytes.0 + extent.end, self.bytes.1 + erased);
        self.sizes.push(Size { length, erased: Some(erased), others: 0 });
        if let Some(frame) = self.replay(&whole, number, false) {
            self.faults.push(fault(frame));
        }
        Ok(())
    }

    /// Does again what was done; the frame that makes no sense, if there is one.
    fn replay(&mut self, frames: &[Frame<'_>], log: u32, snapshot: bool) -> Option<(u64, u64)> {
        let dim = self.state.dim;
        for frames in frames.chunks(SLICE) {
            let events: Vec<Option<Event<'_>>> =
                frames.par_iter().map(|frame| event(frame, log, dim, snapshot)).collect();
            for (frame, event) in frames.iter().zip(events) {
                let done = event.and_then(|event| self.event(event, log, frame.batch));
                if done.is_none() {
                    return Some((frame.offset, frame.end()));
                }
            }
        }
        None
    }

    fn event(&mut self, event: Event<'_>, log: u32, batch: u64) -> Option<()> {
        match event {
            Event::Entry { sequence, offset, json, facts, code, bound } => {
                if sequence < self.sequence || sequence == u64::MAX {
                    return None;
                }
                self.sequence = sequence + 1;
                // Its older one goes with a tombstone of the same batch.
                if let Some(older) = self.state.table.sequence(&facts.id) {
                    self.strays.extend(self.state.places(older).into_iter().map(|place| (older, place)));
                    self.state.table.bury(&[older], &[]);
                }
                let new = NewRow { sequence, log, offset, facts: &facts, json, code: &code, bound };
                self.state.table.push(&new);
            }
            Event::Image { sequence, offset, length } => {
                match self.state.table.row_mut(sequence).filter(|row| row.log == log) {
                    Some(row) => (row.image, row.image_length) = (Some(offset), length),
                    None => self.strays.push((sequence, Place { log, offset, length, batch: 0 })),
                }
            }
            Event::Tombstone(tombstone) => {
                self.state.bury(&tombstone);
                // A number that was used once tells nothing of anybody else.
                let last = tombstone.sequences.iter().max().map_or(0, |last| last.saturating_add(1));
                self.sequence = self.sequence.max(last);
                self.tombstones.push((batch, tombstone));
            }
            Event::Assign(assignments) => {
                for (sequence, person) in assignments {
                    if let Some(row) = self.state.table.row_mut(sequence) {
                        row.person = person;
                    }
                }
            }
            Event::Judge(judgement, place) => self.state.table.said.say(*judgement, place),
            Event::Settled(batch, sequence) => {
                self.settled = self.settled.max(batch);
                self.sequence = self.sequence.max(sequence);
            }
            Event::Nothing => (),
        }
        Some(())
    }
}
