//! Approximate neighbours, for more samples than an exact search can visit.

use hnsw_rs::prelude::{DistL2, Hnsw};
use rayon::prelude::*;
use vireid_core::{Embeddings, Stream};

use crate::{ClusteringError, NeighbourRanking, nearest_across};

/// A hierarchical navigable small world graph (Malkov and Yashunin, TPAMI 2020), built and searched on all threads.
///
/// Its result depends on timing and on the library's own random numbers: two builds rank a few neighbours differently.
/// Measure before choosing it: exact search takes `N^2 d` operations and was many times faster for 100,000 rows of 256
/// (`cargo xtask bench clustering 100k,100k-hnsw`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApproximateNeighbours {
    /// How many links a sample has in each layer.
    pub links: usize,
    /// How many candidates are kept while building.
    pub build_width: usize,
    /// How many candidates are kept while searching; at least the number of neighbours asked for.
    pub search_width: usize,
}

impl Default for ApproximateNeighbours {
    /// 24 links, width 200 for building and 128 for searching.
    fn default() -> Self {
        Self { links: 24, build_width: 200, search_width: 128 }
    }
}

/// A ranking with what is known of its quality.
#[derive(Debug, Clone, PartialEq)]
pub struct ApproximateRanking {
    /// The ranking; where fewer neighbours were found than asked for, the last one is repeated.
    pub ranking: NeighbourRanking,
    /// Share of the true nearest neighbours that was found, over a random sample of rows.
    pub recall: f64,
    /// How many rows that sample had.
    pub sampled: usize,
}

/// Rows searched exactly to measure the recall.
const SAMPLE: usize = 1000;

impl ApproximateNeighbours {
    /// Ranks about the `k` nearest rows of every row, itself included, and measures the recall on rows drawn from `stream`.
    ///
    /// # Errors
    ///
    /// `VR0201` when `k` is 0.
    pub fn rank(
        &self,
        embeddings: &Embeddings,
        k: usize,
        stream: &mut Stream,
    ) -> Result<ApproximateRanking, ClusteringError> {
        let (rows, k) = (embeddings.rows(), k.min(embeddings.rows()));
        let sample = stream.distinct(rows, SAMPLE.min(rows));
        // Refuses k = 0, and gives the truth for the sample.
        let truth = nearest_across(&embeddings.select(&sample), embeddings, k.max(usize::from(rows == 0)))?;
        if rows == 0 {
            let ranking = NeighbourRanking::from_indices(Vec::new(), 0, 0, 0)?;
            return Ok(ApproximateRanking { ranking, recall: 1.0, sampled: 0 });
        }
        let graph = Hnsw::<f32, DistL2>::new(self.links, rows, 16, self.build_width, DistL2 {});
        let all: Vec<(&[f32], usize)> = (0..rows).map(|row| (embeddings.row(row), row)).collect();
        graph.parallel_insert_slice(&all);
        let width = self.search_width.max(k);
        let indices: Vec<Vec<u32>> = (0..rows)
            .into_par_iter()
            .map(|row| {
                let found = graph.search(embeddings.row(row), k, width);
                let mut near: Vec<(f32, u32)> = found.iter().map(|n| (n.distance, n.d_id as u32)).collect();
                near.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
                let last = near.last().map_or(row as u32, |&(_, index)| index);
                let mut indices: Vec<u32> = near.into_iter().map(|(_, index)| index).collect();
                indices.resize(k, last);
                indices
            })
            .collect();
        let ranking = NeighbourRanking::from_indices(indices.concat(), rows, k, rows)?;
        let hits = |(number, &row): (usize, &usize)| {
            truth.row(number).iter().filter(|other| ranking.row(row).contains(other)).count()
        };
        let found: usize = sample.iter().enumerate().map(hits).sum();
        let recall = found as f64 / (sample.len() * k) as f64;
        Ok(ApproximateRanking { ranking, recall, sampled: sample.len() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nearest_neighbours;
    use vireid_core::Streams;

    #[test]
    fn finds_nearly_all_and_says_how_many() {
        let mut stream = Streams::new(2).stream("approximate", [0; 3]);
        let values = (0..2000 * 8).map(|_| stream.normal(0.0, 1.0) as f32).collect();
        let embeddings = Embeddings::new(values, 2000, 8).unwrap();
        let found = ApproximateNeighbours::default().rank(&embeddings, 10, &mut stream).unwrap();
        assert!(found.recall > 0.95 && found.sampled == 1000, "{}", found.recall);
        let exact = nearest_neighbours(&embeddings, 10).unwrap();
        let same = (0..2000).filter(|&row| exact.row(row) == found.ranking.row(row)).count();
        assert!(same > 1800, "{same}");
    }

    #[test]
    fn none_and_few() {
        let mut stream = Streams::new(2).stream("approximate", [0; 3]);
        let of = |rows: usize| Embeddings::new((0..rows * 2).map(|x| x as f32).collect(), rows, 2).unwrap();
        let settings = ApproximateNeighbours::default();
        assert_eq!(settings.rank(&of(0), 5, &mut stream).unwrap().ranking.rows(), 0);
        assert_eq!(settings.rank(&of(3), 5, &mut stream).unwrap().ranking.row(0), [0, 1, 2]);
        assert!(settings.rank(&of(3), 0, &mut stream).is_err());
    }
}
