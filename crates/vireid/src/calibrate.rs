use std::path::PathBuf;

use clap::Args;
use serde::{Deserialize, Serialize};
use vireid::{EmbeddedImage, EmbeddingsFile, OutputKind, Overwriting, ProgramError, write_bytes};
use vireid_core::Modality;

use crate::extract::{Part, embed};
use crate::model::{ModelArguments, NetworkArguments, Which};
use crate::output::{Output, table};

/// File in the run directory, of the last network and of the best one.
const FILES: [(Which, &str); 2] = [(Which::Last, "calibration.json"), (Which::Best, "calibration-best.json")];
/// Bins of the map from similarity to probability.
const BINS: usize = 20;
/// False acceptance rates of the table.
const RATES: [f64; 4] = [0.1, 0.01, 0.001, 0.0001];

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    model: ModelArguments,
    /// Share of different people that may be taken for the same one
    #[arg(long, default_value_t = 0.01)]
    far: f64,
    #[command(flatten)]
    overwriting: Overwriting,
}

/// What similarities mean: learned from pairs of a visible and an infrared image of known people.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Calibration {
    /// Fingerprint of the network.
    pub model: String,
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
}

impl Calibration {
    /// That of a run directory; `None` when the network was never calibrated, or trained further since.
    pub fn load(network: &NetworkArguments, hash: &str) -> Result<Option<Self>, ProgramError> {
        let path = file_of(network);
        let Ok(text) = std::fs::read_to_string(&path) else { return Ok(None) };
        let bad = |error: serde_json::Error| ProgramError::BadCalibration { path, reason: error.to_string() };
        let calibration: Self = serde_json::from_str(&text).map_err(bad)?;
        Ok(Some(calibration).filter(|calibration| calibration.model == hash))
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
    /// The threshold is the ceil((n + 1)(1 - far))-th smallest of the n similarities of different people: a new such pair,
    /// exchangeable with them, lies above it with a probability of at most `far`, whatever the distribution (conformal
    /// prediction; Vovk et al. 2005). Pairs that share an image are not independent, so over few people the rate varies.
    fn fit(model: &str, far: f64, mut same: Vec<f64>, mut different: Vec<f64>) -> Result<Self, ProgramError> {
        if same.is_empty() || different.is_empty() {
            let message = "no pairs of a visible and an infrared image, of one person and of different people; give data with identities in both modalities";
            return Err(ProgramError::NoPairs(message.into()));
        }
        same.sort_unstable_by(f64::total_cmp);
        different.sort_unstable_by(f64::total_cmp);
        let rank = ((different.len() + 1) as f64 * (1.0 - far)).ceil() as usize;
        if rank > different.len() {
            let needed = (1.0 / far).ceil() as usize;
            let message = format!(
                "{} pairs of different people can't promise a false acceptance rate of {far}; {needed} are needed",
                different.len()
            );
            return Err(ProgramError::NoPairs(message));
        }
        let threshold = different[rank.max(1) - 1].next_up();
        let frr = share_below(&same, threshold);
        let probabilities = probabilities(&same, &different);
        let (same, different) = (same.len(), different.len());
        Ok(Self { model: model.into(), far, threshold, frr, probabilities, same, different })
    }
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

pub fn run(arguments: &Arguments, output: Output) -> Result<(), ProgramError> {
    if !(arguments.far > 0.0 && arguments.far < 1.0) {
        return Err(ProgramError::Usage(format!("--far {} is not between 0 and 1", arguments.far)));
    }
    let path = file_of(&arguments.model.network);
    arguments.overwriting.check(&path, OutputKind::Calibration, &[])?;
    let (trained, images, _) = arguments.model.open(output)?;
    // Training images have been pulled together by training, so held-out ones go first.
    let part = if images.test.protocol.is_some() { Part::Test } else { Part::All };
    let file = embed(&trained, &images, part, None, arguments.model.skip_corrupt, output)?;
    let (same, different) = pairs(&file);
    let (roc_same, roc_different) = (sorted(&same), sorted(&different));
    let calibration = Calibration::fit(trained.hash(), arguments.far, same, different)?;
    let text =
        serde_json::to_string_pretty(&calibration).map_err(|error| ProgramError::NoPairs(error.to_string()))? + "\n";
    write_bytes(&path, text.as_bytes())?;
    output.say(&format!("kept in {}", path.display()));
    output.result(&calibration, || {
        let rows = RATES.iter().map(|&rate| {
            let at = ((1.0 - rate) * roc_different.len() as f64) as usize;
            let threshold = roc_different[at.min(roc_different.len() - 1)];
            let frr = share_below(&roc_same, threshold);
            vec![format!("{rate}"), format!("{threshold:.3}"), format!("{:.1} %", 100.0 * frr)]
        });
        format!(
            "{} pairs of one person, {} of different people\n{}\n\"same person\" from similarity {:.3} on: at most {} of different people are taken for one (distribution-free), {:.1} % of the same are missed",
            calibration.same,
            calibration.different,
            table(&["false acceptance", "threshold", "false rejection"], rows, 0),
            calibration.threshold,
            calibration.far,
            100.0 * calibration.frr
        )
    })
}

fn file_of(network: &NetworkArguments) -> PathBuf {
    let name = FILES.iter().find(|(which, _)| *which == network.which).map_or("", |(_, name)| name);
    network.model.join(name)
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut values = values.to_vec();
    values.sort_unstable_by(f64::total_cmp);
    values
}

/// Similarities of all pairs of a visible and an infrared image: of one person, and of different people.
fn pairs(file: &EmbeddingsFile) -> (Vec<f64>, Vec<f64>) {
    let of = |modality: Modality| {
        let name = modality.to_string();
        let known =
            |(row, image): (usize, &EmbeddedImage)| Some((row, image.identity?)).filter(|_| image.modality == name);
        file.images.iter().enumerate().filter_map(known).collect::<Vec<(usize, u32)>>()
    };
    let (visible, infrared) = (of(Modality::Visible), of(Modality::Infrared));
    let (mut same, mut different) = (Vec::new(), Vec::new());
    for &(i, person) in &infrared {
        for &(v, other) in &visible {
            let (a, b) = (file.embeddings.row(i), file.embeddings.row(v));
            let similarity: f32 = a.iter().zip(b).map(|(a, b)| a * b).sum();
            if person == other { &mut same } else { &mut different }.push(f64::from(similarity));
        }
    }
    (same, different)
}

#[cfg(test)]
mod tests {
    use super::*;
    use vireid_compare::assert_near;

    #[test]
    fn the_threshold_keeps_its_promise_and_probabilities_rise() {
        let same: Vec<f64> = (0..200).map(|i| 0.3 + 0.003 * f64::from(i)).collect();
        let different: Vec<f64> = (0..999).map(|i| 0.0006 * f64::from(i)).collect();
        let fitted = Calibration::fit("m", 0.05, same.clone(), different.clone()).unwrap();
        let accepted = different.iter().filter(|s| fitted.verdict(**s) == "same person").count();
        assert!(accepted as f64 <= 0.05 * 1000.0, "{accepted}");
        assert_near(fitted.frr, share_below(&same, fitted.threshold), 1e-12);
        let rising: Vec<f64> = (0..100).map(|i| fitted.probability(f64::from(i) / 100.0)).collect();
        assert!(rising.is_sorted(), "{rising:?}");
        assert!(rising[0] < 0.2 && rising[95] > 0.95, "{rising:?}");
    }

    #[test]
    fn too_few_pairs_promise_nothing() {
        let few = Calibration::fit("m", 0.01, vec![0.9], vec![0.1; 50]).unwrap_err().to_string();
        assert!(few.starts_with("VR0604") && few.contains("100 are needed"), "{few}");
        let none = Calibration::fit("m", 0.01, vec![], vec![0.1; 50]).unwrap_err().to_string();
        assert!(none.starts_with("VR0604"), "{none}");
    }
}
