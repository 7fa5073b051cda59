//! Clustering both modalities together.

use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use vireid_clustering::{Expansion, JaccardEncoding, Neighbourhood, Origin};
use vireid_core::{Camera, Embeddings, Modality, PerModality};

use super::auto::{Chosen, CutFound, CutSettings};
use super::labelling::neighbours;
use vireid_train::MethodError;

use super::settings::NeighbourSearch;

/// What clustering the images of both modalities together found.
#[derive(Debug, Clone)]
pub struct JointClusters {
    /// The cluster of each image; `None` is noise.
    pub labels: PerModality<Vec<Option<usize>>>,
    /// The same for the images of clusters that hold both modalities, `None` for all others.
    pub shared: PerModality<Vec<Option<usize>>>,
    /// One row per cluster, of length 1: the mean over modalities of the means within each.
    pub centroids: Embeddings,
    /// How many clusters hold images of both modalities.
    pub clusters_of_both: usize,
    /// What was chosen where settings are `"auto"`, by name, for reports.
    pub chosen: Chosen,
}

impl JointClusters {
    /// Share of the clusters that hold images of both modalities, from 0 to 1; 0 without a cluster.
    pub fn association_rate(&self) -> f64 {
        self.clusters_of_both as f64 / self.centroids.rows().max(1) as f64
    }

    /// The same for a clustering that saw only the visible images at `positions`, of `count`: all others have no label.
    #[must_use]
    pub fn spread(mut self, positions: &[usize], count: usize) -> Self {
        for labels in [&mut self.labels.visible, &mut self.shared.visible] {
            let mut all = vec![None; count];
            positions.iter().zip(labels.iter()).for_each(|(&position, &label)| all[position] = label);
            *labels = all;
        }
        self
    }
}

/// Numbers of neighbours among which a `k1` that is `"auto"` is chosen: of both modalities, so larger than within one.
const K1: [usize; 6] = [8, 12, 16, 24, 36, 48];
/// What is chosen is reported under these names.
const NAMES: [&str; 3] = ["k1 joint", "eps joint", "min_samples joint"];

/// Query expansion of a joint clustering, by the name that settings give it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JointExpansion {
    /// The mean over all neighbours, whatever their modality.
    Plain,
    /// The mean of the means within each modality: the modalities count equally.
    Modality,
    /// Cameras count equally within a modality, and modalities count equally (MIE).
    ModalityCamera,
}

impl JointExpansion {
    /// The expansion over `k2` neighbours of images that come from `origins`. `cap` is how many neighbours of a camera count at
    /// most; only [`ModalityCamera`](Self::ModalityCamera) has one.
    pub fn over(self, k2: usize, cap: Option<usize>, origins: &[Origin]) -> Expansion<'_> {
        match (self, cap) {
            (Self::Plain, _) => Expansion::Mean { k2 },
            (Self::Modality, _) => Expansion::ModalityBalanced { k2, origins },
            (Self::ModalityCamera, Some(k3)) => Expansion::Capped { k2, k3, origins },
            (Self::ModalityCamera, None) => Expansion::ModalityCamera { k2, origins },
        }
    }
}

/// Settings of a joint clustering: DBSCAN over Jaccard distances of k-reciprocal neighbours.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct JointClustering<'a> {
    /// How many neighbours are ranked, and how their encoding is cut.
    pub cut: CutSettings,
    /// Where neighbours are taken from.
    pub neighbourhood: Neighbourhood<'a>,
    /// Whether the host or the training device searches for neighbours.
    pub search: NeighbourSearch,
}

/// Where every image comes from, visible ones first: the order in which joint clusterings see them.
pub fn joint_origins(cameras: &PerModality<Vec<Camera>>) -> Vec<Origin> {
    let of = |modality: Modality| cameras.get(modality).iter().map(move |&camera| Origin { modality, camera });
    of(Modality::Visible).chain(of(Modality::Infrared)).collect()
}

