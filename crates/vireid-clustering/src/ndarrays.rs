//! Results as arrays of `ndarray`. Embeddings and pseudo-labels turn into arrays, and are made from them, in `vireid-core`.

use ndarray::Array2;

use crate::{NeighbourRanking, SoftLabels};

/// One row of neighbours per sample, nearest first.
///
/// ```
/// use ndarray::{Array2, array};
/// use vireid_clustering::nearest_neighbours;
/// use vireid_core::Embeddings;
///
/// let line = array![[0.0f32], [1.0], [5.0]];
/// let ranking = nearest_neighbours(&Embeddings::try_from(line.view())?, 2)?;
/// assert_eq!(Array2::from(ranking), array![[0, 1], [1, 0], [2, 1]]);
/// # Ok::<(), vireid_clustering::ClusteringError>(())
/// ```
impl From<NeighbourRanking> for Array2<u32> {
    fn from(ranking: NeighbourRanking) -> Self {
        let shape = (ranking.rows(), ranking.k());
        // A ranking always has rows times k indices.
        Self::from_shape_vec(shape, ranking.into_indices()).unwrap_or_default()
    }
}

/// One row per sample, one column per class.
impl From<SoftLabels> for Array2<f32> {
    fn from(labels: SoftLabels) -> Self {
        let shape = (labels.samples(), labels.classes());
        // Soft labels are always samples times classes values.
        Self::from_shape_vec(shape, labels.into_values()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Expansion, JaccardEncoding, LabelTransfer, TransferInput, nearest_across, nearest_neighbours};
    use ndarray::{ArrayView2, array};
    use vireid_core::{Embeddings, PerModality};

    #[test]
    fn rankings_keep_their_shape() {
        let line = Embeddings::try_from(array![[0.0f32], [1.0], [5.0], [5.5]].view()).unwrap();
        let across = nearest_across(&line.select(&[3, 0]), &line, 3).unwrap();
        assert_eq!(Array2::from(across), array![[3u32, 2, 1], [0, 1, 2]]);
        let none = nearest_neighbours(&line.select(&[]), 3).unwrap();
        assert_eq!(Array2::from(none).dim(), (0, 0));
    }

    #[test]
    fn soft_labels_keep_their_shape() {
        let rows = Embeddings::try_from(array![[1.0f32, 0.0], [0.0, 1.0], [0.8, 0.6]].view()).unwrap();
        let distances = JaccardEncoding::new(&rows, 2, &Expansion::None).unwrap().within(1.0);
        let (both, centroids) = (PerModality { visible: rows.clone(), infrared: rows.clone() }, rows.select(&[0, 1]));
        let centroids = PerModality { visible: centroids.clone(), infrared: centroids };
        let distances = PerModality { visible: distances.clone(), infrared: distances };
        let input = TransferInput { embeddings: &both, centroids: &centroids, distances: &distances };
        let soft = LabelTransfer::mult().run(input).unwrap().own.visible;
        let array = Array2::from(soft.clone());
        assert_eq!(array, ArrayView2::from_shape((3, 2), soft.as_slice()).unwrap());
        assert_eq!(array.row(1).to_vec(), soft.row(1));
    }
}
