//! Exact nearest neighbours by blocked matrix products with a running selection.

use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;
use vireid_core::{Embeddings, follow};

use crate::ClusteringError;
use crate::blocks::{BLOCK, Blocks, Distances};
use crate::selection::{limits, locked, offer_row, offer_to_columns, selections, sorted};

/// For every sample its nearest samples, nearest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeighbourRanking {
    indices: Vec<u32>,
    rows: usize,
    k: usize,
}

impl NeighbourRanking {
    /// Takes `rows * k` indices, row after row, nearest first: a ranking that was made elsewhere, on a GPU for instance.
    ///
    /// # Errors
    ///
    /// `VR0202` when the length does not fit, `VR0201` when an index is not below `candidates`.
    pub fn from_indices(indices: Vec<u32>, rows: usize, k: usize, candidates: usize) -> Result<Self, ClusteringError> {
        if indices.len() != rows * k {
            let what = "indices of a ranking";
            return Err(ClusteringError::Length { what, left: indices.len(), right: rows * k });
        }
        if let Some(index) = indices.iter().find(|&&index| index as usize >= candidates) {
            let expected = "below the number of candidates";
            return Err(ClusteringError::Parameter { name: "neighbour", value: index.to_string(), expected });
        }
        Ok(Self { indices, rows, k })
    }

    /// Number of samples.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of neighbours of each sample.
    pub fn k(&self) -> usize {
        self.k
    }

    /// All indices, row after row, without a copy.
    pub fn into_indices(self) -> Vec<u32> {
        self.indices
    }

    /// The neighbours of one sample, nearest first.
    pub fn row(&self, row: usize) -> &[u32] {
        &self.indices[row * self.k..(row + 1) * self.k]
    }
}

/// The `k` nearest rows of every row in squared Euclidean distance, the row itself included; ties go to the smaller
/// index. With fewer than `k` rows, all of them are ranked.
///
/// Exact, and every pair's product is formed once: blocks on one side of the diagonal serve both of their rows. Memory is
/// a block per thread and the lists.
///
/// # Errors
///
/// `VR0201` when `k` is 0.
pub fn nearest_neighbours(embeddings: &Embeddings, k: usize) -> Result<NeighbourRanking, ClusteringError> {
    Ok(symmetric(embeddings, k, BLOCK, |_: &mut (), _| ())?.0)
}

/// The same with the largest squared distance from every row.
pub(crate) fn nearest_and_farthest(
    embeddings: &Embeddings,
    k: usize,
) -> Result<(NeighbourRanking, Vec<f32>), ClusteringError> {
    symmetric(embeddings, k, BLOCK, |farthest: &mut f32, distance| *farthest = farthest.max(distance))
}

/// Neighbours, and for every row what `gather` makes of its distances to all others, from 0.
fn symmetric<T: Copy + Default + Send>(
    embeddings: &Embeddings,
    k: usize,
    block: usize,
    gather: impl Fn(&mut T, f32) + Sync,
) -> Result<(NeighbourRanking, Vec<T>), ClusteringError> {
    let k = checked(k)?.min(embeddings.rows());
    let rows = Blocks::new(embeddings, block);
    rows.check()?;
    let lists = selections(&rows, k);
    let gathered: Vec<Mutex<Vec<T>>> =
        (0..rows.count()).map(|number| Mutex::new(vec![T::default(); rows.range(number).len()])).collect();
    let offer = |to: usize, first: usize, distances: Distances, transposed: bool| {
        let (mut lists, mut gathered) = (locked(&lists[to]), locked(&gathered[to]));
        if transposed {
            for row in distances.rows() {
                gathered.iter_mut().zip(row).for_each(|(gathered, &distance)| gather(gathered, distance));
            }
            let mut worst = limits(&lists);
            for (number, row) in distances.rows().enumerate() {
                offer_to_columns(&mut lists, &mut worst, row, (first + number) as u32);
            }
        } else {
            for (gathered, row) in gathered.iter_mut().zip(distances.rows()) {
                row.iter().for_each(|&distance| gather(gathered, distance));
            }
            for (list, row) in lists.iter_mut().zip(distances.rows()) {
                offer_row(list, row, |column| (first + column) as u32);
            }
        }
    };
    let pairs = rows.pairs();
    let steps = follow("neighbours", pairs.len());
    pairs.into_par_iter().for_each_init(
        || vec![0.0f32; block * block],
        |room, (a, b)| {
            if !steps.step() {
                return;
            }
            let distances = rows.distances(a, &rows, b, room);
            offer(a, b * block, distances, false);
            if a != b {
                offer(b, a * block, distances, true);
            }
        },
    );
    steps.check()?;
    let gathered = gathered.into_iter().flat_map(|block| block.into_inner().unwrap_or_else(PoisonError::into_inner));
    let indices = sorted(lists).into_indices();
    Ok((NeighbourRanking { indices, rows: embeddings.rows(), k }, gathered.collect()))
}

