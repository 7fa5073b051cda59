//! Frames: the pieces of a log, each with a checksum.

use std::io;

use crc32fast::Hasher;

use super::files::Positioned;

/// Bytes of a frame before its payload: kind, length of the payload, number of the batch, checksum over all of it.
pub(super) const HEAD: usize = 17;

/// What a frame says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// An entry: its number, facts and row.
    Entry = 1,
    /// The image of the entry of a number.
    Image,
    /// Entries that are gone, by number, and the places of what was said of them.
    Tombstone,
    /// Entries that were put to people.
    Assign,
    /// What a person said of an answer.
    Judge,
    /// All of its batch is written.
    Commit,
    /// Something was here and is gone.
    Erased,
    /// What is gone up to a batch was overwritten.
    Settled,
    /// Of a snapshot: an entry with its code in place of its row.
    Row,
    /// Of a snapshot: everything is in it, and where its frames are.
    End,
}

impl Kind {
    fn of(byte: u8) -> Option<Self> {
        use Kind::*;
        [Entry, Image, Tombstone, Assign, Judge, Commit, Erased, Settled, Row, End]
            .into_iter()
            .find(|kind| *kind as u8 == byte)
    }
}

/// A frame within the bytes of a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame<'a> {
    /// What it says.
    pub kind: Kind,
    /// The batch that it belongs to.
    pub batch: u64,
    /// Where it begins in the file.
    pub offset: u64,
    /// What it says, as bytes.
    pub payload: &'a [u8],
}

impl Frame<'_> {
    /// Where the next one begins.
    pub fn end(&self) -> u64 {
        self.offset + (HEAD + self.payload.len()) as u64
    }
}

/// The first bytes of a frame, which need not be sound.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    /// What it says.
    pub kind: Kind,
    /// Bytes of its payload.
    pub length: u32,
    /// The batch that it belongs to.
    pub batch: u64,
    checksum: u32,
}

impl Head {
    /// `None` for bytes that begin no frame.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let kind = Kind::of(*rest.split_off_first()?)?;
        let (length, batch, checksum) = (u32_of(&mut rest)?, u64_of(&mut rest)?, u32_of(&mut rest)?);
        Some(Self { kind, length, batch, checksum })
    }

    /// Whether a payload is the one that was written with it.
    pub fn fits(&self, salt: u32, payload: &[u8]) -> bool {
        self.length as usize == payload.len() && checksum(salt, self.kind, self.batch, payload) == self.checksum
    }
}

fn checksum(salt: u32, kind: Kind, batch: u64, payload: &[u8]) -> u32 {
    let mut hasher = Hasher::new_with_initial(salt);
    hasher.update(&[kind as u8]);
    // Payloads are shorter than 4 GiB: `write` sees to it.
    hasher.update(&(payload.len() as u32).to_le_bytes());
    hasher.update(&batch.to_le_bytes());
    hasher.update(payload);
    hasher.finalize()
}

/// The sound frame at a place in a file's bytes.
pub(super) fn read(bytes: &[u8], salt: u32, offset: usize) -> Option<Frame<'_>> {
    let head = Head::of(bytes.get(offset..)?)?;
    let payload = bytes.get(offset + HEAD..)?.get(..head.length as usize)?;
    head.fits(salt, payload).then_some(Frame { kind: head.kind, batch: head.batch, offset: offset as u64, payload })
}

/// The bytes of a file that would be a frame which begins at a place: none where there can't be one.
pub(super) fn read_at(file: &Positioned, offset: u64) -> io::Result<Vec<u8>> {
    let left = file.len()?.saturating_sub(offset);
    if left < HEAD as u64 {
        return Ok(Vec::new());
    }
    let mut bytes = vec![0; HEAD];
    file.read(&mut bytes, offset)?;
    let Some(head) = Head::of(&bytes).filter(|head| u64::from(head.length) <= left - HEAD as u64) else {
        return Ok(Vec::new());
    };
    bytes.resize(HEAD + head.length as usize, 0);
    file.read(&mut bytes, offset)?;
    Ok(bytes)
}

/// Appends a frame, whose payload is put together by `fill`. `None`, and nothing appended, for one of 4 GiB or more.
pub(super) fn write(
    to: &mut Vec<u8>,
    salt: u32,
    kind: Kind,
    batch: u64,
    fill: impl FnOnce(&mut Vec<u8>),
) -> Option<()> {
    let at = to.len();
    to.resize(at + HEAD, 0);
    fill(to);
    let Ok(length) = u32::try_from(to.len() - at - HEAD) else {
        to.truncate(at);
        return None;
    };
    let checksum = checksum(salt, kind, batch, &to[at + HEAD..]);
    to[at] = kind as u8;
    to[at + 1..at + 5].copy_from_slice(&length.to_le_bytes());
    to[at + 5..at + 13].copy_from_slice(&batch.to_le_bytes());
    to[at + 13..at + HEAD].copy_from_slice(&checksum.to_le_bytes());
    Some(())
}

/// Takes a number from the front of some bytes; `None` where they are too few.
pub(super) fn u32_of(bytes: &mut &[u8]) -> Option<u32> {
    let (front, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(u32::from_le_bytes(*front))
}

/// Takes a number from the front of some bytes; `None` where they are too few.
pub(super) fn u64_of(bytes: &mut &[u8]) -> Option<u64> {
    let (front, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(u64::from_le_bytes(*front))
}

/// Takes a number from the front of some bytes; `None` where they are too few.
pub(super) fn f32_of(bytes: &mut &[u8]) -> Option<f32> {
    u32_of(bytes).map(f32::from_bits)
}
