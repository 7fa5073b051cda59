//! How clusters agree with people, where the people are known.

use std::path::Path;

use serde::Serialize;
use vireid::ProgramError;
use vireid_core::{Identity, PseudoLabels};
use vireid_eval::quality::label_quality;

use super::origins::entries;
use crate::npy::Entries;
use crate::output::table;

/// The person of each image; `None` where nobody knows.
pub fn truth(path: &Path, images: usize) -> Result<Vec<Option<Identity>>, ProgramError> {
    let entries = entries(path, images)?;
    let numbers = entries.numbered();
    let is_known = |row: usize| match &entries {
        Entries::Numbers(numbers) => numbers[row] >= 0,
        Entries::Names(_) => true,
    };
    Ok((0..images).map(|row| is_known(row).then(|| Identity(numbers[row] as u32))).collect())
}

/// How clusters agree with people.
#[derive(Serialize)]
pub struct Agreement {
    /// Images of a known person that are in a cluster: those that the figures are of.
    compared: usize,
    /// Images of a known person.
    known: usize,
    people: usize,
    /// `None` where nothing is compared.
    #[serde(flatten)]
    figures: Option<Figures>,
}

#[derive(Serialize)]
struct Figures {
    ari: f64,
    nmi: f64,
    purity: f64,
    b_cubed_precision: f64,
    b_cubed_recall: f64,
    b_cubed_f: f64,
}

impl Agreement {
    pub fn new(labels: &[Option<usize>], truth: &[Option<Identity>]) -> Self {
        let known = labels.iter().zip(truth).filter_map(|(&label, &person)| Some((label, person?)));
        let (labels, truth): (Vec<Option<usize>>, Vec<Identity>) = known.unzip();
        let labels: PseudoLabels = PseudoLabels::compact(&labels);
        let mut people = truth.clone();
        people.sort_unstable();
        people.dedup();
        let compared = labels.len() - labels.noise();
        let figures = (compared > 0).then(|| {
            let quality = label_quality(&labels, &truth);
            Figures {
                ari: quality.ari,
                nmi: quality.nmi,
                purity: quality.purity,
                b_cubed_precision: quality.b_cubed.precision,
                b_cubed_recall: quality.b_cubed.recall,
                b_cubed_f: quality.b_cubed.f1(),
            }
        });
        Self { compared, known: truth.len(), people: people.len(), figures }
    }

    pub fn text(&self) -> String {
        let Self { compared, known, people, figures } = self;
        let Some(figures) = figures else {
            return format!("of {known} images of known people none is in a cluster: nothing to compare");
        };
        let row = [
            figures.ari,
            figures.nmi,
            figures.purity,
            figures.b_cubed_precision,
            figures.b_cubed_recall,
            figures.b_cubed_f,
        ];
        let header = ["ARI", "NMI", "purity", "B-cubed precision", "recall", "F"];
        let table = table(&header, [row.map(|figure| format!("{figure:.4}")).into()], 0);
        format!("{table}\nover the {compared} of {known} images of {people} known people that are in a cluster")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unknown_and_the_noise_are_left_out() {
        let person = |number: i64| u32::try_from(number).ok().map(Identity);
        let labels = [Some(0), Some(0), Some(2), Some(2), None, Some(1)];
        let agreement = Agreement::new(&labels, &[5, 5, 6, 6, 6, -1].map(person));
        assert_eq!((agreement.compared, agreement.known, agreement.people), (4, 5, 2));
        let figures = agreement.figures.as_ref().unwrap();
        assert_eq!((figures.ari, figures.b_cubed_f), (1.0, 1.0));
        let nothing = Agreement::new(&[None, Some(0)], &[5, -1].map(person));
        assert!(nothing.figures.is_none() && nothing.text().contains("nothing to compare"));
    }
}
