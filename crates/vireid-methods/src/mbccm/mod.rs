//! MBCCM: many-to-many bilateral cross-modality cluster matching (Cheng et al., ACM MM 2023, arXiv 2305.12673), as the
//! authors' code does it.
//!
//! Stage 1 trains each modality on its own clusters. Stage 2 associates clusters across modalities
//! ([`bilateral_match`]), draws batches of associated pairs, and adds memories that both modalities share, with a
//! consistency term between the predictions from different memories.

mod step;

use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use vireid_clustering::{MatchOrientation, bilateral_match};
use vireid_core::{Association, Embeddings, PerModality, Stream};
use vireid_data::ViewRecipes;
use vireid_data::sampler::{BatchShape, StepPlan, associated_clusters, independent_clusters};
use vireid_data::transform::Transform;
use vireid_memory::MemoryBank;

use crate::labelling::Labels;
use crate::method::{Method, StepLoss};
use crate::{MethodError, RunConfig, parse_settings};

pub use step::{MemoryBanks, StepEmbeddings, StepLabels, stage1_step, stage2_step};

/// What the gradient of a memory look-up sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BankGradient {
    /// The memory as it is when the look-up's gradient is computed, some look-ups of the same step having moved it: the
    /// released code, whose memories move during the backward pass.
    Live,
    /// The memory before the step: the gradient of the loss as written.
    Snapshot,
}

/// The settings of a configuration's `[settings]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MbccmSettings {
    /// Temperature of all logits.
    pub temperature: f64,
    /// Weight of the old prototype in the modality-specific memories.
    pub momentum_specific: f64,
    /// Weight of the old prototype in the modality-agnostic memories.
    pub momentum_agnostic: f64,
    /// Weight of the modality-agnostic losses.
    pub alpha: f64,
    /// Weight of the cross-consistency loss.
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

/// The method.
#[derive(Debug)]
pub struct Mbccm {
    settings: MbccmSettings,
    padding: usize,
    banks: Option<MemoryBanks>,
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
        Ok(Self { settings, padding: config.input.padding, banks: None })
    }
}

/// Stages by number.
const ASSOCIATED: usize = 1;

impl Method for Mbccm {
    fn name(&self) -> &'static str {
        "mbccm"
    }

    fn composition(&self) -> Vec<(&'static str, String)> {
        let s = &self.settings;
        vec![
            ("labeller", "per modality: k-reciprocal Jaccard, DBSCAN, noise dropped".into()),
            (
                "associator",
                format!("stage 2: bilateral many-to-many matching of centroids (mirror: {})", s.match_mirror),
            ),
            (
                "memories",
                format!(
                    "per modality, momentum {}; stage 2 also two shared ones, momentum {}; gradients {:?}",
                    s.momentum_specific, s.momentum_agnostic, s.bank_gradient
                ),
            ),
            (
                "objective",
                format!(
                    "cluster contrast (temperature {}) + {} shared cluster contrast + {} cross-consistency",
                    s.temperature, s.alpha, s.beta
                ),
            ),
            ("sampler", "stage 1: independent clusters; stage 2: associated pairs, half drawn from each side".into()),
        ]
    }

    fn recipes(&self, _stage: usize) -> ViewRecipes {
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

    fn associate(&self, stage: usize, centroids: &PerModality<Embeddings>) -> Result<Option<Association>, MethodError> {
        if stage < ASSOCIATED {
            return Ok(None);
        }
        let orientation =
            if self.settings.match_mirror { MatchOrientation::Mirrored } else { MatchOrientation::AsReleased };
        Ok(Some(bilateral_match(&centroids.infrared, &centroids.visible, orientation)?))
    }

    fn build_memories(&mut self, centroids: &PerModality<Embeddings>, device: &Device) {
        let rows = centroids.as_ref().map(|embeddings| {
            let shape = [embeddings.rows(), embeddings.dim()];
            Tensor::<2>::from_data(TensorData::new(embeddings.as_slice().to_vec(), shape), device)
        });
        self.banks = Some(MemoryBanks::new(rows, &self.settings));
    }

    fn plan(
        &self,
        stage: usize,
        labels: &Labels,
        association: Option<&Association>,
        shape: BatchShape,
        steps: usize,
        stream: &mut Stream,
    ) -> Result<Vec<StepPlan>, MethodError> {
        Ok(match association.filter(|_| stage >= ASSOCIATED) {
            Some(association) => {
                associated_clusters(&labels.visible, &labels.infrared, association, shape, steps, stream)?
            }
            None => independent_clusters(&labels.visible, &labels.infrared, shape, steps, stream)?,
        })
    }

    fn loss_parts(&self, stage: usize) -> &'static [&'static str] {
        if stage < ASSOCIATED {
            &["specific"]
        } else {
            &["specific", "agnostic_visible", "agnostic_infrared", "consistency"]
        }
    }

    fn step(&mut self, stage: usize, plan: &StepPlan, embeddings: PerModality<Tensor<2>>) -> StepLoss {
        let batch = plan.visible.len();
        let visible: Vec<usize> = plan.visible.iter().map(|(_, cluster)| cluster.index()).collect();
        let infrared: Vec<usize> = plan.infrared.iter().map(|(_, cluster)| cluster.index()).collect();
        let labels = StepLabels { visible: &visible, infrared: &infrared };
        let embeddings = StepEmbeddings {
            plain: embeddings.visible.clone().narrow(0, 0, batch),
            augmented: embeddings.visible.narrow(0, batch, batch),
            infrared: embeddings.infrared,
        };
        let Some(banks) = self.banks.as_mut() else { unreachable!("the engine builds the memories before it steps") };
        if stage < ASSOCIATED {
            stage1_step(banks, &embeddings, labels, &self.settings)
        } else {
            stage2_step(banks, &embeddings, labels, &self.settings)
        }
    }

    fn memories(&self) -> Vec<(&'static str, &MemoryBank)> {
        self.banks.as_ref().map(MemoryBanks::named).unwrap_or_default()
    }

    fn restore_memories(&mut self, rows: &mut dyn FnMut(&str) -> Option<Tensor<2>>) {
        self.banks = MemoryBanks::restored(rows, &self.settings);
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
