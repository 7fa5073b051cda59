use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use vireid_backbone::Precision;
use vireid_clustering::shared_rows_at;
use vireid_data::ResizeFilter;
use vireid_data::sampler::BatchShape;

use crate::epoch::EpochAt;
use crate::presets::preset_table;
use crate::{MethodError, RangeSetting};

/// Epochs that a stage may have: far more than anybody trains, and few enough that sums over the stages are numbers.
const MOST_EPOCHS: usize = 1 << 24;

/// Images of a modality that a step may have: more than any data set of the field has.
const MOST_SLOTS: usize = 1 << 18;

/// Everything that decides what a run computes. See [`presets`](crate::presets()) for the embedded ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunConfig {
    /// Name of the method.
    pub method: String,
    /// Name of the preset this started from.
    pub preset: String,
    /// Seed of all random streams.
    pub seed: u64,
    /// Images.
    pub input: InputSettings,
    /// Network.
    pub backbone: BackboneSettings,
    /// Pseudo-labels.
    pub clustering: ClusteringSettings,
    /// Batches.
    pub sampler: SamplerSettings,
    /// Adam.
    pub optimizer: OptimizerSettings,
    /// First stage.
    pub stage1: StageSettings,
    /// Second stage.
    pub stage2: StageSettings,
    /// Third stage, of methods that have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage3: Option<StageSettings>,
    /// Testing.
    pub evaluation: EvaluationSettings,
    /// The method's own settings, read by the method.
    pub settings: toml::Table,
}

/// How images are read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InputSettings {
    /// Height in pixels.
    pub height: usize,
    /// Width in pixels.
    pub width: usize,
    /// `lanczos`, `bicubic` or `bilinear`.
    pub filter: String,
    /// `full`, `image`, or the two numbers that become black and white; of images with more than 8 bits.
    // Left out where it is the default, so that older runs keep their configuration's hash.
    #[serde(default, skip_serializing_if = "RangeSetting::is_full")]
    pub range: RangeSetting,
    /// Black border in pixels that random crops are cut from.
    pub padding: usize,
    /// Memory for decoded images in MiB.
    pub cache_mib: usize,
    /// Loader threads.
    pub workers: usize,
    /// Batches prepared ahead.
    pub prefetch: usize,
}

/// Which network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BackboneSettings {
    /// `resnet18`, `resnet34`, `resnet50` or `small`.
    pub name: String,
    /// A `.pth` or `.safetensors` file, `builtin:small`, or `none`.
    pub weights: String,
    /// AGW's non-local blocks.
    pub non_local: bool,
    /// Parts of a batch that batch norm treats separately.
    pub bn_groups: usize,
    /// Stride on the first 1x1 convolution of a bottleneck.
    pub stride_in_1x1: bool,
    /// `f32` or `bf16`, of the convolutions; all else is f32.
    // Left out where it is the default, so that older runs keep their configuration's hash.
    #[serde(default, skip_serializing_if = "is_f32")]
    pub precision: Precision,
    /// Make each block's activations anew for its gradients instead of keeping them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub checkpointing: bool,
}

fn is_f32(precision: &Precision) -> bool {
    *precision == Precision::F32
}

/// How pseudo-labels are made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClusteringSettings {
    /// Neighbours ranked.
    pub k1: usize,
    /// Neighbours averaged.
    pub k2: usize,
    /// Largest Jaccard distance of neighbours.
    pub eps: PerModalityValue,
    /// Neighbours that make a core sample.
    pub min_samples: usize,
    /// Average the embeddings of an image and its mirror image.
    pub flip_average: bool,
    /// Images per extraction batch.
    pub batch: usize,
    /// Where neighbours are searched.
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

/// What a step takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SamplerSettings {
    /// Clusters per batch (P).
    pub clusters: usize,
    /// Instances per cluster and modality (K).
    pub instances: usize,
    /// Draw clusters repeatedly when there are too few.
    pub allow_few_clusters: bool,
}

/// What all stages' optimisers have in common.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OptimizerSettings {
    /// Weight of the L2 term in the gradient.
    pub weight_decay: f64,
}

