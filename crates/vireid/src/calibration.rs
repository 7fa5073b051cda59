//! What similarities mean, learned from labelled pairs.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use vireid::ProgramError;
use vireid_methods::{EmbeddingRecipe, SeenPeople};

/// Bins of the map from similarity to probability.
const BINS: usize = 20;
/// False acceptance rates of the table.
const RATES: [f64; 4] = [0.1, 0.01, 0.001, 0.0001];

/// What similarities mean: learned from pairs of a visible and an infrared image of known people.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Calibration {
    /// Fingerprint of the network.
    pub model: String,
    /// Settings that it embedded with; none in files of older versions.
    #[serde(default)]
    pub settings: Option<BTreeMap<String, String>>,
    /// False acceptance rate that the threshold promises.
    pub far: f64,
    /// Least similarity of "the same person".
    pub threshold: f64,
    /// Share of the same people's pairs below the threshold, on the calibration data.
    pub frr: f64,
    /// Right ends of bins of similarity, ascending, with the share of pairs of the same person among equally many pairs of
    /// both kinds; never falling.
    pub probabilities: Vec<(f64, f64)>,
    /// Pairs of the same person.
    pub same: usize,
    /// Pairs of different people.
    pub different: usize,
    /// Images of unknown people, which are in no pair.
    #[serde(default)]
    pub left_out: usize,
    /// How many of the people the network was trained on, where that is known.
    #[serde(default)]
    pub seen_people: Option<SeenPeople>,
}

impl Calibration {
    /// That of a file; `None` when there is none, for the network was never calibrated.
    ///
    /// # Errors
    ///
    /// `VR0627`.
    pub fn load(path: &Path) -> Result<Option<Self>, ProgramError> {
        let bad = |reason: String| ProgramError::BadCalibration { path: path.into(), reason };
        match std::fs::read_to_string(path) {
            Ok(text) => serde_json::from_str(&text).map(Some).map_err(|error| bad(error.to_string())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(bad(error.to_string())),
        }
    }

    /// Why it says nothing about similarities of a network's embeddings; `None` where it does.
    pub fn unfit_for(&self, network: &EmbeddingRecipe) -> Option<String> {
        let again = "there is no verdict until it is calibrated again";
        if self.model != network.weights {
            return Some(format!("the network was trained further since it was calibrated; {again}"));
        }
        let Some(settings) = self.settings.clone() else {
            return Some(format!("an older version calibrated the network and kept no settings; {again}"));
        };
        let difference = EmbeddingRecipe { weights: self.model.clone(), settings }.difference(network)?;
        let (field, found, expected) = (difference.field, difference.found, difference.expected);
        Some(format!("the network was calibrated with {field} = {found} and embeds with {expected} now; {again}"))
    }

    /// The probability that a pair of this similarity shows one person, if as many pairs do as do not.
    pub fn probability(&self, similarity: f64) -> f64 {
        let bin = self.probabilities.iter().find(|(end, _)| similarity <= *end).or(self.probabilities.last());
        bin.map_or(0.0, |(_, probability)| *probability)
    }

    /// What to say of a pair of this similarity.
    pub fn verdict(&self, similarity: f64) -> &'static str {
        if similarity >= self.threshold { "same person" } else { "unknown" }
    }

    /// From the similarities of pairs of one person and of different people.
    ///
    /// See [`threshold`] for what the threshold promises. Both kinds of pairs are ascending.
    ///
    /// # Errors
    ///
    /// `VR0604` where there are too few.
    pub fn fit(network: &EmbeddingRecipe, far: f64, same: &[f64], different: &[f64]) -> Result<Self, ProgramError> {
        if same.is_empty() || different.is_empty() {
            let message = "no pairs of a visible and an infrared image, of one person and of different people; give data with identities in both modalities";
            return Err(ProgramError::NoPairs(message.into()));
        }
        let Some(threshold) = threshold(different, far) else {
            let needed = (1.0 / far).ceil() as usize;
            let message = format!(
                "{} pairs of different people can't support a false acceptance rate of {far}; {needed} are needed",
                different.len()
            );
            return Err(ProgramError::NoPairs(message));
        };
        Ok(Self {
            model: network.weights.clone(),
            settings: Some(network.settings.clone()),
            far,
            threshold,
            frr: share_below(same, threshold),
            probabilities: probabilities(same, different),
            same: same.len(),
            different: different.len(),
            left_out: 0,
            seen_people: None,
        })
    }
}

/// The least similarity that at most a share `far` of different people reaches; `None` where there are too few pairs to
/// promise that. `different` is ascending.
///
/// It is just above the ceil((n + 1)(1 - far))-th smallest of the n similarities of different people: a new such pair,
/// exchangeable with them, is above it with a probability of at most `far`, whatever the distribution (conformal
/// prediction; Vovk et al. 2005). Pairs that share an image are not independent, so over few people the rate varies.
fn threshold(different: &[f64], far: f64) -> Option<f64> {
    let rank = ((different.len() + 1) as f64 * (1.0 - far)).ceil() as usize;
    different.get(rank.max(1) - 1).map(|similarity| similarity.next_up())
}

