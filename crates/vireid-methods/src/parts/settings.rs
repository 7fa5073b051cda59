//! The sections of a configuration that methods share: how pseudo-labels are made, and what a step takes.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use vireid_clustering::{CameraCounts, Expansion, Neighbourhood, Origin, shared_rows_at};
use vireid_core::Modality;
use vireid_data::sampler::BatchShape;
use vireid_train::{MethodError, RunConfig, parse_settings};

use super::auto::{Auto, AutoWord, CutSettings};
use super::joint::JointClustering;
use super::within::Within;

/// Images of a modality that a step may have: more than any data set of the field has.
const MOST_SLOTS: usize = 1 << 18;

/// How the pseudo-labels of a modality are made: `[clustering]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClusteringSettings {
    /// Neighbours ranked (k1 of k-reciprocal encoding), at least 1.
    pub k1: Auto<usize>,
    /// Neighbours over which rows of the encoding are averaged (k2), at least 1; where `k1` is chosen, no more than a quarter of
    /// it.
    pub k2: usize,
    /// Largest Jaccard distance of neighbours, above 0 and below 1.
    pub eps: PerModalityEps,
    /// Neighbours, itself included, that make a core sample; at least 1.
    pub min_samples: Auto<usize>,
    /// Whether the host or the training device searches for neighbours.
    pub neighbours: NeighbourSearch,
    /// From where the neighbours of a joint clustering are taken; absent, it is plain. Methods without a joint clustering don't
    /// read it ([`refuse_neighbourhood`]).
    #[serde(default, skip_serializing_if = "JointNeighbourhood::is_plain")]
    pub neighbourhood: JointNeighbourhood,
}

/// From where the neighbours of a joint clustering are taken: `clustering.neighbourhood`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JointNeighbourhood {
    /// The nearest, whatever their modality: [`Neighbourhood::Plain`].
    #[default]
    Plain,
    /// Half of them of either modality: [`Neighbourhood::Balanced`].
    Balanced,
    /// Those of the own camera and those of all others: [`Neighbourhood::CameraAware`], with the counts of its authors.
    CameraAware,
}

impl JointNeighbourhood {
    /// Whether it is what a configuration without the setting has.
    pub fn is_plain(&self) -> bool {
        *self == Self::Plain
    }

    /// The same for images that come from `origins`.
    pub fn of(self, origins: &[Origin]) -> Neighbourhood<'_> {
        match self {
            Self::Plain => Neighbourhood::Plain,
            Self::Balanced => Neighbourhood::Balanced { origins },
            Self::CameraAware => Neighbourhood::CameraAware { counts: CameraCounts::default(), origins },
        }
    }
}

/// Where the exact search for neighbours runs. The result is the same but for ties: see
/// [`nearest_neighbours_on`](super::nearest_neighbours_on).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NeighbourSearch {
    /// On the host's processors, all threads at once.
    Host,
    /// On the first device that trains; faster where that is a GPU.
    Device,
}

/// A radius for each modality, as a table in a configuration: `{ visible = 0.6, infrared = "auto" }`; `"auto"` alone is for both.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(from = "EpsForm")]
pub struct PerModalityEps {
    /// The radius for visible images.
    pub visible: Auto<f64>,
    /// The radius for infrared images.
    pub infrared: Auto<f64>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "\"auto\", or { visible = ..., infrared = ... } with numbers or \"auto\"")]
enum EpsForm {
    Both(AutoWord),
    Each { visible: Auto<f64>, infrared: Auto<f64> },
}

impl From<EpsForm> for PerModalityEps {
    fn from(form: EpsForm) -> Self {
        match form {
            EpsForm::Both(AutoWord::Auto) => Self { visible: Auto::CHOSEN, infrared: Auto::CHOSEN },
            EpsForm::Each { visible, infrared } => Self { visible, infrared },
        }
    }
}

/// Which images a step takes: `[sampler]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SamplerSettings {
    /// Clusters per batch and modality (P), at least 1.
    pub clusters: usize,
    /// Instances per cluster and modality (K), at least 1.
    pub instances: usize,
    /// Whether clusters are drawn repeatedly when there are too few, instead of stopping with `VR0107`.
    pub allow_few_clusters: bool,
}

impl SamplerSettings {
    /// The P x K shape of a batch.
    pub fn shape(&self) -> BatchShape {
        let Self { clusters, instances, allow_few_clusters } = *self;
        BatchShape { clusters, instances, allow_few_clusters }
    }

