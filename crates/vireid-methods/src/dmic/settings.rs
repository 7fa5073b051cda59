//! The settings of DMIC, and what moves with the epochs.

use serde::{Deserialize, Serialize};

use crate::parts::baseline::JointSampler;
use crate::parts::contrast::JointMean;
use crate::parts::instance::InstanceLoss;
use crate::parts::joint::JointExpansion;
use crate::parts::update::UpdateRule;
use vireid_train::schedule::{Course, Shape};
use vireid_train::{MethodError, RunConfig, parse_settings};

use crate::parts::settings::{
    Checked, ClusteringSettings, JointNeighbourhood, NeighbourSearch, at_least_one, read_clustering,
};

/// The settings of a configuration's `[settings]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DmicSettings {
    /// Temperature: logits are cosine similarities divided by it. Above 0.
    pub temperature: f64,
    /// Weight of the instance-level loss; 0 is the ablation without it.
    pub instance_weight: f64,
    /// Weight of the instance-level loss in joint steps; absent, it is `instance_weight`.
    #[serde(default)]
    pub joint_instance_weight: Option<f64>,
    /// Temperature of the instance-level loss, above 0.
    pub instance_temperature: f64,
    /// What the instance-level loss compares an image with.
    pub instance: InstanceLoss,
    /// How the embeddings of a batch move memories.
    pub update: UpdateRule,
    /// Weight of the old prototype in a move.
    pub momentum: f64,
    /// Query expansion of the joint clustering.
    pub expansion: JointExpansion,
    /// Use the camera-invariant expansion within a modality too.
    pub expansion_within: bool,
    /// Neighbours ranked in the joint clustering.
    pub joint_k1: usize,
    /// Most neighbours of a camera that count in the camera-invariant expansion of the joint clustering
    /// ([`JointExpansion::ModalityCamera`]; the other two have none), at least 1; absent, all of them count.
    #[serde(default)]
    pub joint_cap: Option<usize>,
    /// What the cluster loss of a joint step averages over.
    #[serde(default)]
    pub joint_mean: JointMean,
    /// How the images of joint steps are drawn.
    #[serde(default)]
    pub joint_sampler: JointSampler,
    /// Second phase: only steps on the joint memory, instead of alternating with those on the modalities' own.
    pub joint_only: bool,
    /// How the settings of the clustering change over the epochs.
    pub dnc: Dnc,
}

/// Dynamic neighbourhood clustering: what moves during the phases, evaluated once per epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Dnc {
    /// How values move from one end to the other; exponential pieces have their own way, unless all is fixed.
    pub shape: Shape,
    /// DBSCAN's radius in the first phase.
    pub eps_phase1: Course,
    /// DBSCAN's radius in the second phase.
    pub eps_phase2: Course,
    /// Neighbours averaged within a modality in the first phase.
    pub k2_phase1: Course,
    /// Neighbours averaged within a modality in the second phase.
    pub k2_phase2: Course,
    /// Neighbours averaged in the joint clustering.
    pub joint_k2: Course,
    /// Neighbours ranked within a modality in the first phase; absent, the count does not change.
    #[serde(default)]
    pub k1_phase1: Option<Course>,
    /// Neighbours ranked within a modality in the second phase; absent, the count does not change.
    #[serde(default)]
    pub k1_phase2: Option<Course>,
    /// Neighbours ranked in the joint clustering; absent, the count does not change.
    #[serde(default)]
    pub joint_k1: Option<Course>,
}

/// The values that [`Dnc`] gives an epoch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DncValues {
    /// DBSCAN's radius, above 0 and below 1.
    pub eps: f64,
    /// Neighbours ranked within a modality (k1 of k-reciprocal encoding).
    pub k1: usize,
    /// Neighbours averaged within a modality (k2), at most `k1`.
    pub k2: usize,
    /// Neighbours ranked in the joint clustering.
    pub joint_k1: usize,
    /// Neighbours averaged in the joint clustering, at most `joint_k1`.
    pub joint_k2: usize,
}

