//! The SYSU-MM01 protocol (Wu et al., ICCV 2017) with the gallery draws that the unsupervised methods' code makes.
//!
//! Queries are all infrared test images. A gallery holds, single shot, one visible image of each identity and camera;
//! ten galleries are drawn with CPython's generator seeded 0 to 9. A query of camera 3 ignores gallery images of camera
//! 2, which sees the same place. Rank-k counts identities. (The data set's own `rand_perm_cam.mat` fixes other draws;
//! scores of the two are close but not equal.)

use vireid_core::{Camera, Embeddings, Identity};

use crate::rank_metrics::RankMetrics;
use crate::{Annotations, Cosine, Distances, EvalError, Protocol, Score, single_shot};

/// Depth of the CMC curve.
pub const DEPTH: usize = 20;

/// Gallery draws that are averaged.
pub const TRIALS: u32 = 10;

/// Which visible cameras the gallery is drawn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SearchMode {
    /// Cameras 1, 2, 4 and 5.
    All,
    /// Cameras 1 and 2, which are inside.
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

/// SYSU-MM01's protocol: infrared queries, visible galleries that are drawn, all-search and indoor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SysuProtocol;

impl Protocol for SysuProtocol {
    fn name(&self) -> &'static str {
        "SYSU-MM01"
    }

    fn searches(&self) -> &[&'static str] {
        &["all", "indoor"]
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
        let score = |mode: SearchMode| {
            let trials = evaluate_by((infrared, on_infrared), (visible, on_visible), mode, trials, distances)?;
            Ok(Score::of(mode.name(), &trials))
        };
        SearchMode::BOTH.into_iter().map(score).collect()
    }
}

/// Draws a single-shot gallery: positions in `pool`, one per identity and camera of the mode, by ascending identity, then
/// camera. Images of an identity and camera must stand in `pool` in file-name order.
///
/// ```
/// use vireid_core::{Camera, Identity};
/// use vireid_eval::Annotations;
/// use vireid_eval::sysu::{SearchMode, draw_gallery};
///
/// let pool = Annotations {
///     identities: [7, 7, 7, 9].map(Identity).to_vec(),
///     cameras: [1, 4, 4, 2].map(Camera).to_vec(),
/// };
/// assert_eq!(draw_gallery(&pool, SearchMode::All, 0).len(), 3);
/// assert_eq!(draw_gallery(&pool, SearchMode::Indoor, 0), [0, 3]);
/// ```
pub fn draw_gallery(pool: &Annotations, mode: SearchMode, trial: u32) -> Vec<usize> {
    single_shot::draw(pool, |camera| mode.cameras().contains(&camera.0), trial)
}

/// Scores distances (queries x gallery, smaller is nearer) of one gallery; they may come from anywhere.
///
/// ```
/// use vireid_core::{Camera, Identity};
/// use vireid_eval::Annotations;
/// use vireid_eval::sysu::evaluate_distances;
///
/// let of = |identities: &[u32], cameras: &[u16]| Annotations {
///     identities: identities.iter().copied().map(Identity).collect(),
///     cameras: cameras.iter().copied().map(Camera).collect(),
/// };
/// // Camera 2 stands where camera 3 does: what it took is not looked at.
/// let gallery = of(&[7, 9, 7], &[2, 1, 4]);
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
    single_shot::evaluate_distances(distances, queries, gallery, depth, same_place)
}

/// Camera 3 stands where camera 2 does.
fn same_place(query: (Identity, Camera), gallery: (Identity, Camera)) -> bool {
    query.1 == Camera(3) && gallery.1 == Camera(2)
}

/// Scores embeddings over all trials of one mode; one entry per trial.
///
/// Similarities with every pool image that any trial draws are computed once.
///
/// # Errors
///
/// `VR0401` and `VR0402` as [`rank_metrics`](crate::rank_metrics::rank_metrics).
pub fn evaluate(
    query_embeddings: &Embeddings,
    queries: &Annotations,
    pool_embeddings: &Embeddings,
    pool: &Annotations,
    mode: SearchMode,
    trials: u32,
) -> Result<Vec<RankMetrics>, EvalError> {
    evaluate_by((query_embeddings, queries), (pool_embeddings, pool), mode, trials, &Cosine)
}

fn evaluate_by(
    queries: (&Embeddings, &Annotations),
    pool: (&Embeddings, &Annotations),
    mode: SearchMode,
    trials: u32,
    distances: &dyn Distances,
) -> Result<Vec<RankMetrics>, EvalError> {
    let keep = |camera: Camera| mode.cameras().contains(&camera.0);
    single_shot::evaluate_by(queries, pool, keep, same_place, trials, distances)
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
        assert_close(&[m.map, m.minp], &[0.583_333_333, 0.611_111_111], 1e-8);
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
