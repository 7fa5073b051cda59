//! The nearest of many distances that come in any order.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rayon::prelude::*;

use crate::blocks::Blocks;
use crate::lists::Lists;

/// Distances that are compared at a time before any is looked at.
const LANES: usize = 16;

/// Offers a row's distances to its list; `id` names the columns.
pub(crate) fn offer_row(list: &mut Selection, row: &[f32], id: impl Fn(usize) -> u32) {
    for (start, chunk) in (0..).step_by(LANES).zip(row.chunks(LANES)) {
        if chunk.iter().fold(false, |any, &distance| any | (distance <= list.worst)) {
            for (lane, &distance) in chunk.iter().enumerate() {
                list.offer(distance, id(start + lane));
            }
        }
    }
}

/// Offers a row's distances to the lists of its columns, as the neighbour `id` of each; `worst` holds the lists' limits.
pub(crate) fn offer_to_columns(lists: &mut [Selection], worst: &mut [f32], row: &[f32], id: u32) {
    for (start, chunk) in (0..).step_by(LANES).zip(row.chunks(LANES)) {
        let limits = &worst[start..start + chunk.len()];
        if chunk.iter().zip(limits).fold(false, |any, (distance, limit)| any | (distance <= limit)) {
            for (lane, &distance) in chunk.iter().enumerate() {
                lists[start + lane].offer(distance, id);
                worst[start + lane] = lists[start + lane].worst;
            }
        }
    }
}

/// No distance above its limit can belong to a list.
pub(crate) fn limits(lists: &[Selection]) -> Vec<f32> {
    lists.iter().map(|list| list.worst).collect()
}

/// An empty selection for every row, in blocks.
pub(crate) fn selections(rows: &Blocks, k: usize) -> Vec<Mutex<Vec<Selection>>> {
    (0..rows.count()).map(|number| Mutex::new(vec![Selection::new(k); rows.range(number).len()])).collect()
}

pub(crate) fn locked<T>(block: &Mutex<T>) -> MutexGuard<'_, T> {
    // Poisoned only when another thread has panicked, and then that panic ends the whole call.
    block.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The finished lists of all rows, nearest first.
pub(crate) fn sorted(selections: Vec<Mutex<Vec<Selection>>>) -> Lists {
    let of_block = |block: Mutex<Vec<Selection>>| {
        let block = block.into_inner().unwrap_or_else(PoisonError::into_inner);
        let (mut ends, mut indices) = (Vec::with_capacity(block.len()), Vec::new());
        for selection in block {
            indices.extend(selection.sorted());
            ends.push(indices.len());
        }
        (ends, indices)
    };
    Lists::of_blocks(selections.into_par_iter().map(of_block).collect())
}

/// The `k` smallest of a stream of (distance, index) in any order: a buffer of up to `2k` that is cut back when full.
#[derive(Clone)]
pub(crate) struct Selection {
    k: usize,
    buffer: Vec<(f32, u32)>,
    /// No distance above this one can belong to the smallest.
    worst: f32,
}

impl Selection {
    fn new(k: usize) -> Self {
        // Of none, no distance is small enough.
        Self { k, buffer: Vec::new(), worst: if k == 0 { f32::NEG_INFINITY } else { f32::INFINITY } }
    }

    fn offer(&mut self, distance: f32, index: u32) {
        if distance <= self.worst {
            self.buffer.push((distance, index));
            if self.buffer.len() >= 2 * self.k {
                self.cut();
            }
        }
    }

    fn cut(&mut self) {
        if self.buffer.len() > self.k {
            self.buffer.select_nth_unstable_by(self.k - 1, compare);
            self.buffer.truncate(self.k);
        }
        if self.buffer.len() == self.k {
            self.worst = self.buffer.iter().fold(f32::NEG_INFINITY, |worst, &(distance, _)| worst.max(distance));
        }
    }

    fn sorted(mut self) -> impl Iterator<Item = u32> {
        self.cut();
        self.buffer.sort_unstable_by(compare);
        self.buffer.into_iter().map(|(_, index)| index)
    }
}

pub(crate) fn compare(a: &(f32, u32), b: &(f32, u32)) -> std::cmp::Ordering {
    a.0.total_cmp(&b.0).then(a.1.cmp(&b.1))
}
