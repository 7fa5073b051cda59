//! Rank-k, mean average precision and mean inverse negative penalty from ranked lists.

use rayon::prelude::*;
use vireid_core::{Identity, follow};

use crate::EvalError;

/// What a rank of the CMC curve counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CmcRule {
    /// Gallery images (RegDB).
    Images,
    /// Distinct gallery identities: the ranked list is reduced to the first image of each (SYSU-MM01, LLCM).
    Identities,
}

/// The figures of one evaluation, as fractions.
#[derive(Debug, Clone, PartialEq)]
pub struct RankMetrics {
    /// `cmc[k - 1]` is Rank-k; cut to the gallery's size when that is smaller than the depth asked for.
    pub cmc: Vec<f64>,
    /// Mean average precision (mAP).
    pub map: f64,
    /// Mean inverse negative penalty (Ye et al., 2021).
    pub minp: f64,
    /// Queries that had a match in the gallery; all figures are means over these.
    pub valid_queries: usize,
    /// How many queries there were, with and without a match.
    pub queries: usize,
}

impl RankMetrics {
    /// Rank-k, or the deepest rank there is.
    pub fn rank(&self, k: usize) -> f64 {
        self.cmc.get(k.saturating_sub(1)).or(self.cmc.last()).copied().unwrap_or(0.0)
    }
}

/// Ranks the gallery for every query and scores the lists.
///
/// `distances` is queries x gallery, row-major; smaller is nearer, ties go to the smaller gallery index. `ignored(q, g)`
/// removes a gallery image from the list of a query.
///
/// # Errors
///
/// `VR0402` when the matrix does not fit the lists, `VR0401` when no query has a match, `VR0004` when a
/// [`Watch`](vireid_core::Watch) stopped it.
pub fn rank_metrics(
    distances: &[f32],
    queries: &[Identity],
    gallery: &[Identity],
    rule: CmcRule,
    depth: usize,
    ignored: impl Fn(usize, usize) -> bool + Sync,
) -> Result<RankMetrics, EvalError> {
    if distances.len() != queries.len() * gallery.len() {
        let (left, right) = (distances.len(), queries.len() * gallery.len());
        return Err(EvalError::Length { what: "distances of queries x gallery", left, right });
    }
    let depth = depth.min(gallery.len());
    let steps = follow("ranking", queries.len());
    let scores: Vec<Option<QueryScore>> = queries
        .par_iter()
        .enumerate()
        .map(|(q, &identity)| {
            if !steps.step() {
                return None;
            }
            let row = &distances[q * gallery.len()..(q + 1) * gallery.len()];
            let mut order: Vec<usize> = (0..gallery.len()).filter(|&g| !ignored(q, g)).collect();
            order.sort_unstable_by(|&a, &b| row[a].total_cmp(&row[b]).then(a.cmp(&b)));
            score(&order, gallery, identity, rule)
        })
        .collect();

    steps.check()?;
    let valid: Vec<&QueryScore> = scores.iter().flatten().collect();
    if valid.is_empty() {
        return Err(EvalError::NoValidQuery { queries: queries.len(), gallery: gallery.len() });
    }
    let mean = |f: &dyn Fn(&QueryScore) -> f64| valid.iter().map(|score| f(score)).sum::<f64>() / valid.len() as f64;
    Ok(RankMetrics {
        cmc: (0..depth).map(|rank| mean(&|score| f64::from(u8::from(score.first_hit <= rank)))).collect(),
        map: mean(&|score| score.average_precision),
        minp: mean(&|score| score.inverse_negative_penalty),
        valid_queries: valid.len(),
        queries: queries.len(),
    })
}

struct QueryScore {
    first_hit: usize,
    average_precision: f64,
    inverse_negative_penalty: f64,
}

fn score(order: &[usize], gallery: &[Identity], identity: Identity, rule: CmcRule) -> Option<QueryScore> {
    let (mut hits, mut precision, mut last) = (0usize, 0.0, 0);
    for (rank, &g) in order.iter().enumerate() {
        if gallery[g] == identity {
            hits += 1;
            precision += hits as f64 / (rank + 1) as f64;
            last = rank + 1;
        }
    }
    let first = order.iter().position(|&g| gallery[g] == identity)?;
    let first_hit = match rule {
        CmcRule::Images => first,
        CmcRule::Identities => {
            let mut before: Vec<Identity> = order[..first].iter().map(|&g| gallery[g]).collect();
            before.sort_unstable();
            before.dedup();
            before.len()
        }
    };
    Some(QueryScore {
        first_hit,
        average_precision: precision / hits as f64,
        inverse_negative_penalty: hits as f64 / last as f64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use vireid_compare::assert_near;

    fn ids(ids: &[u32]) -> Vec<Identity> {
        ids.iter().copied().map(Identity).collect()
    }

    /// Worked by hand: six gallery images of three people.
    #[test]
    fn a_worked_example() {
        let similar = [
            [0.90, 0.80, 0.85, 0.10, 0.95, 0.20],
            [0.30, 0.50, 0.40, 0.45, 0.60, 0.35],
            [0.55, 0.15, 0.65, 0.25, 0.99, 0.35f32],
        ];
        let distances: Vec<f32> = similar.iter().flatten().map(|s| -s).collect();
        let (queries, gallery) = (ids(&[1, 2, 3]), ids(&[1, 1, 2, 2, 3, 3]));
        let images = rank_metrics(&distances, &queries, &gallery, CmcRule::Images, 20, |_, _| false).unwrap();
        assert_eq!(images.cmc, [1.0 / 3.0, 2.0 / 3.0, 1.0, 1.0, 1.0, 1.0]);
        assert_near(images.map, 0.555_555_556, 1e-8);
        assert_near(images.minp, 0.5, 1e-12);
    }

    #[test]
    fn no_match_is_an_error_and_one_bad_query_is_skipped() {
        let none = rank_metrics(&[0.0, 1.0], &ids(&[9]), &ids(&[1, 2]), CmcRule::Images, 20, |_, _| false);
        assert!(none.unwrap_err().to_string().starts_with("VR0401"));
        let one = rank_metrics(&[0.0, 1.0, 0.0, 1.0], &ids(&[9, 1]), &ids(&[1, 2]), CmcRule::Images, 20, |_, _| false)
            .unwrap();
        assert_eq!((one.valid_queries, one.queries, one.map), (1, 2, 1.0));
    }

    proptest! {
        #[test]
        fn figures_are_ordered(distances in proptest::collection::vec(0.0f32..1.0, 48), seed in 0u32..50) {
            let gallery: Vec<Identity> = (0..12).map(|g| Identity((g * (seed + 1)) % 4)).collect();
            let queries = ids(&[0, 1, 2, 3]);
            if let Ok(m) = rank_metrics(&distances, &queries, &gallery, CmcRule::Identities, 20, |_, _| false) {
                prop_assert!(m.cmc.windows(2).all(|w| w[0] <= w[1]));
                prop_assert!([m.minp, m.map].iter().all(|x| (0.0..=1.0).contains(x)));
                let images = rank_metrics(&distances, &queries, &gallery, CmcRule::Images, 20, |_, _| false).unwrap();
                prop_assert!(images.cmc.iter().zip(&m.cmc).all(|(i, d)| i <= d));
            }
        }
    }
}
