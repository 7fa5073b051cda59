//! How well labels fit the distances that they were cut from, judged without any truth.

use crate::{ClusteringError, SparseRows};

/// How much more the silhouette counts than the modularity.
const SILHOUETTE_POWER: f64 = 1.25;

/// Two figures of how well clusters fit the distances between samples, of which each is misled where the other is not.
///
/// Modularity grows as long as merging gathers more similarity than chance would, so it goes on until people melt. The silhouette
/// asks of every sample whether its own cluster is nearer than the next, so it is content with a few tight clusters and much
/// noise. Their weighted product, [`score`](Self::score), has its largest value between the two.
///
/// ```
/// use vireid_clustering::{CutQuality, SparseRows};
///
/// // Two pairs; the members of different pairs share nothing.
/// let near = |other| vec![(other, 0.2)];
/// let distances = SparseRows::from_rows(vec![near(1), near(0), near(3), near(2)]);
/// let of = |labels: [Option<usize>; 4]| CutQuality::of(&distances, &labels);
/// let pairs = of([Some(0), Some(0), Some(1), Some(1)])?;
/// assert!((pairs.modularity - 0.5).abs() < 1e-6 && (pairs.silhouette - 0.8).abs() < 1e-6);
/// assert!(of([Some(0), Some(0), None, None])?.score() < pairs.score());
/// assert_eq!(of([Some(0); 4])?.score(), 0.0);
/// # Ok::<(), vireid_clustering::ClusteringError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct CutQuality {
    /// Newman's modularity, with `1 - distance` as the weight of a pair and each sample of noise as a cluster of its own: the
    /// share of all weight that is within clusters, less the share that chance would put there. Below 1.
    pub modularity: f64,
    /// The mean silhouette (Rousseeuw 1987) over all samples, with the mean distance to a cluster as that to all its members;
    /// 0 for noise, for clusters of one sample, and where there is one cluster alone. From -1 to 1.
    pub silhouette: f64,
}

impl CutQuality {
    /// Judges the clusters of some samples. `distances` are stored in both directions; pairs that are not stored are at distance
    /// 1, and what is stored of a sample and itself is not looked at.
    ///
    /// # Errors
    ///
    /// `VR0202` when there are not as many labels as samples.
    pub fn of(distances: &SparseRows, labels: &[Option<usize>]) -> Result<Self, ClusteringError> {
        if distances.rows() != labels.len() {
            let what = "samples and labels";
            return Err(ClusteringError::Length { what, left: distances.rows(), right: labels.len() });
        }
        let clusters = labels.iter().flatten().max().map_or(0, |largest| largest + 1);
        let mut sizes = vec![0usize; clusters];
        labels.iter().flatten().for_each(|&label| sizes[label] += 1);

        let (mut within, mut of_noise, mut silhouettes) = (0.0, 0.0, 0.0);
        let (mut of_cluster, mut all) = (vec![0.0f64; clusters], 0.0);
        let mut shared = vec![0.0f64; clusters];
        let mut touched = Vec::new();
        for (sample, &label) in labels.iter().enumerate() {
            let mut degree = 0.0;
            for (other, distance) in distances.pairs(sample).filter(|&(other, _)| other as usize != sample) {
                let weight = 1.0 - f64::from(distance);
                degree += weight;
                if let Some(other) = labels[other as usize] {
                    if shared[other] == 0.0 {
                        touched.push(other);
                    }
                    shared[other] += weight;
                }
            }
            all += degree;
            match label {
                None => of_noise += degree * degree,
                Some(label) => {
                    of_cluster[label] += degree;
                    within += shared[label];
                    if sizes[label] > 1 && clusters > 1 {
                        let own = 1.0 - shared[label] / (sizes[label] - 1) as f64;
                        let others = touched.iter().filter(|&&other| other != label);
                        let next = others.map(|&other| 1.0 - shared[other] / sizes[other] as f64).fold(1.0, f64::min);
                        silhouettes += (next - own) / own.max(next).max(f64::MIN_POSITIVE);
                    }
                }
            }
            touched.drain(..).for_each(|other| shared[other] = 0.0);
        }
        if all <= 0.0 {
            return Ok(Self::default());
        }
        let by_chance = of_noise + of_cluster.iter().map(|degree| degree * degree).sum::<f64>();
        let modularity = within / all - by_chance / (all * all);
        Ok(Self { modularity, silhouette: silhouettes / labels.len() as f64 })
    }

