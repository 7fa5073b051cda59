//! Who lies within a distance of whom.

use crate::{ClusteringError, JaccardEncoding, SparseRows};

/// For every sample the samples within a distance `eps` of it, itself included, by ascending index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeighbourGraph {
    starts: Vec<usize>,
    neighbours: Vec<u32>,
}

impl NeighbourGraph {
    /// The pairs of a k-reciprocal encoding with Jaccard distance at most `eps`.
    ///
    /// # Errors
    ///
    /// `VR0201` unless `0 < eps < 1`.
    pub fn from_jaccard(encoding: &JaccardEncoding, eps: f64) -> Result<Self, ClusteringError> {
        Self::check_eps(eps)?;
        Ok(Self::from_distances(&encoding.try_within(eps as f32)?, eps))
    }

    /// Whether `eps` can be a largest Jaccard distance of neighbours.
    pub(crate) fn check_eps(eps: f64) -> Result<(), ClusteringError> {
        if eps > 0.0 && eps < 1.0 {
            return Ok(());
        }
        let expected = "above 0 and below 1 (a Jaccard distance)";
        Err(ClusteringError::Parameter { name: "eps", value: eps.to_string(), expected })
    }

    /// The pairs at most `eps` apart among stored distances; what is not stored is far, a sample and itself as well.
    ///
    /// ```
    /// use vireid_clustering::{NeighbourGraph, SparseRows};
    ///
    /// let stored = SparseRows::from_rows(vec![vec![(0, 0.0), (1, 0.2), (2, 0.7)], vec![(0, 0.2)], vec![(2, 0.0)]]);
    /// let graph = NeighbourGraph::from_distances(&stored, 0.5);
    /// assert_eq!((graph.neighbours(0), graph.neighbours(1)), (&[0, 1][..], &[0][..]));
    /// ```
    pub fn from_distances(distances: &SparseRows, eps: f64) -> Self {
        Self::from_lists((0..distances.rows()).map(|row| {
            distances.pairs(row).filter(move |&(_, distance)| distance <= eps as f32).map(|(other, _)| other)
        }))
    }

    /// The pairs of a dense `n x n` distance matrix (row-major) at most `eps` apart: for distances of your own, of few
    /// samples.
    ///
    /// ```
    /// use vireid_clustering::{NeighbourGraph, dbscan};
    ///
    /// let distances = [0.0, 0.1, 0.9, 0.1, 0.0, 0.8, 0.9, 0.8, 0.0];
    /// let graph = NeighbourGraph::from_dense(&distances, 3, 0.5)?;
    /// assert_eq!(graph.neighbours(0), [0, 1]);
    /// assert_eq!(dbscan(&graph, 2)?, [Some(0), Some(0), None]);
    /// # Ok::<(), vireid_clustering::ClusteringError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `VR0202` when the matrix is not square.
    pub fn from_dense(distances: &[f32], n: usize, eps: f64) -> Result<Self, ClusteringError> {
        if distances.len() != n * n {
            return Err(ClusteringError::Length {
                what: "distances of a square matrix",
                left: distances.len(),
                right: n * n,
            });
        }
        let rows = (0..n).map(|i| {
            let row = &distances[i * n..(i + 1) * n];
            row.iter().enumerate().filter(move |&(_, &distance)| distance <= eps as f32).map(|(j, _)| j as u32)
        });
        Ok(Self::from_lists(rows))
    }

    fn from_lists<R: Iterator<Item = u32>>(rows: impl Iterator<Item = R>) -> Self {
        let (mut starts, mut neighbours) = (vec![0], Vec::new());
        for row in rows {
            neighbours.extend(row);
            starts.push(neighbours.len());
        }
        Self { starts, neighbours }
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The samples within `eps` of a sample, itself included, by ascending index.
    pub fn neighbours(&self, sample: usize) -> &[u32] {
        &self.neighbours[self.starts[sample]..self.starts[sample + 1]]
    }
}
