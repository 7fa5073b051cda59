//! The settings of a run: the engine's, and the method's own table.

use serde::{Deserialize, Serialize, Serializer};
use vireid_data::{ImageSize, ResizeFilter};

use crate::epoch::EpochAt;
use crate::sections::{
    BackboneSettings, EvaluationSettings, ExtractionSettings, InputSettings, OptimizerSettings, StageSettings,
};
use crate::tables::{modernised, parse_settings, remove, set};
use crate::{MethodError, Optimizer, learning_rate, settings_hash};

/// Epochs that a stage may have: far more than anybody trains, and few enough that sums over the stages are numbers.
const MOST_EPOCHS: usize = 1 << 24;

/// What the engine reads of a run's settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EngineConfig {
    /// Name of the method, as [`Method::name`](crate::Method::name) gives it.
    pub method: String,
    /// Name of the preset that this started from. For people to read: nothing is looked up by it.
    pub preset: String,
    /// Seed of all random streams; the same seed, data and settings give the same run on the same device.
    pub seed: u64,
    /// Size and filter of images, and how they are loaded: `[input]`.
    pub input: InputSettings,
    /// The network and its starting weights: `[backbone]`.
    pub backbone: BackboneSettings,
    /// How training images are embedded to be labelled: `[extraction]`.
    pub extraction: ExtractionSettings,
    /// What the optimisers of all stages have in common: `[optimizer]`.
    pub optimizer: OptimizerSettings,
    /// When and how to test: `[evaluation]`.
    pub evaluation: EvaluationSettings,
    /// One `[[stages]]` entry per stage of the method, in order; at least one. [`Engine::new`](crate::Engine::new)
    /// refuses another number than the method has.
    pub stages: Vec<StageSettings>,
}

/// Everything that decides what a run computes: what the engine reads, and the method's own table.
#[derive(Debug, Clone, PartialEq)]
pub struct RunConfig {
    /// The sections that the engine reads, checked.
    pub engine: EngineConfig,
    /// All other sections, unchecked: the method reads them when it is built, and refuses those that it does not know.
    pub method: toml::Table,
    /// Whether it was read in version 0.1's form, whose shared sections held more than each method reads.
    is_of_old_form: bool,
}

impl Serialize for RunConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.table().serialize(serializer)
    }
}

/// The sections that the engine reads; all others are the method's.
const OF_THE_ENGINE: [&str; 9] =
    ["method", "preset", "seed", "input", "backbone", "extraction", "optimizer", "evaluation", "stages"];

/// How like a section of the engine a method's must be written to be taken for it.
const ALIKE: f64 = 0.9;

/// The section of the engine that a key is a misspelling of.
fn misspelled(key: &str) -> Option<&'static str> {
    OF_THE_ENGINE.into_iter().find(|known| strsim::jaro(known, key) >= ALIKE)
}

impl RunConfig {
    /// Reads the text of a configuration file, then applies overrides of the form `key=value`, such as
    /// `stage2.epochs=30`.
    ///
    /// Files of the older form, with `[stage1]` instead of `[[stages]]`, are read too.
    ///
    /// # Errors
    ///
    /// `VR0501` for an unknown key of the engine's sections, `VR0502` for an unusable value. The method's sections are
    /// checked when the method is built.
    pub fn from_toml(text: &str, overrides: &[String]) -> Result<Self, MethodError> {
        Self::from_table(text.parse().map_err(|error| MethodError::Config(format!("{error}")))?, overrides)
    }

    /// As [`from_toml`](Self::from_toml), from a table that has been read or put together already.
    ///
    /// # Errors
    ///
    /// As [`from_toml`](Self::from_toml).
    pub fn from_table(table: toml::Table, overrides: &[String]) -> Result<Self, MethodError> {
        let (mut table, is_of_old_form) = modernised(table);
        for item in overrides {
            set(&mut table, item)?;
        }
        let (engine, method): (toml::Table, toml::Table) =
            table.into_iter().partition(|(key, _)| OF_THE_ENGINE.contains(&key.as_str()));
        if let Some((key, meant)) = method.keys().find_map(|key| Some((key, misspelled(key)?))) {
            return Err(MethodError::UnknownKey { key: key.clone(), suggestion: Some(meant.into()) });
        }
        let engine: EngineConfig = parse_settings(engine, "")?;
        engine.check()?;
        Ok(Self { engine, method, is_of_old_form })
    }

    /// The same without a key of the method's sections, such as `clustering.eps`, that shared presets of version 0.1 gave every
    /// method, whether it read it or not. A configuration of today's form is left as it is: there the key is refused.
    #[must_use]
    pub fn without_old(mut self, key: &str) -> Self {
        if self.is_of_old_form {
            remove(&mut self.method, key);
        }
        self
    }

