//! Pseudo-labels and associations against the truth. For diagnostics only.

use std::collections::HashMap;

use vireid_core::{Association, ClusterTag, Identity, Infrared, PerModality, PseudoLabels, Visible};

/// How well the clusters of one set of samples, such as a modality's, agree with the identities. Noise samples are left out of every figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LabelQuality {
    /// Adjusted Rand index; 1 is perfect, 0 is chance.
    pub ari: f64,
    /// Normalised mutual information (arithmetic mean of the entropies).
    pub nmi: f64,
    /// Share of samples whose identity is the majority of their cluster.
    pub purity: f64,
    /// Precision and recall sample by sample.
    pub b_cubed: BCubed,
}

/// B-cubed precision and recall (Bagga and Baldwin, 1998): for every sample the share of its cluster that is of its
/// identity, and the share of its identity that is in its cluster; means over samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BCubed {
    /// Falls when clusters mix identities.
    pub precision: f64,
    /// Falls when identities are split.
    pub recall: f64,
}

impl BCubed {
    /// The harmonic mean of precision and recall.
    ///
    /// ```
    /// use vireid_eval::quality::BCubed;
    ///
    /// assert_eq!(BCubed { precision: 1.0, recall: 0.5 }.f1(), 2.0 / 3.0);
    /// ```
    pub fn f1(&self) -> f64 {
        let sum = self.precision + self.recall;
        if sum == 0.0 { 0.0 } else { 2.0 * self.precision * self.recall / sum }
    }
}

/// Compares pseudo-labels with identities, sample by sample.
pub fn label_quality<T: ClusterTag>(labels: &PseudoLabels<T>, truth: &[Identity]) -> LabelQuality {
    let (predicted, truth): (Vec<usize>, Vec<u32>) =
        labels.as_slice().iter().zip(truth).filter_map(|(label, id)| label.map(|l| (l.index(), id.0))).unzip();
    let table = Contingency::new(&predicted, &truth);
    LabelQuality {
        ari: table.adjusted_rand_index(),
        nmi: table.normalized_mutual_information(),
        purity: table.purity(),
        b_cubed: table.b_cubed(),
    }
}

/// The adjusted Rand index of two labellings of the same samples (Hubert and Arabie, 1985).
pub fn adjusted_rand_index<A, B>(left: &[A], right: &[B]) -> f64
where
    A: std::hash::Hash + Eq + Copy,
    B: std::hash::Hash + Eq + Copy,
{
    Contingency::new(left, right).adjusted_rand_index()
}

/// How many samples fall in each pair of classes.
struct Contingency {
    cells: Vec<(usize, usize, f64)>,
    rows: Vec<f64>,
    columns: Vec<f64>,
    total: f64,
}

impl Contingency {
    fn new<A: std::hash::Hash + Eq + Copy, B: std::hash::Hash + Eq + Copy>(left: &[A], right: &[B]) -> Self {
        let (left, rows) = numbered(left);
        let (right, columns) = numbered(right);
        let mut counts: HashMap<(usize, usize), f64> = HashMap::new();
        for pair in left.iter().copied().zip(right.iter().copied()) {
            *counts.entry(pair).or_default() += 1.0;
        }
        // Sorted so that sums of floats do not depend on the hash order.
        let mut cells: Vec<_> = counts.into_iter().map(|((r, c), count)| (r, c, count)).collect();
        cells.sort_unstable_by_key(|&(r, c, _)| (r, c));
        let (mut row_sums, mut column_sums) = (vec![0.0; rows], vec![0.0; columns]);
        for &(r, c, count) in &cells {
            row_sums[r] += count;
            column_sums[c] += count;
        }
        Self { cells, rows: row_sums, columns: column_sums, total: left.len() as f64 }
    }

    fn adjusted_rand_index(&self) -> f64 {
        let pairs = |n: f64| n * (n - 1.0) / 2.0;
        let together: f64 = self.cells.iter().map(|&(_, _, n)| pairs(n)).sum();
        let rows: f64 = self.rows.iter().map(|&n| pairs(n)).sum();
        let columns: f64 = self.columns.iter().map(|&n| pairs(n)).sum();
        let all = pairs(self.total);
        if all == 0.0 {
            return 1.0;
        }
        let expected = rows * columns / all;
        let largest = (rows + columns) / 2.0;
        if largest == expected { 1.0 } else { (together - expected) / (largest - expected) }
    }

