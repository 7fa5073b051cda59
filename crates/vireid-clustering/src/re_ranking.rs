//! k-reciprocal re-ranking of a gallery (Zhong et al., CVPR 2017), in sparse form.

use rayon::prelude::*;
use vireid_core::{Embeddings, follow};

use crate::blocks::Blocks;
use crate::expansion::mixed;
use crate::neighbours::nearest_and_farthest;
use crate::reciprocal::reciprocal_weights;
use crate::{ClusteringError, NeighbourRanking, SparseRows};

/// Settings of k-reciprocal re-ranking: a query's distances to a gallery, mixed with the Jaccard distances of their
/// k-reciprocal neighbours among queries and gallery.
///
/// Exact, and no matrix of all pairs is formed: only the distances of queries to the gallery are, which are the result.
///
/// ```
/// use vireid_clustering::ReRanking;
/// use vireid_core::Embeddings;
///
/// let query = Embeddings::new(vec![1.0, 0.0], 1, 2)?;
/// let gallery = Embeddings::new(vec![0.0, 1.0, 0.8, 0.6, 0.6, 0.8], 3, 2)?;
/// let distances = ReRanking { k1: 2, k2: 1, lambda: 0.3 }.distances(&query, &gallery)?;
/// assert!(distances[1] < distances[2] && distances[2] < distances[0]);
/// # Ok::<(), vireid_clustering::ClusteringError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReRanking {
    /// Neighbours of the k-reciprocal sets, the sample itself not counted; at least 1.
    pub k1: usize,
    /// Neighbours whose encodings are averaged, the sample included; at least 1.
    pub k2: usize,
    /// Share of the plain distance in the result, from 0 to 1.
    pub lambda: f64,
}

impl Default for ReRanking {
    /// The constants of the paper: 20, 6 and 0.3.
    fn default() -> Self {
        Self { k1: 20, k2: 6, lambda: 0.3 }
    }
}

impl ReRanking {
    /// The distances of every query to every gallery row, `queries x gallery`, row after row; smaller is nearer. Plain
    /// distances are squared Euclidean ones over the largest that a query has to any row.
    ///
    /// # Errors
    ///
    /// `VR0201` when a setting is out of its range, `VR0202` when the dimensions differ, `VR0004` when a
    /// [`Watch`](vireid_core::Watch) stopped it.
    pub fn distances(&self, queries: &Embeddings, gallery: &Embeddings) -> Result<Vec<f32>, ClusteringError> {
        self.check()?;
        if queries.dim() != gallery.dim() {
            let what = "dimensions of queries and gallery";
            return Err(ClusteringError::Length { what, left: queries.dim(), right: gallery.dim() });
        }
        let (count, of_gallery, dim) = (queries.rows(), gallery.rows(), queries.dim());
        if count == 0 || of_gallery == 0 {
            return Ok(Vec::new());
        }
        let all = Embeddings::new([queries.as_slice(), gallery.as_slice()].concat(), count + of_gallery, dim)?;
        let (ranking, farthest) = nearest_and_farthest(&all, self.k2.max(self.k1 + 1))?;
        let encoded = self.encode(&all, &ranking, &farthest)?;
        drop(all);
        let gallery_rows =
            SparseRows::from_rows((count..encoded.rows()).map(|row| encoded.pairs(row).collect()).collect());
        let by_column = gallery_rows.transposed(encoded.rows());
        drop(gallery_rows);

        let (of_queries, of_gallery_rows) = (Blocks::new(queries, BLOCK), Blocks::new(gallery, BLOCK));
        let (lambda, rest) = (self.lambda as f32, 1.0 - self.lambda as f32);
        let steps = follow("re-ranking", of_queries.count());
        let mut distances = vec![0.0f32; count * of_gallery];
        distances.par_chunks_mut(BLOCK * of_gallery).enumerate().for_each_init(
            || (vec![0.0f32; BLOCK * BLOCK], vec![0.0f32; of_gallery]),
            |(room, shared), (block, rows)| {
                if !steps.step() {
                    return;
                }
                for other in 0..of_gallery_rows.count() {
                    let columns = of_gallery_rows.range(other);
                    let plain = of_queries.distances(block, &of_gallery_rows, other, room);
                    for (row, plain) in rows.chunks_exact_mut(of_gallery).zip(plain.rows()) {
                        row[columns.clone()].copy_from_slice(plain);
                    }
                }
                for (query, row) in of_queries.range(block).zip(rows.chunks_exact_mut(of_gallery)) {
                    shared.fill(0.0);
                    for (column, weight) in encoded.pairs(query) {
                        for (other, other_weight) in by_column.pairs(column as usize) {
                            shared[other as usize] += weight.min(other_weight);
                        }
                    }
                    let scale = share_of(farthest[query]);
                    for (value, &mass) in row.iter_mut().zip(shared.iter()) {
                        *value = lambda * (*value * scale) + rest * (1.0 - mass / (2.0 - mass));
                    }
                }
            },
        );
        steps.check()?;
        Ok(distances)
    }

