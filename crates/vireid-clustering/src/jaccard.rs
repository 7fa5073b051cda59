//! The k-reciprocal Jaccard distance of Zhong et al. (CVPR 2017) as unsupervised re-identification uses it, in sparse
//! form.
//!
//! A sample is described by a sparse row of weights over its k-reciprocal neighbours; rows sum to 1, so with the shared
//! mass `s` of two rows their Jaccard distance is `1 - s / (2 - s)`. Two samples without a common neighbour are at
//! distance 1 and are never stored.

use rayon::prelude::*;
use vireid_core::Embeddings;

use crate::{ClusteringError, NeighbourRanking, nearest_neighbours};

/// Parameters of the k-reciprocal encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JaccardConfig {
    /// Neighbours ranked per sample, itself included.
    pub k1: usize,
    /// Neighbours averaged by the query expansion; 1 switches it off. At most `k1` are there to average.
    pub k2: usize,
}

/// A sparse matrix row by row, columns ascending.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SparseRows {
    pub(crate) starts: Vec<usize>,
    pub(crate) columns: Vec<u32>,
    pub(crate) values: Vec<f32>,
}

impl SparseRows {
    fn from_rows(rows: Vec<Vec<(u32, f32)>>) -> Self {
        let mut starts = Vec::with_capacity(rows.len() + 1);
        starts.push(0);
        let total = rows.iter().map(Vec::len).sum();
        let (mut columns, mut values) = (Vec::with_capacity(total), Vec::with_capacity(total));
        for row in rows {
            columns.extend(row.iter().map(|&(column, _)| column));
            values.extend(row.iter().map(|&(_, value)| value));
            starts.push(columns.len());
        }
        Self { starts, columns, values }
    }

    pub(crate) fn rows(&self) -> usize {
        self.starts.len() - 1
    }

    fn row(&self, row: usize) -> impl Iterator<Item = (u32, f32)> + '_ {
        let range = self.starts[row]..self.starts[row + 1];
        self.columns[range.clone()].iter().copied().zip(self.values[range].iter().copied())
    }

    /// The transpose of a square matrix.
    fn transposed(&self) -> Self {
        let mut starts = vec![0usize; self.rows() + 1];
        for &column in &self.columns {
            starts[column as usize + 1] += 1;
        }
        for row in 0..self.rows() {
            starts[row + 1] += starts[row];
        }
        let mut next = starts.clone();
        let (mut columns, mut values) = (vec![0u32; self.columns.len()], vec![0.0; self.values.len()]);
        for row in 0..self.rows() {
            for (column, value) in self.row(row) {
                let slot = &mut next[column as usize];
                columns[*slot] = row as u32;
                values[*slot] = value;
                *slot += 1;
            }
        }
        Self { starts, columns, values }
    }
}

/// The k-reciprocal encodings of all samples of a clustering, from which distances are read pair by pair.
#[derive(Debug, Clone, PartialEq)]
pub struct JaccardEncoding {
    rows: SparseRows,
    by_column: SparseRows,
}

