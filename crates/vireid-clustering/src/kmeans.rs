//! k-means.

use rayon::prelude::*;
use vireid_core::rand_core::Rng;
use vireid_core::{Embeddings, draws, follow};

use crate::ClusteringError;

/// Settings of k-means (Lloyd, with greedy k-means++ starts as scikit-learn makes them).
///
/// ```
/// use rand_chacha::ChaCha12Rng;
/// use vireid_clustering::KMeans;
/// use vireid_core::Embeddings;
/// use vireid_core::rand_core::SeedableRng;
///
/// let embeddings = Embeddings::new(vec![0.0, 0.1, 5.0, 5.2], 4, 1)?;
/// let found = KMeans::new(2).fit(&embeddings, &mut ChaCha12Rng::seed_from_u64(7))?;
/// assert_eq!(found.labels[0], found.labels[1]);
/// assert_ne!(found.labels[1], found.labels[2]);
/// # Ok::<(), vireid_clustering::ClusteringError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KMeans {
    /// Number of clusters.
    pub k: usize,
    /// Starts, of which the one with the least inertia is kept; at least one is made.
    pub restarts: usize,
    /// Most iterations per start; at least one is made.
    pub max_iterations: usize,
    /// The iteration ends when the centroids' squared movement is at most this times the mean variance of a feature.
    pub tolerance: f64,
}

impl KMeans {
    /// Ten starts, at most 300 iterations, tolerance 1e-4.
    pub fn new(k: usize) -> Self {
        Self { k, restarts: 10, max_iterations: 300, tolerance: 1e-4 }
    }
}

/// The clusters that k-means found.
#[derive(Debug, Clone, PartialEq)]
pub struct KMeansClusters {
    /// The number of each sample's cluster, below `k`.
    pub labels: Vec<usize>,
    /// The mean of each cluster's samples, one row per cluster.
    pub centroids: Embeddings,
    /// Sum of the squared distances of samples to their centroids.
    pub inertia: f64,
}

impl KMeans {
    /// Clusters embeddings. Starts are drawn from any seeded generator, such as a [`Stream`](vireid_core::Stream) or those
    /// of the `rand` crates; equal bits give equal clusters.
    ///
    /// # Errors
    ///
    /// `VR0201` when a setting is 0 or there are more clusters than samples.
    pub fn fit(
        &self,
        embeddings: &Embeddings,
        generator: &mut (impl Rng + ?Sized),
    ) -> Result<KMeansClusters, ClusteringError> {
        if self.k == 0 || self.k > embeddings.rows() {
            let expected = "at least 1 and at most the number of samples";
            return Err(ClusteringError::Parameter { name: "k", value: self.k.to_string(), expected });
        }
        let mut best: Option<KMeansClusters> = None;
        for _ in 0..self.restarts.max(1) {
            let run = self.run(embeddings, generator)?;
            if best.as_ref().is_none_or(|best| run.inertia < best.inertia) {
                best = Some(run);
            }
        }
        best.ok_or(ClusteringError::Parameter { name: "restarts", value: "0".into(), expected: "at least 1" })
    }

    fn run(
        &self,
        embeddings: &Embeddings,
        generator: &mut (impl Rng + ?Sized),
    ) -> Result<KMeansClusters, ClusteringError> {
        let dim = embeddings.dim();
        let limit = self.tolerance * mean_variance(embeddings);
        let mut centroids = self.starts(embeddings, generator);
        follow("k-means starts", 0).check()?;
        let mut labels = vec![usize::MAX; embeddings.rows()];
        let steps = follow("k-means", self.max_iterations.max(1));
        for _ in (0..self.max_iterations.max(1)).take_while(|_| steps.step()) {
            let (next_labels, distances) = assign(embeddings, &centroids);
            let next = self.means(embeddings, &next_labels, &distances);
            let moved: f64 = centroids.iter().zip(&next).map(|(a, b)| f64::from(a - b).powi(2)).sum();
            let settled = next_labels == labels;
            (centroids, labels) = (next, next_labels);
            if settled || moved <= limit {
                break;
            }
        }
        steps.check()?;
        let (labels, distances) = assign(embeddings, &centroids);
        let inertia = distances.iter().sum();
        Ok(KMeansClusters { labels, centroids: Embeddings::new(centroids, self.k, dim)?, inertia })
    }