/// A step of the learning rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LearningRate {
    /// First epoch of the stage that it holds for.
    pub from: usize,
    /// The rate.
    pub rate: f64,
}

/// One stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageSettings {
    /// Its epochs.
    pub epochs: usize,
    /// Steps per epoch; 0 where a method's number of steps follows from the data.
    pub iterations: usize,
    /// The rate from each epoch of the stage on, ascending, starting at 0.
    pub learning_rate: Vec<LearningRate>,
    /// `backbone.bn_groups` of a stage that starts with a fresh network, where it differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bn_groups: Option<usize>,
    /// `evaluation.flip_average` of the tests within the stage, where it differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_flip_average: Option<bool>,
}

impl StageSettings {
    /// The learning rate of an epoch of the stage.
    pub fn rate(&self, in_stage: usize) -> f64 {
        self.learning_rate.iter().rev().find(|step| step.from <= in_stage).map_or(0.0, |step| step.rate)
    }
}

/// When and how to test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EvaluationSettings {
    /// Test every this many epochs; the end of a stage is always tested.
    pub every: usize,
    /// Gallery draws that are averaged.
    pub trials: u32,
    /// Average the embeddings of an image and its mirror image.
    pub flip_average: bool,
    /// `input.filter` of test images, where it differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
}

impl RunConfig {
    /// A preset with overrides of the form `key=value`, such as `stage2.epochs=30`.
    ///
    /// # Errors
    ///
    /// `VR0503` for an unknown preset, `VR0501` for an unknown key, `VR0502` for an unusable value.
    pub fn from_preset(name: &str, overrides: &[String]) -> Result<Self, MethodError> {
        Self::from_table(preset_table(name)?, overrides)
    }

    /// A configuration file with overrides.
    ///
    /// # Errors
    ///
    /// As [`from_preset`](Self::from_preset).
    pub fn from_toml(text: &str, overrides: &[String]) -> Result<Self, MethodError> {
        Self::from_table(text.parse().map_err(|error| MethodError::Config(format!("{error}")))?, overrides)
    }

    fn from_table(mut table: toml::Table, overrides: &[String]) -> Result<Self, MethodError> {
        for item in overrides {
            set(&mut table, item)?;
        }
        let config: Self = parse_settings(table, "")?;
        config.check()?;
        Ok(config)
    }