/// The `k` nearest rows of `candidates` for every row of `queries`; otherwise as [`nearest_neighbours`].
///
/// # Errors
///
/// `VR0201` when `k` is 0, `VR0202` when the dimensions differ.
pub fn nearest_across(
    queries: &Embeddings,
    candidates: &Embeddings,
    k: usize,
) -> Result<NeighbourRanking, ClusteringError> {
    if queries.dim() != candidates.dim() {
        let what = "dimensions of queries and candidates";
        return Err(ClusteringError::Length { what, left: queries.dim(), right: candidates.dim() });
    }
    let k = checked(k)?.min(candidates.rows());
    let (of_queries, of_candidates) = (Blocks::new(queries, BLOCK), Blocks::new(candidates, BLOCK));
    of_queries.check()?;
    of_candidates.check()?;
    let lists = selections(&of_queries, k);
    let steps = follow("neighbours", of_queries.count() * of_candidates.count());
    (0..of_queries.count()).into_par_iter().for_each_init(
        || vec![0.0f32; BLOCK * BLOCK],
        |room, a| {
            for b in (0..of_candidates.count()).take_while(|_| steps.step()) {
                let distances = of_queries.distances(a, &of_candidates, b, room);
                for (list, row) in locked(&lists[a]).iter_mut().zip(distances.rows()) {
                    offer_row(list, row, |column| (b * BLOCK + column) as u32);
                }
            }
        },
    );
    steps.check()?;
    Ok(NeighbourRanking { indices: sorted(lists).into_indices(), rows: queries.rows(), k })
}

pub(crate) fn checked(k: usize) -> Result<usize, ClusteringError> {
    if k == 0 {
        return Err(ClusteringError::Parameter { name: "k", value: "0".into(), expected: "at least 1" });
    }
    Ok(k)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::selection::compare;
    use proptest::prelude::*;

    /// Small integers make every distance exact, so ties are real ties and the order must agree to the last entry.
    fn integers(rows: usize, dim: usize, below: usize, seed: u64) -> Embeddings {
        let mut stream = vireid_core::Streams::new(seed).stream("knn", [0; 3]);
        Embeddings::new((0..rows * dim).map(|_| stream.below(below) as f32).collect(), rows, dim).unwrap()
    }

    fn brute_force(queries: &Embeddings, candidates: &Embeddings, k: usize) -> Vec<Vec<u32>> {
        let distance = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| (x - y).powi(2)).sum::<f32>();
        (0..queries.rows())
            .map(|i| {
                let mut all: Vec<(f32, u32)> =
                    (0..candidates.rows()).map(|j| (distance(queries.row(i), candidates.row(j)), j as u32)).collect();
                all.sort_by(compare);
                all.into_iter().take(k).map(|(_, j)| j).collect()
            })
            .collect()
    }

    fn check(ranking: &NeighbourRanking, expected: &[Vec<u32>]) {
        assert_eq!(ranking.rows(), expected.len());
        (0..expected.len()).for_each(|row| assert_eq!(ranking.row(row), &expected[row][..], "row {row}"));
    }

    proptest! {
        #[test]
        fn equals_brute_force_for_any_block(rows in 1usize..60, k in 1usize..20, block in 1usize..70, seed: u64) {
            let embeddings = integers(rows, 3, 5, seed);
            check(&symmetric(&embeddings, k, block, |_: &mut (), _| ()).unwrap().0, &brute_force(&embeddings, &embeddings, k));
        }

        #[test]
        fn across_equals_brute_force(queries in 0usize..20, candidates in 0usize..40, k in 1usize..20, seed: u64) {
            let (queries, candidates) = (integers(queries, 3, 5, seed), integers(candidates, 3, 5, !seed));
            check(&nearest_across(&queries, &candidates, k).unwrap(), &brute_force(&queries, &candidates, k));
        }
    }

    #[test]
    fn more_rows_than_a_block() {
        let embeddings = integers(2 * BLOCK + 7, 2, 100, 3);
        check(&nearest_neighbours(&embeddings, 5).unwrap(), &brute_force(&embeddings, &embeddings, 5));
    }

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let mut stream = vireid_core::Streams::new(5).stream("knn", [0; 3]);
        let values = (0..1500 * 8).map(|_| stream.normal(0.0, 1.0) as f32).collect();
        let embeddings = Embeddings::new(values, 1500, 8).unwrap();
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| nearest_neighbours(&embeddings, 10).unwrap())
        };
        assert_eq!(with(1), with(3));
    }

    /// Infinity less infinity was taken for no distance at all.
    #[test]
    fn rows_beyond_all_numbers_are_refused() {
        let rows = Embeddings::new(vec![1.0, 0.0, 1e20, 1e20], 2, 2).unwrap();
        assert!(nearest_neighbours(&rows, 2).unwrap_err().to_string().starts_with("VR0006: embedding 1"));
        assert!(nearest_across(&rows.select(&[0]), &rows, 2).unwrap_err().to_string().starts_with("VR0006"));
    }

    #[test]
    fn no_rows_and_no_neighbours() {
        let ranking = nearest_neighbours(&integers(0, 4, 2, 0), 30).unwrap();
        assert_eq!((ranking.rows(), ranking.k()), (0, 0));
        assert!(nearest_neighbours(&integers(3, 4, 2, 0), 0).unwrap_err().to_string().starts_with("VR0201"));
        assert!(NeighbourRanking::from_indices(vec![0, 3], 2, 1, 3).is_err());
        assert!(NeighbourRanking::from_indices(vec![0], 2, 1, 3).is_err());
    }
}