    /// The modularity times the silhouette to the power of 1.25, from 0 to 1; 0 where either is negative. Exponents from 1 to 2 do
    /// about as well; this one was chosen on twelve synthetic worlds, for the agreement of the chosen clusters with the identities
    /// (`docs/auto.md`).
    pub fn score(&self) -> f64 {
        self.modularity.max(0.0) * self.silhouette.max(0.0).powf(SILHOUETTE_POWER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use vireid_compare::assert_near;
    use vireid_core::Streams;

    /// Written for clarity, over all pairs.
    fn dense(distances: &[Vec<f64>], labels: &[Option<usize>]) -> (f64, f64) {
        let n = labels.len();
        let same = |i: usize, j: usize| labels[i].is_some() && labels[i] == labels[j];
        let weight = |i: usize, j: usize| if i == j { 0.0 } else { 1.0 - distances[i][j] };
        let degree = |i: usize| (0..n).map(|j| weight(i, j)).sum::<f64>();
        let all: f64 = (0..n).map(degree).sum();
        let mut modularity = 0.0;
        for i in 0..n {
            for j in 0..n {
                if same(i, j) || i == j {
                    modularity += weight(i, j) / all - degree(i) * degree(j) / (all * all);
                }
            }
        }
        let members = |label: usize| (0..n).filter(|&j| labels[j] == Some(label)).collect::<Vec<_>>();
        let clusters: Vec<usize> = {
            let mut found: Vec<usize> = labels.iter().flatten().copied().collect();
            found.sort_unstable();
            found.dedup();
            found
        };
        let silhouette = |i: usize| {
            let Some(label) = labels[i] else { return 0.0 };
            let own: Vec<usize> = members(label).into_iter().filter(|&j| j != i).collect();
            if own.is_empty() || clusters.len() < 2 {
                return 0.0;
            }
            let mean = |of: &[usize]| of.iter().map(|&j| distances[i][j]).sum::<f64>() / of.len() as f64;
            let a = mean(&own);
            let others = clusters.iter().filter(|&&other| other != label);
            let b = others.map(|&other| mean(&members(other))).fold(f64::INFINITY, f64::min);
            if a.max(b) == 0.0 { 0.0 } else { (b - a) / a.max(b) }
        };
        (if all > 0.0 { modularity } else { 0.0 }, (0..n).map(silhouette).sum::<f64>() / n as f64)
    }

    proptest! {
        #[test]
        fn equals_the_dense_form(n in 2usize..24, clusters in 1usize..6, seed: u64) {
            let mut stream = Streams::new(seed).stream("distances", [0; 3]);
            let mut distances = vec![vec![1.0f64; n]; n];
            for (i, j) in (0..n).flat_map(|i| (0..=i).map(move |j| (i, j))) {
                let is_near = i == j || stream.chance(0.5);
                let distance = if i == j { 0.0 } else { f64::from(stream.uniform(0.0, 0.95) as f32) };
                if is_near {
                    (distances[i][j], distances[j][i]) = (distance, distance);
                }
            }
            let labels: Vec<Option<usize>> = (0..n).map(|_| Some(stream.below(clusters + 1)).filter(|&l| l < clusters)).collect();
            // Numbered without gaps, as DBSCAN does.
            let mut names = Vec::new();
            let labels: Vec<Option<usize>> = labels
                .into_iter()
                .map(|label| {
                    let label = label?;
                    Some(names.iter().position(|&known| known == label).unwrap_or_else(|| {
                        names.push(label);
                        names.len() - 1
                    }))
                })
                .collect();
            let sparse = SparseRows::from_rows(
                distances
                    .iter()
                    .map(|row| {
                        let stored = row.iter().enumerate().filter(|&(_, &distance)| distance < 1.0);
                        stored.map(|(column, &distance)| (column as u32, distance as f32)).collect()
                    })
                    .collect(),
            );
            let found = CutQuality::of(&sparse, &labels).unwrap();
            let (modularity, silhouette) = dense(&distances, &labels);
            assert_near(found.modularity, modularity, 1e-9);
            assert_near(found.silhouette, silhouette, 1e-9);
        }
    }

    #[test]
    fn nothing_and_what_does_not_fit() {
        let none = SparseRows::from_rows(Vec::new());
        assert_eq!(CutQuality::of(&none, &[]).unwrap(), CutQuality::default());
        let alone = SparseRows::from_rows(vec![vec![(0, 0.0)], vec![(1, 0.0)]]);
        assert_eq!(CutQuality::of(&alone, &[None, None]).unwrap().score(), 0.0);
        assert!(CutQuality::of(&alone, &[None]).unwrap_err().to_string().starts_with("VR0202"));
    }
}
