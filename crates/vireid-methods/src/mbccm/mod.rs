//! MBCCM: many-to-many bilateral cross-modality cluster matching (Cheng et al., ACM MM 2023, arXiv 2305.12673), as the
//! authors' code does it.
//!
//! Stage 1 trains each modality on its own clusters. Stage 2 associates clusters across modalities
//! ([`bilateral_match`]), draws batches of associated pairs, and adds memories that both modalities share, with a
//! consistency term between the predictions from different memories.

mod step;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use vireid_clustering::{MatchOrientation, bilateral_match};
use vireid_core::{Association, Stream};
use vireid_data::ViewRecipes;
use vireid_data::sampler::{StepPlan, associated_clusters, independent_clusters};
use vireid_data::transform::Transform;

use crate::parts::labelling::{Labels, cluster, rows_on};
use crate::parts::lookups::BankGradient;
use crate::parts::settings::{Checked, MethodTable, read_clustering, refuse_neighbourhood};
use crate::parts::views::{SPECIFIC_PARTS, StepEmbeddings, StepLabels};
use vireid_train::MethodState;
use vireid_train::epoch::{Epoch, EpochAt, Labelling};
use vireid_train::method::{Outputs, Part, Stage, StageStart, StepAt, StepLoss};
use vireid_train::{Method, MethodError, Optimizer, RunConfig, boxed};

use crate::presets::preset_files;
use crate::registry::MethodEntry;

pub use step::{MemoryBanks, PARTS, stage1_step, stage2_step};

/// The settings of a configuration's `[settings]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MbccmSettings {
    /// Temperature: logits are cosine similarities divided by it. Above 0.
    pub temperature: f64,
    /// Weight of the old prototype in the modality-specific memories.
    pub momentum_specific: f64,
    /// Weight of the old prototype in the modality-agnostic memories.
    pub momentum_agnostic: f64,
    /// Weight of the modality-agnostic losses in stage 2.
    pub alpha: f64,
    /// Weight of the cross-consistency loss in stage 2.
    pub beta: f64,
    /// What gradients see of the memories.
    pub bank_gradient: BankGradient,
    /// Normalise embeddings in the cross terms of the consistency loss.
    pub cc_cross_normalize: bool,
    /// Match with the roles of the modalities following their numbers of clusters.
    pub match_mirror: bool,
    /// Probability of the random channel scaling of plain visible views.
    pub linear_transform: f64,
}

impl MbccmSettings {
    /// The values of the authors' released code.
    pub fn released() -> Self {
        Self {
            temperature: 0.05,
            momentum_specific: 0.1,
            momentum_agnostic: 0.1,
            alpha: 0.9,
            beta: 0.5,
            bank_gradient: BankGradient::Live,
            cc_cross_normalize: false,
            match_mirror: false,
            linear_transform: 0.8,
        }
    }
}

impl Checked for MbccmSettings {
    fn check(&self) -> Result<(), MethodError> {
        let fractions = [
            ("momentum_specific", self.momentum_specific),
            ("momentum_agnostic", self.momentum_agnostic),
            ("linear_transform", self.linear_transform),
        ];
        if let Some((name, value)) = fractions.into_iter().find(|(_, value)| !(0.0..=1.0).contains(value)) {
            return Err(MethodError::Config(format!("settings.{name} = {value} must be from 0 to 1")));
        }
        if self.temperature.is_nan() || self.temperature <= 0.0 {
            return Err(MethodError::Config("settings.temperature must be above 0".into()));
        }
        Ok(())
    }
}

/// What the registry knows of it.
pub const ENTRY: MethodEntry = MethodEntry {
    name: "mbccm",
    build: |config| Ok(boxed(Mbccm::new(config)?)),
    presets: preset_files!["mbccm_paper", "mbccm_quick"],
    clustering: read_clustering,
};

/// MBCCM, ready to be trained.
#[derive(Debug)]
pub struct Mbccm {
    table: MethodTable<MbccmSettings>,
    padding: usize,
}

/// Labels, association and memories of an epoch.
#[derive(Debug)]
pub struct Prepared {
    labels: Labels,
    association: Option<Association>,
    banks: MemoryBanks,
}

impl Mbccm {
    /// Reads the method's settings.
    ///
    /// # Errors
    ///
    /// `VR0501`, `VR0502`.
    pub fn new(config: &RunConfig) -> Result<Self, MethodError> {
        let table: MethodTable<MbccmSettings> = MethodTable::read(config)?;
        refuse_neighbourhood(&table.clustering)?;
        Ok(Self { table, padding: config.engine.input.padding })
    }
}

/// Number of the stage with associated clusters.
const ASSOCIATED: usize = 1;

impl Method for Mbccm {
    type Prepared = Prepared;

    fn name(&self) -> &str {
        ENTRY.name
    }

    fn stages(&self) -> Vec<Stage> {
        let stage = |name| Stage { name, start: StageStart::Continue, optimizer: Optimizer::adam() };
        vec![stage("stage 1"), stage("stage 2")]
    }

    fn composition(&self) -> Vec<Part> {
        let s = &self.table.settings;
        let memories = |number, momentum| format!("{number}, momentum {momentum}, gradients {:?}", s.bank_gradient);
        vec![
            Part::new("all", "labeller", "per modality: k-reciprocal Jaccard, DBSCAN, noise dropped"),
            Part::new("stage 1", "memories", memories("one per modality", s.momentum_specific)),
            Part::new("stage 1", "sampler", "clusters of either modality, drawn independently"),
            Part::new("stage 1", "objective", format!("cluster contrast at temperature {}", s.temperature)),
            Part::new(
                "stage 2",
                "associator",
                format!("bilateral many-to-many matching of centroids (mirror: {})", s.match_mirror),
            ),
            Part::new("stage 2", "memories", memories("one per modality", s.momentum_specific)),
            Part::new(
                "stage 2",
                "shared memories",
                memories("of visible and of infrared clusters", s.momentum_agnostic),
            ),
            Part::new("stage 2", "sampler", "associated pairs of clusters, half drawn from each side"),
            Part::new(
                "stage 2",
                "objective",
                format!(
                    "cluster contrast at temperature {} + {} shared cluster contrast + {} cross-consistency",
                    s.temperature, s.alpha, s.beta
                ),
            ),
        ]
    }

