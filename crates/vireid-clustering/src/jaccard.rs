//! The k-reciprocal Jaccard distance of Zhong et al. (CVPR 2017) as unsupervised re-identification uses it, in sparse
//! form.
//!
//! A sample is described by a sparse row of weights over its k-reciprocal neighbours; rows sum to 1, so with the shared
//! mass `s` of two rows their Jaccard distance is `1 - s / (2 - s)`. Two samples without a common neighbour are at
//! distance 1 and are never stored.

use rayon::prelude::*;
use vireid_core::{Embeddings, follow};

use crate::expansion::expand;
use crate::{ClusteringError, Expansion, NeighbourRanking, Neighbourhood, Neighbours, SparseRows};

/// The k-reciprocal encodings of all samples of a clustering, from which distances are read pair by pair.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct JaccardEncoding {
    rows: SparseRows,
    by_column: SparseRows,
}

impl JaccardEncoding {
    /// The encodings of embeddings, whose neighbours are ranked first.
    ///
    /// The steps: rank `k1` neighbours, the sample included; keep the mutual ones; add the mutual half-lists that overlap
    /// them by more than two thirds; weight by the softmax of minus the squared distance `2 - 2 <x, y>`; expand.
    ///
    /// # Errors
    ///
    /// `VR0201` when `k1` or a parameter of the expansion is 0, `VR0202` when there are not as many origins as samples.
    pub fn new(embeddings: &Embeddings, k1: usize, expansion: &Expansion) -> Result<Self, ClusteringError> {
        Self::in_neighbourhood(embeddings, k1, &Neighbourhood::Plain, expansion)
    }

    /// The same with neighbours of a [`Neighbourhood`]. The expansion is used as it is: the one that belongs to the neighbourhood
    /// is given by [`Neighbourhood::expansion`].
    ///
    /// # Errors
    ///
    /// `VR0201` and `VR0202` as in [`Self::new`].
    pub fn in_neighbourhood(
        embeddings: &Embeddings,
        k1: usize,
        neighbourhood: &Neighbourhood,
        expansion: &Expansion,
    ) -> Result<Self, ClusteringError> {
        expansion.check(embeddings.rows())?;
        Self::from_neighbours(embeddings, &neighbourhood.find(embeddings, k1)?, expansion)
    }

    /// Encodes embeddings whose neighbours are ranked already: `k1` is the length of the ranking.
    ///
    /// # Errors
    ///
    /// `VR0201` and `VR0202` as in [`Self::new`], and when the ranking is of other samples.
    pub fn from_ranking(
        embeddings: &Embeddings,
        ranking: &NeighbourRanking,
        expansion: &Expansion,
    ) -> Result<Self, ClusteringError> {
        Self::from_neighbours(embeddings, &Neighbours::from(ranking.clone()), expansion)
    }

