//! Protocols with single-shot galleries: one image of each identity and camera, drawn with CPython's generator seeded by
//! the trial; Rank-k counts identities. SYSU-MM01's and LLCM's.

use vireid_core::{Camera, Embeddings, Identity};

use crate::rank_metrics::{CmcRule, RankMetrics, rank_metrics};
use crate::sysu::DEPTH;
use crate::{CPythonRandom, EvalError, similarities};

/// Who is on each image of a list and which camera took it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Annotations {
    /// The person on each image.
    pub identities: Vec<Identity>,
    /// The camera of each image.
    pub cameras: Vec<Camera>,
}

impl Annotations {
    pub(crate) fn select(&self, indices: &[usize]) -> Self {
        Self {
            identities: indices.iter().map(|&i| self.identities[i]).collect(),
            cameras: indices.iter().map(|&i| self.cameras[i]).collect(),
        }
    }

    fn of(&self, position: usize) -> (Identity, Camera) {
        (self.identities[position], self.cameras[position])
    }
}

/// Draws a gallery: positions in `pool`, one per identity and camera that is kept, by ascending identity, then camera.
/// Images of an identity and camera must stand in `pool` in file-name order.
pub fn draw(pool: &Annotations, keep: impl Fn(Camera) -> bool, trial: u32) -> Vec<usize> {
    let mut groups: std::collections::BTreeMap<(Identity, Camera), Vec<usize>> = Default::default();
    for (position, (&identity, &camera)) in pool.identities.iter().zip(&pool.cameras).enumerate() {
        if keep(camera) {
            groups.entry((identity, camera)).or_default().push(position);
        }
    }
    let mut random = CPythonRandom::new(trial);
    groups.values().filter_map(|images| random.index(images.len()).map(|pick| images[pick])).collect()
}

/// Scores distances (queries x gallery, smaller is nearer) of one gallery. `ignored(query, gallery)` says which gallery
/// images a query does not see.
///
/// # Errors
///
/// `VR0401` and `VR0402` as [`rank_metrics`].
pub fn evaluate_distances(
    distances: &[f32],
    queries: &Annotations,
    gallery: &Annotations,
    depth: usize,
    ignored: impl Fn((Identity, Camera), (Identity, Camera)) -> bool + Sync,
) -> Result<RankMetrics, EvalError> {
    let ignored = |q: usize, g: usize| ignored(queries.of(q), gallery.of(g));
    rank_metrics(distances, &queries.identities, &gallery.identities, CmcRule::Identities, depth, ignored)
}

/// Scores embeddings over trials; one entry per trial. Similarities with every pool image that any trial draws are computed
/// once.
///
/// # Errors
///
/// `VR0401` and `VR0402` as [`rank_metrics`].
pub fn evaluate(
    queries: (&Embeddings, &Annotations),
    pool: (&Embeddings, &Annotations),
    keep: impl Fn(Camera) -> bool,
    ignored: impl Fn((Identity, Camera), (Identity, Camera)) -> bool + Sync,
    trials: u32,
) -> Result<Vec<RankMetrics>, EvalError> {
    let ((query_embeddings, queries), (pool_embeddings, pool)) = (queries, pool);
    for (what, embeddings, annotations) in [
        ("query embeddings and annotations", query_embeddings, queries),
        ("gallery embeddings and annotations", pool_embeddings, pool),
    ] {
        if embeddings.rows() != annotations.identities.len() {
            let (left, right) = (embeddings.rows(), annotations.identities.len());
            return Err(EvalError::Length { what, left, right });
        }
    }
    let galleries: Vec<Vec<usize>> = (0..trials).map(|trial| draw(pool, &keep, trial)).collect();
    let mut drawn: Vec<usize> = galleries.iter().flatten().copied().collect();
    drawn.sort_unstable();
    drawn.dedup();
    let similar = similarities(query_embeddings, &pool_embeddings.select(&drawn))?;
    galleries
        .iter()
        .map(|gallery| {
            let columns: Vec<usize> = gallery.iter().map(|g| drawn.partition_point(|d| d < g)).collect();
            let distances: Vec<f32> = (0..query_embeddings.rows())
                .flat_map(|q| {
                    let row = &similar[q * drawn.len()..(q + 1) * drawn.len()];
                    columns.iter().map(move |&column| -row[column])
                })
                .collect();
            evaluate_distances(&distances, queries, &pool.select(gallery), DEPTH, &ignored)
        })
        .collect()
}
