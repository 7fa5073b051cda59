//! The SYSU-MM01 protocol (Wu et al., ICCV 2017) with the gallery draws that the unsupervised methods' code makes.
//!
//! Queries are all infrared test images. A gallery holds, single shot, one visible image of each identity and camera;
//! ten galleries are drawn with CPython's generator seeded 0 to 9. A query of camera 3 ignores gallery images of camera
//! 2, which sees the same place. Rank-k counts identities. (The data set's own `rand_perm_cam.mat` fixes other draws;
//! scores of the two are close but not equal.)

use vireid_core::{Camera, Embeddings, Identity};

use crate::rank_metrics::{CmcRule, RankMetrics, rank_metrics};
use crate::{CPythonRandom, EvalError, similarities};

/// Depth of the CMC curve.
pub const DEPTH: usize = 20;

/// Gallery draws that are averaged.
pub const TRIALS: u32 = 10;

/// Which visible cameras the gallery is drawn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SearchMode {
    /// Cameras 1, 2, 4 and 5.
    All,
    /// Cameras 1 and 2.
    Indoor,
}

impl SearchMode {
    /// Both modes, all-search first.
    pub const BOTH: [SearchMode; 2] = [SearchMode::All, SearchMode::Indoor];

    /// The name used in tables and keys.
    pub fn name(self) -> &'static str {
        match self {
            SearchMode::All => "all",
            SearchMode::Indoor => "indoor",
        }
    }

    fn cameras(self) -> &'static [u16] {
        match self {
            SearchMode::All => &[1, 2, 4, 5],
            SearchMode::Indoor => &[1, 2],
        }
    }
}

/// Who is on each image of a list and which camera took it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Annotations {
    /// The person on each image.
    pub identities: Vec<Identity>,
    /// The camera of each image.
    pub cameras: Vec<Camera>,
}

impl Annotations {
    fn select(&self, indices: &[usize]) -> Self {
        Self {
            identities: indices.iter().map(|&i| self.identities[i]).collect(),
            cameras: indices.iter().map(|&i| self.cameras[i]).collect(),
        }
    }
}

/// Draws a single-shot gallery: positions in `pool`, one per identity and camera of the mode, by ascending identity, then
/// camera. Images of an identity and camera must stand in `pool` in file-name order.
pub fn draw_gallery(pool: &Annotations, mode: SearchMode, trial: u32) -> Vec<usize> {
    let mut groups: std::collections::BTreeMap<(Identity, Camera), Vec<usize>> = Default::default();
    for (position, (&identity, &camera)) in pool.identities.iter().zip(&pool.cameras).enumerate() {
        if mode.cameras().contains(&camera.0) {
            groups.entry((identity, camera)).or_default().push(position);
        }
    }
    let mut random = CPythonRandom::new(trial);
    groups.values().filter_map(|images| random.index(images.len()).map(|pick| images[pick])).collect()
}

/// Scores distances (queries x gallery, smaller is nearer) of one gallery.
///
/// # Errors
///
/// `VR0401` and `VR0402` as [`rank_metrics`].
pub fn evaluate_distances(
    distances: &[f32],
    queries: &Annotations,
    gallery: &Annotations,
    depth: usize,
) -> Result<RankMetrics, EvalError> {
    let same_place = |q: usize, g: usize| queries.cameras[q] == Camera(3) && gallery.cameras[g] == Camera(2);
    rank_metrics(distances, &queries.identities, &gallery.identities, CmcRule::Identities, depth, same_place)
}

/// Scores embeddings over all trials of one mode; one entry per trial.
///
/// Similarities with every pool image that any trial draws are computed once.
///
/// # Errors
///
/// `VR0401` and `VR0402` as [`rank_metrics`].
pub fn evaluate(
    query_embeddings: &Embeddings,
    queries: &Annotations,
    pool_embeddings: &Embeddings,
    pool: &Annotations,
    mode: SearchMode,
    trials: u32,
) -> Result<Vec<RankMetrics>, EvalError> {
    for (what, embeddings, annotations) in [
        ("query embeddings and annotations", query_embeddings, queries),
        ("gallery embeddings and annotations", pool_embeddings, pool),
    ] {
        if embeddings.rows() != annotations.identities.len() {
            let (left, right) = (embeddings.rows(), annotations.identities.len());
            return Err(EvalError::Length { what, left, right });
        }
    }
    let galleries: Vec<Vec<usize>> = (0..trials).map(|trial| draw_gallery(pool, mode, trial)).collect();
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
            evaluate_distances(&distances, queries, &pool.select(gallery), DEPTH)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn annotations(identities: &[u32], cameras: &[u16]) -> Annotations {
        Annotations {
            identities: identities.iter().copied().map(Identity).collect(),
            cameras: cameras.iter().copied().map(Camera).collect(),
        }
    }

    /// The same six images as in the RegDB example, under this protocol's rules.
    #[test]
    fn a_worked_example() {
        let similar = [
            0.90, 0.80, 0.85, 0.10, 0.95, 0.20, 0.30, 0.50, 0.40, 0.45, 0.60, 0.35, 0.55, 0.15, 0.65, 0.25, 0.99,
            0.35f32,
        ];
        let distances: Vec<f32> = similar.iter().map(|s| -s).collect();
        let gallery = annotations(&[1, 1, 2, 2, 3, 3], &[1, 2, 1, 4, 2, 5]);
        let m = evaluate_distances(&distances, &annotations(&[1, 2, 3], &[3, 6, 3]), &gallery, 20).unwrap();
        assert_eq!(&m.cmc[..3], [1.0 / 3.0, 1.0 / 3.0, 1.0]);
        assert!((m.map - 0.583_333_333).abs() < 1e-8 && (m.minp - 0.611_111_111).abs() < 1e-8);
        let m = evaluate_distances(&distances, &annotations(&[1, 2, 9], &[6, 6, 6]), &gallery, 20).unwrap();
        assert_eq!((&m.cmc[..3], m.valid_queries), (&[0.0, 0.5, 1.0][..], 2));
    }

    #[test]
    fn a_gallery_has_one_image_per_identity_and_camera() {
        let pool = annotations(&[1, 1, 1, 2, 2, 2, 2], &[1, 1, 4, 2, 2, 5, 3]);
        let all = draw_gallery(&pool, SearchMode::All, 0);
        assert_eq!(all.len(), 4);
        assert!(all[0] < 2 && all[1] == 2 && (3..5).contains(&all[2]) && all[3] == 5);
        assert_eq!(draw_gallery(&pool, SearchMode::Indoor, 0).len(), 2);
    }
}