    /// Images of a modality in a batch, views not counted: P x K.
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
    /// Checks every value of the section.
    ///
    /// # Errors
    ///
    /// `VR0502` naming the first setting that can't be used.
    fn check(&self) -> Result<(), MethodError>;
}

impl Checked for ClusteringSettings {
    fn check(&self) -> Result<(), MethodError> {
        for (name, eps) in [("visible", self.eps.visible), ("infrared", self.eps.infrared)] {
            if let Some(eps) = eps.value().filter(|eps| !(*eps > 0.0 && *eps < 1.0)) {
                let message = format!("clustering.eps.{name} = {eps} must be above 0 and below 1");
                return Err(MethodError::Config(message));
            }
        }
        at_least_one(&[
            ("clustering.k1", self.k1.value().unwrap_or(1)),
            ("clustering.k2", self.k2),
            ("clustering.min_samples", self.min_samples.value().unwrap_or(1)),
        ])
    }
}

impl ClusteringSettings {
    /// How the images of one modality are clustered on their own.
    pub fn within(&self, modality: Modality) -> Within<'static> {
        let eps = match modality {
            Modality::Visible => self.eps.visible,
            Modality::Infrared => self.eps.infrared,
        };
        let cut = CutSettings { k1: self.k1, eps, min_samples: self.min_samples };
        Within { cut, expansion: Expansion::Mean { k2: self.k2 }, search: self.neighbours }
    }

    /// A joint clustering with these settings, of images that come from `origins`. `k1` neighbours are ranked, and `eps` is the
    /// largest Jaccard distance of neighbours.
    pub fn joint<'a>(&self, k1: Auto<usize>, eps: Auto<f64>, origins: &'a [Origin]) -> JointClustering<'a> {
        let cut = CutSettings { k1, eps, min_samples: self.min_samples };
        JointClustering { cut, neighbourhood: self.neighbourhood.of(origins), search: self.neighbours }
    }

    /// A sentence for each radius that rounding decides about.
    pub fn notes(&self) -> Vec<String> {
        let k2 = self.k2;
        let eps = [("visible", self.eps.visible), ("infrared", self.eps.infrared)];
        let shared = eps.into_iter().filter_map(|(name, eps)| {
            let eps = eps.value()?;
            Some((name, eps, shared_rows_at(eps, k2)?))
        });
        shared
            .map(|(name, eps, rows)| {
                format!(
                    "clustering.eps.{name} = {eps} is the distance of images that share {rows} of their k2 = {k2} expansion rows: \
                     rounding decides whether they are neighbours, and labels may differ from another program's; take a \
                     slightly different value"
                )
            })
            .collect()
    }
}

/// Refuses `clustering.neighbourhood`, for methods that have no joint clustering.
///
/// # Errors
///
/// `VR0501`.
pub fn refuse_neighbourhood(clustering: &ClusteringSettings) -> Result<(), MethodError> {
    match clustering.neighbourhood {
        JointNeighbourhood::Plain => Ok(()),
        _ => Err(MethodError::UnknownKey { key: "clustering.neighbourhood".into(), suggestion: None }),
    }
}

/// Refuses settings, given by name, that are 0.
///
/// # Errors
///
/// `VR0502` naming the first.
pub(crate) fn at_least_one(counts: &[(&str, usize)]) -> Result<(), MethodError> {
    match counts.iter().find(|(_, count)| *count == 0) {
        Some((name, _)) => Err(MethodError::Config(format!("{name} must be at least 1"))),
        None => Ok(()),
    }
}

/// The sections of a method: those that methods share, and `[settings]`, its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MethodTable<S, C = ClusteringSettings> {
    /// How pseudo-labels are made: `[clustering]`.
    pub clustering: C,
    /// Which images a step takes: `[sampler]`.
    pub sampler: SamplerSettings,
    /// What no other method has: `[settings]`.
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

/// `[clustering]` of a configuration as [`ClusteringSettings`], whatever the other sections hold.
///
/// # Errors
///
/// `VR0501` for an unknown key, `VR0502` for a missing one or a value that can't be used.
pub fn read_clustering(config: &RunConfig) -> Result<ClusteringSettings, MethodError> {
    let table = config.method.get("clustering").and_then(toml::Value::as_table).cloned().unwrap_or_default();
    let settings: ClusteringSettings = parse_settings(table, "clustering.")?;
    settings.check()?;
    Ok(settings)
}
