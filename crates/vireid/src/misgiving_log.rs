//! What a training had to say against its labels: each kind when it is first seen, and all of them at the end.

use std::collections::BTreeMap;

use vireid_methods::events::ClusterReport;
use vireid_methods::misgivings::MisgivingKind;

/// The reasons not to trust a run's labels that this process saw.
#[derive(Debug, Default)]
pub struct MisgivingLog {
    found: BTreeMap<MisgivingKind, Seen>,
    epochs: usize,
}

#[derive(Debug)]
struct Seen {
    sentence: String,
    epochs: usize,
    last: usize,
}

impl MisgivingLog {
    /// Takes in a labelling of an epoch; and what is to be said of it now: the kinds that are seen for the first time.
    pub fn add(&mut self, report: &ClusterReport) -> Vec<String> {
        let mut new = Vec::new();
        self.epochs = self.epochs.max(report.epoch + 1);
        for misgiving in &report.misgivings {
            let sentence = misgiving.sentence.clone();
            match self.found.get_mut(&misgiving.kind) {
                Some(seen) => {
                    // An epoch may have several labellings.
                    seen.epochs += usize::from(seen.last != report.epoch);
                    (seen.sentence, seen.last) = (sentence, report.epoch);
                }
                None => {
                    new.push(format!("{} epoch {}: {sentence}", report.stage, report.epoch));
                    self.found.insert(misgiving.kind, Seen { sentence, epochs: 1, last: report.epoch });
                }
            }
        }
        new
    }

    /// A sentence for each kind that was seen, for the end of a run.
    pub fn summary(&self) -> Vec<String> {
        let line = |Seen { sentence, epochs, last }: &Seen| {
            format!("in {epochs} of {} epochs, last in epoch {last}: {sentence}", self.epochs)
        };
        self.found.values().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vireid_methods::events::ModalityReport;
    use vireid_methods::misgivings::Misgiving;

    fn report(epoch: usize, kinds: &[MisgivingKind]) -> ClusterReport {
        let modality =
            ModalityReport { clusters: 1, noise: 0, samples: 1, stability: None, flow: None, agreement: None };
        let misgiving = |&kind: &MisgivingKind| Misgiving { kind, sentence: format!("{kind:?} of {epoch}") };
        ClusterReport {
            stage: "stage 1",
            epoch,
            moment: "",
            visible: modality,
            infrared: modality,
            association: None,
            joint: None,
            figures: Vec::new(),
            misgivings: kinds.iter().map(misgiving).collect(),
        }
    }

    #[test]
    fn a_kind_is_said_once_and_summed_up() {
        use MisgivingKind::{MostlyNoise, NothingShared};
        let mut log = MisgivingLog::default();
        assert!(log.add(&report(0, &[])).is_empty());
        assert_eq!(log.add(&report(1, &[MostlyNoise])), ["stage 1 epoch 1: MostlyNoise of 1"]);
        assert_eq!(log.add(&report(2, &[NothingShared, MostlyNoise])), ["stage 1 epoch 2: NothingShared of 2"]);
        assert!(log.add(&report(2, &[MostlyNoise])).is_empty());
        log.add(&report(3, &[]));
        assert_eq!(
            log.summary(),
            [
                "in 1 of 4 epochs, last in epoch 2: NothingShared of 2",
                "in 2 of 4 epochs, last in epoch 2: MostlyNoise of 2"
            ]
        );
    }
}
