//! What the frames of a log say.

use std::borrow::Cow;

use super::code::{Bound, code};
use super::frame::{Frame, Kind, u32_of, u64_of};
use super::record::{Assignments, Coded, Entry, Known, Place, Tombstone, read_assignments, row_of};
use crate::Judgement;

/// A frame that was read.
pub(super) enum Event<'a> {
    Entry {
        sequence: u64,
        offset: u64,
        json: &'a [u8],
        facts: Known<'a>,
        code: Cow<'a, [u8]>,
        bound: Bound,
    },
    Image {
        sequence: u64,
        offset: u64,
        length: u32,
    },
    Tombstone(Tombstone),
    Assign(Assignments),
    Judge(Box<Judgement>, Place),
    /// A batch, and a number for an entry that nobody has had until then.
    Settled(u64, u64),
    Nothing,
}

/// What a frame says; `None` where it makes no sense. Those of a snapshot begin with the place in the log.
pub(super) fn event<'a>(frame: &Frame<'a>, log: u32, dim: usize, snapshot: bool) -> Option<Event<'a>> {
    let (mut payload, mut offset) = (frame.payload, frame.offset);
    if snapshot && frame.kind != Kind::Erased {
        offset = u64_of(&mut payload)?;
    }
    Some(match frame.kind {
        Kind::Entry => {
            let entry = Entry::read(payload, dim)?;
            let code = code(&row_of(entry.row));
            let (facts, bound) = (Known::read(entry.json)?, code.bound);
            Event::Entry { sequence: entry.sequence, offset, json: entry.json, facts, code: code.bytes.into(), bound }
        }
        Kind::Row => {
            let coded = Coded::read(payload, dim)?;
            let code = coded.code.into();
            let bound = Bound { scale: coded.scale, error: coded.error };
            let facts = Known::read(coded.json)?;
            Event::Entry { sequence: coded.sequence, offset, json: coded.json, facts, code, bound }
        }
        Kind::Image => {
            let (sequence, whole) = (u64_of(&mut payload)?, frame.payload.len() as u32);
            Event::Image { sequence, offset, length: if snapshot { u32_of(&mut payload)? } else { whole } }
        }
        Kind::Tombstone => Event::Tombstone(Tombstone::read(payload)?),
        Kind::Assign => Event::Assign(read_assignments(payload)?),
        Kind::Judge => {
            let place = Place { log, offset, length: payload.len() as u32, batch: frame.batch };
            Event::Judge(Box::new(serde_json::from_slice(payload).ok()?), place)
        }
        Kind::Settled => Event::Settled(u64_of(&mut payload)?, u64_of(&mut payload).unwrap_or(0)),
        Kind::Commit | Kind::Erased | Kind::End => Event::Nothing,
    })
}
