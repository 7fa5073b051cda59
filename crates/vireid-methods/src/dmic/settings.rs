use serde::{Deserialize, Serialize};

use crate::instance::InstanceLoss;
use crate::schedule::{Schedule, Shape};
use crate::update::UpdateRule;
use crate::{MethodError, RunConfig, parse_settings};

/// The settings of a configuration's `[settings]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DmicSettings {
    /// Temperature of the memories' logits.
    pub temperature: f64,
    /// Weight of the instance-level loss; 0 is the ablation without it.
    pub instance_weight: f64,
    /// Temperature of the instance-level loss.
    pub instance_temperature: f64,
    /// Which instance-level loss.
    pub instance: InstanceLoss,
    /// How memories are moved.
    pub update: UpdateRule,
    /// Weight of the old prototype in a move.
    pub momentum: f64,
    /// Query expansion of the joint clustering.
    pub expansion: JointExpansion,
    /// Use the camera-invariant expansion within a modality too.
    pub expansion_within: bool,
    /// Neighbours ranked in the joint clustering.
    pub joint_k1: usize,
    /// Second phase: only steps on the joint memory, instead of alternating with those on the modalities' own.
    pub joint_only: bool,
    /// The schedules of the clustering.
    pub dnc: Dnc,
}

/// Query expansion of the joint clustering.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JointExpansion {
    /// The plain mean.
    Plain,
    /// The modalities count equally.
    Modality,
    /// Cameras count equally within a modality, and modalities count equally (MIE).
    ModalityCamera,
}

/// Dynamic neighbourhood clustering: what moves during the phases, evaluated once per epoch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Dnc {
    /// How values move.
    pub shape: Shape,
    /// DBSCAN's radius in the first phase.
    pub eps_phase1: Schedule,
    /// DBSCAN's radius in the second phase.
    pub eps_phase2: Schedule,
    /// Neighbours averaged within a modality in the first phase.
    pub k2_phase1: Schedule,
    /// Neighbours averaged within a modality in the second phase.
    pub k2_phase2: Schedule,
    /// Neighbours averaged in the joint clustering.
    pub joint_k2: Schedule,
}

/// The values of an epoch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DncValues {
    /// DBSCAN's radius, above 0 and below 1.
    pub eps: f64,
    /// Neighbours averaged within a modality.
    pub k2: usize,
    /// Neighbours averaged in the joint clustering.
    pub joint_k2: usize,
}

impl Dnc {
    /// The values at an epoch of a phase (0 or 1) of `of` epochs; counts at most `k1` and `joint_k1`.
    pub fn at(&self, phase: usize, epoch: usize, of: usize, k1: usize, joint_k1: usize) -> DncValues {
        let (eps, k2) = if phase == 0 { (self.eps_phase1, self.k2_phase1) } else { (self.eps_phase2, self.k2_phase2) };
        DncValues {
            eps: eps.at(self.shape, epoch, of).clamp(1e-6, 1.0 - 1e-6),
            k2: k2.count_at(self.shape, epoch, of, k1),
            joint_k2: self.joint_k2.count_at(self.shape, epoch, of, joint_k1),
        }
    }
}

impl DmicSettings {
    /// Reads them.
    ///
    /// # Errors
    ///
    /// `VR0501`, `VR0502`.
    pub fn read(config: &RunConfig) -> Result<Self, MethodError> {
        let settings: Self = parse_settings(config.settings.clone(), "settings.")?;
        let refuse = |name: &str, what: &str| Err(MethodError::Config(format!("settings.{name} must be {what}")));
        if !(0.0..=1.0).contains(&settings.momentum) {
            return refuse("momentum", "from 0 to 1");
        }
        if !(settings.instance_weight >= 0.0 && settings.instance_weight.is_finite()) {
            return refuse("instance_weight", "0 or more");
        }
        for (name, value) in
            [("temperature", settings.temperature), ("instance_temperature", settings.instance_temperature)]
        {
            if value.is_nan() || value <= 0.0 {
                return refuse(name, "above 0");
            }
        }
        if settings.joint_k1 == 0 {
            return refuse("joint_k1", "at least 1");
        }
        for (name, schedule) in [("eps_phase1", settings.dnc.eps_phase1), ("eps_phase2", settings.dnc.eps_phase2)] {
            if !(schedule.from > 0.0 && schedule.from < 1.0 && schedule.to > 0.0 && schedule.to < 1.0) {
                return refuse(&format!("dnc.{name}"), "above 0 and below 1 at both ends");
            }
        }
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vireid_compare::assert_close;

    fn dnc(preset: &str) -> (DmicSettings, RunConfig) {
        let config = RunConfig::from_preset(preset, &[]).unwrap();
        (DmicSettings::read(&config).unwrap(), config)
    }

    /// Against an independent implementation of the published lengths; and the second phase begins where the first ended.
    #[test]
    fn schedules_of_the_paper_presets() {
        for (preset, eps, joint) in
            [("dmic_sysu_paper", [0.6, 0.5, 0.5, 0.6], [16, 32]), ("dmic_regdb_paper", [0.3, 0.2, 0.2, 0.3], [9, 18])]
        {
            let (settings, config) = dnc(preset);
            assert_eq!((config.stage1.epochs, config.stage2.epochs), (50, 50));
            let at = |phase, epoch| settings.dnc.at(phase, epoch, 50, config.clustering.k1, settings.joint_k1);
            let ends = [at(0, 0), at(0, 49), at(1, 0), at(1, 49)];
            assert_close(&ends.each_ref().map(|values| values.eps), &eps, 1e-12);
            assert_eq!(ends.map(|values| values.k2), [6, 4, 4, 6]);
            assert_eq!([ends[2].joint_k2, ends[3].joint_k2], joint);
            let monotone = (1..50).all(|epoch| at(1, epoch).k2 >= at(1, epoch - 1).k2);
            assert!(monotone);
        }
    }
}
