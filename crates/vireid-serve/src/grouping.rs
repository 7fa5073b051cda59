//! Grouping a gallery into people.

use std::collections::BTreeMap;

use vireid_clustering::{Expansion, JaccardDbscan, Origin};
use vireid_core::{Camera, Embeddings};
use vireid_gallery::{Filter, GalleryError, Store};

use crate::failure::Failure;
use crate::service::every;

/// How a gallery is grouped.
#[derive(Debug, Clone, Copy)]
pub struct Grouping {
    pub k1: usize,
    pub k2: usize,
    pub eps: f64,
    pub min_samples: usize,
}

/// How many people a grouping found, and how many entries that are nobody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grouped {
    pub people: usize,
    pub unassigned: usize,
}

/// Entries that can go while the others are grouped.
const MOST_GONE: usize = 1000;

impl Grouping {
    /// What groups a gallery of so many entries, with a k1 of one's own where it is named. Among few entries the thirty nearest of
    /// one are of several people, and all would become one person.
    pub fn of(entries: usize, k1: Option<usize>) -> Self {
        let k1 = k1.unwrap_or((entries / 20).clamp(4, 30));
        Self { k1, k2: (k1 / 5).max(1), eps: 0.6, min_samples: if k1 < 20 { 2 } else { 4 } }
    }

    /// Groups all entries anew, of both modalities together. People are numbered from 1, the one of most entries first.
    pub fn group(&self, store: &dyn Store) -> Result<Grouped, Failure> {
        let dim = store.model().dim;
        let (mut ids, mut values, mut origins) = (Vec::new(), Vec::new(), Vec::new());
        every(store, &Filter::default(), |kept| {
            ids.push(kept.facts.id);
            values.extend_from_slice(&kept.embedding);
            origins.push(Origin { modality: kept.facts.modality, camera: Camera(0) });
        })?;
        let embeddings =
            Embeddings::new(values, ids.len(), dim).map_err(|error| Failure::unforeseen(error.to_string()))?;
        let settings = JaccardDbscan { k1: self.k1, eps: self.eps, min_samples: self.min_samples };
        let found = settings.fit(&embeddings, &Expansion::ModalityBalanced { k2: self.k2, origins: &origins })?;
        let people = by_size(&found.labels);
        let counts = Grouped {
            people: people.iter().flatten().max().map_or(0, |&last| last as usize),
            unassigned: people.iter().filter(|person| person.is_none()).count(),
        };
        assign(store, ids.into_iter().zip(people).collect())?;
        Ok(counts)
    }
}

/// Labels as numbers of people.
fn by_size(labels: &[Option<usize>]) -> Vec<Option<u64>> {
    let mut sizes: BTreeMap<usize, usize> = BTreeMap::new();
    for label in labels.iter().flatten() {
        *sizes.entry(*label).or_default() += 1;
    }
    let mut order: Vec<(usize, usize)> = sizes.into_iter().collect();
    order.sort_by_key(|&(label, size)| (std::cmp::Reverse(size), label));
    let numbers: BTreeMap<usize, u64> = order.into_iter().map(|(label, _)| label).zip(1..).collect();
    labels.iter().map(|label| label.and_then(|label| numbers.get(&label).copied())).collect()
}

/// Puts entries to people. One that was deleted in the meantime is nobody's.
fn assign(store: &dyn Store, mut people: Vec<(String, Option<u64>)>) -> Result<(), GalleryError> {
    let mut gone = 0;
    loop {
        match store.assign(&people) {
            Err(GalleryError::Unknown { id }) if gone < MOST_GONE => {
                gone += 1;
                people.retain(|(other, _)| *other != id);
            }
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_gallery_has_few_neighbours() {
        let of = |entries, k1| {
            let Grouping { k1, k2, min_samples, .. } = Grouping::of(entries, k1);
            (k1, k2, min_samples)
        };
        assert_eq!(of(16, None), (4, 1, 2));
        assert_eq!(of(400, None), (20, 4, 4));
        assert_eq!(of(1_000_000, None), (30, 6, 4));
        assert_eq!(of(16, Some(30)), (30, 6, 4));
    }

    #[test]
    fn the_largest_group_is_the_first_person() {
        assert_eq!(by_size(&[Some(0), None, Some(1), Some(1), Some(2)]), [Some(2), None, Some(1), Some(1), Some(3)]);
        assert!(by_size(&[]).is_empty());
    }
}
