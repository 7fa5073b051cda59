//! Searches that rank again.

use std::str::FromStr;

use vireid_clustering::ReRanking;
use vireid_core::Embeddings;
use vireid_gallery::{Filter, GalleryError, Hit, Kept, Store};

use crate::failure::Failure;

/// The most neighbours of a setting.
const MOST: usize = 1000;
/// Entries of a page.
const PAGE: usize = 500;

/// Settings of a search that ranks again, as a client writes them: `k1,k2,lambda`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReRank(ReRanking);

impl FromStr for ReRank {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("it is k1,k2,lambda: two numbers from 1 to {MOST} and one from 0 to 1, such as 20,6,0.3");
        let parts: Vec<&str> = text.split(',').collect();
        let [k1, k2, lambda] = parts[..] else { return Err(wrong()) };
        let count = |text: &str| text.parse().ok().filter(|count| (1..=MOST).contains(count));
        let share = lambda.parse().ok().filter(|lambda| (0.0..=1.0).contains(lambda));
        match (count(k1), count(k2), share) {
            (Some(k1), Some(k2), Some(lambda)) => Ok(Self(ReRanking { k1, k2, lambda })),
            _ => Err(wrong()),
        }
    }
}

impl ReRank {
    /// The nearest entries that a filter admits, with their distances, the nearest first. `but` is the query itself where it is
    /// an entry.
    pub fn search(
        &self,
        store: &dyn Store,
        query: &[f32],
        filter: &Filter,
        but: Option<&str>,
        top: usize,
        most: usize,
    ) -> Result<Vec<(Hit, f32)>, Failure> {
        let mut entries = Vec::new();
        let mut values = Vec::new();
        let mut after = None;
        loop {
            let page = store.page(after.as_deref(), filter, PAGE)?;
            for Kept { facts, embedding, person, has_image } in page.entries {
                if Some(facts.id.as_str()) != but {
                    // A cosine, as in a search.
                    let similarity = embedding.iter().zip(query).map(|(a, b)| a * b).sum();
                    values.extend_from_slice(&embedding);
                    entries.push(Hit { facts, similarity, person, has_image });
                }
            }
            if entries.len() > most {
                let message = format!("more than {most} entries are to be ranked again");
                return Err(Failure::bad(message).hint("narrow the search with a filter, or leave `rerank` out"));
            }
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        let embeddings = |values: Vec<f32>, rows| {
            let made = Embeddings::new(values, rows, query.len());
            made.map_err(|error| Failure::from(GalleryError::BadEntry { what: "embedding", reason: error.to_string() }))
        };
        let gallery = embeddings(values, entries.len())?;
        let distances = self.0.distances(&embeddings(query.to_vec(), 1)?, &gallery)?;
        let mut ranked: Vec<(Hit, f32)> = entries.into_iter().zip(distances).collect();
        // Stable: equals stay in the order of their age.
        ranked.sort_by(|(_, a), (_, b)| a.total_cmp(b));
        ranked.truncate(top);
        Ok(ranked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_three_numbers() {
        let read = |text: &str| text.parse::<ReRank>();
        assert_eq!(read("20,6,0.3").unwrap(), ReRank(ReRanking { k1: 20, k2: 6, lambda: 0.3 }));
        for wrong in
            ["", "20", "20,6", "20,6,0.3,1", "0,6,0.3", "20,1001,0.3", "20,6,1.1", "20,6,NaN", "a,b,c", "20,6,-0.1"]
        {
            assert!(read(wrong).unwrap_err().contains("k1,k2,lambda"), "{wrong}");
        }
    }
}
