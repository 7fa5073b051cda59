//! The settings of ECUL.

use serde::{Deserialize, Serialize};
use vireid_clustering::{Expansion, Origin};

use crate::parts::instance::InstanceLoss;
use crate::parts::update::UpdateRule;
use vireid_train::MethodError;

use crate::parts::settings::Checked;

/// The settings of a configuration's `[settings]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EculSettings {
    /// Temperature: logits are cosine similarities divided by it. Above 0.
    pub temperature: f64,
    /// Settings of the extended modality-camera clustering (EMCC).
    pub emcc: Emcc,
    /// Settings of the two-step memory updating (TSMem).
    pub tsmem: TsMem,
    /// Inter-modality instance selection and the aggregation of memories.
    pub aggregation: Aggregation,
    /// Weight of the contrast with the matched clusters of the other modality.
    pub cross_weight: f64,
    /// Weight of the instance-level loss in joint steps.
    pub instance_weight: f64,
    /// Temperature of the instance-level loss, above 0.
    pub instance_temperature: f64,
    /// What the instance-level loss compares an image with.
    pub instance: InstanceLoss,
}

/// Extended modality-camera clustering (EMCC): a query expansion with two counts, k2 and k3.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Emcc {
    /// Which reading of the expansion; it decides what the counts k2 and k3 mean.
    pub variant: EmccVariant,
    /// Use it within a modality too.
    pub within: bool,
    /// Neighbours ranked in the joint clustering.
    pub joint_k1: usize,
    /// First count (k2) of the joint clustering: the neighbours considered.
    pub joint_k2: usize,
    /// Second count (k3) of the joint clustering; see the variant.
    pub joint_k3: usize,
    /// First count (k2) within a modality: the neighbours considered.
    pub k2: usize,
    /// Second count (k3) within a modality; see the variant.
    pub k3: usize,
    /// Largest Jaccard distance of neighbours in the joint clustering.
    pub joint_eps: f64,
}

/// A reading of the expansion; see [`Expansion`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmccVariant {
    /// Variant A: the `k3` nearest of every camera among the `k2` nearest.
    Capped,
    /// Variant B: the same among the `k2` nearest of each modality.
    PerModality,
    /// Variant C: a second, plain expansion over `k3`.
    Sequential,
    /// Variant D: `k2` of the own camera, `k3` of the others.
    SideSplit,
    /// Variant E: only neighbours that rank the image among their `k3` nearest.
    Reciprocal,
    /// DMIC's expansion, without a second count.
    ModalityCamera,
    /// The mean of the means within each modality; k3 has no effect.
    Modality,
    /// The mean over the k2 nearest; k3 has no effect.
    Plain,
}

impl EmccVariant {
    /// The expansion of this variant with its two counts; `origins` are the images' modalities and cameras.
    pub fn expansion(self, k2: usize, k3: usize, origins: &[Origin]) -> Expansion<'_> {
        match self {
            EmccVariant::Capped => Expansion::Capped { k2, k3, origins },
            EmccVariant::PerModality => Expansion::PerModality { k2, k3, origins },
            EmccVariant::Sequential => Expansion::Sequential { k2, k3, origins },
            EmccVariant::SideSplit => Expansion::SideSplit { k2, k3, origins },
            EmccVariant::Reciprocal => Expansion::Reciprocal { k2, k3, origins },
            EmccVariant::ModalityCamera => Expansion::ModalityCamera { k2, origins },
            EmccVariant::Modality => Expansion::ModalityBalanced { k2, origins },
            EmccVariant::Plain => Expansion::Mean { k2 },
        }
    }
}

/// Two-step memory updating: samples replace prototypes at first, and move them later.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TsMem {
    /// First epoch of the second step, counted over both stages.
    pub switch_epoch: usize,
    /// Which sample replaces a prototype in the first step.
    pub first: UpdateRule,
    /// How samples move prototypes in the second step.
    pub second: UpdateRule,
    /// Weight of the old prototype in the second step.
    pub momentum: f64,
    /// Let that weight grow evenly from 0 to `momentum` over the second step.
    pub ramp: bool,
}