    /// The gallery's rows in the order of [`distances`](Self::distances), the nearest first, ties by row: one list per query.
    ///
    /// # Errors
    ///
    /// Those of [`distances`](Self::distances).
    pub fn ranking(&self, queries: &Embeddings, gallery: &Embeddings) -> Result<Vec<u32>, ClusteringError> {
        let distances = self.distances(queries, gallery)?;
        let mut order = vec![0u32; distances.len()];
        let columns = gallery.rows().max(1);
        order.par_chunks_mut(columns).zip(distances.par_chunks(columns)).for_each(|(order, distances)| {
            order.iter_mut().zip(0..).for_each(|(entry, column)| *entry = column);
            order.sort_unstable_by(|&a, &b| distances[a as usize].total_cmp(&distances[b as usize]).then(a.cmp(&b)));
        });
        Ok(order)
    }

    fn check(&self) -> Result<(), ClusteringError> {
        for (name, value) in [("k1", self.k1), ("k2", self.k2)] {
            if value == 0 {
                return Err(ClusteringError::Parameter { name, value: "0".into(), expected: "at least 1" });
            }
        }
        if !(0.0..=1.0).contains(&self.lambda) {
            let value = self.lambda.to_string();
            return Err(ClusteringError::Parameter { name: "lambda", value, expected: "from 0 to 1" });
        }
        Ok(())
    }

    /// Weights over k-reciprocal neighbours, averaged over the `k2` nearest.
    fn encode(
        &self,
        all: &Embeddings,
        ranking: &NeighbourRanking,
        farthest: &[f32],
    ) -> Result<SparseRows, ClusteringError> {
        let weights = reciprocal_weights(
            ranking,
            |_| self.k1,
            |row, neighbours| {
                let scale = share_of(farthest[row]);
                let squared = |other: u32| -> f32 {
                    all.row(row).iter().zip(all.row(other as usize)).map(|(x, y)| (x - y) * (x - y)).sum()
                };
                let values: Vec<f32> = neighbours.iter().map(|&other| (-squared(other) * scale).exp()).collect();
                let total: f32 = values.iter().sum();
                neighbours.iter().zip(values).map(|(&other, value)| (other, value / total)).collect()
            },
        )?;
        if self.k2 == 1 {
            return Ok(weights);
        }
        mixed(&weights, |row| {
            let nearest = &ranking.row(row)[..self.k2.min(ranking.k())];
            nearest.iter().map(|&other| (other, 1.0 / nearest.len() as f32)).collect()
        })
    }
}

/// Queries of a block.
const BLOCK: usize = 256;

