//! The RegDB protocol: all test images of one modality query all of the other; Rank-k counts images.

use vireid_core::{Embeddings, Identity};

use crate::rank_metrics::{CmcRule, RankMetrics, rank_metrics};
use crate::{EvalError, similarities};

/// Scores distances (queries x gallery, smaller is nearer).
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
    let distances: Vec<f32> = similarities(query_embeddings, gallery_embeddings)?.into_iter().map(|s| -s).collect();
    evaluate_distances(&distances, queries, gallery, crate::sysu::DEPTH)
}
