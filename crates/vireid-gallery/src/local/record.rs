//! Entries, deletions and people as the payloads of frames.

use std::borrow::Cow;

use serde::Deserialize;
use vireid_core::Modality;

use crate::facts::modality_name;
use crate::{Facts, Moment};

use super::frame::{f32_of, u32_of, u64_of};

/// Where a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    /// Number of the log.
    pub log: u32,
    /// Where the frame begins in it.
    pub offset: u64,
    /// Bytes of its payload.
    pub length: u32,
    /// The batch that a judgement belongs to, which has no other; 0 of an entry or an image.
    pub batch: u64,
}

/// Entries that are gone, by number and not by id, which may tell who somebody is.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Tombstone {
    /// Their numbers.
    pub sequences: Vec<u64>,
    /// All frames that tell anything of them.
    pub places: Vec<Place>,
}

impl Tombstone {
    pub fn write(&self, to: &mut Vec<u8>) {
        to.extend((self.sequences.len() as u64).to_le_bytes());
        self.sequences.iter().for_each(|sequence| to.extend(sequence.to_le_bytes()));
        for place in &self.places {
            to.extend(place.log.to_le_bytes());
            to.extend(place.offset.to_le_bytes());
            to.extend(place.length.to_le_bytes());
            to.extend(place.batch.to_le_bytes());
        }
    }

    pub fn read(mut bytes: &[u8]) -> Option<Self> {
        let count = u64_of(&mut bytes)?;
        let mut tombstone = Self::default();
        for _ in 0..count {
            tombstone.sequences.push(u64_of(&mut bytes)?);
        }
        while !bytes.is_empty() {
            let (log, offset) = (u32_of(&mut bytes)?, u64_of(&mut bytes)?);
            let (length, batch) = (u32_of(&mut bytes)?, u64_of(&mut bytes)?);
            tombstone.places.push(Place { log, offset, length, batch });
        }
        Some(tombstone)
    }
}

/// Entries by number, and the people they were put to.
pub(super) type Assignments = Vec<(u64, Option<u64>)>;

pub(super) fn write_assignments(assignments: &Assignments, to: &mut Vec<u8>) {
    for (sequence, person) in assignments {
        to.extend(sequence.to_le_bytes());
        to.push(u8::from(person.is_some()));
        to.extend(person.unwrap_or(0).to_le_bytes());
    }
}

pub(super) fn read_assignments(mut bytes: &[u8]) -> Option<Assignments> {
    let mut assignments = Vec::new();
    while !bytes.is_empty() {
        let sequence = u64_of(&mut bytes)?;
        let some = *bytes.split_off_first()? != 0;
        let person = u64_of(&mut bytes)?;
        assignments.push((sequence, some.then_some(person)));
    }
    Some(assignments)
}

/// An entry as it is in a log.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'a> {
    /// Its number: greater than that of any older entry.
    pub sequence: u64,
    /// Its facts as JSON.
    pub json: &'a [u8],
    /// Its embedding, as little-endian bytes.
    pub row: &'a [u8],
}

impl<'a> Entry<'a> {
    pub fn write(&self, to: &mut Vec<u8>) {
        to.extend(self.sequence.to_le_bytes());
        to.extend((self.json.len() as u32).to_le_bytes());
        to.extend(self.json);
        to.extend(self.row);
    }

    pub fn read(mut bytes: &'a [u8], dim: usize) -> Option<Self> {
        let sequence = u64_of(&mut bytes)?;
        let length = u32_of(&mut bytes)? as usize;
        let (json, row) = bytes.split_at_checked(length)?;
        (row.len() == dim * 4).then_some(Self { sequence, json, row })
    }
}

/// The numbers of a row.
pub(super) fn row_of(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

/// An entry as it is in a snapshot.
#[derive(Debug, Clone, Copy)]
pub(super) struct Coded<'a> {
    /// Its number.
    pub sequence: u64,
    /// What a step of the code stands for.
    pub scale: f32,
    /// No less than the length of what the code leaves out.
    pub error: f32,
    /// Its facts as JSON.
    pub json: &'a [u8],
    /// The code, a signed byte for each number.
    pub code: &'a [u8],
}

impl<'a> Coded<'a> {
    pub fn write(&self, to: &mut Vec<u8>) {
        to.extend(self.sequence.to_le_bytes());
        to.extend(self.scale.to_le_bytes());
        to.extend(self.error.to_le_bytes());
        to.extend((self.json.len() as u32).to_le_bytes());
        to.extend(self.json);
        to.extend(self.code);
    }

    pub fn read(mut bytes: &'a [u8], dim: usize) -> Option<Self> {
        let sequence = u64_of(&mut bytes)?;
        let (scale, error) = (f32_of(&mut bytes)?, f32_of(&mut bytes)?);
        let length = u32_of(&mut bytes)? as usize;
        let (json, code) = bytes.split_at_checked(length)?;
        (code.len() == dim).then_some(Self { sequence, scale, error, json, code })
    }
}

/// What a table knows of the facts of an entry: quicker to read than all.
#[derive(Debug, Deserialize)]
pub(super) struct Known<'a> {
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    #[serde(with = "modality_name")]
    pub modality: Modality,
    #[serde(borrow, default)]
    pub camera: Cow<'a, str>,
    #[serde(default)]
    pub time: Option<Moment>,
}

impl<'a> Known<'a> {
    pub fn of(facts: &'a Facts) -> Self {
        let (id, camera) = (facts.id.as_str().into(), facts.camera.as_str().into());
        Self { id, modality: facts.modality, camera, time: facts.time }
    }

    pub fn read(json: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(json).ok()
    }
}

/// Facts from their JSON.
pub(super) fn facts_of(json: &[u8]) -> Option<Facts> {
    serde_json::from_slice(json).ok()
}