    fn normalized_mutual_information(&self) -> f64 {
        let entropy = |sums: &[f64]| -> f64 { -sums.iter().map(|n| n / self.total).map(|p| p * p.ln()).sum::<f64>() };
        let (rows, columns) = (entropy(&self.rows), entropy(&self.columns));
        if self.total == 0.0 || rows + columns == 0.0 {
            return 1.0;
        }
        let shared: f64 = self
            .cells
            .iter()
            .map(|&(r, c, n)| n / self.total * (n * self.total / (self.rows[r] * self.columns[c])).ln())
            .sum();
        2.0 * shared / (rows + columns)
    }

    fn b_cubed(&self) -> BCubed {
        if self.total == 0.0 {
            return BCubed { precision: 1.0, recall: 1.0 };
        }
        let mean = |of: &dyn Fn(usize, usize) -> f64| -> f64 {
            self.cells.iter().map(|&(r, c, n)| n * n / of(r, c)).sum::<f64>() / self.total
        };
        BCubed { precision: mean(&|r, _| self.rows[r]), recall: mean(&|_, c| self.columns[c]) }
    }

    fn purity(&self) -> f64 {
        let mut largest = vec![0.0f64; self.rows.len()];
        for &(r, _, n) in &self.cells {
            largest[r] = largest[r].max(n);
        }
        if self.total == 0.0 { 1.0 } else { largest.iter().sum::<f64>() / self.total }
    }
}

fn numbered<T: std::hash::Hash + Eq + Copy>(labels: &[T]) -> (Vec<usize>, usize) {
    let mut numbers: HashMap<T, usize> = HashMap::new();
    let numbered = labels
        .iter()
        .map(|&label| {
            let next = numbers.len();
            *numbers.entry(label).or_insert(next)
        })
        .collect();
    (numbered, numbers.len())
}

/// How many associated cluster pairs are right, and how many right pairs are associated.
///
/// A cluster stands for the identity of most of its samples (the smallest number on a tie).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AssociationQuality {
    /// Share of associated pairs whose clusters stand for the same identity; `None` without a pair.
    pub precision: Option<f64>,
    /// Share of same-identity pairs that are associated; `None` when there is no such pair.
    pub recall: Option<f64>,
}

/// Compares an association with the identities of the samples.
pub fn association_quality(
    association: &Association,
    visible: (&PseudoLabels<Visible>, &[Identity]),
    infrared: (&PseudoLabels<Infrared>, &[Identity]),
) -> AssociationQuality {
    let visible = majority_identities(visible.0, visible.1);
    let infrared = majority_identities(infrared.0, infrared.1);
    let right = association.pairs().filter(|(i, v)| infrared[i.index()] == visible[v.index()]).count();
    let possible: usize = infrared.iter().map(|id| visible.iter().filter(|other| *other == id).count()).sum();
    let share = |part: usize, whole: usize| (whole > 0).then(|| part as f64 / whole as f64);
    AssociationQuality { precision: share(right, association.len()), recall: share(right, possible) }
}

/// How well labels in one space for both modalities agree with the identities.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct JointQuality {
    /// Labels that some sample has.
    pub labels: usize,
    /// Labels that samples of both modalities have.
    pub shared: usize,
    /// Adjusted Rand index over the labelled samples of both modalities.
    pub ari: f64,
    /// Share of the pairs of a visible and an infrared sample under one label that are of one identity; `None` without a
    /// pair.
    pub pair_precision: Option<f64>,
    /// Share of the pairs of a visible and an infrared sample of one identity that are under one label; `None` when there
    /// is no such pair.
    pub pair_recall: Option<f64>,
}

/// Compares labels in one space for both modalities with the identities. `None` is noise.
pub fn joint_label_quality(labels: PerModality<&[Option<usize>]>, truth: PerModality<&[Identity]>) -> JointQuality {
    let mut of_label: HashMap<usize, [usize; 2]> = HashMap::new();
    let mut of_identity: HashMap<u32, [usize; 2]> = HashMap::new();
    let mut of_both: HashMap<(usize, u32), [usize; 2]> = HashMap::new();
    let (mut predicted, mut identities) = (Vec::new(), Vec::new());
    let sides = [(labels.visible, truth.visible), (labels.infrared, truth.infrared)];
    for (side, (labels, truth)) in sides.into_iter().enumerate() {
        for (label, identity) in labels.iter().zip(truth) {
            of_identity.entry(identity.0).or_default()[side] += 1;
            if let Some(label) = *label {
                of_label.entry(label).or_default()[side] += 1;
                of_both.entry((label, identity.0)).or_default()[side] += 1;
                predicted.push(label);
                identities.push(identity.0);
            }
        }
    }
    fn pairs<K>(counts: &HashMap<K, [usize; 2]>) -> usize {
        counts.values().map(|[visible, infrared]| visible * infrared).sum()
    }
    let share = |part: usize, whole: usize| (whole > 0).then(|| part as f64 / whole as f64);
    JointQuality {
        labels: of_label.len(),
        shared: of_label.values().filter(|[visible, infrared]| *visible > 0 && *infrared > 0).count(),
        ari: Contingency::new(&predicted, &identities).adjusted_rand_index(),
        pair_precision: share(pairs(&of_both), pairs(&of_label)),
        pair_recall: share(pairs(&of_both), pairs(&of_identity)),
    }
}

