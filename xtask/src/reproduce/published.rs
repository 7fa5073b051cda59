use serde::Deserialize;

/// Published values and ablations.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    value: Vec<MethodValue>,
    ablation: Vec<Ablation>,
}

#[derive(Debug, Deserialize)]
struct MethodValue {
    method: String,
    #[serde(flatten)]
    value: Value,
}

/// What authors report for one search mode or direction, in percent.
#[derive(Debug, Clone, Deserialize)]
pub struct Value {
    pub search: String,
    pub rank1: f64,
    pub map: Option<f64>,
    #[allow(dead_code, reason = "kept for the record; no table has room for it")]
    pub minp: Option<f64>,
    pub source: String,
    /// Why it should be checked before it is quoted.
    pub doubt: Option<String>,
}

/// A method with some settings changed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ablation {
    pub method: String,
    /// Its name in file names.
    pub key: String,
    pub title: String,
    /// Layers over the preset.
    #[serde(default)]
    pub layers: Vec<String>,
    /// Overrides of the preset.
    #[serde(default)]
    pub set: Vec<String>,
    #[serde(default)]
    pub values: Vec<Value>,
}

impl Published {
    /// The values in `published.toml`.
    pub fn read() -> Result<Self, toml::de::Error> {
        toml::from_str(include_str!("published.toml"))
    }

    /// What the authors of a method report.
    pub fn value(&self, method: &str, search: &str) -> Option<&Value> {
        let of_method = self.value.iter().filter(|entry| entry.method == method);
        of_method.map(|entry| &entry.value).find(|value| value.search == search)
    }

    /// A method's ablations.
    pub fn ablations<'a>(&'a self, method: &'a str) -> impl Iterator<Item = &'a Ablation> {
        self.ablation.iter().filter(move |ablation| ablation.method == method)
    }
}

#[cfg(test)]
mod tests {
    use vireid_methods::RunConfig;

    use super::*;

    #[test]
    fn every_ablation_is_a_valid_configuration() {
        let published = Published::read().unwrap();
        for ablation in &published.ablation {
            for preset in ["sysu_quick", "regdb_quick", "llcm_quick", "sysu_paper", "regdb_paper", "llcm_paper"] {
                let whole = RunConfig::from_preset(&format!("{}_{preset}", ablation.method), &[]).unwrap();
                let layers: String = ablation.layers.iter().map(|layer| format!("+{layer}")).collect();
                let changed = RunConfig::from_preset(&format!("{}{layers}", whole.preset), &ablation.set).unwrap();
                assert_ne!(whole.hash(), changed.hash(), "{} {}", ablation.method, ablation.key);
            }
        }
    }

    #[test]
    fn values_are_percentages_of_known_searches() {
        let published = Published::read().unwrap();
        let of_methods = published.value.iter().map(|entry| &entry.value);
        for value in of_methods.chain(published.ablation.iter().flat_map(|ablation| &ablation.values)) {
            assert!(["all", "indoor", "visible-to-thermal", "thermal-to-visible"].contains(&value.search.as_str()));
            assert!((1.0..100.0).contains(&value.rank1) && value.map.is_none_or(|map| (1.0..100.0).contains(&map)));
        }
        // Of these two, comparison tables of later papers confirm every row with its mode and direction.
        let value = |method: &str, search: &str| {
            let value = published.value(method, search).unwrap();
            assert!(value.doubt.is_none() && value.source.contains("later papers"), "{method} {search}");
            (value.rank1, value.map, value.minp)
        };
        let modes = ["all", "indoor", "visible-to-thermal", "thermal-to-visible"];
        let mbccm = [
            (53.14, Some(48.16), Some(32.41)),
            (55.21, Some(61.98), Some(57.13)),
            (83.79, Some(77.87), Some(65.04)),
            (82.82, Some(76.74), Some(61.73)),
        ];
        let mmm =
            [(61.6, Some(57.9), None), (64.4, Some(70.4), None), (89.7, Some(80.5), None), (85.8, Some(77.0), None)];
        assert_eq!(modes.map(|mode| value("mbccm", mode)), mbccm);
        assert_eq!(modes.map(|mode| value("mmm", mode)), mmm);
    }
}
