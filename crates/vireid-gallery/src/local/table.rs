//! All entries in memory, with what a search needs of each.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use vireid_core::Modality;

use super::code::Bound;
use super::record::{Known, Place, facts_of};
use super::said::Sayings;
use crate::{Count, Filter, Moment};

/// Rows of a chunk: enough to keep a core busy, and no more than a small gallery can spare.
pub(super) const ROWS: usize = if cfg!(test) { 8 } else { 2048 };
/// Rows that are gone, from which on their memory may be given back.
const SPARE: usize = if cfg!(test) { ROWS } else { 32 * ROWS };

/// What is known of an entry besides its facts and its row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    /// Its number.
    pub sequence: u64,
    /// The log that it is in.
    pub log: u32,
    /// Bytes of the payload of its image's frame.
    pub image_length: u32,
    /// Where its frame begins there.
    pub offset: u64,
    /// Where the frame of its image begins there.
    pub image: Option<u64>,
    /// The person that it was put to.
    pub person: Option<u64>,
}

/// What filters look at first, in few bytes.
#[derive(Debug, Clone, Copy)]
struct Mark {
    /// Milliseconds; [`NEVER`] where nobody said.
    time: i64,
    camera: u32,
    modality: Modality,
    alive: bool,
}

/// No time: none that a [`Moment`] can be.
const NEVER: i64 = i64::MIN;

/// Entries that lie side by side.
#[derive(Debug, Clone, Default)]
pub(super) struct Chunk {
    pub rows: Vec<Row>,
    marks: Vec<Mark>,
    pub bounds: Vec<Bound>,
    pub codes: Vec<u8>,
    /// JSON of all, one behind the other.
    facts: Vec<u8>,
    ends: Vec<usize>,
}

impl Chunk {
    /// Whether an entry is still there.
    pub fn alive(&self, row: usize) -> bool {
        self.marks[row].alive
    }

    /// Gives back memory that nothing will fill.
    fn shrink(&mut self) {
        self.rows.shrink_to_fit();
        self.marks.shrink_to_fit();
        self.bounds.shrink_to_fit();
        self.codes.shrink_to_fit();
        self.facts.shrink_to_fit();
        self.ends.shrink_to_fit();
    }

    pub fn json(&self, row: usize) -> &[u8] {
        let from = row.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.facts[from..self.ends[row]]
    }
}

/// All entries, the oldest first, with what a search needs of each.
#[derive(Debug, Default)]
pub(super) struct Table {
    dim: usize,
    /// A search goes on with those that were there when it began.
    pub chunks: Vec<Arc<Chunk>>,
    /// Numbers of the entries by id.
    ids: HashMap<Box<str>, u64>,
    cameras: Vec<String>,
    camera_numbers: HashMap<String, u32>,
    /// What people said of them.
    pub said: Sayings,
    count: Count,
    dead: usize,
}

/// An entry that is to be put in.
#[derive(Debug)]
pub(super) struct NewRow<'a> {
    pub sequence: u64,
    pub log: u32,
    pub offset: u64,
    pub facts: &'a Known<'a>,
    pub json: &'a [u8],
    pub code: &'a [u8],
    pub bound: Bound,
}

impl Table {
    pub fn new(dim: usize) -> Self {
        Self { dim, ..Self::default() }
    }

    pub fn count(&self) -> Count {
        self.count
    }

    /// Puts an entry in whose number is greater than all others'.
    pub fn push(&mut self, new: &NewRow<'_>) {
        let facts = new.facts;
        let camera = match self.camera_numbers.get(&*facts.camera) {
            Some(number) => *number,
            None => {
                let number = self.cameras.len() as u32;
                self.cameras.push(facts.camera.to_string());
                self.camera_numbers.insert(facts.camera.to_string(), number);
                number
            }
        };
        *self.counted(facts.modality) += 1;
        self.ids.insert((*facts.id).into(), new.sequence);
        let (sequence, log, offset) = (new.sequence, new.log, new.offset);
        let row = Row { sequence, log, image_length: 0, offset, image: None, person: None };
        let time = facts.time.map_or(NEVER, Moment::milliseconds);
        let mark = Mark { time, camera, modality: facts.modality, alive: true };
        self.append(row, mark, new.bound, new.code, new.json);
    }

    fn append(&mut self, row: Row, mark: Mark, bound: Bound, code: &[u8], json: &[u8]) {
        if self.chunks.last().is_none_or(|chunk| chunk.rows.len() == ROWS) {
            if let Some(full) = self.chunks.last_mut() {
                Arc::make_mut(full).shrink();
            }
            self.chunks.push(Arc::default());
        }
        let Some(chunk) = self.chunks.last_mut().map(Arc::make_mut) else { return };
        chunk.rows.push(row);
        chunk.marks.push(mark);
        chunk.bounds.push(bound);
        chunk.codes.extend_from_slice(code);
        chunk.facts.extend_from_slice(json);
        chunk.ends.push(chunk.facts.len());
    }

    fn counted(&mut self, modality: Modality) -> &mut u64 {
        match modality {
            Modality::Visible => &mut self.count.visible,
            Modality::Infrared => &mut self.count.infrared,
        }
    }

    /// Number of the entry of an id.
    pub fn sequence(&self, id: &str) -> Option<u64> {
        self.ids.get(id).copied()
    }