impl<'a> JointClustering<'a> {
    /// Clusters both modalities together, with the expansion that belongs to a `k1`. There may be no cluster: then all is noise.
    ///
    /// # Errors
    ///
    /// What clustering refuses.
    pub fn run(
        &self,
        embeddings: &PerModality<Embeddings>,
        expansion: impl Fn(usize) -> Expansion<'a>,
        device: &Device,
    ) -> Result<JointClusters, MethodError> {
        let PerModality { visible, infrared } = embeddings;
        let (count, dim) = (visible.rows(), visible.dim());
        let all = Embeddings::new([visible.as_slice(), infrared.as_slice()].concat(), count + infrared.rows(), dim)?;
        let most = self.cut.k1.candidates(&K1).into_iter().max().unwrap_or(1);
        let found = neighbours(&all, most, &self.neighbourhood, self.search, device)?;
        let CutFound { labels, chosen, .. } = self.cut.cut(&K1, NAMES, |k1| {
            let expansion = self.neighbourhood.expansion(expansion(k1));
            Ok(JaccardEncoding::from_neighbours(&all, &found.fewer(k1), &expansion)?)
        })?;
        let clusters = labels.iter().flatten().max().map_or(0, |largest| largest + 1);
        let (of_visible, of_infrared) = labels.split_at(count);
        let labels = PerModality { visible: of_visible.to_vec(), infrared: of_infrared.to_vec() };
        let means = PerModality {
            visible: label_means(visible, &labels.visible, clusters),
            infrared: label_means(infrared, &labels.infrared, clusters),
        };
        let mut rows = Vec::with_capacity(clusters * dim);
        for pair in means.visible.iter().zip(&means.infrared) {
            rows.extend(match pair {
                (Some(v), Some(i)) => v.iter().zip(i).map(|(v, i)| 0.5 * (v + i)).collect(),
                (Some(one), None) | (None, Some(one)) => one.clone(),
                (None, None) => vec![0.0; dim],
            });
        }
        let is_shared = |label: usize| means.visible[label].is_some() && means.infrared[label].is_some();
        let shared = labels
            .as_ref()
            .map(|labels| labels.iter().map(|label| label.filter(|&label| is_shared(label))).collect::<Vec<_>>());
        let clusters_of_both = (0..clusters).filter(|&label| is_shared(label)).count();
        let centroids = Embeddings::new(rows, clusters, dim)?.normalized();
        Ok(JointClusters { shared, clusters_of_both, centroids, labels, chosen })
    }
}

/// The mean embedding of each label; `None` for labels of no image.
pub(crate) fn label_means(embeddings: &Embeddings, labels: &[Option<usize>], clusters: usize) -> Vec<Option<Vec<f32>>> {
    let mut sums: Vec<Option<(Vec<f32>, usize)>> = vec![None; clusters];
    for (row, label) in labels.iter().enumerate() {
        let Some(label) = *label else { continue };
        let (sum, count) = sums[label].get_or_insert_with(|| (vec![0.0; embeddings.dim()], 0));
        sum.iter_mut().zip(embeddings.row(row)).for_each(|(sum, x)| *sum += x);
        *count += 1;
    }
    let mean = |(sum, count): (Vec<f32>, usize)| sum.into_iter().map(|x| x / count as f32).collect();
    sums.into_iter().map(|sum| sum.map(mean)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parts::auto::Auto;
    use vireid_compare::assert_near;

    /// Two people seen by both modalities, one by visible cameras only.
    #[test]
    fn centroids_balance_the_modalities() {
        let rows = |people: &[(f32, usize)]| {
            let angles = people.iter().flat_map(|&(start, n)| (0..n).map(move |i| start + 0.02 * i as f32));
            let all: Vec<f32> = angles.flat_map(|angle: f32| [angle.cos(), angle.sin()]).collect();
            Embeddings::new(all.clone(), all.len() / 2, 2).unwrap()
        };
        let embeddings =
            PerModality { visible: rows(&[(0.0, 6), (1.5, 6), (3.0, 6)]), infrared: rows(&[(0.01, 3), (1.51, 5)]) };
        let settings = JointClustering {
            cut: CutSettings { k1: Auto::Value(6), eps: Auto::Value(0.9), min_samples: Auto::Value(3) },
            neighbourhood: Neighbourhood::Plain,
            search: NeighbourSearch::Host,
        };
        let joint = settings.run(&embeddings, |_| Expansion::None, &Device::default()).unwrap();
        assert_eq!((joint.centroids.rows(), joint.clusters_of_both), (3, 2));
        assert_near(joint.association_rate(), 2.0 / 3.0, 1e-12);
        assert!(joint.shared.visible[12..].iter().all(Option::is_none));
        assert_eq!(joint.shared.visible[..12], joint.labels.visible[..12]);
        // The visible mean of the first person lies at 0.05, the infrared one at 0.03: the balance at 0.04, the mean of all
        // images at 0.0433.
        let first = joint.centroids.row(joint.labels.visible[0].unwrap());
        assert_near(first[1].atan2(first[0]), 0.04, 1e-3);
    }
}
