//! Additions of several callers as one batch.

use std::collections::HashSet;
use std::sync::mpsc::Receiver;

use super::frame::{self, Kind};
use super::record::{Entry, Known, Place};
use super::request::{Answer, Prepared, Request};
use super::table::NewRow;
use super::writer::{Writer, read, write};
use crate::{Added, Existing, GalleryError};

/// Bytes of entries from which on no more are added to a batch.
const FULL: usize = 16 << 20;

type Addition = (Vec<Prepared>, Existing, Answer<Vec<Added>>);

/// Entries that several callers add at the same time, and that become one batch.
pub(super) struct Group {
    additions: Vec<Addition>,
    /// What comes after them.
    next: Option<Request>,
}

impl Group {
    /// Of a first addition and those that wait behind it: as many as don't touch each other's entries.
    pub fn gather(writer: &Writer, requests: &Receiver<Request>, first: Addition) -> Self {
        let size = |items: &[Prepared]| {
            let size = |item: &Prepared| item.json.len() + item.row.len() + item.image.as_ref().map_or(0, Vec::len);
            items.iter().map(size).sum::<usize>()
        };
        let mut bytes = size(&first.0);
        let mut ids: HashSet<String> = first.0.iter().map(|item| item.facts.id.clone()).collect();
        let mut group = Self { additions: vec![first], next: None };
        while writer.broken.is_none() && bytes < FULL {
            match requests.try_recv() {
                Ok(Request::Add(items, existing, answer)) if !items.iter().any(|item| ids.contains(&item.facts.id)) => {
                    bytes += size(&items);
                    ids.extend(items.iter().map(|item| item.facts.id.clone()));
                    group.additions.push((items, existing, answer));
                }
                Ok(other) => {
                    group.next = Some(other);
                    break;
                }
                Err(_) => break,
            }
        }
        group
    }

    /// Writes the batch and answers everybody. What is to be done next, if it was seen already.
    pub fn write(self, writer: &mut Writer) -> Option<Request> {
        let rolled = writer.roll();
        let mut batch = Batch::default();
        let mut answers = Vec::new();
        for (items, existing, answer) in self.additions {
            match batch.plan(writer, items, existing) {
                Ok((added, replaced)) => answers.push((answer, added, replaced)),
                Err(error) => drop(answer.send(Err(error))),
            }
        }
        let done = rolled.and_then(|()| batch.commit(writer));
        let erased = match &done {
            Ok(places) if !places.is_empty() => writer.erase(places),
            _ => Ok(()),
        };
        for (answer, added, replaced) in answers {
            let told = match (&done, &erased) {
                (Err(error), _) => Err(again(error)),
                (Ok(_), Err(not)) => not.of(&replaced).map(|()| added),
                (Ok(_), Ok(())) => Ok(added),
            };
            // An answer that nobody waits for is lost.
            drop(answer.send(told));
        }
        self.next
    }
}

/// The same failure, for one more who waits.
fn again(error: &GalleryError) -> GalleryError {
    match error {
        GalleryError::CantWrite { path, reason } => {
            GalleryError::CantWrite { path: path.clone(), reason: reason.clone() }
        }
        GalleryError::Damaged { path, reason } => GalleryError::Damaged { path: path.clone(), reason: reason.clone() },
        other => GalleryError::BadEntry { what: "request", reason: other.to_string() },
    }
}

/// Frames that are to be written, and what becomes of them in memory.
#[derive(Default)]
struct Batch {
    frames: Vec<u8>,
    /// Entries with their numbers, and the places of their frames and images in the log.
    rows: Vec<(Prepared, u64, u64, Option<u64>)>,
    replaced: Vec<u64>,
}

impl Batch {
    /// What becomes of each entry, and where the frames are of those that they take the place of.
    fn plan(
        &mut self,
        writer: &Writer,
        items: Vec<Prepared>,
        existing: Existing,
    ) -> Result<(Vec<Added>, Vec<Place>), GalleryError> {
        let state = read(&writer.shared);
        let older: Vec<Option<u64>> = items.iter().map(|item| state.table.sequence(&item.facts.id)).collect();
        drop(state);
        if existing == Existing::Refuse
            && let Some((item, _)) = items.iter().zip(&older).find(|(_, older)| older.is_some())
        {
            return Err(GalleryError::Exists { id: item.facts.id.clone() });
        }
        let (salt, number) = (writer.salt(), writer.batch + 1);
        let (mut added, mut replaced) = (Vec::new(), Vec::new());
        for (item, older) in items.into_iter().zip(older) {
            let what = match older {
                None => Added::New,
                Some(_) if existing == Existing::Keep => Added::Kept,
                Some(_) => Added::Replaced,
            };
            added.push(what);
            if what == Added::Kept {
                continue;
            }
            replaced.extend(older);
            let sequence = writer.sequence + self.rows.len() as u64;
            let offset = writer.end + self.frames.len() as u64;
            let entry = Entry { sequence, json: &item.json, row: &item.row };
            // Neither is as long as a frame can be: callers have seen to it.
            frame::write(&mut self.frames, salt, Kind::Entry, number, |to| entry.write(to));
            let image = item.image.as_ref().map(|image| {
                let offset = writer.end + self.frames.len() as u64;
                frame::write(&mut self.frames, salt, Kind::Image, number, |to| {
                    to.extend(sequence.to_le_bytes());
                    to.extend(image);
                });
                offset
            });
            self.rows.push((item, sequence, offset, image));
        }
        let places = read(&writer.shared).tombstone(&replaced).places;
        self.replaced.append(&mut replaced);
        Ok((added, places))
    }

    /// Writes the frames; those that are to be overwritten then.
    fn commit(mut self, writer: &mut Writer) -> Result<Vec<Place>, GalleryError> {
        if self.rows.is_empty() {
            return Ok(Vec::new());
        }
        let tombstone = read(&writer.shared).tombstone(&self.replaced);
        if !self.replaced.is_empty() {
            let (salt, number) = (writer.salt(), writer.batch + 1);
            frame::write(&mut self.frames, salt, Kind::Tombstone, number, |to| tombstone.write(to));
        }
        writer.commit(self.frames)?;
        writer.sequence += self.rows.len() as u64;
        {
            let mut state = write(&writer.shared);
            state.bury(&tombstone);
            for (item, sequence, offset, offset_of_image) in &self.rows {
                let (facts, json, bound) = (Known::of(&item.facts), item.json.as_slice(), item.code.bound);
                let (sequence, offset, log) = (*sequence, *offset, writer.log);
                state.table.push(&NewRow { sequence, log, offset, facts: &facts, json, code: &item.code.bytes, bound });
                if let (Some(row), Some(image)) = (state.table.row_mut(sequence), &item.image) {
                    (row.image, row.image_length) = (*offset_of_image, (8 + image.len()) as u32);
                }
            }
        }
        Ok(tombstone.places)
    }
}