    /// The first place in the table whose number is `sequence` or greater.
    pub fn from(&self, sequence: u64) -> (usize, usize) {
        let before = |chunk: &Arc<Chunk>| chunk.rows.last().is_some_and(|row| row.sequence < sequence);
        let chunk = self.chunks.partition_point(before);
        let row = |chunk: &Arc<Chunk>| chunk.rows.partition_point(|row| row.sequence < sequence);
        (chunk, self.chunks.get(chunk).map_or(0, row))
    }

    /// Where an entry is, if it is still there.
    pub fn find(&self, sequence: u64) -> Option<(usize, usize)> {
        let (chunk, row) = self.from(sequence);
        let found = self.chunks.get(chunk)?;
        let same = found.rows.get(row)?.sequence == sequence;
        (same && found.alive(row)).then_some((chunk, row))
    }

    /// An entry that is still there.
    pub fn row(&self, sequence: u64) -> Option<&Row> {
        self.find(sequence).map(|(chunk, row)| &self.chunks[chunk].rows[row])
    }

    /// An entry that is still there.
    pub fn row_mut(&mut self, sequence: u64) -> Option<&mut Row> {
        self.find(sequence).map(|(chunk, row)| &mut Arc::make_mut(&mut self.chunks[chunk]).rows[row])
    }

    /// All entries from a number on, the oldest first.
    pub fn iter(&self, sequence: u64) -> impl Iterator<Item = (&Chunk, usize)> {
        let (first, row) = self.from(sequence);
        let chunks = self.chunks.iter().enumerate().skip(first);
        let rows = chunks.flat_map(move |(number, chunk)| {
            let from = if number == first { row } else { 0 };
            (from..chunk.rows.len()).map(move |row| (&**chunk, row))
        });
        rows.filter(|(chunk, row)| chunk.alive(*row))
    }

    /// Takes entries out, what was said of them, and what was said and is kept at some places.
    pub fn bury(&mut self, sequences: &[u64], places: &[Place]) {
        let ids: HashSet<String> = sequences.iter().filter_map(|sequence| self.take_out(*sequence)).collect();
        if self.dead > SPARE && self.dead as u64 > self.count.visible + self.count.infrared {
            self.squeeze();
        }
        self.said.unsay(|id| ids.contains(id), places);
    }

    /// Takes an entry out; its id.
    fn take_out(&mut self, sequence: u64) -> Option<String> {
        let (chunk, row) = self.find(sequence)?;
        let facts = Known::read(self.chunks[chunk].json(row))?;
        let (modality, id) = (facts.modality, facts.id.into_owned());
        *self.counted(modality) -= 1;
        self.ids.remove(id.as_str());
        let dim = self.dim;
        let chunk = Arc::make_mut(&mut self.chunks[chunk]);
        chunk.marks[row].alive = false;
        chunk.codes[row * dim..][..dim].fill(0);
        let from = row.checked_sub(1).map_or(0, |before| chunk.ends[before]);
        chunk.facts[from..chunk.ends[row]].fill(0);
        self.dead += 1;
        Some(id)
    }

    /// Gives back the memory of what is gone.
    fn squeeze(&mut self) {
        self.dead = 0;
        let dim = self.dim;
        for chunk in std::mem::take(&mut self.chunks) {
            for number in (0..chunk.rows.len()).filter(|row| chunk.alive(*row)) {
                let (row, mark, bound) = (chunk.rows[number], chunk.marks[number], chunk.bounds[number]);
                self.append(row, mark, bound, &chunk.codes[number * dim..][..dim], chunk.json(number));
            }
        }
    }

    /// Takes out what was said of entries that are not there; where it is kept.
    pub fn unsay_unknown(&mut self) -> Vec<Place> {
        let ids = &self.ids;
        self.said.unsay(|id| !ids.contains_key(id), &[])
    }

    /// A filter made ready for this table.
    pub fn sieve<'a>(&self, filter: &'a Filter) -> Sieve<'a> {
        let named = |camera: &String| filter.cameras.contains(camera);
        let cameras = (!filter.cameras.is_empty()).then(|| self.cameras.iter().map(named).collect());
        let times = (filter.from.is_some() || filter.until.is_some()).then(|| {
            let milliseconds = |time: Option<Moment>, or: i64| time.map_or(or, Moment::milliseconds);
            (milliseconds(filter.from, i64::MIN), milliseconds(filter.until, i64::MAX))
        });
        Sieve { filter, cameras, times, all: filter.is_empty() }
    }
}

/// A filter made ready for a table.
#[derive(Debug)]
pub(super) struct Sieve<'a> {
    filter: &'a Filter,
    cameras: Option<Vec<bool>>,
    /// From one time to another.
    times: Option<(i64, i64)>,
    /// Whether it admits everything.
    pub all: bool,
}

impl Sieve<'_> {
    /// Whether an entry that is still there is meant. What is quick to see is seen to first.
    pub fn admits(&self, chunk: &Chunk, number: usize) -> bool {
        let (filter, mark) = (self.filter, &chunk.marks[number]);
        mark.alive
            && filter.modality.is_none_or(|modality| modality == mark.modality)
            && self.cameras.as_ref().is_none_or(|cameras| cameras.get(mark.camera as usize) == Some(&true))
            && (self.times.is_none_or(|(from, until)| from <= mark.time && mark.time < until && mark.time != NEVER))
            && (filter.metadata.is_empty() || facts_of(chunk.json(number)).is_some_and(|facts| filter.admits(&facts)))
    }
}
