//! The settings of BMIL.

use serde::{Deserialize, Serialize};
use vireid_losses::Positives;
use vireid_train::MethodError;

use super::prototypes::PrototypeKind;
use crate::parts::auto::Auto;
use crate::parts::baseline::JointSampler;
use crate::parts::joint::JointExpansion;
use crate::parts::settings::Checked;
use crate::parts::update::UpdateRule;

/// The settings of a configuration's `[settings]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BmilSettings {
    /// Temperature: logits are cosine similarities divided by it. Above 0.
    pub temperature: f64,
    /// Weight of the old prototype in a move, from 0 to 1.
    pub momentum: f64,
    /// How the embeddings of a batch move prototypes.
    pub update: UpdateRule,
    /// How many prototypes a joint cluster has.
    pub prototypes: PrototypeKind,
    /// What the contrast makes of a cluster's two prototypes.
    pub positives: Positives,
    /// Neighbours ranked in the joint clustering (k1), at least 1.
    pub joint_k1: Auto<usize>,
    /// Neighbours averaged in the joint clustering (k2), at least 1; a quarter of a `joint_k1` that is chosen.
    pub joint_k2: usize,
    /// Largest Jaccard distance of neighbours in the joint clustering, above 0 and below 1.
    pub joint_eps: Auto<f64>,
    /// Query expansion of the joint clustering.
    pub expansion: JointExpansion,
    /// Most visible images per infrared one in the joint clustering; those above are left out of the epoch's, by lot. 0 leaves
    /// none out.
    pub visible_per_infrared: f64,
    /// How the images of joint steps are drawn.
    pub joint_sampler: JointSampler,
    /// Second stage: steps on the modalities' own memories alternate with the joint ones.
    pub own_steps: bool,
}

impl BmilSettings {
    /// Neighbours averaged in a joint clustering that ranks `k1`.
    pub fn averaged(&self, k1: usize) -> usize {
        match self.joint_k1 {
            Auto::Value(_) => self.joint_k2,
            Auto::Auto(_) => (k1 / 4).max(1),
        }
    }
}

impl Checked for BmilSettings {
    fn check(&self) -> Result<(), MethodError> {
        let refuse = |name: &str, what: &str| Err(MethodError::Config(format!("settings.{name} must be {what}")));
        if !(self.temperature > 0.0 && self.temperature.is_finite()) {
            return refuse("temperature", "above 0");
        }
        if !(0.0..=1.0).contains(&self.momentum) {
            return refuse("momentum", "from 0 to 1");
        }
        if self.joint_eps.value().is_some_and(|eps| !(eps > 0.0 && eps < 1.0)) {
            return refuse("joint_eps", "above 0 and below 1");
        }
        if !(self.visible_per_infrared >= 0.0 && self.visible_per_infrared.is_finite()) {
            return refuse("visible_per_infrared", "0 or more");
        }
        for (name, count) in [("joint_k1", self.joint_k1.value().unwrap_or(1)), ("joint_k2", self.joint_k2)] {
            if count == 0 {
                return refuse(name, "at least 1");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parts::settings::MethodTable;

    #[test]
    fn values_without_meaning_are_refused() {
        for set in ["temperature=0", "momentum=2", "joint_k1=0", "joint_eps=1", "visible_per_infrared=-1"] {
            let config = crate::preset("bmil_sysu_quick", &[format!("settings.{set}")]).unwrap();
            let error = MethodTable::<BmilSettings>::read(&config).unwrap_err().to_string();
            let key = set.split('=').next().unwrap();
            assert!(error.starts_with("VR0502") && error.contains(key), "{set}: {error}");
        }
    }
}
