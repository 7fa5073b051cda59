//! Protocols with single-shot galleries: one image of each identity and camera, drawn with CPython's generator seeded by
//! the trial; Rank-k counts identities. SYSU-MM01's and LLCM's.

use vireid_core::{Camera, Embeddings, Identity};

use crate::rank_metrics::{CmcRule, RankMetrics, rank_metrics};
use crate::sysu::DEPTH;
use crate::{CPythonRandom, Cosine, Distances, EvalError};

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

/// Scores embeddings over trials, ranked by the cosine: see [`evaluate_by`].
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
    evaluate_by(queries, pool, keep, ignored, trials, &Cosine)
}

/// Scores embeddings over trials, ranked by some distances; one entry per trial. Distances that are of pairs are computed once
/// with every pool image that any trial draws, others for each gallery.
///
/// # Errors
///
/// `VR0401` and `VR0402` as [`rank_metrics`], and those of the distances.
pub fn evaluate_by(
    queries: (&Embeddings, &Annotations),
    pool: (&Embeddings, &Annotations),
    keep: impl Fn(Camera) -> bool,
    ignored: impl Fn((Identity, Camera), (Identity, Camera)) -> bool + Sync,
    trials: u32,
    distances: &dyn Distances,
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
    let scored = |of_gallery: &[f32], gallery: &[usize]| {
        evaluate_distances(of_gallery, queries, &pool.select(gallery), DEPTH, &ignored)
    };
    if !distances.are_of_pairs() {
        let of = |gallery: &Vec<usize>| distances.between(query_embeddings, &pool_embeddings.select(gallery));
        return galleries.iter().map(|gallery| scored(&of(gallery)?, gallery)).collect();
    }
    let mut drawn: Vec<usize> = galleries.iter().flatten().copied().collect();
    drawn.sort_unstable();
    drawn.dedup();
    let of_drawn = distances.between(query_embeddings, &pool_embeddings.select(&drawn))?;
    galleries
        .iter()
        .map(|gallery| {
            let columns: Vec<usize> = gallery.iter().map(|g| drawn.partition_point(|d| d < g)).collect();
            let of_gallery: Vec<f32> = (0..query_embeddings.rows())
                .flat_map(|q| {
                    let row = &of_drawn[q * drawn.len()..(q + 1) * drawn.len()];
                    columns.iter().map(move |&column| row[column])
                })
                .collect();
            scored(&of_gallery, gallery)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The cosine, as if it depended on the gallery.
    struct Apart;

    impl Distances for Apart {
        fn between(&self, queries: &Embeddings, gallery: &Embeddings) -> Result<Vec<f32>, EvalError> {
            Cosine.between(queries, gallery)
        }

        fn are_of_pairs(&self) -> bool {
            false
        }
    }

    /// Computed once for all galleries or for each, distances score the same.
    #[test]
    fn galleries_are_scored_alike_one_by_one() {
        let mut stream = vireid_core::Streams::new(4).stream("rows", [0; 3]);
        let mut of = |count: usize, cameras: u16| {
            let values = (0..count * 4).map(|_| stream.normal(0.0, 1.0) as f32).collect();
            let identities = (0..count).map(|row| Identity(row as u32 % 7)).collect();
            let cameras = (0..count).map(|row| Camera(row as u16 % cameras)).collect();
            (Embeddings::new(values, count, 4).unwrap().normalized(), Annotations { identities, cameras })
        };
        let ((rows, queries), (pool_rows, pool)) = (of(30, 2), of(90, 3));
        let by = |distances: &dyn Distances| {
            let ignored = |query: (Identity, Camera), gallery: (Identity, Camera)| query == gallery;
            evaluate_by((&rows, &queries), (&pool_rows, &pool), |_| true, ignored, 5, distances).unwrap()
        };
        let (once, apart) = (by(&Cosine), by(&Apart));
        assert_eq!(once.len(), 5);
        assert_eq!(once, apart);
    }
}