/// What a squared distance is multiplied by to be a share of the largest; where all rows are equal, all are at distance 0.
fn share_of(farthest: f32) -> f32 {
    if farthest > 0.0 { 1.0 / farthest } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use vireid_compare::assert_close;
    use vireid_core::Streams;

    use super::*;

    fn rows(count: usize, dim: usize, seed: u64) -> Embeddings {
        let mut stream = Streams::new(seed).stream("rows", [0; 3]);
        let values = (0..count * dim).map(|_| stream.normal(0.0, 1.0) as f32).collect();
        Embeddings::new(values, count, dim).unwrap().normalized()
    }

    /// The paper's steps on full matrices, written for clarity.
    fn dense(settings: ReRanking, queries: &Embeddings, gallery: &Embeddings) -> Vec<f32> {
        let n = queries.rows() + gallery.rows();
        let row = |i: usize| if i < queries.rows() { queries.row(i) } else { gallery.row(i - queries.rows()) };
        let mut plain = vec![vec![0.0f64; n]; n];
        for (i, distances) in plain.iter_mut().enumerate() {
            for (j, distance) in distances.iter_mut().enumerate() {
                *distance = row(i).iter().zip(row(j)).map(|(a, b)| f64::from(a - b).powi(2)).sum();
            }
            let largest = distances.iter().copied().fold(0.0, f64::max);
            distances.iter_mut().for_each(|distance| *distance /= largest);
        }
        let ranked: Vec<Vec<usize>> = plain
            .iter()
            .map(|distances| {
                let mut order: Vec<usize> = (0..n).collect();
                order.sort_by(|&a, &b| distances[a].total_cmp(&distances[b]));
                order
            })
            .collect();
        let mutual = |i: usize, k: usize| -> Vec<usize> {
            let near = |j: usize| &ranked[j][..(k + 1).min(n)];
            near(i).iter().copied().filter(|&j| near(j).contains(&i)).collect()
        };
        let half = (settings.k1 as f64 / 2.0).round_ties_even() as usize;
        let mut weights = vec![vec![0.0f64; n]; n];
        for i in 0..n {
            let own = mutual(i, settings.k1);
            let mut wide = own.clone();
            for &j in &own {
                let theirs = mutual(j, half);
                let common = theirs.iter().filter(|other| own.contains(other)).count();
                if 3 * common > 2 * theirs.len() {
                    wide.extend(theirs);
                }
            }
            wide.sort_unstable();
            wide.dedup();
            wide.iter().for_each(|&j| weights[i][j] = (-plain[i][j]).exp());
            let total: f64 = weights[i].iter().sum();
            weights[i].iter_mut().for_each(|weight| *weight /= total);
        }
        let k2 = settings.k2.min(n);
        let averaged: Vec<Vec<f64>> = (0..n)
            .map(|i| (0..n).map(|c| ranked[i][..k2].iter().map(|&j| weights[j][c]).sum::<f64>() / k2 as f64).collect())
            .collect();
        let mut all = Vec::new();
        for i in 0..queries.rows() {
            for j in queries.rows()..n {
                let mass: f64 = (0..n).map(|c| averaged[i][c].min(averaged[j][c])).sum();
                let jaccard = 1.0 - mass / (2.0 - mass);
                all.push((settings.lambda * plain[i][j] + (1.0 - settings.lambda) * jaccard) as f32);
            }
        }
        all
    }

    proptest! {
        #[test]
        fn equals_the_dense_form(
            queries in 1usize..20, gallery in 1usize..40, k1 in 1usize..12, k2 in 1usize..6, seed: u64,
        ) {
            let settings = ReRanking { k1, k2, lambda: 0.3 };
            let (queries, gallery) = (rows(queries, 6, seed), rows(gallery, 6, !seed));
            assert_close(&settings.distances(&queries, &gallery).unwrap(), &dense(settings, &queries, &gallery), 1e-5);
        }
    }

    #[test]
    fn more_rows_than_a_block() {
        let settings = ReRanking { k1: 4, k2: 2, lambda: 0.5 };
        let (queries, gallery) = (rows(BLOCK + 9, 4, 1), rows(BLOCK + 30, 4, 2));
        assert_close(&settings.distances(&queries, &gallery).unwrap(), &dense(settings, &queries, &gallery), 1e-5);
    }

    #[test]
    fn the_ranking_is_by_distance() {
        let (queries, gallery) = (rows(3, 4, 1), rows(20, 4, 2));
        let settings = ReRanking { k1: 4, k2: 2, lambda: 0.3 };
        let distances = settings.distances(&queries, &gallery).unwrap();
        let order = settings.ranking(&queries, &gallery).unwrap();
        for (order, distances) in order.chunks(20).zip(distances.chunks(20)) {
            assert!(order.iter().map(|&row| distances[row as usize]).collect::<Vec<_>>().is_sorted());
            let mut all = order.to_vec();
            all.sort_unstable();
            assert!(all.into_iter().eq(0..20));
        }
    }

    #[test]
    fn odd_input() {
        let settings = ReRanking::default();
        assert!(settings.distances(&rows(0, 4, 1), &rows(3, 4, 2)).unwrap().is_empty());
        assert!(settings.distances(&rows(2, 3, 1), &rows(3, 4, 2)).is_err());
        assert!(ReRanking { lambda: f64::NAN, ..settings }.distances(&rows(2, 4, 1), &rows(3, 4, 2)).is_err());
        let same = Embeddings::new([0.6, 0.8].repeat(40), 40, 2).unwrap();
        assert!(settings.distances(&same, &same).unwrap().iter().all(|distance| (0.0..=1.0).contains(distance)));
    }
}
