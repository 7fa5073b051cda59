//! The mean embeddings of clusters.

use vireid_core::{ClusterTag, Embeddings, PseudoLabels};

use crate::ClusteringError;

/// The mean embedding of each cluster, scaled to length 1; one row per cluster, in label order.
///
/// # Errors
///
/// `VR0202` when there are not as many labels as embeddings.
pub fn centroids<T: ClusterTag>(
    embeddings: &Embeddings,
    labels: &PseudoLabels<T>,
) -> Result<Embeddings, ClusteringError> {
    Ok(cluster_means(embeddings, labels)?.normalized())
}

/// The mean embedding of each cluster as it is; one row per cluster, in label order.
///
/// # Errors
///
/// `VR0202` when there are not as many labels as embeddings.
pub fn cluster_means<T: ClusterTag>(
    embeddings: &Embeddings,
    labels: &PseudoLabels<T>,
) -> Result<Embeddings, ClusteringError> {
    if embeddings.rows() != labels.len() {
        let what = "embeddings and labels";
        return Err(ClusteringError::Length { what, left: embeddings.rows(), right: labels.len() });
    }
    let dim = embeddings.dim();
    let mut sums = vec![0.0f32; labels.clusters() * dim];
    for (sums, members) in sums.chunks_exact_mut(dim).zip(labels.members()) {
        for &member in &members {
            sums.iter_mut().zip(embeddings.row(member)).for_each(|(sum, x)| *sum += x);
        }
        sums.iter_mut().for_each(|sum| *sum /= members.len() as f32);
    }
    Ok(Embeddings::new(sums, labels.clusters(), dim)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use vireid_compare::assert_close;
    use vireid_core::Visible;

    #[test]
    fn mean_then_length_one() {
        let embeddings = Embeddings::new(vec![1.0, 0.0, 0.6, 0.8, 9.0, 9.0], 3, 2).unwrap();
        let labels = PseudoLabels::<Visible>::new(&[Some(0), Some(0), None]).unwrap();
        let centroids = centroids(&embeddings, &labels).unwrap();
        assert_close(centroids.row(0), &[0.894_427_2, 0.447_213_6], 1e-6);
    }
}
