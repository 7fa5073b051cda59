//! What the tables read of a training's record.

use serde::Deserialize;

/// The world that the tables of synthetic worlds are made on; presets were chosen on others.
pub const WORLD: u64 = 5;

/// Whether a preset is one of the small network's.
pub fn is_quick(preset: &str) -> bool {
    is_of_size(preset, "quick")
}

/// Whether a preset has the authors' settings.
pub fn is_paper(preset: &str) -> bool {
    is_of_size(preset, "paper")
}

fn is_of_size(preset: &str, size: &str) -> bool {
    preset.split('+').next().and_then(|name| name.rsplit('_').next()) == Some(size)
}

/// What the tables read of a training's record.
#[derive(Debug, Clone, Deserialize)]
pub struct Record {
    /// Name of the method.
    pub method: String,
    /// Key of an ablation; empty for the whole method.
    pub variant: String,
    /// Name of the data set.
    pub benchmark: String,
    /// Whether a synthetic world stood in for it.
    pub synthetic: bool,
    /// The data in words that differ between worlds.
    pub data: String,
    /// Name of the preset.
    pub preset: String,
    /// Seed of the training.
    pub seed: u64,
    /// Trial of the protocol.
    pub trial: u32,
    /// Share of the training people whom only one modality saw.
    #[serde(default)]
    pub unpaired: f64,
    /// How long it took.
    pub seconds: f64,
    /// The untrained network and the ends of the stages.
    pub evaluations: Vec<Evaluation>,
    /// How well the last labels of each stage agree with the truth, as the events tell it.
    #[serde(default)]
    pub labels: Vec<serde_json::Value>,
}

impl Record {
    /// The share of people whom only one modality saw, in whole percent.
    pub fn unpaired_percent(&self) -> u32 {
        (100.0 * self.unpaired).round() as u32
    }

    /// Whether it is of a synthetic world other than the tables' own.
    pub fn is_of_fresh_world(&self) -> bool {
        self.synthetic && !self.data.starts_with(&format!("synthetic world {WORLD}:"))
    }
}

/// The scores of a network at one moment of a run.
#[derive(Debug, Clone, Deserialize)]
pub struct Evaluation {
    /// `untrained`, `stage 1`, `final`.
    pub moment: String,
    /// One per search mode or direction.
    pub scores: Vec<Score>,
}

/// The scores of one search mode or direction.
#[derive(Debug, Clone, Deserialize)]
pub struct Score {
    /// Which.
    pub search: String,
    /// Queries that count; `None` in records of versions that did not tell.
    #[serde(default)]
    pub queries: Option<QueryCount>,
    /// Rank-1 in percent.
    pub rank1: Spread,
    /// Mean average precision in percent.
    pub map: Spread,
    /// Mean inverse negative penalty in percent.
    pub minp: Spread,
}

/// How many queries a score rests on.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct QueryCount {
    /// Queries with a match in the gallery.
    pub counted: usize,
    /// All queries.
    pub of: usize,
}

impl std::fmt::Display for QueryCount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {}", self.counted, self.of)
    }
}

/// Mean and sample standard deviation.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Spread {
    /// Mean.
    pub mean: f64,
    /// Sample standard deviation; 0 for one value.
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