    /// The configuration as TOML, the stages last: the `config.toml` of a run directory. [`from_toml`](Self::from_toml)
    /// reads it back.
    pub fn to_toml(&self) -> String {
        toml::to_string(&self.table()).unwrap_or_default()
    }

    /// All sections, the stages last, as they are read best.
    fn table(&self) -> toml::Table {
        let mut table = toml::Table::try_from(&self.engine).unwrap_or_default();
        let stages = table.remove("stages");
        table.extend(self.method.clone());
        table.extend(stages.map(|stages| ("stages".to_string(), stages)));
        table
    }

    /// A fingerprint of all settings, 16 hexadecimal digits: equal for equal configurations, in whatever order their settings
    /// were given. Not a cryptographic one.
    pub fn hash(&self) -> String {
        settings_hash::of_table(&self.table())
    }

    /// Whether a fingerprint is that of these settings: as [`hash`](Self::hash) makes it, or as version 0.1 did, for which the
    /// order counted.
    pub fn has_hash(&self, hash: &str) -> bool {
        settings_hash::is_of_text(hash, &self.to_toml())
    }

    /// The settings of a network that has been trained for some epochs and is tested or used. See [`EngineConfig::in_use`].
    #[must_use]
    pub fn in_use(self, epochs: usize) -> Self {
        Self { engine: self.engine.in_use(epochs), ..self }
    }
}

impl EngineConfig {
    /// Epochs of all stages together; 0 leaves the starting network as it is.
    pub fn epochs(&self) -> usize {
        self.stages.iter().map(|stage| stage.epochs).sum()
    }

    /// The stage that an epoch is in, and its place there. `epoch` is counted from 0 over all stages; one after the
    /// last gives the end of the last stage.
    pub fn at(&self, epoch: usize) -> EpochAt {
        let stages = &self.stages;
        let (mut stage, mut first) = (0, 0);
        while stage + 1 < stages.len() && epoch >= first + stages[stage].epochs {
            first += stages[stage].epochs;
            stage += 1;
        }
        EpochAt { stage, epoch, in_stage: epoch - first, of: stages[stage].epochs }
    }

    /// The settings of the stage that an epoch is in.
    pub fn stage(&self, at: EpochAt) -> &StageSettings {
        &self.stages[at.stage]
    }

    /// The size in pixels that every image is resized to.
    pub fn size(&self) -> ImageSize {
        ImageSize { height: self.input.height, width: self.input.width }
    }

    /// The filter that training images are resized with: `input.filter`.
    ///
    /// # Errors
    ///
    /// `VR0502` for an unknown name.
    pub fn filter(&self) -> Result<ResizeFilter, MethodError> {
        filter_of("input.filter", &self.input.filter)
    }

    /// The filter that test images are resized with: `evaluation.filter`, or `input.filter` where that is not set.
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

    pub(crate) fn check(&self) -> Result<(), MethodError> {
        self.filter()?;
        self.test_filter()?;
        self.range()?;
        let refuse = |what: &str| Err(MethodError::Config(what.into()));
        for (number, stage) in self.stages.iter().enumerate() {
            if stage.epochs > MOST_EPOCHS {
                return refuse(&format!("stage{}.epochs = {}; at most {MOST_EPOCHS}", number + 1, stage.epochs));
            }
            if let Some(fault) = learning_rate::fault(&stage.learning_rate) {
                return refuse(&format!("stage{}.learning_rate {fault}", number + 1));
            }
            if let Some(name) = stage.optimizer.as_ref().filter(|name| Optimizer::named(name).is_none()) {
                let known = Optimizer::names().join(", ");
                return refuse(&format!("stage{}.optimizer = '{name}'; there are {known}", number + 1));
            }
        }
        let positive = [
            ("input.height", self.input.height),
            ("input.width", self.input.width),
            ("extraction.batch", self.extraction.batch),
            ("backbone.bn_groups", self.backbone.bn_groups),
            ("evaluation.every", self.evaluation.every),
            ("evaluation.trials", self.evaluation.trials as usize),
        ];
        if let Some((name, _)) = positive.iter().find(|(_, value)| *value == 0) {
            return refuse(&format!("{name} must be at least 1"));
        }
        if self.stages.is_empty() {
            return refuse("there must be at least one of [[stages]]");
        }
        Ok(())
    }
}

