//! The LLCM protocol (Zhang and Wang, CVPR 2023): all test images of one modality query a single-shot gallery of the other,
//! one image per identity and camera, ten draws. A gallery image of the query's identity and camera number is ignored.

use vireid_core::{Camera, Embeddings, Identity};

use crate::protocol::BOTH_WAYS;
use crate::rank_metrics::RankMetrics;
use crate::{Annotations, Cosine, Distances, EvalError, Protocol, Score, single_shot};

/// LLCM's protocol: both directions, galleries that are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LlcmProtocol;

impl Protocol for LlcmProtocol {
    fn name(&self) -> &'static str {
        "LLCM"
    }

    fn searches(&self) -> &[&'static str] {
        &BOTH_WAYS
    }

    fn score_by(
        &self,
        visible: &Embeddings,
        on_visible: &Annotations,
        infrared: &Embeddings,
        on_infrared: &Annotations,
        trials: u32,
        distances: &dyn Distances,
    ) -> Result<Vec<Score>, EvalError> {
        let (visible, infrared) = ((visible, on_visible), (infrared, on_infrared));
        let there = evaluate_by(visible, infrared, trials, distances)?;
        let back = evaluate_by(infrared, visible, trials, distances)?;
        Ok(vec![Score::of(BOTH_WAYS[0], &there), Score::of(BOTH_WAYS[1], &back)])
    }
}

/// Scores distances (queries x gallery, smaller is nearer) of one gallery; they may come from anywhere.
///
/// ```
/// use vireid_core::{Camera, Identity};
/// use vireid_eval::Annotations;
/// use vireid_eval::llcm::evaluate_distances;
///
/// let of = |identities: &[u32], cameras: &[u16]| Annotations {
///     identities: identities.iter().copied().map(Identity).collect(),
///     cameras: cameras.iter().copied().map(Camera).collect(),
/// };
/// // An image of the query's person and camera is not looked at.
/// let gallery = of(&[7, 9, 7], &[3, 1, 4]);
/// let found = evaluate_distances(&[0.1, 0.2, 0.3], &of(&[7], &[3]), &gallery, 20)?;
/// assert_eq!((found.rank(1), found.rank(2), found.map), (0.0, 1.0, 0.5));
/// # Ok::<(), vireid_eval::EvalError>(())
/// ```
///
/// # Errors
///
/// `VR0401` and `VR0402` as [`rank_metrics`](crate::rank_metrics::rank_metrics).
pub fn evaluate_distances(
    distances: &[f32],
    queries: &Annotations,
    gallery: &Annotations,
    depth: usize,
) -> Result<RankMetrics, EvalError> {
    single_shot::evaluate_distances(distances, queries, gallery, depth, same_identity_and_camera)
}

/// Scores embeddings in one direction over all trials; one entry per trial.
///
/// # Errors
///
/// `VR0401` and `VR0402` as [`rank_metrics`](crate::rank_metrics::rank_metrics).
pub fn evaluate(
    query_embeddings: &Embeddings,
    queries: &Annotations,
    pool_embeddings: &Embeddings,
    pool: &Annotations,
    trials: u32,
) -> Result<Vec<RankMetrics>, EvalError> {
    evaluate_by((query_embeddings, queries), (pool_embeddings, pool), trials, &Cosine)
}

fn evaluate_by(
    queries: (&Embeddings, &Annotations),
    pool: (&Embeddings, &Annotations),
    trials: u32,
    distances: &dyn Distances,
) -> Result<Vec<RankMetrics>, EvalError> {
    single_shot::evaluate_by(queries, pool, |_| true, same_identity_and_camera, trials, distances)
}

fn same_identity_and_camera(query: (Identity, Camera), gallery: (Identity, Camera)) -> bool {
    query == gallery
}

#[cfg(test)]
mod tests {
    use super::*;
    use vireid_compare::assert_close;

    fn annotations(identities: &[u32], cameras: &[u16]) -> Annotations {
        Annotations {
            identities: identities.iter().copied().map(Identity).collect(),
            cameras: cameras.iter().copied().map(Camera).collect(),
        }
    }

    /// Against an independent implementation.
    #[test]
    fn the_same_identity_and_camera_is_ignored() {
        let similar = [
            [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2f32],
            [0.2, 0.9, 0.3, 0.8, 0.1, 0.7, 0.6, 0.5],
            [0.5, 0.4, 0.3, 0.9, 0.8, 0.7, 0.2, 0.1],
        ];
        let distances: Vec<f32> = similar.concat().into_iter().map(|s| -s).collect();
        let gallery = annotations(&[1, 2, 1, 3, 2, 3, 1, 4], &[1, 2, 2, 1, 4, 5, 5, 1]);
        let m = evaluate_distances(&distances, &annotations(&[2, 3, 1], &[2, 5, 1]), &gallery, 20).unwrap();
        assert_eq!(&m.cmc[..3], [0.0, 1.0 / 3.0, 1.0]);
        assert_close(&[m.map, m.minp], &[0.338_888_889, 0.361_111_111], 1e-8);
    }

    #[test]
    fn a_gallery_is_drawn_for_every_trial() {
        let rows = Embeddings::new(vec![1.0, 0.0, 0.0, 1.0, 0.9, 0.1], 3, 2).unwrap();
        let (pool, queries) = (annotations(&[1, 2, 1], &[1, 1, 2]), annotations(&[1, 2, 1], &[3, 3, 3]));
        assert_eq!(evaluate(&rows, &queries, &rows, &pool, 10).unwrap().len(), 10);
    }
}