impl Dnc {
    /// The values at an epoch of a phase (0 or 1) of `of` epochs. `k1` and `joint_k1` are the counts of neighbours ranked
    /// where these do not move; no more are averaged than are ranked.
    pub fn at(&self, phase: usize, epoch: usize, of: usize, k1: usize, joint_k1: usize) -> DncValues {
        let (eps, k1_moves, k2) = match phase {
            0 => (&self.eps_phase1, &self.k1_phase1, &self.k2_phase1),
            _ => (&self.eps_phase2, &self.k1_phase2, &self.k2_phase2),
        };
        let ranked = |moves: &Option<Course>, still: usize| {
            moves.as_ref().map_or(still, |course| course.count_at(self.shape, epoch, of, usize::MAX))
        };
        let (k1, joint_k1) = (ranked(k1_moves, k1), ranked(&self.joint_k1, joint_k1));
        DncValues {
            eps: eps.at(self.shape, epoch, of).clamp(1e-6, 1.0 - 1e-6),
            k1,
            k2: k2.count_at(self.shape, epoch, of, k1),
            joint_k1,
            joint_k2: self.joint_k2.count_at(self.shape, epoch, of, joint_k1),
        }
    }

    /// Every course that is set, with its key.
    fn courses(&self) -> impl Iterator<Item = (&'static str, &Course)> {
        let always = [
            ("eps_phase1", &self.eps_phase1),
            ("eps_phase2", &self.eps_phase2),
            ("k2_phase1", &self.k2_phase1),
            ("k2_phase2", &self.k2_phase2),
            ("joint_k2", &self.joint_k2),
        ];
        let at_times = [("k1_phase1", &self.k1_phase1), ("k1_phase2", &self.k1_phase2), ("joint_k1", &self.joint_k1)];
        let at_times = at_times.into_iter().filter_map(|(name, course)| Some((name, course.as_ref()?)));
        always.into_iter().chain(at_times)
    }
}

impl DmicSettings {
    /// Weight of the instance-level loss in joint steps.
    pub fn joint_weight(&self) -> f64 {
        self.joint_instance_weight.unwrap_or(self.instance_weight)
    }
}

/// DMIC's `[clustering]`: the radius is a schedule in `[settings.dnc]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScheduledClustering {
    /// Neighbours ranked, where no schedule says otherwise.
    pub k1: usize,
    /// Neighbours averaged in a plain expansion.
    pub k2: usize,
    /// Neighbours, itself included, that make a core sample.
    pub min_samples: usize,
    /// Whether the host or the training device searches for neighbours: both exactly, up to the order of ties.
    pub neighbours: NeighbourSearch,
    /// From where the neighbours of the joint clustering are taken; absent, it is plain.
    #[serde(default, skip_serializing_if = "JointNeighbourhood::is_plain")]
    pub neighbourhood: JointNeighbourhood,
}

impl Checked for ScheduledClustering {
    fn check(&self) -> Result<(), MethodError> {
        at_least_one(&[
            ("clustering.k1", self.k1),
            ("clustering.k2", self.k2),
            ("clustering.min_samples", self.min_samples),
        ])
    }
}

/// The clustering of either modality at the first epoch, unless `[clustering]` has a radius of its own.
pub(super) fn first_clustering(config: &RunConfig) -> Result<ClusteringSettings, MethodError> {
    let mut config = config.clone();
    let settings = config.method.get("settings").and_then(toml::Value::as_table).cloned().unwrap_or_default();
    let settings: DmicSettings = parse_settings(settings, "settings.")?;
    let eps = settings.dnc.at(0, 0, 1, 1, settings.joint_k1).eps;
    if let Some(clustering) = config.method.get_mut("clustering").and_then(toml::Value::as_table_mut) {
        let radii = clustering.entry("eps").or_insert_with(|| toml::Value::Table(toml::Table::new()));
        for name in ["visible", "infrared"] {
            if let Some(radii) = radii.as_table_mut() {
                radii.entry(name).or_insert(eps.into());
            }
        }
    }
    read_clustering(&config)
}