    /// Encodes embeddings whose neighbours are found already ([`Neighbourhood::find`] and [`Neighbourhood::find_by`]).
    ///
    /// # Errors
    ///
    /// `VR0201` and `VR0202` as in [`Self::new`], and when the neighbours are those of other samples.
    pub fn from_neighbours(
        embeddings: &Embeddings,
        neighbours: &Neighbours,
        expansion: &Expansion,
    ) -> Result<Self, ClusteringError> {
        if neighbours.rows() != embeddings.rows() {
            let what = "ranked samples and embeddings";
            return Err(ClusteringError::Length { what, left: neighbours.rows(), right: embeddings.rows() });
        }
        let rows = expand(neighbours.weights(embeddings)?, embeddings, neighbours, expansion)?;
        let by_column = rows.transposed(rows.rows());
        Ok(Self { rows, by_column })
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.rows.rows()
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The weights of every sample over samples; rows sum to 1.
    pub fn weights(&self) -> &SparseRows {
        &self.rows
    }

    /// The distances of at most `limit` of every sample, itself included. Samples that share nothing are at distance 1 and
    /// are left out even for `limit = 1`. Without rows where a [`Watch`](vireid_core::Watch) stopped the work.
    pub fn within(&self, limit: f32) -> SparseRows {
        self.try_within(limit).unwrap_or_default()
    }

    /// As [`within`](Self::within), for work that may be stopped.
    ///
    /// # Errors
    ///
    /// `VR0004` when a [`Watch`](vireid_core::Watch) stopped it.
    pub fn try_within(&self, limit: f32) -> Result<SparseRows, ClusteringError> {
        let n = self.len();
        let steps = follow("distances", n);
        // Distance at most `limit` is shared mass of at least this much, less a margin for rounding: what passes is
        // compared exactly.
        let least_mass = 2.0 * (1.0 - limit) / (2.0 - limit) - 1e-4;
        let upper: Vec<Vec<(u32, f32)>> = (0..n)
            .into_par_iter()
            .map_init(
                || (vec![0.0f32; n], Vec::<u32>::new()),
                |(shared, touched), row| {
                    if !steps.step() {
                        return Vec::new();
                    }
                    for (column, weight) in self.rows.pairs(row) {
                        let (others, weights) = self.by_column.row(column as usize);
                        // Only samples from here on: the distance is symmetric.
                        let from = others.partition_point(|&other| (other as usize) < row);
                        for (&other, &other_weight) in others[from..].iter().zip(&weights[from..]) {
                            let sum = &mut shared[other as usize];
                            if *sum == 0.0 {
                                touched.push(other);
                            }
                            *sum += weight.min(other_weight);
                        }
                    }
                    let mut near = Vec::new();
                    for &other in touched.iter() {
                        let mass = std::mem::take(&mut shared[other as usize]);
                        // A weight that underflows to 0 lists its sample twice; the second time its mass is gone.
                        if mass > least_mass && mass > 0.0 {
                            let distance = (1.0 - mass / (2.0 - mass)).max(0.0);
                            if distance <= limit {
                                near.push((other, distance));
                            }
                        }
                    }
                    touched.clear();
                    near.sort_unstable_by_key(|&(other, _)| other);
                    near
                },
            )
            .collect();
        steps.check()?;
        Ok(SparseRows::from_rows(upper).mirrored())
    }
}

/// How many of their `k2` expansion rows ([`Expansion::Mean`]) two samples share that are at a distance of exactly `eps`, if
/// whole rows are all that connects them; `None` where no such pair is at that distance.
///
/// With `n` shared rows the shared mass is `n / k2` and the distance `1 - n / (2 k2 - n)`. Of such a pair the rounding of
/// sums, not `eps`, decides whether it is one of neighbours, and many pairs are: near duplicates expand by whole rows.
pub fn shared_rows_at(eps: f64, k2: usize) -> Option<usize> {
    /// Larger than what rounding in f32 makes of a row.
    const ROUNDING: f64 = 1e-5;
    let rows = 2.0 * (1.0 - eps) / (2.0 - eps) * k2 as f64;
    let whole = rows.round();
    ((rows - whole).abs() < ROUNDING && whole >= 1.0 && whole < k2 as f64).then_some(whole as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_of_whole_shared_rows() {
        assert_eq!(shared_rows_at(0.5, 6), Some(4));
        for k2 in 2..40 {
            for rows in 1..k2 {
                let eps = 1.0 - rows as f64 / (2 * k2 - rows) as f64;
                assert_eq!(shared_rows_at(eps, k2), Some(rows));
                assert_eq!(shared_rows_at(eps + 1e-3, k2), None);
            }
        }
        // The published values.
        for (eps, k2) in [(0.6, 6), (0.3, 6), (0.6, 32), (0.3, 18)] {
            assert_eq!(shared_rows_at(eps, k2), None);
        }
    }

    use proptest::prelude::*;
    use vireid_compare::{assert_close, assert_near};
    use vireid_core::Streams;

    fn random_embeddings(rows: usize, dim: usize, seed: u64) -> Embeddings {
        let mut stream = Streams::new(seed).stream("embeddings", [0; 3]);
        let values = (0..rows * dim).map(|_| stream.normal(0.0, 1.0) as f32).collect();
        Embeddings::new(values, rows, dim).unwrap().normalized()
    }

    proptest! {
        #[test]
        fn rows_sum_to_one_and_distances_are_symmetric(rows in 2usize..80, k1 in 2usize..25, k2 in 1usize..8, seed: u64) {
            let embeddings = random_embeddings(rows, 6, seed);
            let encoding = JaccardEncoding::new(&embeddings, k1, &Expansion::Mean { k2 }).unwrap();
            for row in 0..rows {
                let total: f32 = encoding.rows.row(row).1.iter().sum();
                assert_near(total, 1.0, 1e-5);
            }
            let near = encoding.within(1.0);
            for i in 0..rows {
                for (j, distance) in near.pairs(i) {
                    prop_assert!((0.0..=1.0).contains(&distance));
                    prop_assert_eq!(near.pairs(j as usize).find(|&(back, _)| back == i as u32).unwrap().1, distance);
                    prop_assert!(j != i as u32 || distance < 1e-6);
                }
            }
        }

        /// The sparse distances against a dense computation written for clarity.
        #[test]
        fn equals_the_dense_form(rows in 2usize..50, k1 in 2usize..20, k2 in 1usize..6, seed: u64) {
            let embeddings = random_embeddings(rows, 5, seed);
            let encoding = JaccardEncoding::new(&embeddings, k1, &Expansion::Mean { k2 }).unwrap();
            let mut dense = vec![vec![0.0f32; rows]; rows];
            for (row, values) in dense.iter_mut().enumerate() {
                for (column, value) in encoding.rows.pairs(row) {
                    values[column as usize] = value;
                }
            }
            let near = encoding.within(0.9);
            for i in 0..rows {
                for j in 0..rows {
                    let low: f32 = (0..rows).map(|c| dense[i][c].min(dense[j][c])).sum();
                    let high: f32 = (0..rows).map(|c| dense[i][c].max(dense[j][c])).sum();
                    let expected = 1.0 - low / high;
                    match near.pairs(i).find(|&(other, _)| other == j as u32) {
                        Some((_, distance)) => assert_near(distance, expected, 1e-5),
                        None => prop_assert!(expected > 0.9 - 1e-5),
                    }
                }
            }
        }
    }

    proptest! {
        /// What is kept for a small limit is what a large limit keeps below it: pruning loses nothing.
        #[test]
        fn a_smaller_limit_keeps_the_same_pairs(rows in 2usize..60, k1 in 2usize..20, limit in 0.05f32..0.95, seed: u64) {
            let embeddings = random_embeddings(rows, 4, seed);
            let encoding = JaccardEncoding::new(&embeddings, k1, &Expansion::Mean { k2: 3 }).unwrap();
            let (all, near) = (encoding.within(1.0), encoding.within(limit));
            for row in 0..rows {
                let expected: Vec<_> = all.pairs(row).filter(|&(_, distance)| distance <= limit).collect();
                prop_assert_eq!(near.pairs(row).collect::<Vec<_>>(), expected);
            }
        }

        /// Another order of the rows gives the same distances.
        #[test]
        fn rows_can_be_permuted(rows in 2usize..40, k1 in 2usize..15, seed: u64) {
            let embeddings = random_embeddings(rows, 6, seed);
            let order = Streams::new(seed).stream("order", [0; 3]).distinct(rows, rows);
            let distances = |embeddings: &Embeddings| {
                JaccardEncoding::new(embeddings, k1, &Expansion::Mean { k2: 2 }).unwrap().within(1.0)
            };
            let (plain, permuted) = (distances(&embeddings), distances(&embeddings.select(&order)));
            for (i, &from) in order.iter().enumerate() {
                let mut renamed: Vec<_> = permuted.pairs(i).map(|(j, d)| (order[j as usize] as u32, d)).collect();
                renamed.sort_by_key(|pair| pair.0);
                let (found, got): (Vec<u32>, Vec<f32>) = renamed.into_iter().unzip();
                let (others, expected): (Vec<u32>, Vec<f32>) = plain.pairs(from).unzip();
                prop_assert_eq!(found, others);
                assert_close(&got, &expected, 1e-5);
            }
        }
    }

    #[test]
    fn one_sample_and_none() {
        let mean = Expansion::Mean { k2: 6 };
        let one = JaccardEncoding::new(&random_embeddings(1, 4, 0), 30, &mean).unwrap();
        assert_eq!(one.within(0.5), SparseRows::from_rows(vec![vec![(0, 0.0)]]));
        let none = JaccardEncoding::new(&Embeddings::new(vec![], 0, 4).unwrap(), 30, &mean).unwrap();
        assert_eq!(none.within(0.5).rows(), 0);
    }

    #[test]
    fn duplicates_and_zero_rows() {
        let encode = |row: [f32; 2], k1| {
            let embeddings = Embeddings::new(row.repeat(8), 8, 2).unwrap();
            JaccardEncoding::new(&embeddings, k1, &Expansion::Mean { k2: 3 }).unwrap().within(0.1)
        };
        assert_eq!(encode([0.6, 0.8], 8).entries(), 64);
        assert_eq!(encode([0.0, 0.0], 8).entries(), 64);
        // More duplicates than neighbours: those that nobody ranks are alone, as with the dense reference.
        assert!((0..8).all(|row| encode([0.6, 0.8], 3).row(row).0.len() <= 8));
    }
}
