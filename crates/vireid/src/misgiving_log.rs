//! What a run had to say against its labels, kind by kind: for the end of a training, and for its report.

use std::collections::{BTreeMap, BTreeSet};

/// The reasons not to trust a run's labels.
#[derive(Debug, Default)]
pub struct MisgivingLog {
    found: BTreeMap<String, Seen>,
    epochs: BTreeSet<usize>,
}

#[derive(Debug, Default)]
struct Seen {
    /// What was said last.
    sentence: String,
    epochs: BTreeSet<usize>,
}

impl MisgivingLog {
    /// Takes in that an epoch has labels, whatever speaks against them.
    pub fn see(&mut self, epoch: usize) {
        self.epochs.insert(epoch);
    }

    /// Takes in a reason; and whether it is the first of its kind.
    pub fn add(&mut self, epoch: usize, kind: &str, sentence: &str) -> bool {
        let is_new = !self.found.contains_key(kind);
        let seen = self.found.entry(kind.into()).or_default();
        seen.epochs.insert(epoch);
        seen.sentence = sentence.into();
        is_new
    }

    /// A sentence for each kind that was seen: how often, when last, and what.
    pub fn summary(&self) -> Vec<String> {
        let line = |Seen { sentence, epochs }: &Seen| {
            let last = epochs.last().copied().unwrap_or_default();
            format!("in {} of {} epochs, last in epoch {last}: {sentence}", epochs.len(), self.epochs.len())
        };
        self.found.values().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_new_once_and_summed_up() {
        let mut log = MisgivingLog::default();
        (0..4).for_each(|epoch| log.see(epoch));
        assert!(log.add(1, "noise", "noise of 1"));
        assert!(log.add(2, "apart", "apart in 2"));
        // An epoch may have several labellings.
        assert!(!log.add(2, "noise", "noise of 2") && !log.add(2, "noise", "noise of 2 again"));
        let expected =
            ["in 1 of 4 epochs, last in epoch 2: apart in 2", "in 2 of 4 epochs, last in epoch 2: noise of 2 again"];
        assert_eq!(log.summary(), expected);
        assert!(MisgivingLog::default().summary().is_empty());
    }
}
