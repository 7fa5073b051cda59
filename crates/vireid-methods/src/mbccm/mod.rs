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

use crate::epoch::{Epoch, EpochAt, Labelling};
use crate::labelling::{Labels, cluster, rows_on};
use crate::lookups::BankGradient;
use crate::method::{Method, Outputs, Part, Stage, StageStart, StepLoss};
use crate::state::MethodState;
use crate::views::{SPECIFIC_PARTS, StepEmbeddings, StepLabels};
use crate::{MethodError, OptimizerKind, RunConfig, parse_settings};

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

/// MBCCM, ready to be trained: its settings, and the labels and memories of the epoch under way.
#[derive(Debug)]
pub struct Mbccm {
    settings: MbccmSettings,
    padding: usize,
    /// Labels, association and memories of the epoch.
    epoch: Option<Prepared>,
}

#[derive(Debug)]
struct Prepared {
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
        let settings: MbccmSettings = parse_settings(config.settings.clone(), "settings.")?;
        let fractions = [
            ("momentum_specific", settings.momentum_specific),
            ("momentum_agnostic", settings.momentum_agnostic),
            ("linear_transform", settings.linear_transform),
        ];
        if let Some((name, value)) = fractions.into_iter().find(|(_, value)| !(0.0..=1.0).contains(value)) {
            return Err(MethodError::Config(format!("settings.{name} = {value} must be from 0 to 1")));
        }
        if settings.temperature.is_nan() || settings.temperature <= 0.0 {
            return Err(MethodError::Config("settings.temperature must be above 0".into()));
        }
        Ok(Self { settings, padding: config.input.padding, epoch: None })
    }
}

/// Number of the stage with associated clusters.
const ASSOCIATED: usize = 1;

impl Method for Mbccm {
    fn name(&self) -> &'static str {
        "mbccm"
    }

    fn stages(&self) -> Vec<Stage> {
        let stage = |name| Stage { name, start: StageStart::Continue, optimizer: OptimizerKind::Adam };
        vec![stage("stage 1"), stage("stage 2")]
    }

    fn composition(&self) -> Vec<Part> {
        let s = &self.settings;
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
                with(&[LinearTransform(self.settings.linear_transform), Normalize, Erase(0.5)]),
                with(&[Normalize, Erase(0.5), ChannelPick]),
            ],
            infrared: vec![with(&[Normalize, Erase(0.5), ChannelPickOrGrey(0.5)])],
        }
    }

    fn prepare(&mut self, epoch: &mut dyn Epoch) -> Result<(), MethodError> {
        let embeddings = epoch.embeddings()?;
        let at = epoch.at();
        let clusters = cluster(&embeddings, &epoch.config().clustering, at.epoch, epoch.device())?;
        let mirrored = self.settings.match_mirror;
        let orientation = if mirrored { MatchOrientation::Mirrored } else { MatchOrientation::AsReleased };
        let matched = bilateral_match(&clusters.centroids.infrared, &clusters.centroids.visible, orientation)?;
        let indices = clusters.labels.indices();
        // In the first stage people see what the association would be; nothing is trained on it.
        epoch.report(&Labelling {
            labels: indices.as_ref().map(Vec::as_slice),
            association: Some(&matched),
            ..Labelling::default()
        });
        let association = (at.stage >= ASSOCIATED).then_some(matched);
        let rows = clusters.centroids.as_ref().map(|centroids| rows_on(centroids, epoch.device()));
        let banks = MemoryBanks::new(rows, &self.settings);
        self.epoch = Some(Prepared { labels: clusters.labels, association, banks });
        Ok(())
    }

    fn plan(&self, at: EpochAt, config: &RunConfig, stream: &mut Stream) -> Result<Vec<StepPlan>, MethodError> {
        let Prepared { labels, association, .. } = prepared(&self.epoch);
        let (shape, steps) = (config.batch_shape(), config.stage(at).iterations);
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

    fn step(&mut self, at: EpochAt, plan: &StepPlan, outputs: Outputs) -> StepLoss {
        let batch = plan.visible.len();
        let Some(Prepared { labels, banks, .. }) = &mut self.epoch else { unreachable!("an epoch is prepared first") };
        let (visible, infrared) = labels.of(plan);
        let labels = StepLabels { visible: &visible, infrared: &infrared };
        let embeddings = StepEmbeddings::new(outputs.features, batch);
        if at.stage < ASSOCIATED {
            stage1_step(banks, &embeddings, labels, &self.settings)
        } else {
            stage2_step(banks, &embeddings, labels, &self.settings)
        }
    }

    fn state(&self, within_epoch: bool) -> MethodState {
        let mut state = MethodState::default();
        if let Some(Prepared { labels, association, banks }) = self.epoch.as_ref().filter(|_| within_epoch) {
            labels.put(&mut state);
            if let Some(association) = association {
                let pairs = association.pairs().flat_map(|(i, v)| [i.index() as i32, v.index() as i32]).collect();
                state.integers.insert("association".into(), pairs);
            }
            banks.named().into_iter().for_each(|(name, bank)| state.put_rows(name, &bank.rows()));
        }
        state
    }

    fn restore(&mut self, state: &MethodState, within_epoch: bool, device: &Device) -> Option<()> {
        if !within_epoch {
            return Some(());
        }
        let labels = Labels::take(state)?;
        let association = state.integers.get("association").map(|flat| {
            let pairs: std::collections::HashSet<(usize, usize)> =
                flat.chunks_exact(2).map(|pair| (pair[0] as usize, pair[1] as usize)).collect();
            let (infrared, visible) = (labels.infrared.clusters(), labels.visible.clusters());
            Association::from_fn(infrared, visible, |i, v| pairs.contains(&(i, v)))
        });
        let banks = MemoryBanks::restored(&mut |name| state.rows(name, device), &self.settings)?;
        self.epoch = Some(Prepared { labels, association, banks });
        Some(())
    }
}

fn prepared(epoch: &Option<Prepared>) -> &Prepared {
    match epoch {
        Some(epoch) => epoch,
        None => unreachable!("an epoch is prepared first"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_paper_preset_has_the_released_values() {
        let config = RunConfig::from_preset("mbccm_sysu_paper", &[]).unwrap();
        assert_eq!(Mbccm::new(&config).unwrap().settings, MbccmSettings::released());
    }

    #[test]
    fn settings_without_meaning_are_refused() {
        for set in ["settings.momentum_specific=1.5", "settings.temperature=0", "settings.bank_gradient=\"both\""] {
            let config = RunConfig::from_preset("mbccm_sysu_quick", &[set.to_string()]).unwrap();
            assert!(Mbccm::new(&config).unwrap_err().to_string().starts_with("VR0502"), "{set}");
        }
    }
}
