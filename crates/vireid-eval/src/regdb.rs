//! The RegDB protocol: all test images of one modality query all of the other; Rank-k counts images.

use vireid_core::{Embeddings, Identity};

use crate::rank_metrics::{CmcRule, RankMetrics, rank_metrics};
use crate::{Annotations, Cosine, Distances, EvalError, Protocol, Score};

/// RegDB's protocol: both directions, all images, ten splits that are trained for one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegdbProtocol;

const DIRECTIONS: [&str; 2] = ["visible-to-thermal", "thermal-to-visible"];

impl Protocol for RegdbProtocol {
    fn name(&self) -> &'static str {
        "RegDB"
    }

    fn searches(&self) -> &[&'static str] {
        &DIRECTIONS
    }

    fn splits(&self) -> u32 {
        10
    }

    fn score_by(
        &self,
        visible: &Embeddings,
        on_visible: &Annotations,
        infrared: &Embeddings,
        on_infrared: &Annotations,
        _trials: u32,
        distances: &dyn Distances,
    ) -> Result<Vec<Score>, EvalError> {
        both_directions(DIRECTIONS, (visible, &on_visible.identities), (infrared, &on_infrared.identities), distances)
    }
}

/// Scores in which each modality queries all images of the other, from visible to infrared first.
///
/// # Errors
///
/// As [`evaluate`], and those of the distances.
pub(crate) fn both_directions(
    names: [&str; 2],
    visible: (&Embeddings, &[Identity]),
    infrared: (&Embeddings, &[Identity]),
    distances: &dyn Distances,
) -> Result<Vec<Score>, EvalError> {
    let there = evaluate_by(visible, infrared, distances)?;
    let back = evaluate_by(infrared, visible, distances)?;
    Ok(vec![Score::of(names[0], &[there]), Score::of(names[1], &[back])])
}

/// Scores distances (queries x gallery, smaller is nearer), which may come from anywhere.
///
/// ```
/// use vireid_core::Identity;
/// use vireid_eval::regdb::evaluate_distances;
///
/// let found = evaluate_distances(&[0.1, 0.2], &[Identity(7)], &[Identity(9), Identity(7)], 20)?;
/// assert_eq!((found.rank(1), found.rank(2), found.map), (0.0, 1.0, 0.5));
/// # Ok::<(), vireid_eval::EvalError>(())
/// ```
///
/// # Errors
///
/// `VR0401` and `VR0402` as [`rank_metrics`].
pub fn evaluate_distances(
    distances: &[f32],
    queries: &[Identity],
    gallery: &[Identity],
    depth: usize,
) -> Result<RankMetrics, EvalError> {
    rank_metrics(distances, queries, gallery, CmcRule::Images, depth, |_, _| false)
}

/// Scores embeddings in one direction.
///
/// # Errors
///
/// `VR0401` and `VR0402` as [`rank_metrics`].
pub fn evaluate(
    query_embeddings: &Embeddings,
    queries: &[Identity],
    gallery_embeddings: &Embeddings,
    gallery: &[Identity],
) -> Result<RankMetrics, EvalError> {
    evaluate_by((query_embeddings, queries), (gallery_embeddings, gallery), &Cosine)
}

fn evaluate_by(
    (query_embeddings, queries): (&Embeddings, &[Identity]),
    (gallery_embeddings, gallery): (&Embeddings, &[Identity]),
    distances: &dyn Distances,
) -> Result<RankMetrics, EvalError> {
    let distances = distances.between(query_embeddings, gallery_embeddings)?;
    evaluate_distances(&distances, queries, gallery, crate::sysu::DEPTH)
}
