//! The values that the papers report.

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
    /// Which search mode or direction.
    pub search: String,
    /// Rank-1.
    pub rank1: f64,
    /// Mean average precision.
    pub map: Option<f64>,
    /// Mean inverse negative penalty: kept for the record; no table has room for it.
    pub minp: Option<f64>,
    /// Where it was read.
    pub source: String,
    /// Why it should be checked before it is quoted.
    pub doubt: Option<String>,
}

/// A method with some settings changed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ablation {
    /// Name of the method.
    pub method: String,
    /// Its name in file names.
    pub key: String,
    /// Its name in the tables.
    pub title: String,
    /// Layers over the preset.
    #[serde(default)]
    pub layers: Vec<String>,
    /// Overrides of the preset.
    #[serde(default)]
    pub set: Vec<String>,
    /// What the authors report.
    #[serde(default)]
    pub values: Vec<Value>,
}

impl Published {
    /// The values in `published.toml`.
    ///
    /// # Errors
    ///
    /// When the file is not what it should be.
    pub fn read() -> Result<Self, toml::de::Error> {
        toml::from_str(include_str!("published.toml"))
    }

    /// The methods, in the tables' order.
    pub fn methods(&self) -> impl Iterator<Item = &str> {
        let is_first = |number: usize, name: &str| self.value[..number].iter().all(|before| before.method != name);
        let names = self.value.iter().map(|entry| entry.method.as_str()).enumerate();
        names.filter(move |&(number, name)| is_first(number, name)).map(|(_, name)| name)
    }

    /// What the authors of a method report.
    pub fn value(&self, method: &str, search: &str) -> Option<&Value> {
        let of_method = self.value.iter().filter(|entry| entry.method == method);
        of_method.map(|entry| &entry.value).find(|value| value.search == search)
    }

    /// Every ablation.
    pub fn all_ablations(&self) -> &[Ablation] {
        &self.ablation
    }

    /// A method's ablations.
    pub fn ablations<'a>(&'a self, method: &'a str) -> impl Iterator<Item = &'a Ablation> {
        self.ablation.iter().filter(move |ablation| ablation.method == method)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