impl TsMem {
    /// The rule of an epoch, and the weight of the old prototype.
    pub fn at(&self, epoch: usize, epochs: usize) -> (UpdateRule, f64) {
        if epoch < self.switch_epoch {
            return (self.first, 0.0);
        }
        let last = epochs.saturating_sub(1 + self.switch_epoch);
        let share = if last == 0 { 1.0 } else { (epoch - self.switch_epoch) as f64 / last as f64 };
        (self.second, if self.ramp { self.momentum * share.min(1.0) } else { self.momentum })
    }
}

/// Inter-modality instance selection: pairs of a visible and an infrared image vote for pairs of clusters, whose memories
/// are then mixed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Aggregation {
    /// Whether memories are mixed at all.
    pub enabled: bool,
    /// Least inner product of a selected pair.
    pub threshold: f64,
    /// Only pairs of images that are each other's nearest in the other modality.
    pub mutual: bool,
    /// Only pairs of images with the same joint label.
    pub joint_label: bool,
    /// Share of a prototype that stays, from 0 to 1; the rest comes from the matched cluster.
    pub keep: f64,
    /// Scale mixed prototypes to length 1.
    pub normalize: bool,
    /// Mix the infrared prototypes too, instead of the visible ones only.
    pub symmetric: bool,
}

impl Checked for EculSettings {
    fn check(&self) -> Result<(), MethodError> {
        let settings = self;
        let refuse = |name: &str, what: &str| Err(MethodError::Config(format!("settings.{name} must be {what}")));
        for (name, value) in
            [("tsmem.momentum", settings.tsmem.momentum), ("aggregation.keep", settings.aggregation.keep)]
        {
            if !(0.0..=1.0).contains(&value) {
                return refuse(name, "from 0 to 1");
            }
        }
        for (name, value) in [("cross_weight", settings.cross_weight), ("instance_weight", settings.instance_weight)] {
            if !(value >= 0.0 && value.is_finite()) {
                return refuse(name, "0 or more");
            }
        }
        for (name, value) in
            [("temperature", settings.temperature), ("instance_temperature", settings.instance_temperature)]
        {
            if value.is_nan() || value <= 0.0 {
                return refuse(name, "above 0");
            }
        }
        if !(settings.emcc.joint_eps > 0.0 && settings.emcc.joint_eps < 1.0) {
            return refuse("emcc.joint_eps", "above 0 and below 1");
        }
        let Emcc { joint_k1, joint_k2, joint_k3, k2, k3, .. } = settings.emcc;
        for (name, count) in
            [("joint_k1", joint_k1), ("joint_k2", joint_k2), ("joint_k3", joint_k3), ("k2", k2), ("k3", k3)]
        {
            if count == 0 {
                return refuse(&format!("emcc.{name}"), "at least 1");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parts::settings::MethodTable;
    use vireid_compare::assert_close;

    #[test]
    fn memories_are_replaced_before_the_switch_and_moved_from_it_on() {
        let config = crate::preset("ecul_sysu_paper", &[]).unwrap();
        let tsmem = MethodTable::<EculSettings>::read(&config).unwrap().settings.tsmem;
        assert_eq!(tsmem.at(49, 100), (UpdateRule::Sequential, 0.0));
        assert_eq!(tsmem.at(50, 100), (UpdateRule::Sequential, 0.1));
        let ramp = TsMem { ramp: true, momentum: 0.9, second: UpdateRule::Mean, ..tsmem };
        assert_eq!(ramp.at(50, 100), (UpdateRule::Mean, 0.0));
        assert_close(&[ramp.at(99, 100).1, ramp.at(74, 100).1], &[0.9, 0.9 * 24.0 / 49.0], 1e-12);
        assert_eq!(ramp.at(50, 51).1, 0.9);
    }

    #[test]
    fn values_without_meaning_are_refused() {
        for set in
            ["settings.aggregation.keep=2", "settings.emcc.k3=0", "settings.temperature=0", "settings.cross_weight=-1"]
        {
            let config = crate::preset("ecul_sysu_quick", &[set.to_string()]).unwrap();
            assert!(MethodTable::<EculSettings>::read(&config).unwrap_err().to_string().starts_with("VR0502"), "{set}");
        }
    }
}