/// A row of the table for each rate: threshold and share of missed pairs of one person, or a dash where there are too few
/// pairs of different people.
pub fn rates(same: &[f64], different: &[f64]) -> Vec<Vec<String>> {
    let row = |&rate: &f64| match threshold(different, rate) {
        Some(threshold) => {
            let missed = 100.0 * share_below(same, threshold);
            vec![rate.to_string(), format!("{threshold:.3}"), format!("{missed:.1} %")]
        }
        None => vec![rate.to_string(), "-".into(), "-".into()],
    };
    RATES.iter().map(row).collect()
}

/// Share of ascending values below a limit.
fn share_below(ascending: &[f64], limit: f64) -> f64 {
    ascending.partition_point(|value| *value < limit) as f64 / ascending.len().max(1) as f64
}

/// Bins with equally many pairs of the same person, their shares made monotone by pooling adjacent violators.
fn probabilities(same: &[f64], different: &[f64]) -> Vec<(f64, f64)> {
    let bins = BINS.min(same.len());
    let mut before = f64::NEG_INFINITY;
    // Each block: right end, weight of pairs of the same person, of different people.
    let mut blocks: Vec<(f64, f64, f64)> = Vec::new();
    for bin in 1..=bins {
        let end = if bin == bins { f64::INFINITY } else { same[bin * same.len() / bins - 1] };
        let within = |values: &[f64]| {
            let count = values.partition_point(|v| *v <= end) - values.partition_point(|v| *v <= before);
            count as f64 / values.len() as f64
        };
        blocks.push((end, within(same), within(different)));
        before = end;
        while let [.., (_, s1, d1), (end, s2, d2)] = blocks[..] {
            if s1 / (s1 + d1).max(1e-300) <= s2 / (s2 + d2).max(1e-300) {
                break;
            }
            blocks.truncate(blocks.len() - 2);
            blocks.push((end, s1 + s2, d1 + d2));
        }
    }
    // JSON has no infinity; a cosine is at most 1.
    blocks.into_iter().map(|(end, s, d)| (end.min(2.0), s / (s + d).max(1e-300))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use vireid_compare::assert_near;

    fn network() -> EmbeddingRecipe {
        let settings = BTreeMap::from([("input.height".to_string(), "96".to_string())]);
        EmbeddingRecipe { weights: "m".into(), settings }
    }

    #[test]
    fn the_threshold_keeps_its_promise_and_probabilities_rise() {
        let same: Vec<f64> = (0..200).map(|i| 0.3 + 0.003 * f64::from(i)).collect();
        let different: Vec<f64> = (0..999).map(|i| 0.0006 * f64::from(i)).collect();
        let fitted = Calibration::fit(&network(), 0.05, &same, &different).unwrap();
        let accepted = different.iter().filter(|s| fitted.verdict(**s) == "same person").count();
        assert!(accepted as f64 <= 0.05 * 1000.0, "{accepted}");
        assert_near(fitted.frr, share_below(&same, fitted.threshold), 1e-12);
        let rising: Vec<f64> = (0..100).map(|i| fitted.probability(f64::from(i) / 100.0)).collect();
        assert!(rising.is_sorted(), "{rising:?}");
        assert!(rising[0] < 0.2 && rising[95] > 0.95, "{rising:?}");
    }

    #[test]
    fn too_few_pairs_promise_nothing() {
        let few = Calibration::fit(&network(), 0.01, &[0.9], &[0.1; 50]).unwrap_err().to_string();
        assert!(few.starts_with("VR0604") && few.contains("100 are needed"), "{few}");
        let none = Calibration::fit(&network(), 0.01, &[], &[0.1; 50]).unwrap_err().to_string();
        assert!(none.starts_with("VR0604"), "{none}");
    }

    /// A rate of one in a thousand stood in the table beside a threshold from ninety-nine pairs.
    #[test]
    fn the_table_promises_no_more_than_the_kept_threshold() {
        let different: Vec<f64> = (0..99).map(|i| 0.01 * f64::from(i)).collect();
        let rows = rates(&[0.5, 0.99], &different);
        // The 90th and the 99th of 99.
        assert_eq!(rows[0], ["0.1", "0.890", "50.0 %"]);
        assert_eq!(rows[1], ["0.01", "0.980", "50.0 %"]);
        assert_eq!(rows[2], ["0.001", "-", "-"]);
        assert_eq!(rows[3], ["0.0001", "-", "-"]);
        let kept = Calibration::fit(&network(), 0.01, &[0.5], &different).unwrap();
        assert_eq!(rows[1][1], format!("{:.3}", kept.threshold));
    }

    #[test]
    fn a_calibration_of_other_weights_or_settings_gives_no_verdict() {
        let fitted = Calibration::fit(&network(), 0.5, &[0.9], &[0.1, 0.2]).unwrap();
        assert_eq!(fitted.unfit_for(&network()), None);
        let further = EmbeddingRecipe { weights: "n".into(), ..network() };
        assert!(fitted.unfit_for(&further).unwrap().contains("trained further"));
        let mut larger = network();
        larger.settings.insert("input.height".into(), "288".into());
        assert!(fitted.unfit_for(&larger).unwrap().contains("input.height = 96"));
        let older = Calibration { settings: None, ..fitted };
        assert!(older.unfit_for(&network()).unwrap().contains("older version"));
    }

    #[test]
    fn a_damaged_calibration_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("calibration.json");
        assert!(Calibration::load(&path).unwrap().is_none());
        std::fs::write(&path, "{\"model\":").unwrap();
        let said = Calibration::load(&path).unwrap_err().to_string();
        assert!(said.starts_with("VR0627") && said.contains("calibrate"), "{said}");
    }
}
