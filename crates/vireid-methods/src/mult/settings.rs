//! The settings of MULT.

use serde::{Deserialize, Serialize};

use crate::parts::lookups::BankGradient;
use vireid_train::MethodError;

use crate::parts::settings::Checked;

/// The settings of a configuration's `[settings]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MultSettings {
    /// Temperature: logits are cosine similarities divided by it. Above 0.
    pub temperature: f64,
    /// Weight of the old prototype in the memories.
    pub momentum: f64,
    /// What gradients see of the memories.
    pub bank_gradient: BankGradient,
    /// Let labels travel between the modalities until they agree (MULT). Off: the initial labels are used as they are.
    pub label_transfer: bool,
    /// Share of the initial labels that every round of the transfer keeps.
    pub alpha: f64,
    /// Sharpness of the transport between the modalities.
    pub lambda: f64,
    /// Share of the hard label in the training targets; the rest is the transferred distribution.
    pub hard_share: f64,
    /// Refine the predictions of the mixed memory by those of the others (OCLR).
    pub refinement: bool,
    /// Divides a teacher's logits, on top of the temperature.
    pub sharpen: f64,
    /// Let no gradient flow into a teacher. The authors' code lets it.
    pub detach_teacher: bool,
    /// Which label space an epoch of the second stage trains in.
    pub space: LabelSpace,
}

/// Which label space an epoch trains in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LabelSpace {
    /// Visible clusters in even epochs, infrared ones in odd epochs (epochs counted over both stages).
    Alternating,
    /// Always that of the visible clusters.
    Visible,
    /// Always that of the infrared clusters.
    Infrared,
}

impl MultSettings {
    /// The values of the authors' released code.
    pub fn released() -> Self {
        Self {
            temperature: 0.05,
            momentum: 0.1,
            bank_gradient: BankGradient::Live,
            label_transfer: true,
            alpha: 0.2,
            lambda: 25.0,
            hard_share: 0.7,
            refinement: true,
            sharpen: 0.2,
            detach_teacher: false,
            space: LabelSpace::Alternating,
        }
    }

    /// Whether an epoch trains in the space of visible clusters.
    pub fn in_visible_space(&self, epoch: usize) -> bool {
        match self.space {
            LabelSpace::Alternating => epoch.is_multiple_of(2),
            LabelSpace::Visible => true,
            LabelSpace::Infrared => false,
        }
    }
}

impl Checked for MultSettings {
    fn check(&self) -> Result<(), MethodError> {
        let settings = self;
        let fractions =
            [("momentum", settings.momentum), ("alpha", settings.alpha), ("hard_share", settings.hard_share)];
        if let Some((name, value)) = fractions.into_iter().find(|(_, value)| !(0.0..=1.0).contains(value)) {
            return Err(MethodError::Config(format!("settings.{name} = {value} must be from 0 to 1")));
        }
        let positive =
            [("temperature", settings.temperature), ("lambda", settings.lambda), ("sharpen", settings.sharpen)];
        if let Some((name, value)) = positive.into_iter().find(|(_, value)| value.is_nan() || *value <= 0.0) {
            return Err(MethodError::Config(format!("settings.{name} = {value} must be above 0")));
        }
        Ok(())
    }
}
