//! The presets: commented TOML files laid over one another. Those of the project are in `presets/`.
//!
//! `<method>_<data set>_<size>`, where the size is `paper` or `quick`, is made of `base_<size>`, then `<method>_<size>`, then
//! `<data set>_<size>` and `<method>_<data set>_<size>` where the data set's [entry](crate::data_sets) has such files
//! (SYSU-MM01's has none). Later files override earlier ones. The size `photo` is what `quick` is, with files of its own, by
//! the same names, laid over it.
//!
//! A `+layer` behind the name is another reading of the method, laid over it: `dmic_sysu_paper+even` adds
//! `dmic_paper+even`, and `dmic_<data set>_paper+even` where there is such a file. Several layers may follow one another.

use vireid_train::{MethodError, RunConfig, lay_over, remove};

use crate::data_sets::{DataSet, data_sets};
use crate::registry::entries;

/// Files of `presets/` by name, with their text.
macro_rules! preset_files {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/presets/", $name, ".toml")))),*]
    };
}
pub(crate) use preset_files;

/// The files that belong to no method and no data set.
const SHARED: &[(&str, &str)] = preset_files!["base_paper", "base_quick", "base_photo"];
const SIZES: [&str; 3] = ["paper", "quick", "photo"];
/// A preset's list of inherited keys that its method does not read.
const WITHOUT: &str = "without";

/// The sizes that a size is made of, each laid over those before it.
fn made_of(size: &str) -> Vec<&str> {
    if size == "photo" { vec!["quick", size] } else { vec![size] }
}

/// Names and texts of all preset files.
fn files() -> impl Iterator<Item = (&'static str, &'static str)> {
    let of_methods = entries().into_iter().flat_map(|entry| entry.presets.iter().copied());
    let of_data_sets = data_sets().flat_map(|data_set| data_set.presets.iter().copied());
    SHARED.iter().copied().chain(of_methods).chain(of_data_sets)
}

/// The settings of a preset, with overrides of the form `key=value`, such as `stage2.epochs=30`.
///
/// # Errors
///
/// `VR0503` for an unknown preset, `VR0501` for an unknown key of the engine's sections, `VR0502` for an unusable value. The
/// method's own sections are checked when it is [built](crate::registry::build).
pub fn preset(name: &str, overrides: &[String]) -> Result<RunConfig, MethodError> {
    RunConfig::from_table(preset_table(name)?, overrides)
}

/// The names of all presets, those of registered methods and data sets among them: every method with every data set
/// that has presets, in every size, alone and with each of its layers. Layers may also be put in a row, which is not
/// listed.
pub fn presets() -> impl Iterator<Item = String> {
    crate::registry::methods()
        .flat_map(|method| with_presets().map(move |data_set| (method, data_set.name)))
        .flat_map(|(method, data)| SIZES.iter().map(move |size| (method, data, size)))
        .filter(|(method, _, size)| files().any(|(file, _)| file == format!("{method}_{}", made_of(size)[0])))
        .flat_map(|(method, data, size)| {
            let name = format!("{method}_{data}_{size}");
            let layered = layers(method, size).map({
                let name = name.clone();
                move |layer| format!("{name}+{layer}")
            });
            std::iter::once(name).chain(layered.collect::<Vec<_>>())
        })
}

/// The data sets with presets of their own.
fn with_presets() -> impl Iterator<Item = &'static DataSet> {
    data_sets().filter(|data_set| data_set.preset == data_set.name)
}

/// The layers of a method's presets of one size.
fn layers(method: &str, size: &str) -> impl Iterator<Item = &'static str> {
    let prefix = format!("{method}_{}+", made_of(size)[0]);
    files().filter_map(move |(name, _)| name.strip_prefix(&prefix))
}

/// The files of a preset, as name and text, in the order in which they are laid over one another.
///
/// # Errors
///
/// `VR0503` for an unknown preset.
pub fn preset_layers(name: &str) -> Result<Vec<(String, &'static str)>, MethodError> {
    let mut laid_over = name.split('+');
    let base = laid_over.next().unwrap_or_default();
    let mut parts = base.splitn(3, '_');
    let mut part = || parts.next().unwrap_or_default();
    let (method, data, size) = (part(), part(), part());
    let mut is_known = presets().any(|known| known == base);
    let laid_over: Vec<&str> = laid_over.collect();
    is_known &= laid_over.iter().all(|layer| layers(method, size).any(|known| known == *layer));
    let mut wanted = Vec::new();
    for size in made_of(size) {
        wanted.extend(["base", method, data, &format!("{method}_{data}")].map(|of| format!("{of}_{size}")));
        for layer in &laid_over {
            wanted.extend([format!("{method}_{size}+{layer}"), format!("{method}_{data}_{size}+{layer}")]);
        }
    }
    if !is_known {
        return Err(MethodError::Unknown { what: "preset", name: name.into(), known: presets().collect() });
    }
    let text = |name: &str| files().find(|(known, _)| *known == name).map(|(_, text)| text);
    Ok(wanted.into_iter().filter_map(|name| text(&name).map(|text| (name, text))).collect())
}