    fn recipes(&self, _at: EpochAt) -> ViewRecipes {
        use Transform::*;
        let head = [Flip(0.5), PadCrop(self.padding)];
        let with = |tail: &[Transform]| [&head, tail].concat();
        ViewRecipes {
            visible: vec![
                with(&[LinearTransform(self.table.settings.linear_transform), Normalize, Erase(0.5)]),
                with(&[Normalize, Erase(0.5), ChannelPick]),
            ],
            infrared: vec![with(&[Normalize, Erase(0.5), ChannelPickOrGrey(0.5)])],
        }
    }

    fn notes(&self) -> Vec<String> {
        self.table.clustering.notes()
    }

    fn largest_batch(&self, _at: EpochAt) -> usize {
        self.table.sampler.slots()
    }

    fn prepare(&mut self, epoch: &mut dyn Epoch) -> Result<Prepared, MethodError> {
        let embeddings = epoch.embeddings()?;
        let at = epoch.at();
        let clusters = cluster(&embeddings, &self.table.clustering, at.epoch, epoch.device())?;
        let mirrored = self.table.settings.match_mirror;
        let orientation = if mirrored { MatchOrientation::Mirrored } else { MatchOrientation::AsReleased };
        let matched = bilateral_match(&clusters.centroids.infrared, &clusters.centroids.visible, orientation)?;
        let indices = clusters.labels.indices();
        // In the first stage people see what the association would be; nothing is trained on it.
        epoch.report(&Labelling {
            labels: indices.as_ref().map(Vec::as_slice),
            association: Some(&matched),
            figures: clusters.chosen.clone(),
            ..Labelling::default()
        });
        let association = (at.stage >= ASSOCIATED).then_some(matched);
        let rows = clusters.centroids.as_ref().map(|centroids| rows_on(centroids, epoch.device()));
        let banks = MemoryBanks::new(rows, &self.table.settings);
        Ok(Prepared { labels: clusters.labels, association, banks })
    }

    fn plan(
        &self,
        prepared: &Prepared,
        _at: EpochAt,
        steps: usize,
        stream: &mut Stream,
    ) -> Result<Vec<StepPlan>, MethodError> {
        let Prepared { labels, association, .. } = prepared;
        let shape = self.table.sampler.shape();
        Ok(match association {
            Some(association) => {
                associated_clusters(&labels.visible, &labels.infrared, association, shape, steps, stream)?
            }
            None => independent_clusters(&labels.visible, &labels.infrared, shape, steps, stream)?,
        })
    }

    fn loss_parts(&self, at: EpochAt) -> &'static [&'static str] {
        if at.stage < ASSOCIATED { SPECIFIC_PARTS } else { PARTS }
    }

    fn step(&mut self, prepared: &mut Prepared, at: StepAt, plan: &StepPlan, outputs: Outputs) -> StepLoss {
        let (batch, settings) = (plan.visible.len(), &self.table.settings);
        let Prepared { labels, banks, .. } = prepared;
        let (visible, infrared) = labels.of(plan);
        let labels = StepLabels { visible: &visible, infrared: &infrared };
        let embeddings = StepEmbeddings::new(outputs.features, batch);
        if at.epoch.stage < ASSOCIATED {
            stage1_step(banks, &embeddings, labels, settings)
        } else {
            stage2_step(banks, &embeddings, labels, settings)
        }
    }

    fn state(&self, prepared: Option<&Prepared>) -> MethodState {
        let mut state = MethodState::default();
        if let Some(Prepared { labels, association, banks }) = prepared {
            labels.put(&mut state);
            if let Some(association) = association {
                let pairs = association.pairs().flat_map(|(i, v)| [i.index() as i32, v.index() as i32]).collect();
                state.integers.insert("association".into(), pairs);
            }
            banks.named().into_iter().for_each(|(name, bank)| state.put_rows(name, &bank.rows()));
        }
        state
    }

    fn restore_within(&mut self, state: &MethodState, _at: EpochAt, device: &Device) -> Option<Prepared> {
        let labels = Labels::take(state)?;
        let association = state.integers.get("association").map(|flat| {
            let pairs: std::collections::HashSet<(usize, usize)> =
                flat.chunks_exact(2).map(|pair| (pair[0] as usize, pair[1] as usize)).collect();
            let (infrared, visible) = (labels.infrared.clusters(), labels.visible.clusters());
            Association::from_fn(infrared, visible, |i, v| pairs.contains(&(i, v)))
        });
        let banks = MemoryBanks::restored(&mut |name| state.rows(name, device), &self.table.settings)?;
        Some(Prepared { labels, association, banks })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_paper_preset_has_the_released_values() {
        let config = crate::preset("mbccm_sysu_paper", &[]).unwrap();
        assert_eq!(Mbccm::new(&config).unwrap().table.settings, MbccmSettings::released());
    }

    #[test]
    fn settings_without_meaning_are_refused() {
        for set in ["settings.momentum_specific=1.5", "settings.temperature=0", "settings.bank_gradient=\"both\""] {
            let config = crate::preset("mbccm_sysu_quick", &[set.to_string()]).unwrap();
            assert!(Mbccm::new(&config).unwrap_err().to_string().starts_with("VR0502"), "{set}");
        }
    }
}
