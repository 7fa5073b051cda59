//! The sections of a configuration that methods share: how pseudo-labels are made, and what a step takes.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use vireid_clustering::shared_rows_at;
use vireid_data::sampler::BatchShape;
use vireid_train::{MethodError, RunConfig, parse_settings};

/// Images of a modality that a step may have: more than any data set of the field has.
const MOST_SLOTS: usize = 1 << 18;

/// How pseudo-labels are made: `[clustering]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClusteringSettings {
    /// Neighbours ranked (k1 of k-reciprocal encoding).
    pub k1: usize,
    /// Neighbours averaged.
    pub k2: usize,
    /// Largest Jaccard distance of neighbours, above 0 and below 1.
    pub eps: PerModalityValue,
    /// Neighbours, itself included, that make a core sample.
    pub min_samples: usize,
    /// Whether the host or the training device searches for neighbours; the result is the same.
    pub neighbours: NeighbourSearch,
}

/// Where the exact search for neighbours runs; the result is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NeighbourSearch {
    /// On the host's processors.
    Host,
    /// On the device that trains.
    Device,
}

/// A number for each modality.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PerModalityValue {
    /// For visible images.
    pub visible: f64,
    /// For infrared images.
    pub infrared: f64,
}

/// What a step takes: `[sampler]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SamplerSettings {
    /// Clusters per batch and modality (P).
    pub clusters: usize,
    /// Instances per cluster and modality (K).
    pub instances: usize,
    /// Draw clusters repeatedly when there are too few, instead of stopping with `VR0107`.
    pub allow_few_clusters: bool,
}

impl SamplerSettings {
    /// The P x K shape of a batch.
    pub fn shape(&self) -> BatchShape {
        let Self { clusters, instances, allow_few_clusters } = *self;
        BatchShape { clusters, instances, allow_few_clusters }
    }

    /// Images of a modality in a batch.
    pub fn slots(&self) -> usize {
        self.clusters * self.instances
    }

    fn check(&self) -> Result<(), MethodError> {
        at_least_one(&[("sampler.clusters", self.clusters), ("sampler.instances", self.instances)])?;
        let slots = self.clusters.saturating_mul(self.instances);
        if slots > MOST_SLOTS {
            let (clusters, instances) = (self.clusters, self.instances);
            return Err(MethodError::Config(format!(
                "sampler.clusters = {clusters} times sampler.instances = {instances} are {slots} images of a modality per step; at \
                 most {MOST_SLOTS}"
            )));
        }
        Ok(())
    }
}

/// A section that can say what is wrong with it.
pub trait Checked {
    /// Whether its values can be used.
    ///
    /// # Errors
    ///
    /// `VR0502`.
    fn check(&self) -> Result<(), MethodError>;
}

impl Checked for ClusteringSettings {
    fn check(&self) -> Result<(), MethodError> {
        for (name, eps) in [("visible", self.eps.visible), ("infrared", self.eps.infrared)] {
            if !(eps > 0.0 && eps < 1.0) {
                let message = format!("clustering.eps.{name} = {eps} must be above 0 and below 1");
                return Err(MethodError::Config(message));
            }
        }
        at_least_one(&[
            ("clustering.k1", self.k1),
            ("clustering.k2", self.k2),
            ("clustering.min_samples", self.min_samples),
        ])
    }
}

impl ClusteringSettings {
    /// A sentence for each radius that rounding decides about.
    pub fn notes(&self) -> Vec<String> {
        let k2 = self.k2;
        let eps = [("visible", self.eps.visible), ("infrared", self.eps.infrared)];
        let shared = eps.into_iter().filter_map(|(name, eps)| Some((name, eps, shared_rows_at(eps, k2)?)));
        shared
            .map(|(name, eps, rows)| {
                format!(
                    "clustering.eps.{name} = {eps} is the distance of images that share {rows} of their k2 = {k2} expansion rows: \
                     rounding decides whether they are neighbours, and labels may differ from another program's; take a value \
                     beside it"
                )
            })
            .collect()
    }
}

/// Refuses counts of 0.
pub(crate) fn at_least_one(counts: &[(&str, usize)]) -> Result<(), MethodError> {
    match counts.iter().find(|(_, count)| *count == 0) {
        Some((name, _)) => Err(MethodError::Config(format!("{name} must be at least 1"))),
        None => Ok(()),
    }
}

/// The sections of a method: those that methods share, and `[settings]`, its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MethodTable<S, C = ClusteringSettings> {
    /// How pseudo-labels are made.
    pub clustering: C,
    /// What a step takes.
    pub sampler: SamplerSettings,
    /// The method's own settings.
    pub settings: S,
}

impl<S, C> MethodTable<S, C>
where
    S: Serialize + DeserializeOwned + Checked,
    C: Serialize + DeserializeOwned + Checked,
{
    /// Reads and checks the sections of a configuration.
    ///
    /// # Errors
    ///
    /// `VR0501` for a key or section that the method does not read, `VR0502` for a value that can't be used.
    pub fn read(config: &RunConfig) -> Result<Self, MethodError> {
        let table: Self = parse_settings(config.method.clone(), "")?;
        table.clustering.check()?;
        table.sampler.check()?;
        table.settings.check()?;
        Ok(table)
    }
}

/// `[clustering]` of a configuration, whatever else it holds.
///
/// # Errors
///
/// `VR0501`, `VR0502`.
pub fn read_clustering(config: &RunConfig) -> Result<ClusteringSettings, MethodError> {
    let table = config.method.get("clustering").and_then(toml::Value::as_table).cloned().unwrap_or_default();
    let settings: ClusteringSettings = parse_settings(table, "clustering.")?;
    settings.check()?;
    Ok(settings)
}
