//! How much of what an exact search finds an engine finds.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};
use vireid_core::Streams;
use vireid_product::{Shape, multiply};

use crate::{Filter, GalleryError, Hit, Kept, Store};

/// Rows that are compared at a time.
const BLOCK: usize = 512;
/// Similarities that differ by less are equal: sums of the same numbers in another order.
const TIE: f32 = 1e-6;

/// How much of what an exact search finds an engine finds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Recall {
    /// Mean over the queries of the part of the exact answers that was found, 0 to 1. 1 where there was nothing to find.
    pub mean: f64,
    /// That of the worst query.
    pub lowest: f64,
    /// How many entries were searched with.
    pub queries: usize,
    /// How many answers were asked for.
    pub top: usize,
}

/// Measures how well a store searches: draws `sample` of its entries, searches with each for its `top` neighbours (itself left out)
/// and compares with an exact search over all entries of `rows`, which is the same store as a rule, read page by page.
///
/// An answer counts if it is as similar as the last of the exact ones, whatever its id; its similarity is computed anew from
/// the rows, and an entry that is not among them counts for nothing.
///
/// Memory beside the stores: the sampled embeddings, a block of rows, and `top` answers for each query.
///
/// # Errors
///
/// `VR0804` where the two hold embeddings of different networks; whatever the stores say.
pub fn recall(
    store: &dyn Store,
    rows: &dyn Store,
    sample: usize,
    seed: u64,
    top: usize,
) -> Result<Recall, GalleryError> {
    store.model().check(rows.model())?;
    let drawn = draw(rows, sample, seed)?;
    if drawn.is_empty() || top == 0 {
        return Ok(Recall { mean: 1.0, lowest: 1.0, queries: drawn.len(), top });
    }
    let mut queries = drawn.into_iter().map(|entry| Query::of(store, entry, top)).collect::<Result<Vec<_>, _>>()?;
    compare(rows, &mut queries, top)?;
    let recalls: Vec<f64> = queries.iter().map(|query| query.recall()).collect();
    let mean = recalls.iter().sum::<f64>() / recalls.len() as f64;
    Ok(Recall { mean, lowest: recalls.iter().copied().fold(1.0, f64::min), queries: recalls.len(), top })
}

struct Query {
    id: String,
    embedding: Vec<f32>,
    /// What the store answered, each with the similarity that the rows give it.
    answers: HashMap<String, Option<f32>>,
    /// The best similarities of the rows, the best first.
    best: Vec<f32>,
}

impl Query {
    fn of(store: &dyn Store, entry: Kept, top: usize) -> Result<Self, GalleryError> {
        let id = entry.facts.id;
        let hits = store.search(&entry.embedding, &Filter::default(), top + 1)?;
        let others = hits.into_iter().map(|hit: Hit| hit.facts.id).filter(|other| *other != id).take(top);
        let answers = others.map(|other| (other, None)).collect();
        Ok(Self { id, embedding: entry.embedding, answers, best: Vec::with_capacity(top + 1) })
    }

    fn see(&mut self, id: &str, similarity: f32, top: usize) {
        if id == self.id {
            return;
        }
        if let Some(answer) = self.answers.get_mut(id) {
            *answer = Some(similarity);
        }
        if self.best.len() < top || self.best.last().is_some_and(|last| similarity > *last) {
            let place = self.best.partition_point(|other| *other >= similarity);
            self.best.insert(place, similarity);
            self.best.truncate(top);
        }
    }

    fn recall(&self) -> f64 {
        let Some(last) = self.best.last() else { return 1.0 };
        let found = self.answers.values().flatten().filter(|similarity| **similarity >= last - TIE).count();
        found as f64 / self.best.len() as f64
    }
}

/// The sampled entries, in the order of the store.
fn draw(rows: &dyn Store, sample: usize, seed: u64) -> Result<Vec<Kept>, GalleryError> {
    let count = rows.count()?;
    let number = usize::try_from(count.visible + count.infrared).unwrap_or(usize::MAX);
    let mut stream = Streams::new(seed).stream("gallery-recall", [0; 3]);
    let wanted: HashSet<usize> = stream.distinct(number, sample).into_iter().collect();
    let (mut drawn, mut position) = (Vec::new(), 0);
    for_each_page(rows, |entries| {
        for entry in entries {
            if wanted.contains(&position) {
                drawn.push(entry);
            }
            position += 1;
        }
    })?;
    Ok(drawn)
}

fn compare(rows: &dyn Store, queries: &mut [Query], top: usize) -> Result<(), GalleryError> {
    let dim = rows.model().dim;
    let left: Vec<f32> = queries.iter().flat_map(|query| &query.embedding).copied().collect();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let share = queries.len().div_ceil(threads);
    for_each_page(rows, |entries| {
        let right: Vec<f32> = entries.iter().flat_map(|entry| &entry.embedding).copied().collect();
        let (entries, right) = (&entries, &right);
        std::thread::scope(|scope| {
            for (queries, left) in queries.chunks_mut(share).zip(left.chunks(share * dim)) {
                scope.spawn(move || see_block(queries, left, entries, right, dim, top));
            }
        });
    })
}

fn see_block(queries: &mut [Query], left: &[f32], entries: &[Kept], right: &[f32], dim: usize, top: usize) {
    let columns = entries.len();
    let mut similarities = vec![0.0; queries.len() * columns];
    let factors = (Shape::row_major(queries.len(), dim), Shape::row_major(columns, dim).transposed());
    multiply(&mut similarities, (left, factors.0), (right, factors.1), false);
    for (query, similarities) in queries.iter_mut().zip(similarities.chunks(columns)) {
        for (entry, similarity) in entries.iter().zip(similarities) {
            query.see(&entry.facts.id, *similarity, top);
        }
    }
}

fn for_each_page(rows: &dyn Store, mut with: impl FnMut(Vec<Kept>)) -> Result<(), GalleryError> {
    let mut after: Option<String> = None;
    loop {
        let page = rows.page(after.as_deref(), &Filter::default(), BLOCK)?;
        if !page.entries.is_empty() {
            with(page.entries);
        }
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}