impl JaccardEncoding {
    /// Encodes embeddings.
    ///
    /// The steps: rank `k1` neighbours; keep the mutual ones; add the mutual half-lists that overlap them by more than
    /// two thirds; weight by the softmax of minus the squared distance `2 - 2 <x, y>`; average over the `k2` nearest.
    ///
    /// # Errors
    ///
    /// `VR0201` when `k1` or `k2` is 0.
    pub fn new(embeddings: &Embeddings, config: JaccardConfig) -> Result<Self, ClusteringError> {
        if config.k2 == 0 {
            return Err(ClusteringError::Parameter { name: "k2", value: "0".into(), expected: "at least 1" });
        }
        let ranking = nearest_neighbours(embeddings, config.k1)?;
        let weights = reciprocal_weights(embeddings, &ranking, config.k1);
        let rows = if config.k2 == 1 { weights } else { expand_queries(&weights, &ranking, config.k2) };
        let by_column = rows.transposed();
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

    /// For every sample the samples at a distance of at most `limit` (itself included) with their distances, by index.
    /// Samples at distance 1 share nothing and are left out even for `limit = 1`.
    pub fn within(&self, limit: f32) -> Vec<Vec<(u32, f32)>> {
        let n = self.len();
        (0..n)
            .into_par_iter()
            .map_init(
                || (vec![0.0f32; n], Vec::<u32>::new()),
                |(shared, touched), row| {
                    for (column, weight) in self.rows.row(row) {
                        for (other, other_weight) in self.by_column.row(column as usize) {
                            if shared[other as usize] == 0.0 {
                                touched.push(other);
                            }
                            shared[other as usize] += weight.min(other_weight);
                        }
                    }
                    touched.sort_unstable();
                    // A weight that underflows to 0 would list its sample twice.
                    touched.dedup();
                    let mut near = Vec::new();
                    for &other in touched.iter() {
                        let mass = std::mem::take(&mut shared[other as usize]);
                        let distance = (1.0 - mass / (2.0 - mass)).max(0.0);
                        if distance <= limit {
                            near.push((other, distance));
                        }
                    }
                    touched.clear();
                    near
                },
            )
            .collect()
    }
}

/// Half of k, rounded half to even as the reference does: 15 for 30, 2 for 5, 4 for 7.
fn half(k: usize) -> usize {
    let floor = k / 2;
    if k % 2 == 1 && floor % 2 == 1 { floor + 1 } else { floor }
}

/// The neighbours among the first `k + 1` of each sample that have it among their first `k + 1`, in ascending order.
/// The ranking has `k1` columns, so for `k = k1` the list is cut at `k1`: as in the reference, the "+ 1" has no effect.
fn mutual_neighbours(ranking: &NeighbourRanking, k: usize) -> Vec<Vec<u32>> {
    let depth = (k + 1).min(ranking.k());
    (0..ranking.rows())
        .into_par_iter()
        .map(|row| {
            let mut mutual: Vec<u32> = ranking.row(row)[..depth]
                .iter()
                .copied()
                .filter(|&other| ranking.row(other as usize)[..depth].contains(&(row as u32)))
                .collect();
            mutual.sort_unstable();
            mutual
        })
        .collect()
}

fn reciprocal_weights(embeddings: &Embeddings, ranking: &NeighbourRanking, k1: usize) -> SparseRows {
    let full = mutual_neighbours(ranking, k1);
    let halved = mutual_neighbours(ranking, half(k1));
    let rows = (0..ranking.rows())
        .into_par_iter()
        .map(|row| {
            let mutual = &full[row];
            let mut expanded = mutual.clone();
            for &candidate in mutual {
                let list = &halved[candidate as usize];
                let overlap = list.iter().filter(|other| mutual.binary_search(other).is_ok()).count();
                if 3 * overlap > 2 * list.len() {
                    expanded.extend_from_slice(list);
                }
            }
            expanded.sort_unstable();
            expanded.dedup();
            softmax_weights(embeddings, row, &expanded)
        })
        .collect();
    SparseRows::from_rows(rows)
}

fn softmax_weights(embeddings: &Embeddings, row: usize, neighbours: &[u32]) -> Vec<(u32, f32)> {
    let origin = embeddings.row(row);
    let similarity = |other: u32| -> f32 {
        2.0 * origin.iter().zip(embeddings.row(other as usize)).map(|(a, b)| a * b).sum::<f32>() - 2.0
    };
    let logits: Vec<f32> = neighbours.iter().map(|&other| similarity(other)).collect();
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exponentials: Vec<f32> = logits.iter().map(|logit| (logit - largest).exp()).collect();
    let total: f32 = exponentials.iter().sum();
    neighbours.iter().zip(exponentials).map(|(&other, value)| (other, value / total)).collect()
}

fn expand_queries(weights: &SparseRows, ranking: &NeighbourRanking, k2: usize) -> SparseRows {
    let n = weights.rows();
    let rows = (0..n)
        .into_par_iter()
        .map_init(
            || (vec![0.0f32; n], Vec::<u32>::new()),
            |(sum, touched), row| {
                let nearest = &ranking.row(row)[..k2.min(ranking.k())];
                for &neighbour in nearest {
                    for (column, weight) in weights.row(neighbour as usize) {
                        if sum[column as usize] == 0.0 {
                            touched.push(column);
                        }
                        sum[column as usize] += weight;
                    }
                }
                touched.sort_unstable();
                touched.dedup();
                let count = nearest.len() as f32;
                let row =
                    touched.iter().map(|&column| (column, std::mem::take(&mut sum[column as usize]) / count)).collect();
                touched.clear();
                row
            },
        )
        .collect();
    SparseRows::from_rows(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use vireid_core::Streams;

    fn random_embeddings(rows: usize, dim: usize, seed: u64) -> Embeddings {
        let mut stream = Streams::new(seed).stream("embeddings", [0; 3]);
        let values = (0..rows * dim).map(|_| stream.normal(0.0, 1.0) as f32).collect();
        Embeddings::new(values, rows, dim).unwrap().normalized()
    }

    #[test]
    fn half_rounds_to_even() {
        let halves: Vec<usize> = [3, 4, 5, 6, 7, 9, 15, 25, 30].into_iter().map(half).collect();
        assert_eq!(halves, [2, 2, 2, 3, 4, 4, 8, 12, 15]);
    }

    proptest! {
        #[test]
        fn rows_sum_to_one_and_distances_are_symmetric(rows in 2usize..80, k1 in 2usize..25, k2 in 1usize..8, seed: u64) {
            let embeddings = random_embeddings(rows, 6, seed);
            let encoding = JaccardEncoding::new(&embeddings, JaccardConfig { k1, k2 }).unwrap();
            for row in 0..rows {
                let total: f32 = encoding.rows.row(row).map(|(_, value)| value).sum();
                prop_assert!((total - 1.0).abs() < 1e-5);
            }
            let near = encoding.within(1.0);
            for (i, row) in near.iter().enumerate() {
                for &(j, distance) in row {
                    prop_assert!((0.0..=1.0).contains(&distance));
                    let back = near[j as usize].iter().find(|&&(back, _)| back == i as u32);
                    prop_assert!(back.is_some_and(|&(_, other)| (other - distance).abs() < 1e-6));
                    prop_assert!(j != i as u32 || distance < 1e-6);
                }
            }
        }

        /// The sparse distances against a dense computation written for clarity.
        #[test]
        fn equals_the_dense_form(rows in 2usize..50, k1 in 2usize..20, k2 in 1usize..6, seed: u64) {
            let embeddings = random_embeddings(rows, 5, seed);
            let encoding = JaccardEncoding::new(&embeddings, JaccardConfig { k1, k2 }).unwrap();
            let mut dense = vec![vec![0.0f32; rows]; rows];
            for (row, values) in dense.iter_mut().enumerate() {
                for (column, value) in encoding.rows.row(row) {
                    values[column as usize] = value;
                }
            }
            let near = encoding.within(0.9);
            for i in 0..rows {
                for j in 0..rows {
                    let low: f32 = (0..rows).map(|c| dense[i][c].min(dense[j][c])).sum();
                    let high: f32 = (0..rows).map(|c| dense[i][c].max(dense[j][c])).sum();
                    let expected = 1.0 - low / high;
                    match near[i].iter().find(|&&(other, _)| other == j as u32) {
                        Some(&(_, distance)) => prop_assert!((distance - expected).abs() < 1e-5),
                        None => prop_assert!(expected > 0.9 - 1e-5),
                    }
                }
            }
        }
    }

    #[test]
    fn one_sample_and_none() {
        let config = JaccardConfig { k1: 30, k2: 6 };
        let one = JaccardEncoding::new(&random_embeddings(1, 4, 0), config).unwrap();
        assert_eq!(one.within(0.5), vec![vec![(0, 0.0)]]);
        let none = JaccardEncoding::new(&Embeddings::new(vec![], 0, 4).unwrap(), config).unwrap();
        assert!(none.within(0.5).is_empty());
    }

    #[test]
    fn duplicates_are_at_distance_zero() {
        let row = [0.6f32, 0.8];
        let values: Vec<f32> = (0..8).flat_map(|_| row).collect();
        let encoding =
            JaccardEncoding::new(&Embeddings::new(values, 8, 2).unwrap(), JaccardConfig { k1: 8, k2: 3 }).unwrap();
        assert!(encoding.within(0.1).iter().all(|near| near.len() == 8));
    }
}