    /// Greedy k-means++: of a few candidates drawn by squared distance, the one that lowers the inertia most.
    fn starts(&self, embeddings: &Embeddings, generator: &mut (impl Rng + ?Sized)) -> Vec<f32> {
        let rows = embeddings.rows();
        let candidates = 2 + (self.k as f64).ln() as usize;
        let first = draws::below(generator, rows);
        let mut chosen = vec![first];
        let steps = follow("k-means starts", self.k);
        let mut nearest: Vec<f64> = (0..rows).map(|row| distance(embeddings, row, embeddings.row(first))).collect();
        while chosen.len() < self.k && steps.step() {
            let drawn = (0..candidates).map(|_| {
                let candidate = match nearest.iter().sum::<f64>() > 0.0 {
                    true => draws::weighted(generator, &nearest),
                    false => draws::below(generator, rows),
                };
                let with: Vec<f64> = (0..rows)
                    .into_par_iter()
                    .with_min_len(ROWS_AT_ONCE)
                    .map(|row| distance(embeddings, row, embeddings.row(candidate)).min(nearest[row]))
                    .collect();
                (candidate, with)
            });
            let Some((candidate, with)) = drawn.min_by(|a, b| a.1.iter().sum::<f64>().total_cmp(&b.1.iter().sum()))
            else {
                break;
            };
            chosen.push(candidate);
            nearest = with;
        }
        chosen.iter().flat_map(|&row| embeddings.row(row).iter().copied()).collect()
    }

    /// The means of the clusters; an empty one takes the sample that is farthest from its centroid.
    fn means(&self, embeddings: &Embeddings, labels: &[usize], distances: &[f64]) -> Vec<f32> {
        let dim = embeddings.dim();
        let (mut sums, mut counts) = (vec![0.0f64; self.k * dim], vec![0usize; self.k]);
        for (row, &label) in labels.iter().enumerate() {
            counts[label] += 1;
            let sums = &mut sums[label * dim..(label + 1) * dim];
            sums.iter_mut().zip(embeddings.row(row)).for_each(|(sum, &x)| *sum += f64::from(x));
        }
        let mut farthest: Vec<usize> = (0..labels.len()).collect();
        farthest.sort_by(|&a, &b| distances[b].total_cmp(&distances[a]));
        let mut farthest = farthest.into_iter();
        let mut means = Vec::with_capacity(sums.len());
        for (sums, &count) in sums.chunks_exact(dim).zip(&counts) {
            match (count, farthest.len()) {
                (0, 1..) => means.extend_from_slice(embeddings.row(farthest.next().unwrap_or(0))),
                _ => means.extend(sums.iter().map(|sum| (sum / count as f64) as f32)),
            }
        }
        means
    }
}

fn distance(embeddings: &Embeddings, row: usize, to: &[f32]) -> f64 {
    embeddings.row(row).iter().zip(to).map(|(a, b)| f64::from(a - b).powi(2)).sum()
}

/// Rows that are worth another thread.
const ROWS_AT_ONCE: usize = 64;

/// The nearest centroid of every sample, the first on ties, and the squared distance to it.
fn assign(embeddings: &Embeddings, centroids: &[f32]) -> (Vec<usize>, Vec<f64>) {
    let nearest = |row| {
        let distances = centroids.chunks_exact(embeddings.dim()).map(|centroid| distance(embeddings, row, centroid));
        let first = |best: (usize, f64), next: (usize, f64)| if next.1 < best.1 { next } else { best };
        distances.enumerate().fold((0, f64::INFINITY), first)
    };
    (0..embeddings.rows()).into_par_iter().with_min_len(ROWS_AT_ONCE).map(nearest).unzip()
}