/// Names the schedule to those who set the radius where other methods have it.
pub(super) fn named_schedule(error: MethodError) -> MethodError {
    match error {
        MethodError::UnknownKey { key, .. } if key.starts_with("clustering.eps") => {
            MethodError::UnknownKey { key, suggestion: Some("settings.dnc.eps_phase1".into()) }
        }
        other => other,
    }
}

impl Checked for DmicSettings {
    fn check(&self) -> Result<(), MethodError> {
        let settings = self;
        let refuse = |name: &str, what: &str| Err(MethodError::Config(format!("settings.{name} must be {what}")));
        if !(0.0..=1.0).contains(&settings.momentum) {
            return refuse("momentum", "from 0 to 1");
        }
        let weights = [
            ("instance_weight", Some(settings.instance_weight)),
            ("joint_instance_weight", settings.joint_instance_weight),
        ];
        for (name, weight) in weights {
            if weight.is_some_and(|weight| !(weight >= 0.0 && weight.is_finite())) {
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
        if settings.joint_k1 == 0 {
            return refuse("joint_k1", "at least 1");
        }
        if settings.joint_cap == Some(0) {
            return refuse("joint_cap", "at least 1");
        }
        for (name, course) in settings.dnc.courses() {
            if let Some(fault) = course.fault() {
                return refuse(&format!("dnc.{name}"), fault);
            }
            if name.starts_with("eps") && course.ends().iter().any(|&end| end <= 0.0 || end >= 1.0) {
                return refuse(&format!("dnc.{name}"), "above 0 and below 1 at every end");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parts::settings::MethodTable;

    fn read(config: &RunConfig) -> Result<DmicSettings, MethodError> {
        MethodTable::<DmicSettings, ScheduledClustering>::read(config).map(|table| table.settings)
    }

    fn k1(config: &RunConfig) -> usize {
        MethodTable::<DmicSettings, ScheduledClustering>::read(config).unwrap().clustering.k1
    }
    use vireid_compare::assert_close;

    fn dnc(preset: &str) -> (DmicSettings, RunConfig) {
        let config = crate::preset(preset, &[]).unwrap();
        (read(&config).unwrap(), config)
    }

    /// Against an independent implementation of the published lengths; and the second phase begins where the first ended.
    #[test]
    fn schedules_that_move_evenly() {
        for (preset, eps, joint) in [
            ("dmic_sysu_paper+even", [0.6, 0.5, 0.5, 0.6], [16, 32]),
            ("dmic_regdb_paper+even", [0.3, 0.2, 0.2, 0.3], [9, 18]),
        ] {
            let (settings, config) = dnc(preset);
            assert_eq!((config.engine.stages[0].epochs, config.engine.stages[1].epochs), (50, 50));
            let at = |phase, epoch| settings.dnc.at(phase, epoch, 50, k1(&config), settings.joint_k1);
            let ends = [at(0, 0), at(0, 49), at(1, 0), at(1, 49)];
            assert_close(&ends.each_ref().map(|values| values.eps), &eps, 1e-12);
            assert_eq!(ends.map(|values| values.k2), [6, 4, 4, 6]);
            assert_eq!([ends[2].joint_k2, ends[3].joint_k2], joint);
            let monotone = (1..50).all(|epoch| at(1, epoch).k2 >= at(1, epoch - 1).k2);
            assert!(monotone);
        }
    }

    /// The formulas of the later method, epoch by epoch.
    #[test]
    fn schedules_of_the_later_method() {
        for (preset, wide, narrow, joint_k1, cap) in
            [("dmic_sysu_paper", 0.6, 0.3, 40.0, 16), ("dmic_regdb_paper+in_batch", 0.3, 0.2, 60.0, 10)]
        {
            let (settings, config) = dnc(preset);
            let factor: f64 = narrow / wide;
            let grown = |from: f64, factor: f64, epoch: usize| from * factor.powf(epoch as f64 / 48.0);
            for epoch in 0..50 {
                let at = |phase| settings.dnc.at(phase, epoch, 50, k1(&config), settings.joint_k1);
                let (first, second) = (at(0), at(1));
                let e = epoch as f64;
                let back =
                    if epoch < 10 { wide * factor.powf(e / 10.0) } else { narrow / factor.powf((e - 10.0) / 40.0) };
                assert_close(&[first.eps, second.eps], &[wide * factor.powf(e / 50.0), back], 1e-12);
                let count = |value: f64| (value + 0.5).floor() as usize;
                assert_eq!((first.k2, second.k2), (count(grown(6.0, 3.0, epoch)), count(grown(6.0, 3.0, epoch))));
                assert_eq!((first.k1, second.k1), (count(grown(20.0, 3.0, epoch)), count(grown(30.0, 2.0, epoch))));
                let joint = count(grown(joint_k1, 3.0, epoch));
                assert_eq!((second.joint_k1, second.joint_k2), (joint, joint));
            }
            assert_eq!(settings.joint_cap, Some(cap));
        }
    }

    /// The quick preset's shares of its stages (6 and 5 epochs), as the epochs that records of its study were trained with.
    #[test]
    fn schedules_of_the_quick_preset() {
        let (settings, config) = dnc("dmic_sysu_quick");
        assert_eq!((config.engine.stages[0].epochs, config.engine.stages[1].epochs), (6, 5));
        let grown = |from: f64, factor: f64, epoch: usize, over: usize| from * factor.powf(epoch as f64 / over as f64);
        let count = |value: f64| (value + 0.5).floor() as usize;
        for epoch in 0..6 {
            let first = settings.dnc.at(0, epoch, 6, 20, 60);
            let expected = DncValues {
                eps: grown(0.5, 0.5, epoch, 6),
                k1: count(grown(13.0, 3.0, epoch, 6)),
                k2: count(grown(4.0, 3.0, epoch, 6)),
                joint_k1: count(grown(25.0, 3.0, epoch, 6)),
                joint_k2: count(grown(25.0, 3.0, epoch, 6)),
            };
            assert_eq!(first, expected, "epoch {epoch}");
        }
        for epoch in 0..5 {
            let second = settings.dnc.at(1, epoch, 5, 20, 60);
            let joint = count(grown(25.0, 3.0, epoch, 5));
            let expected = DncValues {
                eps: if epoch < 1 { 0.5 } else { grown(0.25, 2.0, epoch - 1, 4) },
                k1: count(grown(20.0, 2.0, epoch, 5)),
                k2: count(grown(4.0, 3.0, epoch, 5)),
                joint_k1: joint,
                joint_k2: joint,
            };
            assert_eq!(second, expected, "epoch {epoch}");
        }
    }

    #[test]
    fn courses_without_meaning_are_refused() {
        for (set, names) in [
            ("settings.dnc.eps_phase2=[]", "settings.dnc.eps_phase2"),
            ("settings.dnc.eps_phase1=[{ from = 0.6, factor = 2.0, over = 5 }]", "below 1"),
            ("settings.dnc.joint_k1=[{ from = 40.0, factor = 3.0, over = 0 }]", "settings.dnc.joint_k1"),
            ("settings.dnc.k2_phase1={ from = 6.0, to = nan }", "settings.dnc.k2_phase1"),
            ("settings.joint_cap=0", "settings.joint_cap"),
            ("settings.joint_instance_weight=-0.1", "settings.joint_instance_weight"),
        ] {
            let config = crate::preset("dmic_sysu_quick", &[set.to_string()]).unwrap();
            let error = read(&config).unwrap_err().to_string();
            assert!(error.starts_with("VR0502") && error.contains(names), "{set}: {error}");
        }
    }
}