fn majority_identities<T: ClusterTag>(labels: &PseudoLabels<T>, truth: &[Identity]) -> Vec<Identity> {
    labels
        .members()
        .iter()
        .map(|members| {
            let mut identities: Vec<Identity> = members.iter().map(|&member| truth[member]).collect();
            identities.sort_unstable();
            let largest = identities.chunk_by(|a, b| a == b).max_by_key(|run| (run.len(), std::cmp::Reverse(run[0])));
            largest.map_or(Identity(u32::MAX), |run| run[0])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use vireid_compare::{assert_close, assert_near};

    #[test]
    fn perfect_and_merged() {
        let truth: Vec<Identity> = [1, 1, 2, 2, 3].map(Identity).to_vec();
        let perfect = PseudoLabels::<Visible>::new(&[Some(1), Some(1), Some(0), Some(0), None]).unwrap();
        assert_eq!(
            label_quality(&perfect, &truth),
            LabelQuality { ari: 1.0, nmi: 1.0, purity: 1.0, b_cubed: BCubed { precision: 1.0, recall: 1.0 } }
        );
        let merged = PseudoLabels::<Visible>::new(&[Some(0); 5]).unwrap();
        let quality = label_quality(&merged, &truth);
        assert_close(&[quality.ari, quality.nmi, quality.purity], &[0.0, 0.0, 0.4], 1e-12);
    }

    /// Sample by sample: clusters {1, 1, 2} and {2, 3} of identities 1, 2 and 3.
    #[test]
    fn b_cubed_by_hand() {
        let truth: Vec<Identity> = [1, 1, 2, 2, 3].map(Identity).to_vec();
        let labels = PseudoLabels::<Visible>::new(&[Some(0), Some(0), Some(0), Some(1), Some(1)]).unwrap();
        let b_cubed = label_quality(&labels, &truth).b_cubed;
        assert_near(b_cubed.precision, (2.0 / 3.0 + 2.0 / 3.0 + 1.0 / 3.0 + 0.5 + 0.5) / 5.0, 1e-12);
        assert_near(b_cubed.recall, (1.0 + 1.0 + 0.5 + 0.5 + 1.0) / 5.0, 1e-12);
        assert_near(b_cubed.f1(), 2.0 * b_cubed.precision * 0.8 / (b_cubed.precision + 0.8), 1e-12);
    }

    #[test]
    fn association_counts_pairs() {
        let truth: Vec<Identity> = [1, 1, 2, 2].map(Identity).to_vec();
        let visible = PseudoLabels::<Visible>::new(&[Some(0), Some(1), Some(2), Some(2)]).unwrap();
        let infrared = PseudoLabels::<Infrared>::new(&[Some(0), Some(0), Some(1), Some(1)]).unwrap();
        // Right pairs are (0, 0), (0, 1), (1, 2); found are (0, 0) and the wrong (1, 1).
        let association = Association::from_fn(2, 3, |i, v| i == v && v < 2);
        let quality = association_quality(&association, (&visible, &truth), (&infrared, &truth));
        assert_eq!(quality.precision, Some(0.5));
        assert_near(quality.recall.unwrap(), 1.0 / 3.0, 1e-12);
    }

    /// Counted by hand: label 0 has visible samples of 1, 1 and an infrared one of 1; label 1 a visible of 2, infrared of 1.
    #[test]
    fn joint_labels() {
        let labels = PerModality {
            visible: [Some(0), Some(0), Some(1), None].as_slice(),
            infrared: [Some(0), Some(1), Some(5)].as_slice(),
        };
        let visible = [1, 1, 2, 2].map(Identity);
        let infrared = [1, 1, 3].map(Identity);
        let quality =
            joint_label_quality(labels, PerModality { visible: visible.as_slice(), infrared: infrared.as_slice() });
        assert_eq!((quality.labels, quality.shared), (3, 2));
        assert_eq!((quality.pair_precision, quality.pair_recall), (Some(2.0 / 3.0), Some(0.5)));
    }
}
