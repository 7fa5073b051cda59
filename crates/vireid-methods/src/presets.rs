//! The embedded presets: commented TOML files in `presets/`, laid over one another.
//!
//! `<method>_<data set>_<size>` is made of `base_<size>`, then `<method>_<size>`, then, for a data set other than SYSU-MM01,
//! `<data set>_<size>` and `<method>_<data set>_<size>` where there are such files. Later files override earlier ones.

use crate::MethodError;

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../presets/", $name, ".toml")))),*]
    };
}

const FILES: &[(&str, &str)] = files![
    "base_paper",
    "base_quick",
    "dmic_paper",
    "dmic_quick",
    "dmic_regdb_paper",
    "ecul_paper",
    "ecul_quick",
    "ecul_regdb_paper",
    "mbccm_paper",
    "mbccm_quick",
    "mmm_paper",
    "mmm_quick",
    "mmm_regdb_paper",
    "mult_paper",
    "mult_quick",
    "regdb_paper",
    "regdb_quick",
];
const DATA_SETS: [&str; 2] = ["sysu", "regdb"];
const SIZES: [&str; 2] = ["paper", "quick"];

/// The names of the embedded presets.
pub fn presets() -> impl Iterator<Item = String> {
    crate::registry::methods()
        .flat_map(|method| DATA_SETS.iter().map(move |data| format!("{method}_{data}")))
        .flat_map(|stem| SIZES.iter().map(move |size| format!("{stem}_{size}")))
}

/// The files of a preset by name, in the order in which they are laid over one another.
///
/// # Errors
///
/// `VR0503` for an unknown preset.
pub fn preset_layers(name: &str) -> Result<Vec<(String, &'static str)>, MethodError> {
    if !presets().any(|known| known == name) {
        return Err(MethodError::Unknown { what: "preset", name: name.into(), known: presets().collect() });
    }
    // Every known name has three parts.
    let mut parts = name.splitn(3, '_');
    let mut part = || parts.next().unwrap_or_default();
    let (method, data, size) = (part(), part(), part());
    let mut wanted = vec![format!("base_{size}"), format!("{method}_{size}")];
    if data != DATA_SETS[0] {
        wanted.extend([format!("{data}_{size}"), format!("{method}_{data}_{size}")]);
    }
    let text = |name: &str| FILES.iter().find(|(known, _)| *known == name).map(|(_, text)| *text);
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
        for (name, text) in FILES {
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
    fn every_method_accepts_its_presets() {
        for name in presets() {
            let config = RunConfig::from_preset(&name, &[]).unwrap();
            let method = crate::registry::build(&config).unwrap();
            assert_eq!(method.stages().len(), config.stages().len(), "{name}");
        }
    }
}