    /// The configuration as TOML, for the run directory.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).unwrap_or_default()
    }

    /// A number that differs between configurations.
    pub fn hash(&self) -> String {
        format!("{:016x}", crate::system::fnv1a(self.to_toml().bytes()))
    }

    /// The stages, in order.
    pub fn stages(&self) -> Vec<&StageSettings> {
        [Some(&self.stage1), Some(&self.stage2), self.stage3.as_ref()].into_iter().flatten().collect()
    }

    /// Epochs of all stages.
    pub fn epochs(&self) -> usize {
        self.stages().iter().map(|stage| stage.epochs).sum()
    }

    /// Which epoch of which stage an epoch is; after the last, the end of the last stage.
    pub fn at(&self, epoch: usize) -> EpochAt {
        let stages = self.stages();
        let (mut stage, mut first) = (0, 0);
        while stage + 1 < stages.len() && epoch >= first + stages[stage].epochs {
            first += stages[stage].epochs;
            stage += 1;
        }
        EpochAt { stage, epoch, in_stage: epoch - first, of: stages[stage].epochs }
    }

    /// The settings of the stage of an epoch.
    pub fn stage(&self, at: EpochAt) -> &StageSettings {
        self.stages()[at.stage]
    }

    /// The P x K shape of a batch.
    pub fn batch_shape(&self) -> BatchShape {
        let SamplerSettings { clusters, instances, allow_few_clusters } = self.sampler;
        BatchShape { clusters, instances, allow_few_clusters }
    }

    /// The filter that training images are resized with.
    ///
    /// # Errors
    ///
    /// `VR0502` for an unknown name.
    pub fn filter(&self) -> Result<ResizeFilter, MethodError> {
        filter_of("input.filter", &self.input.filter)
    }

    /// The filter that test images are resized with.
    ///
    /// # Errors
    ///
    /// `VR0502` for an unknown name.
    pub fn test_filter(&self) -> Result<ResizeFilter, MethodError> {
        self.evaluation.filter.as_ref().map_or_else(|| self.filter(), |name| filter_of("evaluation.filter", name))
    }

    /// The settings of a network that has been trained for some epochs and is tested or used: its images are resized by the
    /// filter of tests, and mirrored as in the tests of its stage.
    #[must_use]
    pub fn in_use(mut self, epochs: usize) -> Self {
        let stage = self.stage(self.at(epochs.saturating_sub(1)));
        self.evaluation.flip_average = stage.test_flip_average.unwrap_or(self.evaluation.flip_average);
        if let Some(filter) = &self.evaluation.filter {
            self.input.filter.clone_from(filter);
        }
        self
    }

    /// What one should know of the settings before a run.
    pub fn notes(&self) -> Vec<String> {
        let ClusteringSettings { k2, eps, .. } = self.clustering;
        let eps = [("visible", eps.visible), ("infrared", eps.infrared)];
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

    fn check(&self) -> Result<(), MethodError> {
        self.filter()?;
        self.test_filter()?;
        self.range()?;
        let refuse = |what: &str| Err(MethodError::Config(what.into()));
        for (number, stage) in self.stages().into_iter().enumerate() {
            if stage.epochs > MOST_EPOCHS {
                return refuse(&format!("stage{}.epochs = {}; at most {MOST_EPOCHS}", number + 1, stage.epochs));
            }
            let name = format!("stage{}.learning_rate", number + 1);
            let rates = &stage.learning_rate;
            if rates.first().is_none_or(|first| first.from != 0) || !rates.is_sorted_by(|a, b| a.from < b.from) {
                return refuse(&format!("{name} must start at epoch 0 and ascend"));
            }
            if rates.iter().any(|step| !(step.rate > 0.0 && step.rate.is_finite())) {
                return refuse(&format!("{name}: every rate must be above 0"));
            }
        }
        for (name, eps) in [("visible", self.clustering.eps.visible), ("infrared", self.clustering.eps.infrared)] {
            if !(eps > 0.0 && eps < 1.0) {
                return refuse(&format!("clustering.eps.{name} = {eps} must be above 0 and below 1"));
            }
        }
        let positive = [
            ("input.height", self.input.height),
            ("input.width", self.input.width),
            ("clustering.k1", self.clustering.k1),
            ("clustering.k2", self.clustering.k2),
            ("clustering.min_samples", self.clustering.min_samples),
            ("clustering.batch", self.clustering.batch),
            ("sampler.clusters", self.sampler.clusters),
            ("sampler.instances", self.sampler.instances),
            ("backbone.bn_groups", self.backbone.bn_groups),
            ("evaluation.every", self.evaluation.every),
            ("evaluation.trials", self.evaluation.trials as usize),
        ];
        if let Some((name, _)) = positive.iter().find(|(_, value)| *value == 0) {
            return refuse(&format!("{name} must be at least 1"));
        }
        let slots = self.sampler.clusters.saturating_mul(self.sampler.instances);
        if slots > MOST_SLOTS {
            let (clusters, instances) = (self.sampler.clusters, self.sampler.instances);
            return refuse(&format!(
                "sampler.clusters = {clusters} times sampler.instances = {instances} are {slots} images of a modality per step; at \
                 most {MOST_SLOTS}"
            ));
        }
        if self.epochs() == 0 {
            let keys: Vec<String> = (1..=self.stages().len()).map(|stage| format!("stage{stage}.epochs")).collect();
            return refuse(&format!("{} are all 0: one of them must be at least 1", keys.join(", ")));
        }
        Ok(())
    }
}

fn filter_of(key: &str, name: &str) -> Result<ResizeFilter, MethodError> {
    let message = || MethodError::Config(format!("{key} = '{name}'; lanczos, bicubic and bilinear exist"));
    ResizeFilter::from_name(name).ok_or_else(message)
}