fn mean_variance(embeddings: &Embeddings) -> f64 {
    let (rows, dim) = (embeddings.rows() as f64, embeddings.dim());
    let variance = |column: usize| {
        let values = || embeddings.as_slice()[column..].iter().step_by(dim).map(|&x| f64::from(x));
        let mean = values().sum::<f64>() / rows;
        values().map(|x| (x - mean).powi(2)).sum::<f64>() / rows
    };
    (0..dim).map(variance).sum::<f64>() / dim as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand_chacha::ChaCha8Rng;
    use vireid_compare::assert_near;
    use vireid_core::Streams;
    use vireid_core::rand_core::{SeedableRng, TryRng};

    fn blobs(per_blob: usize, seed: u64) -> Embeddings {
        let mut stream = Streams::new(seed).stream("blobs", [0; 3]);
        let values = (0..3 * per_blob)
            .flat_map(|row| [10.0 * (row / per_blob) as f64, 0.0].map(|center| stream.normal(center, 0.1) as f32))
            .collect();
        Embeddings::new(values, 3 * per_blob, 2).unwrap()
    }

    proptest! {
        #[test]
        fn separate_blobs_are_found(per_blob in 1usize..12, seed: u64) {
            let embeddings = blobs(per_blob, seed);
            let mut stream = Streams::new(seed).stream("kmeans", [0; 3]);
            let clusters = KMeans::new(3).fit(&embeddings, &mut stream).unwrap();
            for (row, &label) in clusters.labels.iter().enumerate() {
                prop_assert_eq!(label, clusters.labels[row / per_blob * per_blob]);
            }
            prop_assert!(clusters.inertia < 3.0 * per_blob as f64);
            // Every centroid is the mean of its members.
            for (cluster, centroid) in clusters.centroids.as_slice().chunks(2).enumerate() {
                let members: Vec<usize> =
                    (0..clusters.labels.len()).filter(|&row| clusters.labels[row] == cluster).collect();
                let mean = members.iter().map(|&row| embeddings.row(row)[0]).sum::<f32>() / members.len() as f32;
                assert_near(centroid[0], mean, 1e-4);
            }
        }
    }

    /// Draws are made of 64 bits at a time, whoever makes the bits.
    #[test]
    fn equal_bits_give_equal_clusters() {
        let embeddings = blobs(7, 5);
        let key = [9; 32];
        let mut by_hand = Bits(ChaCha8Rng::from_seed(key));
        let found = KMeans::new(4).fit(&embeddings, &mut ChaCha8Rng::from_seed(key)).unwrap();
        assert_eq!(KMeans::new(4).fit(&embeddings, &mut by_hand).unwrap(), found);
        let dynamic: &mut dyn Rng = &mut ChaCha8Rng::from_seed(key);
        assert_eq!(KMeans::new(4).fit(&embeddings, dynamic).unwrap(), found);
    }

    struct Bits(ChaCha8Rng);

    impl TryRng for Bits {
        type Error = std::convert::Infallible;

        fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
            unreachable!("k-means draws 64 bits at a time")
        }

        fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
            self.0.try_next_u64()
        }

        fn try_fill_bytes(&mut self, _: &mut [u8]) -> Result<(), Self::Error> {
            unreachable!("k-means draws 64 bits at a time")
        }
    }

    /// Pins the numbers themselves: a change here changes every run of MMM.
    #[test]
    fn the_clusters_of_a_stream_are_pinned() {
        let mut stream = Streams::new(11).stream("kmeans", [0; 3]);
        let found = KMeans::new(4).fit(&blobs(6, 3), &mut stream).unwrap();
        assert_eq!(
            (found.labels.as_slice(), found.inertia.to_bits(), stream.next_u64()),
            (&PINNED.0[..], PINNED.1, PINNED.2)
        );
    }

    const PINNED: ([usize; 18], u64, u64) =
        ([2, 2, 2, 2, 2, 2, 3, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1], 4_596_628_309_923_936_666, 17_936_791_689_941_714_643);

    #[test]
    fn equal_samples_and_too_many_clusters() {
        let same = Embeddings::new(vec![1.0; 10], 5, 2).unwrap();
        let mut stream = Streams::new(0).stream("kmeans", [0; 3]);
        assert_eq!(KMeans::new(3).fit(&same, &mut stream).unwrap().inertia, 0.0);
        assert!(KMeans::new(6).fit(&same, &mut stream).is_err());
        assert!(KMeans::new(0).fit(&same, &mut stream).is_err());
    }
}
