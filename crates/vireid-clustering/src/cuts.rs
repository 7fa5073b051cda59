//! Clustering parameters chosen without labels: of many cuts through the same distances, the one that fits them best.

use rayon::prelude::*;

use crate::{ClusteringError, CutQuality, JaccardEncoding, NeighbourGraph, dbscan};

/// Parameters of k-reciprocal encoding and DBSCAN to choose among: every combination is a cut.
///
/// Which radius is right depends on how alike images of a person are to this network at this time, and which number of neighbours
/// on how many images a person has. Neither is known of data without labels, and both change while a network learns. Cuts are
/// compared by [`CutQuality::score`], which needs distances alone.
///
/// ```
/// use vireid_clustering::{ClusteringError, Cuts, Expansion, JaccardEncoding};
/// use vireid_core::Embeddings;
///
/// // Six people at angles of their own, with three images each.
/// let angles = (0..18).map(|image| (image / 3) as f32 + 0.05 * (image % 3) as f32);
/// let embeddings = Embeddings::new(angles.flat_map(|angle| [angle.cos(), angle.sin()]).collect(), 18, 2)?;
/// let encode = |k1| JaccardEncoding::new(&embeddings, k1, &Expansion::None);
/// let cut = Cuts { k1: vec![3, 6, 12], eps: vec![0.3, 0.6, 0.9], min_samples: vec![2, 4] }.best(encode)?;
/// assert_eq!(cut.map(|cut| (cut.k1, cut.min_samples, cut.labels.iter().flatten().max().copied())), Some((3, 2, Some(5))));
/// # Ok::<(), ClusteringError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Cuts {
    /// Numbers of neighbours that are ranked.
    pub k1: Vec<usize>,
    /// Largest Jaccard distances of neighbours, above 0 and below 1.
    pub eps: Vec<f64>,
    /// Numbers of neighbours that make a core sample, itself included.
    pub min_samples: Vec<usize>,
}

/// One cut through the distances of some samples.
#[derive(Debug, Clone, PartialEq)]
pub struct Cut {
    /// Neighbours that were ranked.
    pub k1: usize,
    /// The largest Jaccard distance of neighbours.
    pub eps: f64,
    /// Neighbours that make a core sample, itself included.
    pub min_samples: usize,
    /// The cluster of each sample; `None` is noise.
    pub labels: Vec<Option<usize>>,
    /// How well the clusters fit the distances.
    pub quality: CutQuality,
    /// The encoding that was cut.
    pub encoding: JaccardEncoding,
}

