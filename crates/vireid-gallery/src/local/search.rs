//! Exact search: bounds first, then the rows that can be among the best.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;
use std::sync::atomic::{AtomicI32, Ordering};

use rayon::prelude::*;

use super::code::Probe;
use super::table::{Chunk, ROWS, Sieve};
use super::view::View;
use crate::in_memory::dot;
use crate::{GalleryError, Hit};

/// Bytes between two rows, and of rows in all, up to which they are read at once.
const GAP: u64 = 16 << 10;
const READ: u64 = 1 << 20;

/// A number that is ordered as a float is.
fn key(value: f32) -> i32 {
    let bits = value.to_bits().cast_signed();
    bits ^ ((bits >> 31).cast_unsigned() >> 1).cast_signed()
}

/// A row that may be among the best: the most that it can be, and where it is.
type Candidate = (i32, usize, usize);

/// The rows that may be among the best of those seen.
struct Best<'a> {
    top: usize,
    /// What so many rows are at least.
    least: BinaryHeap<Reverse<i32>>,
    candidates: Vec<Candidate>,
    /// What is below it is not among the best, whoever found out.
    floor: &'a AtomicI32,
    full: usize,
}

impl<'a> Best<'a> {
    fn new(top: usize, floor: &'a AtomicI32) -> Self {
        Self { top, least: BinaryHeap::new(), candidates: Vec::new(), floor, full: 1024 }
    }

    fn floor(&self) -> i32 {
        self.floor.load(Ordering::Relaxed)
    }

    fn take(&mut self, (low, high): (f32, f32), chunk: usize, row: usize) {
        let low = key(low);
        self.candidates.push((key(high), chunk, row));
        if self.least.len() < self.top {
            self.least.push(Reverse(low));
        } else if self.least.peek().is_some_and(|least| least.0 < low) {
            self.least.pop();
            self.least.push(Reverse(low));
        }
        if self.least.len() == self.top
            && let Some(least) = self.least.peek()
        {
            self.floor.fetch_max(least.0, Ordering::Relaxed);
        }
        if self.candidates.len() > self.full {
            let floor = self.floor();
            self.candidates.retain(|candidate| candidate.0 >= floor);
            self.full = 2 * self.candidates.len() + 1024;
        }
    }

    fn merge(mut self, other: Self) -> Self {
        for Reverse(low) in other.least {
            self.least.push(Reverse(low));
            if self.least.len() > self.top {
                self.least.pop();
            }
        }
        if self.least.len() == self.top
            && let Some(least) = self.least.peek()
        {
            self.floor.fetch_max(least.0, Ordering::Relaxed);
        }
        self.candidates.extend(other.candidates);
        self
    }
}

/// A step that adds a chunk's rows to the best of those before; it keeps the compiler from taking the lifetimes for different ones.
fn stepping<'a, 'c, F: Fn(Best<'a>, (usize, &'c Chunk)) -> Best<'a>>(step: F) -> F {
    step
}

