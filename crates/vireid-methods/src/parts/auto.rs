//! Clustering parameters that are chosen at every clustering instead of being set.

use std::fmt;

use serde::{Deserialize, Serialize};
use vireid_clustering::{Cuts, JaccardEncoding, NeighbourGraph, dbscan};
use vireid_train::MethodError;

/// A setting that has a value, or is `"auto"`: chosen anew at every clustering, from distances alone ([`Cuts`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a number or \"auto\"")]
pub enum Auto<T> {
    /// The value that it has.
    Value(T),
    /// To be chosen.
    Auto(AutoWord),
}

impl<T: fmt::Display> fmt::Display for Auto<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(value) => value.fmt(f),
            Self::Auto(AutoWord::Auto) => f.write_str("auto"),
        }
    }
}

/// The word of [`Auto`] in a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AutoWord {
    /// `"auto"`.
    Auto,
}

impl<T: Copy> Auto<T> {
    /// The setting that is to be chosen.
    pub const CHOSEN: Self = Self::Auto(AutoWord::Auto);

    /// Its value, where it has one.
    pub fn value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Auto(AutoWord::Auto) => None,
        }
    }

    /// Its value, or what it is chosen among.
    pub(super) fn candidates(self, all: &[T]) -> Vec<T> {
        self.value().map_or_else(|| all.to_vec(), |value| vec![value])
    }
}

/// Numbers that make a core sample, among which `min_samples = "auto"` chooses.
const MIN_SAMPLES: [usize; 2] = [2, 4];
/// Radii among which `eps = "auto"` chooses. None is a distance at which rounding decides
/// ([`shared_rows_at`](vireid_clustering::shared_rows_at)) for the usual `k2`.
const EPS: [f64; 10] = [0.31, 0.36, 0.41, 0.46, 0.51, 0.56, 0.61, 0.66, 0.71, 0.76];
/// Radius and number that are taken where no cut has two clusters that fit the distances at all.
const FALLBACK: (f64, usize) = (0.51, 2);

/// Values that were chosen, by name, for reports.
pub type Chosen = Vec<(&'static str, f64)>;

/// How an encoding is cut into clusters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CutSettings {
    /// Neighbours ranked (k1 of k-reciprocal encoding), at least 1.
    pub k1: Auto<usize>,
    /// Largest Jaccard distance of neighbours, above 0 and below 1.
    pub eps: Auto<f64>,
    /// Neighbours, itself included, that make a core sample; at least 1.
    pub min_samples: Auto<usize>,
}

/// What a cut found.
#[derive(Debug, Clone)]
pub struct CutFound {
    /// The cluster of each image; `None` is noise.
    pub labels: Vec<Option<usize>>,
    /// What was cut.
    pub encoding: JaccardEncoding,
    /// What was chosen; empty where nothing was to be chosen.
    pub chosen: Chosen,
}

impl CutSettings {
    /// Cuts the encodings that `encode` makes. Where `k1` is to be chosen it is one of `k1`; `names` are those of k1, radius and
    /// core samples in reports.
    ///
    /// # Errors
    ///
    /// What `encode` gives; what clustering refuses.
    pub fn cut(
        &self,
        k1: &[usize],
        names: [&'static str; 3],
        mut encode: impl FnMut(usize) -> Result<JaccardEncoding, MethodError>,
    ) -> Result<CutFound, MethodError> {
        let candidates = Cuts {
            k1: self.k1.candidates(k1),
            eps: self.eps.candidates(&EPS),
            min_samples: self.min_samples.candidates(&MIN_SAMPLES),
        };
        let is_set = candidates.k1.len() * candidates.eps.len() * candidates.min_samples.len() == 1;
        let best = if is_set { None } else { candidates.best(&mut encode)? };
        let (labels, encoding, values) = match best {
            Some(cut) => (cut.labels, cut.encoding, [cut.k1 as f64, cut.eps, cut.min_samples as f64]),
            None => {
                let k1 = candidates.k1[candidates.k1.len() / 2];
                let (eps, min_samples) =
                    (self.eps.value().unwrap_or(FALLBACK.0), self.min_samples.value().unwrap_or(FALLBACK.1));
                let encoding = encode(k1)?;
                let labels = dbscan(&NeighbourGraph::from_jaccard(&encoding, eps)?, min_samples)?;
                (labels, encoding, [k1 as f64, eps, min_samples as f64])
            }
        };
        let was_chosen = [self.k1.value().is_none(), self.eps.value().is_none(), self.min_samples.value().is_none()];
        let all = names.into_iter().zip(values).zip(was_chosen);
        let chosen = all.filter(|(_, was_chosen)| *was_chosen).map(|(named, _)| named).collect();
        Ok(CutFound { labels, encoding, chosen })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vireid_clustering::shared_rows_at;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Section {
        k1: Auto<usize>,
        eps: Auto<f64>,
    }

    #[test]
    fn a_number_or_the_word() {
        let section = Section { k1: Auto::CHOSEN, eps: Auto::Value(0.4) };
        let text = toml::to_string(&section).unwrap();
        assert_eq!(text, "k1 = \"auto\"\neps = 0.4\n");
        assert_eq!(toml::from_str::<Section>(&text).unwrap(), section);
        for wrong in ["k1 = \"many\"\neps = 0.4", "k1 = -1\neps = 0.4", "k1 = 3\neps = true"] {
            assert!(
                toml::from_str::<Section>(wrong).unwrap_err().to_string().contains("a number or \"auto\""),
                "{wrong}"
            );
        }
    }

    #[test]
    fn rounding_decides_about_no_candidate() {
        for eps in EPS {
            assert!((1..=12).all(|k2| shared_rows_at(eps, k2).is_none()), "{eps}");
        }
    }
}