impl Cuts {
    /// The cut with the best score, of equal ones the first; `None` where no cut has two clusters that fit at all. `encode` makes
    /// the encoding for a number of neighbours, and is asked once for each. The same embeddings always give the same cut.
    ///
    /// Beside the encoding it keeps the distances of all pairs that share anything, for one `k1` at a time.
    ///
    /// # Errors
    ///
    /// What `encode` gives; `VR0201` for an unusable `eps` or `min_samples`; `VR0004` when a [`Watch`](vireid_core::Watch) stopped
    /// it.
    pub fn best<E: From<ClusteringError> + Send>(
        &self,
        mut encode: impl FnMut(usize) -> Result<JaccardEncoding, E>,
    ) -> Result<Option<Cut>, E> {
        let radii_and_counts: Vec<(f64, usize)> =
            self.eps.iter().flat_map(|&eps| self.min_samples.iter().map(move |&count| (eps, count))).collect();
        self.eps.iter().try_for_each(|&eps| NeighbourGraph::check_eps(eps))?;
        let mut best: Option<Cut> = None;
        for &k1 in &self.k1 {
            let encoding = encode(k1)?;
            let distances = encoding.try_within(1.0)?;
            let cuts = radii_and_counts.par_iter().map(|&(eps, min_samples)| {
                let labels = dbscan(&NeighbourGraph::from_distances(&distances, eps), min_samples)?;
                Ok((CutQuality::of(&distances, &labels)?, eps, min_samples, labels))
            });
            let cuts = cuts.collect::<Result<Vec<_>, ClusteringError>>()?;
            let mut found = None;
            for (quality, eps, min_samples, labels) in cuts {
                let least = found.as_ref().or(best.as_ref()).map_or(0.0, |cut: &Cut| cut.quality.score());
                if quality.score() > least {
                    // The encoding is put in when it is known which cut through it is the best.
                    let encoding = JaccardEncoding::default();
                    found = Some(Cut { k1, eps, min_samples, labels, quality, encoding });
                }
            }
            if let Some(cut) = found {
                best = Some(Cut { encoding, ..cut });
            }
        }
        Ok(best)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Expansion;
    use proptest::prelude::*;
    use vireid_core::{Embeddings, Streams};

    /// So many people with so many images each, around directions of their own.
    fn people(people: usize, images: usize, spread: f64, seed: u64) -> Embeddings {
        let mut stream = Streams::new(seed).stream("people", [0; 3]);
        let mut values = Vec::new();
        for _ in 0..people {
            let centre: Vec<f64> = (0..32).map(|_| stream.normal(0.0, 1.0)).collect();
            for _ in 0..images {
                values.extend(centre.iter().map(|x| (x + stream.normal(0.0, spread)) as f32));
            }
        }
        Embeddings::new(values, people * images, 32).unwrap().normalized()
    }

    fn grid() -> Cuts {
        let eps = (0..10).map(|step| 0.31 + 0.05 * f64::from(step)).collect();
        Cuts { k1: vec![4, 8, 16, 32], eps, min_samples: vec![2, 4] }
    }

    fn best(cuts: &Cuts, embeddings: &Embeddings) -> Cut {
        cuts.best(|k1| JaccardEncoding::new(embeddings, k1, &Expansion::Mean { k2: 2 })).unwrap().unwrap()
    }

    /// Of sizes that no single `k1` serves.
    #[test]
    fn people_are_found_whatever_their_number_of_images() {
        for images in [3, 8, 25] {
            let cut = best(&grid(), &people(24, images, 0.3, 7));
            let truth: Vec<Option<usize>> = (0..24 * images).map(|image| Some(image / images)).collect();
            assert_eq!(cut.labels, truth, "{images} images: k1 {}, eps {}", cut.k1, cut.eps);
        }
    }

    #[test]
    fn nothing_to_choose_from() {
        let embeddings = people(3, 4, 0.1, 0);
        let none = Cuts { k1: Vec::new(), ..grid() };
        let encode = |k1| JaccardEncoding::new(&embeddings, k1, &Expansion::None);
        assert_eq!(none.best(encode).unwrap(), None);
        assert_eq!(Cuts { min_samples: vec![100], ..grid() }.best(encode).unwrap(), None, "all is noise");
        let wrong = Cuts { eps: vec![1.5], ..grid() };
        assert!(wrong.best(encode).unwrap_err().to_string().starts_with("VR0201"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        /// The best is what each of its neighbours in the grid, tried alone, is not better than.
        #[test]
        fn no_single_cut_is_better(seed: u64, images in 2usize..12, spread in 0.2f64..1.5) {
            let embeddings = people(9, images, spread, seed);
            let encode = |k1| JaccardEncoding::new(&embeddings, k1, &Expansion::Mean { k2: 2 });
            let cuts = grid();
            let chosen = cuts.best(encode).unwrap();
            let score = chosen.as_ref().map_or(0.0, |cut| cut.quality.score());
            for &k1 in &cuts.k1 {
                let encoding = encode(k1).unwrap();
                let distances = encoding.within(1.0);
                for &eps in &cuts.eps {
                    let graph = NeighbourGraph::from_jaccard(&encoding, eps).unwrap();
                    for &min_samples in &cuts.min_samples {
                        let labels = dbscan(&graph, min_samples).unwrap();
                        let alone = CutQuality::of(&distances, &labels).unwrap().score();
                        prop_assert!(alone <= score, "{k1} {eps} {min_samples}: {alone} above {score}");
                        if let Some(cut) = chosen.as_ref().filter(|cut| (cut.k1, cut.eps, cut.min_samples) == (k1, eps, min_samples)) {
                            prop_assert_eq!(&cut.labels, &labels);
                            prop_assert_eq!(&cut.encoding, &encoding);
                        }
                    }
                }
            }
        }
    }
}