impl View {
    /// The best rows, exactly: codes say which can be among them, and those are compared as they are on the disk. By this thread alone where
    /// others may wait for it.
    pub fn search(&self, query: &[f32], sieve: &Sieve<'_>, top: usize, alone: bool) -> Result<Vec<Hit>, GalleryError> {
        if top == 0 {
            return Ok(Vec::new());
        }
        let probe = Probe::new(query);
        let floor = AtomicI32::new(i32::MIN);
        let new = || Best::new(top, &floor);
        let step = stepping(|mut best, (number, chunk)| {
            self.look(chunk, &probe, sieve, |bounds, row| {
                if key(bounds.1) >= floor.load(Ordering::Relaxed) && chunk.alive(row) {
                    best.take(bounds, number, row);
                }
            });
            best
        });
        let chunks = &self.chunks;
        let best = match alone {
            true => chunks.iter().map(|chunk| &**chunk).enumerate().fold(new(), step),
            false => chunks.par_iter().map(|chunk| &**chunk).enumerate().fold(new, step).reduce(new, Best::merge),
        };
        let (least, mut candidates) = (best.floor(), best.candidates);
        candidates.retain(|candidate| candidate.0 >= least);
        candidates.sort_unstable_by_key(|(_, chunk, row)| (*chunk, *row));
        let spans = self.spans(&candidates);
        let compare = |span: &Range<usize>| self.compare(&candidates[span.clone()], query);
        let spans: Vec<_> = match alone {
            true => spans.iter().map(compare).collect::<Result<_, _>>()?,
            false => spans.par_iter().map(compare).collect::<Result<_, _>>()?,
        };
        let mut found = spans.concat();
        // Stable: equals stay in the order of their age.
        found.sort_by(|a, b| b.0.total_cmp(&a.0));
        found.truncate(top);
        let hit = |(similarity, chunk, number): (f32, usize, usize)| {
            let chunk = &self.chunks[chunk];
            let row = &chunk.rows[number];
            let facts = self.facts(chunk, number)?;
            Ok(Hit { facts, similarity, person: row.person, has_image: row.image.is_some() })
        };
        found.into_iter().map(hit).collect()
    }

    /// Bounds of the similarities of a chunk's rows that are meant.
    fn look(&self, chunk: &Chunk, probe: &Probe, sieve: &Sieve<'_>, mut take: impl FnMut((f32, f32), usize)) {
        let mut products = Vec::new();
        if sieve.all {
            probe.products(&chunk.codes, &mut products);
            for (row, (product, bound)) in products.iter().zip(&chunk.bounds).enumerate() {
                take(probe.bounds(*bound, *product), row);
            }
            return;
        }
        let meant: Vec<usize> = (0..chunk.rows.len()).filter(|row| sieve.admits(chunk, *row)).collect();
        // Rows in a run are quicker than rows one by one.
        if meant.len() > ROWS / 8 {
            probe.products(&chunk.codes, &mut products);
            meant.iter().for_each(|row| take(probe.bounds(chunk.bounds[*row], products[*row]), *row));
            return;
        }
        for row in meant {
            probe.products(&chunk.codes[row * self.dim..][..self.dim], &mut products);
            take(probe.bounds(chunk.bounds[row], products[0]), row);
        }
    }

    /// Candidates that lie close to each other.
    fn spans(&self, candidates: &[Candidate]) -> Vec<Range<usize>> {
        let mut spans: Vec<Range<usize>> = Vec::new();
        // The log, and where in it the span begins and ends.
        let mut at = (0, 0, 0);
        for (number, (_, chunk, row)) in candidates.iter().enumerate() {
            let chunk = &self.chunks[*chunk];
            let (log, offset) = (chunk.rows[*row].log, chunk.rows[*row].offset);
            let end = offset + self.frame_length(chunk, *row) as u64;
            match spans.last_mut() {
                Some(span) if log == at.0 && offset <= at.2 + GAP && end <= at.1 + READ => {
                    span.end = number + 1;
                    at.2 = end;
                }
                _ => {
                    spans.push(number..number + 1);
                    at = (log, offset, end);
                }
            }
        }
        spans
    }

    /// The similarities of candidates that lie close to each other.
    fn compare(&self, span: &[Candidate], query: &[f32]) -> Result<Vec<(f32, usize, usize)>, GalleryError> {
        let place = |(_, chunk, row): &Candidate| {
            let chunk = &self.chunks[*chunk];
            (&chunk.rows[*row], self.frame_length(chunk, *row))
        };
        let (Some((first, _)), Some((last, length))) = (span.first().map(place), span.last().map(place)) else {
            return Ok(Vec::new());
        };
        let bytes = self.read(first.log, first.offset, (last.offset - first.offset) as usize + length)?;
        let compare = |candidate: &Candidate| {
            let (row, length) = place(candidate);
            let from = (row.offset - first.offset) as usize;
            let similarity = dot(&self.row_in(&bytes[from..from + length], row)?, query);
            Ok((similarity, candidate.1, candidate.2))
        };
        span.iter().map(compare).collect()
    }
}
