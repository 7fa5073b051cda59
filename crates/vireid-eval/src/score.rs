//! The scores of one search, and their spread over trials.

use serde::{Deserialize, Serialize};

use crate::RankMetrics;

/// Mean and sample standard deviation over trials, in percent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Mean.
    pub mean: f64,
    /// Sample standard deviation; 0 for one trial.
    pub std: f64,
}

impl Spread {
    /// Of some values.
    pub fn of(values: &[f64]) -> Self {
        let n = values.len().max(1) as f64;
        let mean = values.iter().sum::<f64>() / n;
        let square = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>();
        let std = if values.len() > 1 { (square / (n - 1.0)).sqrt() } else { 0.0 };
        Self { mean, std }
    }
}

/// How many queries a score rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryCount {
    /// Queries with a match in the gallery, in the draw with the fewest: all figures are means over these.
    pub counted: usize,
    /// All queries.
    pub of: usize,
}

impl std::fmt::Display for QueryCount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {}", self.counted, self.of)
    }
}

/// The scores of one search mode or direction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// `all`, `indoor`, or a direction such as `visible-to-thermal`.
    pub search: String,
    /// Trials averaged.
    pub trials: usize,
    /// Queries that count; `None` in files of versions that did not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queries: Option<QueryCount>,
    /// Rank-1 in percent.
    pub rank1: Spread,
    /// Rank-5 in percent.
    pub rank5: Spread,
    /// Rank-10 in percent.
    pub rank10: Spread,
    /// Rank-20 in percent.
    pub rank20: Spread,
    /// Mean average precision in percent.
    pub map: Spread,
    /// Mean inverse negative penalty in percent.
    pub minp: Spread,
}

impl Score {
    /// The score of a search from the figures of its trials.
    pub fn of(search: &str, trials: &[RankMetrics]) -> Self {
        let spread = |figure: &dyn Fn(&RankMetrics) -> f64| {
            Spread::of(&trials.iter().map(|trial| 100.0 * figure(trial)).collect::<Vec<_>>())
        };
        Self {
            search: search.into(),
            trials: trials.len(),
            queries: trials
                .iter()
                .map(|m| QueryCount { counted: m.valid_queries, of: m.queries })
                .min_by_key(|q| q.counted),
            rank1: spread(&|m| m.rank(1)),
            rank5: spread(&|m| m.rank(5)),
            rank10: spread(&|m| m.rank(10)),
            rank20: spread(&|m| m.rank(20)),
            map: spread(&|m| m.map),
            minp: spread(&|m| m.minp),
        }
    }

    /// What weakens it: queries that count in no figure.
    pub fn warning(&self) -> Option<String> {
        let QueryCount { counted, of } = self.queries.filter(|queries| queries.counted < queries.of)?;
        let left_out = of - counted;
        Some(format!("{}: {left_out} of {of} queries have no match in the gallery and count in no figure", self.search))
    }
}
