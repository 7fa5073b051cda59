//! The prototypes of joint clusters: which rows of the memory belong to which cluster.

use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};
use vireid_core::{Embeddings, PerModality};
use vireid_losses::label_tensor;
use vireid_train::MethodError;

use crate::parts::joint::{JointClusters, label_means};

/// How many prototypes a joint cluster has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrototypeKind {
    /// One for each modality that it holds images of: two for a mixed cluster.
    PerModality,
    /// One, the mean of its modalities' means: the ablation.
    Joint,
}

/// Which rows of the memory are the prototypes of each joint cluster. Clusters are counted from 0, as their labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prototypes {
    /// The row that the cluster's images of a modality move; `None` where it holds none.
    rows: PerModality<Vec<Option<usize>>>,
    /// The cluster of each row of the memory.
    clusters: Vec<usize>,
}

impl Prototypes {
    /// The rows for the joint clusters of some labels: in order of clusters, a cluster's visible prototype first.
    pub fn new(labels: &PerModality<Vec<Option<usize>>>, kind: PrototypeKind) -> Self {
        let largest = labels.visible.iter().chain(&labels.infrared).flatten().max();
        let count = largest.map_or(0, |largest| largest + 1);
        let holds = labels.as_ref().map(|labels| {
            let mut holds = vec![false; count];
            labels.iter().flatten().for_each(|&label| holds[label] = true);
            holds
        });
        let mut rows = PerModality { visible: vec![None; count], infrared: vec![None; count] };
        let mut clusters = Vec::new();
        for cluster in 0..count {
            let (visible, infrared) = (holds.visible[cluster], holds.infrared[cluster]);
            rows.visible[cluster] = visible.then_some(clusters.len());
            let is_apart = visible && kind == PrototypeKind::PerModality;
            rows.infrared[cluster] = infrared.then_some(clusters.len() + usize::from(is_apart));
            clusters.extend(std::iter::repeat_n(cluster, 1 + usize::from(is_apart && infrared)));
        }
        Self { rows, clusters }
    }

    /// The prototypes themselves, of length 1: means of a cluster's images of a modality, or the clusters' centroids where each
    /// has one.
    ///
    /// # Errors
    ///
    /// `VR0003` for embeddings of different lengths.
    pub fn of(
        &self,
        joint: &JointClusters,
        embeddings: &PerModality<Embeddings>,
        kind: PrototypeKind,
    ) -> Result<Embeddings, MethodError> {
        if kind == PrototypeKind::Joint {
            return Ok(joint.centroids.clone());
        }
        let dim = embeddings.visible.dim();
        let clusters = self.rows.visible.len();
        let mut values = vec![0.0; self.clusters.len() * dim];
        for (rows, (of, labels)) in [
            (&self.rows.visible, (&embeddings.visible, &joint.labels.visible)),
            (&self.rows.infrared, (&embeddings.infrared, &joint.labels.infrared)),
        ] {
            for (row, mean) in rows.iter().zip(label_means(of, labels, clusters)) {
                if let (Some(row), Some(mean)) = (row, mean) {
                    values[row * dim..(row + 1) * dim].copy_from_slice(&mean);
                }
            }
        }
        Ok(Embeddings::new(values, self.clusters.len(), dim)?.normalized())
    }

    /// The rows that images with these labels move. Labels are of clusters that hold the modality.
    pub fn own(&self, labels: &PerModality<Vec<usize>>) -> PerModality<Vec<usize>> {
        let of = |rows: &[Option<usize>], labels: &[usize]| {
            labels.iter().map(|&label| rows[label].unwrap_or_default()).collect::<Vec<_>>()
        };
        PerModality {
            visible: of(&self.rows.visible, &labels.visible),
            infrared: of(&self.rows.infrared, &labels.infrared),
        }
    }

    /// 1 where a prototype is of an image's cluster, of whichever modality, and 0 elsewhere.
    ///
    /// # Shapes
    ///
    /// - output: `[labels, prototypes]`
    pub fn positives(&self, labels: &[usize], device: &Device) -> Tensor<2> {
        let shape = [labels.len(), self.clusters.len()];
        let of_rows = label_tensor(&self.clusters, device).reshape([1, shape[1]]).expand(shape);
        of_rows.equal(label_tensor(labels, device).reshape([shape[0], 1]).expand(shape)).float()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vireid_compare::assert_close;

    /// Clusters 0 and 2 hold both modalities, 1 visible images alone, 3 infrared ones alone.
    fn labels() -> PerModality<Vec<Option<usize>>> {
        PerModality {
            visible: vec![Some(0), None, Some(2), Some(1), Some(0)],
            infrared: vec![Some(2), Some(3), Some(0), None],
        }
    }

    fn marks(prototypes: &Prototypes, label: usize) -> Vec<f32> {
        prototypes.positives(&[label], &Device::default()).into_data().try_to_vec().unwrap()
    }

    #[test]
    fn a_mixed_cluster_has_two() {
        let prototypes = Prototypes::new(&labels(), PrototypeKind::PerModality);
        assert_eq!(prototypes.clusters.len(), 6);
        let own = prototypes.own(&PerModality { visible: vec![0, 1, 2], infrared: vec![0, 2, 3] });
        assert_eq!((own.visible, own.infrared), (vec![0, 2, 3], vec![1, 4, 5]));
        assert_eq!(marks(&prototypes, 0), [1.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(marks(&prototypes, 1), [0.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
        assert_eq!(marks(&prototypes, 3), [0.0, 0.0, 0.0, 0.0, 0.0, 1.0]);
    }

    #[test]
    fn one_prototype_is_everybodys() {
        let prototypes = Prototypes::new(&labels(), PrototypeKind::Joint);
        assert_eq!(prototypes.clusters.len(), 4);
        let own = prototypes.own(&PerModality { visible: vec![0, 1, 2], infrared: vec![0, 2, 3] });
        assert_eq!((own.visible, own.infrared), (vec![0, 1, 2], vec![0, 2, 3]));
        assert_eq!(marks(&prototypes, 2), [0.0, 0.0, 1.0, 0.0]);
    }

    #[test]
    fn prototypes_are_means_within_a_modality() {
        let rows = |values: &[[f32; 2]]| Embeddings::new(values.concat(), values.len(), 2).unwrap();
        let embeddings = PerModality {
            visible: rows(&[[1.0, 0.0], [9.0, 9.0], [0.0, 2.0], [3.0, 4.0], [0.0, 1.0]]),
            infrared: rows(&[[0.0, -1.0], [-5.0, 0.0], [0.6, 0.8], [9.0, 9.0]]),
        };
        let (labels, centroids) = (labels(), rows(&[[1.0, 0.0]; 4]));
        let joint =
            JointClusters { shared: labels.clone(), labels, centroids, clusters_of_both: 2, chosen: Vec::new() };
        let half = 0.5f32.sqrt();
        let kind = PrototypeKind::PerModality;
        let found = Prototypes::new(&joint.labels, kind).of(&joint, &embeddings, kind).unwrap();
        let expected = [half, half, 0.6, 0.8, 0.6, 0.8, 0.0, 1.0, 0.0, -1.0, -1.0, 0.0];
        assert_close(found.as_slice(), &expected, 1e-6);
    }
}