/// Leaves out a layer's stages behind the last of those that there are.
fn limit_stages(layer: &mut toml::Table, table: &toml::Table) {
    let count = table.get("stages").and_then(toml::Value::as_array).map_or(0, Vec::len);
    if let Some(stages) = layer.get_mut("stages").and_then(toml::Value::as_array_mut) {
        stages.truncate(count);
    }
}

/// A preset as one table: its files laid over one another, and without the keys that its method does not read.
fn preset_table(name: &str) -> Result<toml::Table, MethodError> {
    let method = name.split('_').next().unwrap_or_default();
    let (mut table, mut without) = (toml::Table::new(), Vec::new());
    for (file, text) in preset_layers(name)? {
        let mut layer: toml::Table = text.parse().map_err(|error| MethodError::Config(format!("{error}")))?;
        if let Some(toml::Value::Array(keys)) = layer.remove(WITHOUT) {
            without.extend(keys);
        }
        // What a data set asks of the stages of any method must not give a method more of them.
        if !file.starts_with(&format!("{method}_")) {
            limit_stages(&mut layer, &table);
        }
        lay_over(&mut table, layer);
    }
    without.iter().filter_map(toml::Value::as_str).for_each(|key| remove(&mut table, key));
    table.insert("preset".into(), name.into());
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use vireid_data::ResizeFilter;

    #[test]
    fn every_key_has_a_comment() {
        for (name, text) in files() {
            let lines: Vec<&str> = text.lines().collect();
            for (number, line) in lines.iter().enumerate() {
                if line.contains('=') && !line.starts_with('#') {
                    assert!(number > 0 && lines[number - 1].starts_with('#'), "{name}: '{line}' has no comment above");
                }
            }
        }
    }

    #[test]
    fn later_layers_win() {
        let eps = |config: &RunConfig| config.method["clustering"]["eps"]["visible"].as_float().unwrap();
        let sysu = preset("mult_sysu_paper", &[]).unwrap();
        let regdb = preset("mult_regdb_paper", &[]).unwrap();
        assert_eq!((eps(&sysu), eps(&regdb)), (0.6, 0.3));
        assert_eq!((sysu.engine.stages[0].iterations, regdb.engine.stages[0].iterations), (300, 100));
        assert_eq!((sysu.engine.input.filter.as_str(), regdb.engine.backbone.bn_groups), ("bilinear", 2));
        let unknown = preset("mult_cuhk_paper", &[]).unwrap_err().to_string();
        assert!(unknown.starts_with("VR0503") && unknown.contains("mult_regdb_paper"), "{unknown}");
    }

    #[test]
    fn layers_lie_over_a_preset_in_their_order() {
        let read = |name: &str| preset(name, &[]).unwrap();
        let count = |name: &str, key: &str| read(name).method["settings"]["emcc"][key].as_integer().unwrap();
        assert_eq!((count("ecul_sysu_paper", "k2"), count("ecul_sysu_paper+counts", "k2")), (6, 12));
        assert_eq!((count("ecul_regdb_paper", "joint_k3"), count("ecul_regdb_paper+counts", "joint_k3")), (9, 10));
        let names = |name: &str| preset_layers(name).unwrap().into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(
            names("dmic_regdb_paper+in_batch+even")[3..],
            ["dmic_regdb_paper", "dmic_paper+in_batch", "dmic_paper+even", "dmic_regdb_paper+even"]
        );
        assert_eq!(
            names("dmic_regdb_photo+even"),
            ["base_quick", "dmic_quick", "regdb_quick", "dmic_quick+even", "base_photo"]
        );
        let photo = read("dmic_regdb_photo+even").engine;
        assert_eq!((photo.input.height, photo.backbone.name.as_str()), (128, "efficientnet_lite0"));
        assert_eq!((photo.preset.as_str(), photo.stages[0].iterations), ("dmic_regdb_photo+even", 120));
        assert_eq!(read("dmic_sysu_paper+two_cards").engine.backbone.bn_groups, 2);
        assert_eq!(read("dmic_sysu_quick+even").engine.preset, "dmic_sysu_quick+even");
        for name in ["dmic_sysu_paper+counts", "dmic_sysu_paper+", "dmic_sysu+even", "mult_sysu_quick+even"] {
            let error = preset_layers(name).unwrap_err().to_string();
            assert!(error.starts_with("VR0503") && error.contains("dmic_sysu_paper+even"), "{name}: {error}");
        }
    }

    #[test]
    fn every_method_accepts_its_presets() {
        for name in presets() {
            let config = preset(&name, &[]).unwrap();
            let method = crate::registry::build(&config).unwrap();
            assert_eq!(method.stages().len(), config.engine.stages.len(), "{name}");
        }
    }

    fn quick(overrides: &[&str]) -> Result<RunConfig, MethodError> {
        preset("mbccm_sysu_quick", &overrides.iter().map(|o| o.to_string()).collect::<Vec<_>>())
    }

    fn notes(config: &RunConfig) -> Vec<String> {
        crate::registry::build(config).unwrap().notes()
    }

    #[test]
    fn presets_survive_a_round_trip() {
        for name in presets() {
            let config = preset(&name, &[]).unwrap();
            assert_eq!(config.engine.preset, name);
            assert_eq!(RunConfig::from_toml(&config.to_toml(), &[]).unwrap(), config);
        }
    }

    /// A setting that a method did not read was taken without a word.
    #[test]
    fn settings_that_a_method_does_not_read_are_refused() {
        let refused = |name: &str, set: &str| {
            let config = preset(name, &[set.to_string()]).unwrap();
            crate::registry::build(&config).err().map(|error| error.to_string()).unwrap_or_default()
        };
        let error = refused("dmic_sysu_quick", "clustering.eps.visible=0.4");
        assert!(error.starts_with("VR0501") && error.contains("settings.dnc.eps_phase1"), "{error}");
        for set in ["clusterings.k1=3", "sampler.cluster=3", "settings.temprature=1.0"] {
            let error = refused("mbccm_sysu_quick", set);
            assert!(error.starts_with("VR0501") && error.contains("did you mean"), "{set}: {error}");
        }
        for (set, says) in [
            ("clustering.eps.visible=1.5", "clustering.eps.visible"),
            ("sampler.instances=0", "sampler.instances"),
            ("sampler.clusters=1000000", "sampler.clusters"),
        ] {
            let error = refused("mbccm_sysu_quick", set);
            assert!(error.starts_with("VR0502") && error.contains(says), "{set}: {error}");
        }
        assert!(preset("none", &[]).unwrap_err().to_string().starts_with("VR0503"));
    }

    /// When and how each method's authors test.
    #[test]
    fn tests_as_published() {
        let tests = |preset: &str, epochs: usize| {
            let config = super::preset(preset, &[]).unwrap().engine;
            let (every, filter) = (config.evaluation.every, config.test_filter().unwrap());
            let used = config.in_use(epochs);
            assert_eq!(used.filter().unwrap(), filter);
            (every, filter, used.evaluation.flip_average)
        };
        let (lanczos, bilinear) = (ResizeFilter::Lanczos, ResizeFilter::Bilinear);
        for data in ["sysu", "regdb"] {
            let name = |method: &str| format!("{method}_{data}_paper");
            assert_eq!(tests(&name("mbccm"), 80), (5, lanczos, false));
            assert_eq!(tests(&name("mult"), 90), (1, bilinear, true));
            assert_eq!(tests(&name("dmic"), 100), (1, lanczos, true));
            assert_eq!(tests(&name("ecul"), 100), (1, lanczos, true));
            // MMM's third stage begins after its hundredth epoch.
            for (epochs, mirrored) in [(0, true), (1, true), (50, true), (100, true), (101, false), (200, false)] {
                assert_eq!(tests(&name("mmm"), epochs), (1, lanczos, mirrored), "{epochs}");
            }
        }
        assert_eq!(preset("dmic_sysu_paper", &[]).unwrap().engine.filter().unwrap(), ResizeFilter::Bicubic);
    }

    #[test]
    fn an_eps_that_rounding_decides_is_told() {
        for name in presets() {
            // RegDB's quick presets were chosen before this was known: 0.4, three rows of four. The photo presets are made of them.
            // DMIC's radius is a schedule, which is at no value for long.
            let is_of_these = |base: &str| base.ends_with("_regdb_quick") || base.ends_with("_regdb_photo");
            let is_known = name.split('+').next().is_some_and(|base| is_of_these(base) && !base.starts_with("dmic_"));
            assert_eq!(notes(&preset(&name, &[]).unwrap()).is_empty(), !is_known, "{name}");
        }
        let notes = notes(&quick(&["clustering.k2=6", "clustering.eps.infrared=0.45"]).unwrap());
        assert!(
            notes.len() == 1
                && notes[0].contains("clustering.eps.visible = 0.5")
                && notes[0].contains("4 of their k2 = 6")
        );
    }

    #[test]
    fn the_paper_schedule() {
        let config = preset("mbccm_sysu_paper", &[]).unwrap().engine;
        let rate = |epoch| config.stage(config.at(epoch)).rate(config.at(epoch).in_stage);
        let rates = [0, 19, 20, 39, 40, 49, 50, 69, 70, 79].map(rate);
        assert_eq!(rates, [3.5e-4, 3.5e-4, 3.5e-5, 3.5e-5, 3.5e-5, 3.5e-5, 3.5e-6, 3.5e-6, 3.5e-7, 3.5e-7]);
    }
}