/// Reads settings from a table; a key that the settings do not have is an error that names the nearest one. `prefix` is
/// put before keys in messages.
///
/// # Errors
///
/// `VR0501` and `VR0502`.
pub fn parse_settings<T: DeserializeOwned + Serialize>(table: toml::Table, prefix: &str) -> Result<T, MethodError> {
    let mut unknown = Vec::new();
    let parsed: Result<T, _> = serde_ignored::deserialize(table, |path| unknown.push(path.to_string()));
    let parsed = parsed.map_err(|error| MethodError::Config(format!("{prefix}{}", error.to_string().trim())))?;
    let Some(key) = unknown.first() else { return Ok(parsed) };
    let mut known = Vec::new();
    if let Ok(table) = toml::Table::try_from(&parsed) {
        collect_keys(&table, "", &mut known);
    }
    let nearest = known.into_iter().max_by(|a, b| strsim::jaro(a, key).total_cmp(&strsim::jaro(b, key)));
    Err(MethodError::UnknownKey {
        key: format!("{prefix}{key}"),
        suggestion: nearest.map(|key| format!("{prefix}{key}")),
    })
}

fn collect_keys(table: &toml::Table, prefix: &str, keys: &mut Vec<String>) {
    for (key, value) in table {
        match value {
            toml::Value::Table(inner) => collect_keys(inner, &format!("{prefix}{key}."), keys),
            _ => keys.push(format!("{prefix}{key}")),
        }
    }
}

