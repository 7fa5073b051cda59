//! The embedded presets: commented TOML files in `presets/`, laid over one another.
//!
//! `<method>_<data set>_<size>` is made of `base_<size>`, then `<method>_<size>`, then `<data set>_<size>` and
//! `<method>_<data set>_<size>` where the data set's [entry](crate::data_sets) has such files (SYSU-MM01's has none). Later files override earlier ones.
//!
//! A `+layer` behind the name is another reading of the method, laid over it: `dmic_sysu_paper+losses` adds
//! `dmic_paper+losses`, and `dmic_<data set>_paper+losses` where there is such a file. Several layers may follow one another.

use crate::MethodError;
use crate::data_sets::{DataSet, data_sets, find};

/// Files of `presets/` by their names, with their texts.
macro_rules! preset_files {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/presets/", $name, ".toml")))),*]
    };
}
pub(crate) use preset_files;

/// What holds for every data set; a data set's own are in its entry.
const FILES: &[(&str, &str)] = preset_files![
    "base_paper",
    "base_quick",
    "dmic_paper",
    "dmic_paper+losses",
    "dmic_paper+schedules",
    "dmic_paper+two_cards",
    "dmic_quick",
    "dmic_quick+losses",
    "dmic_quick+schedules",
    "dmic_quick+two_cards",
    "ecul_paper",
    "ecul_paper+counts",
    "ecul_quick",
    "ecul_quick+counts",
    "mbccm_paper",
    "mbccm_quick",
    "mmm_paper",
    "mmm_quick",
    "mult_paper",
    "mult_quick",
];
const SIZES: [&str; 2] = ["paper", "quick"];

/// The names of the embedded presets, each layer by itself; layers may be put in a row.
pub fn presets() -> impl Iterator<Item = String> {
    crate::registry::methods()
        .flat_map(|method| with_presets().map(move |data_set| (method, data_set.name)))
        .flat_map(|(method, data)| SIZES.iter().map(move |size| (method, data, size)))
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
    let prefix = format!("{method}_{size}+");
    FILES.iter().filter_map(move |(name, _)| name.strip_prefix(&prefix))
}

/// The files of a preset by name, in the order in which they are laid over one another.
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
    let mut wanted = vec![format!("base_{size}"), format!("{method}_{size}")];
    wanted.extend([format!("{data}_{size}"), format!("{method}_{data}_{size}")]);
    let mut is_known = presets().any(|known| known == base);
    for layer in laid_over {
        is_known &= layers(method, size).any(|known| known == layer);
        wanted.push(format!("{method}_{size}+{layer}"));
        wanted.push(format!("{method}_{data}_{size}+{layer}"));
    }
    if !is_known {
        return Err(MethodError::Unknown { what: "preset", name: name.into(), known: presets().collect() });
    }
    let of_data = find(data).map_or(&[][..], |data_set| data_set.presets);
    let text = |name: &str| FILES.iter().chain(of_data).find(|(known, _)| *known == name).map(|(_, text)| *text);
    Ok(wanted.into_iter().filter_map(|name| text(&name).map(|text| (name, text))).collect())
}

/// A preset as one table.
pub(crate) fn preset_table(name: &str) -> Result<toml::Table, MethodError> {
    let mut table = toml::Table::new();
    for (_, text) in preset_layers(name)? {
        lay_over(&mut table, text.parse().map_err(|error| MethodError::Config(format!("{error}")))?);
    }
    table.insert("preset".into(), name.into());
    Ok(table)
}

fn lay_over(table: &mut toml::Table, layer: toml::Table) {
    for (key, value) in layer {
        match (table.get_mut(&key), value) {
            (Some(toml::Value::Table(inner)), toml::Value::Table(layer)) => lay_over(inner, layer),
            (_, value) => {
                table.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RunConfig;

    #[test]
    fn every_key_has_a_comment() {
        for (name, text) in FILES.iter().chain(data_sets().flat_map(|data_set| data_set.presets)) {
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
        let sysu = RunConfig::from_preset("mult_sysu_paper", &[]).unwrap();
        let regdb = RunConfig::from_preset("mult_regdb_paper", &[]).unwrap();
        assert_eq!((sysu.clustering.eps.visible, regdb.clustering.eps.visible), (0.6, 0.3));
        assert_eq!((sysu.stage1.iterations, regdb.stage1.iterations), (300, 100));
        assert_eq!((sysu.input.filter.as_str(), regdb.backbone.bn_groups), ("bilinear", 2));
        let unknown = RunConfig::from_preset("mult_cuhk_paper", &[]).unwrap_err().to_string();
        assert!(unknown.starts_with("VR0503") && unknown.contains("mult_regdb_paper"), "{unknown}");
    }

    #[test]
    fn layers_lie_over_a_preset_in_their_order() {
        let read = |name: &str| RunConfig::from_preset(name, &[]).unwrap();
        let count = |name: &str, key: &str| read(name).settings["emcc"][key].as_integer().unwrap();
        assert_eq!((count("ecul_sysu_paper", "k2"), count("ecul_sysu_paper+counts", "k2")), (6, 12));
        assert_eq!((count("ecul_regdb_paper", "joint_k3"), count("ecul_regdb_paper+counts", "joint_k3")), (9, 10));
        let names = |name: &str| preset_layers(name).unwrap().into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(
            names("dmic_regdb_paper+losses+schedules")[3..],
            ["dmic_regdb_paper", "dmic_paper+losses", "dmic_paper+schedules", "dmic_regdb_paper+schedules"]
        );
        assert_eq!(read("dmic_sysu_paper+two_cards").backbone.bn_groups, 2);
        assert_eq!(read("dmic_sysu_quick+losses").preset, "dmic_sysu_quick+losses");
        for name in ["dmic_sysu_paper+counts", "dmic_sysu_paper+", "dmic_sysu+losses", "mult_sysu_quick+losses"] {
            let error = preset_layers(name).unwrap_err().to_string();
            assert!(error.starts_with("VR0503") && error.contains("dmic_sysu_paper+losses"), "{name}: {error}");
        }
    }

    #[test]
    fn every_method_accepts_its_presets() {
        for name in presets() {
            let config = RunConfig::from_preset(&name, &[]).unwrap();
            let method = crate::registry::build(&config).unwrap();
            assert_eq!(method.stages().len(), config.stages().len(), "{name}");
        }
    }
}