fn filter_of(key: &str, name: &str) -> Result<ResizeFilter, MethodError> {
    let message =
        || MethodError::Config(format!("{key} = '{name}'; lanczos, bicubic and bilinear are the filters there are"));
    ResizeFilter::from_name(name).ok_or_else(message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{config, read};

    #[test]
    fn a_configuration_survives_a_round_trip() {
        let config = config(&["stage1.epochs=3", "settings.alpha=1", "evaluation.filter=lanczos"]);
        assert_eq!((config.engine.stages[0].epochs, config.engine.stages[1].epochs), (3, 9));
        // A whole number is welcome where a decimal one stood.
        assert_eq!(config.method["settings"]["alpha"], toml::Value::Float(1.0));
        assert_eq!(RunConfig::from_toml(&config.to_toml(), &[]).unwrap(), config);
        assert_ne!(config.hash(), crate::testing::config(&[]).hash());
        assert_ne!(crate::testing::config(&["backbone.precision=bf16"]).hash(), crate::testing::config(&[]).hash());
    }

    /// Run directories of version 0.1 are resumed and used.
    #[test]
    fn configurations_of_the_form_before_are_read() {
        let today = config(&[]);
        let text =
            include_str!("testing/config.toml").replacen("[[stages]]", "[stage1]", 1).replace("[[stages]]", "[stage2]");
        let before = text.replace("[extraction]", "[clustering]\nk1 = 20");
        let read = RunConfig::from_toml(&before, &[]).unwrap();
        assert_eq!(read.engine, today.engine);
        assert_eq!(
            read.method["clustering"],
            toml::Value::Table(toml::Table::from_iter([("k1".to_string(), 20.into())]))
        );
    }

    #[test]
    fn an_unknown_key_names_the_nearest() {
        let error = read(&["stage2.epoch=30"]).unwrap_err().to_string();
        assert_eq!(error, "VR0501: there is no setting 'stage2.epoch'; did you mean 'stage2.epochs'?");
        for (set, says) in [
            ("stages.2.epochs=30", "stage2.epochs"),
            ("clustering.batch=8", "extraction.batch"),
            ("clustering.flip_average=true", "extraction.flip_average"),
            ("evaluatoin.every=1", "evaluation"),
            ("inputs.height=8", "input"),
        ] {
            let error = read(&[set]).unwrap_err().to_string();
            assert!(error.starts_with("VR0501") && error.contains(&format!("did you mean '{says}'")), "{set}: {error}");
        }
        let error = read(&["stage3.epochs=30"]).unwrap_err().to_string();
        assert!(error.starts_with("VR0502") && error.contains("no stage 3: this configuration has 2"), "{error}");
    }

    #[test]
    fn unusable_values() {
        for (set, says) in [
            ("stage1.epochs=many", "VR0502"),
            ("input.filter=nearest", "input.filter = 'nearest'; lanczos"),
            ("evaluation.filter=nearest", "evaluation.filter = 'nearest'; lanczos"),
            ("stage1.learning_rate=[]", "start at epoch 0"),
            ("extraction.batch=0", "extraction.batch"),
            ("epochs", "key=value"),
            ("stage2.epochs=9223372036854775807", "stage2.epochs"),
            ("stages=[]", "at least one of [[stages]]"),
            ("stage2.optimizer=lion", "stage2.optimizer = 'lion'; there are adam, sgd_nesterov, adamw"),
        ] {
            let error = read(&[set]).unwrap_err().to_string();
            assert!(error.contains(says), "{set}: {error}");
        }
    }

    /// It was refused, so that nobody could use a network as it came.
    #[test]
    fn no_epoch_at_all_is_a_run_too() {
        let config = read(&["stage1.epochs=0", "stage2.epochs=0"]).unwrap().engine;
        let at = config.at(0);
        assert_eq!((config.epochs(), at.stage, at.in_stage, at.of), (0, 1, 0, 0));
        assert_eq!(config.clone().in_use(0), EngineConfig { ..config });
    }

    #[test]
    fn one_stage_and_four() {
        let of = |epochs: &[usize]| {
            let mut config = config(&[]).engine;
            let stage = config.stages[0].clone();
            config.stages = epochs.iter().map(|&epochs| StageSettings { epochs, ..stage.clone() }).collect();
            let ends = |epoch| (config.at(epoch).stage, config.at(epoch).in_stage);
            (config.epochs(), (0..=config.epochs()).map(ends).collect::<Vec<_>>())
        };
        assert_eq!(of(&[2]), (2, vec![(0, 0), (0, 1), (0, 2)]));
        assert_eq!(of(&[1, 0, 1, 1]), (3, vec![(0, 0), (2, 0), (3, 0), (3, 1)]));
    }

    /// What is not in a section, of a method's own, is written before the sections.
    #[test]
    fn single_values_of_a_method_survive_too() {
        let config = RunConfig::from_toml(&format!("alpha = 3\n{}", config(&[]).to_toml()), &[]).unwrap();
        assert_eq!(config.method["alpha"], toml::Value::Integer(3));
        assert_eq!(RunConfig::from_toml(&config.to_toml(), &[]).unwrap(), config);
    }
}