/// Applies one `key=value`.
fn set(table: &mut toml::Table, item: &str) -> Result<(), MethodError> {
    let (path, text) =
        item.split_once('=').ok_or_else(|| MethodError::Config(format!("'{item}' is not of the form key=value")))?;
    let value = match format!("value = {text}").parse::<toml::Table>() {
        Ok(mut parsed) => parsed.remove("value").unwrap_or_else(|| text.into()),
        Err(_) => toml::Value::String(text.into()),
    };
    let mut keys: Vec<&str> = path.trim().split('.').collect();
    let last = keys.pop().unwrap_or_default();
    let mut table = table;
    for key in keys {
        let entry = table.entry(key).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        table = entry
            .as_table_mut()
            .ok_or_else(|| MethodError::Config(format!("'{path}': '{key}' is a value, not a section")))?;
    }
    // A whole number is welcome where a decimal one is expected.
    let value = match (table.get(last), value) {
        (Some(toml::Value::Float(_)), toml::Value::Integer(whole)) => toml::Value::Float(whole as f64),
        (_, value) => value,
    };
    table.insert(last.to_string(), value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::presets;

    fn quick(overrides: &[&str]) -> Result<RunConfig, MethodError> {
        RunConfig::from_preset("mbccm_sysu_quick", &overrides.iter().map(|o| o.to_string()).collect::<Vec<_>>())
    }

    #[test]
    fn presets_parse_and_survive_a_round_trip() {
        for name in presets() {
            let config = RunConfig::from_preset(&name, &[]).unwrap();
            assert_eq!(config.preset, name);
            assert_eq!(RunConfig::from_toml(&config.to_toml(), &[]).unwrap(), config);
        }
    }

    #[test]
    fn overrides() {
        let config = quick(&["stage2.epochs=30", "clustering.eps.visible=0.4", "settings.alpha=1"]).unwrap();
        assert_eq!((config.stage2.epochs, config.clustering.eps.visible), (30, 0.4));
        assert_eq!(config.settings["alpha"], toml::Value::Float(1.0));
        assert_ne!(config.hash(), quick(&[]).unwrap().hash());
        assert_ne!(quick(&["backbone.precision=bf16"]).unwrap().hash(), quick(&[]).unwrap().hash());
    }

    #[test]
    fn an_unknown_key_names_the_nearest() {
        let error = quick(&["stage2.epoch=30"]).unwrap_err().to_string();
        assert_eq!(error, "VR0501: there is no setting 'stage2.epoch'; did you mean 'stage2.epochs'?");
    }

    #[test]
    fn unusable_values() {
        for (set, says) in [
            ("stage1.epochs=many", "VR0502"),
            ("clustering.eps.visible=1.5", "clustering.eps.visible"),
            ("input.filter=nearest", "input.filter = 'nearest'; lanczos"),
            ("evaluation.filter=nearest", "evaluation.filter = 'nearest'; lanczos"),
            ("stage1.learning_rate=[]", "start at epoch 0"),
            ("sampler.instances=0", "sampler.instances"),
            ("sampler.clusters=1000000", "sampler.clusters"),
            ("epochs", "key=value"),
            ("stage2.epochs=9223372036854775807", "stage2.epochs"),
        ] {
            let error = quick(&[set]).unwrap_err().to_string();
            assert!(error.contains(says), "{set}: {error}");
        }
        assert!(RunConfig::from_preset("none", &[]).unwrap_err().to_string().starts_with("VR0503"));
    }

    /// When and how each method's authors test.
    #[test]
    fn tests_as_published() {
        let tests = |preset: &str, epochs: usize| {
            let config = RunConfig::from_preset(preset, &[]).unwrap();
            let (every, filter) = (config.evaluation.every, config.test_filter().unwrap());
            let used = config.in_use(epochs);
            assert_eq!(used.filter().unwrap(), filter);
            (every, filter, used.evaluation.flip_average)
        };
        let (lanczos, bilinear) = (ResizeFilter::Lanczos, ResizeFilter::Bilinear);
        for data in ["sysu", "regdb"] {
            let preset = |method: &str| format!("{method}_{data}_paper");
            assert_eq!(tests(&preset("mbccm"), 80), (5, lanczos, false));
            assert_eq!(tests(&preset("mult"), 90), (1, bilinear, true));
            assert_eq!(tests(&preset("dmic"), 100), (1, lanczos, true));
            assert_eq!(tests(&preset("ecul"), 100), (1, lanczos, true));
            // MMM's third stage begins after its hundredth epoch.
            for (epochs, mirrored) in [(0, true), (1, true), (50, true), (100, true), (101, false), (200, false)] {
                assert_eq!(tests(&preset("mmm"), epochs), (1, lanczos, mirrored), "{epochs}");
            }
        }
        assert_eq!(RunConfig::from_preset("dmic_sysu_paper", &[]).unwrap().filter().unwrap(), ResizeFilter::Bicubic);
    }

    #[test]
    fn an_eps_that_rounding_decides_is_told() {
        for name in presets() {
            // RegDB's quick presets were chosen before this was known: 0.4, three rows of four.
            let is_known = name.split('+').next().is_some_and(|base| base.ends_with("_regdb_quick"));
            assert_eq!(RunConfig::from_preset(&name, &[]).unwrap().notes().is_empty(), !is_known, "{name}");
        }
        let notes = quick(&["clustering.k2=6", "clustering.eps.infrared=0.45"]).unwrap().notes();
        assert!(
            notes.len() == 1
                && notes[0].contains("clustering.eps.visible = 0.5")
                && notes[0].contains("4 of their k2 = 6")
        );
    }

    /// It was refused without a word on what to change.
    #[test]
    fn no_epoch_at_all_names_the_keys() {
        let error = quick(&["stage1.epochs=0", "stage2.epochs=0"]).unwrap_err().to_string();
        assert_eq!(
            error,
            "VR0502: configuration: stage1.epochs, stage2.epochs are all 0: one of them must be at least 1"
        );
    }

    #[test]
    fn the_paper_schedule() {
        let config = RunConfig::from_preset("mbccm_sysu_paper", &[]).unwrap();
        let rate = |epoch| config.stage(config.at(epoch)).rate(config.at(epoch).in_stage);
        let rates = [0, 19, 20, 39, 40, 49, 50, 69, 70, 79].map(rate);
        assert_eq!(rates, [3.5e-4, 3.5e-4, 3.5e-5, 3.5e-5, 3.5e-5, 3.5e-5, 3.5e-6, 3.5e-6, 3.5e-7, 3.5e-7]);
    }
}
