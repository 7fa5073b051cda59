//! From embeddings to pseudo-labels in one call: Jaccard distances and DBSCAN.

use vireid_core::Embeddings;

use crate::{ClusteringError, Expansion, JaccardEncoding, NeighbourGraph, Neighbourhood, SparseRows, dbscan};

/// What unsupervised re-identification does before every epoch, in one call: k-reciprocal Jaccard distances, and DBSCAN on
/// them.
///
/// ```
/// use vireid_clustering::{Expansion, JaccardDbscan};
/// use vireid_core::Embeddings;
///
/// // Two people, four photos each: rows of length 1.
/// let angles = [0.0f32, 0.02, 0.04, 0.06, 1.5, 1.52, 1.54, 1.56];
/// let rows = Embeddings::new(angles.iter().flat_map(|a| [a.cos(), a.sin()]).collect(), 8, 2)?;
///
/// let found = JaccardDbscan { k1: 4, eps: 0.6, min_samples: 3 }.fit(&rows, &Expansion::Mean { k2: 2 })?;
/// assert_eq!(found.labels[..4], [Some(0); 4]);
/// assert_eq!(found.labels[4..], [Some(1); 4]);
/// # Ok::<(), vireid_clustering::ClusteringError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct JaccardDbscan {
    /// Neighbours ranked for each sample, itself included; at least 1.
    pub k1: usize,
    /// Largest Jaccard distance of two neighbours, above 0 and below 1.
    pub eps: f64,
    /// Neighbours, itself included, that make a core sample; at least 1.
    pub min_samples: usize,
}

/// Labels, and the distances that they come from.
#[derive(Debug, Clone, PartialEq)]
pub struct JaccardClusters {
    /// The cluster of each sample, numbered from 0; `None` is noise.
    pub labels: Vec<Option<usize>>,
    /// The Jaccard distances of at most `eps`, and each sample's to itself: 0, or 1 where more than `k1` exact duplicates leave a
    /// sample without neighbours, itself included.
    pub distances: SparseRows,
}

impl JaccardDbscan {
    /// Clusters embeddings. Equal for any number of threads.
    ///
    /// # Errors
    ///
    /// `VR0201` when a setting is out of its range, `VR0202` when there are not as many origins as samples, `VR0004` when a
    /// [`Watch`](vireid_core::Watch) stopped it.
    pub fn fit(&self, embeddings: &Embeddings, expansion: &Expansion) -> Result<JaccardClusters, ClusteringError> {
        self.fit_in(embeddings, &Neighbourhood::Plain, expansion)
    }

    /// The same with neighbours of a [`Neighbourhood`]. The expansion is used as it is: the one that belongs to the neighbourhood
    /// is given by [`Neighbourhood::expansion`].
    ///
    /// # Errors
    ///
    /// As [`fit`](Self::fit).
    pub fn fit_in(
        &self,
        embeddings: &Embeddings,
        neighbourhood: &Neighbourhood,
        expansion: &Expansion,
    ) -> Result<JaccardClusters, ClusteringError> {
        NeighbourGraph::check_eps(self.eps)?;
        let encoding = JaccardEncoding::in_neighbourhood(embeddings, self.k1, neighbourhood, expansion)?;
        let distances = encoding.try_within(self.eps as f32)?;
        let labels = dbscan(&NeighbourGraph::from_distances(&distances, self.eps), self.min_samples)?;
        Ok(JaccardClusters { labels, distances: distances.with_diagonal(1.0) })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use vireid_core::{Streams, Watch};

    use super::*;

    fn rows(count: usize) -> Embeddings {
        let mut stream = Streams::new(3).stream("rows", [0; 3]);
        let values = (0..count * 8).map(|_| stream.normal(0.0, 1.0) as f32).collect();
        Embeddings::new(values, count, 8).unwrap().normalized()
    }

    #[test]
    fn settings_are_refused_before_the_work() {
        let settings = JaccardDbscan { k1: 5, eps: 0.5, min_samples: 2 };
        let said = |settings: JaccardDbscan| settings.fit(&rows(9), &Expansion::None).unwrap_err().to_string();
        assert!(said(JaccardDbscan { eps: 1.0, ..settings }).starts_with("VR0201: eps"));
        assert!(said(JaccardDbscan { k1: 0, ..settings }).starts_with("VR0201: k = 0"));
        assert!(said(JaccardDbscan { min_samples: 0, ..settings }).starts_with("VR0201: min_samples"));
    }

    #[test]
    fn no_rows_one_row_and_fewer_rows_than_neighbours() {
        let settings = JaccardDbscan { k1: 30, eps: 0.6, min_samples: 1 };
        let fit = |count: usize| {
            settings.fit(&rows(1000).select(&(0..count).collect::<Vec<_>>()), &Expansion::Mean { k2: 6 })
        };
        assert_eq!(fit(0).unwrap().labels, []);
        assert_eq!(fit(1).unwrap().labels, [Some(0)]);
        assert_eq!(fit(7).unwrap().labels.len(), 7);
    }

    /// Whichever part of the work is under way, it ends there.
    #[test]
    fn a_stopped_clustering_is_an_error_and_not_fewer_neighbours() {
        let watch = Arc::new(Watch::default());
        watch.stop();
        let pool = {
            let watch = watch.clone();
            rayon::ThreadPoolBuilder::new().num_threads(2).start_handler(move |_| watch.enter()).build().unwrap()
        };
        let embeddings = rows(600);
        let settings = JaccardDbscan { k1: 5, eps: 0.5, min_samples: 2 };
        let stopped = pool.install(|| settings.fit(&embeddings, &Expansion::None)).unwrap_err();
        assert!(stopped.to_string().starts_with("VR0004"), "{stopped}");
        assert_eq!(watch.stage().unwrap().name, "neighbours");
        let encoding = JaccardEncoding::new(&embeddings, 5, &Expansion::None).unwrap();
        assert!(pool.install(|| encoding.try_within(0.5)).is_err());
        assert_eq!(watch.stage().unwrap().name, "distances");
    }
}
