//! The Jaccard distance of every neighbourhood and expansion on full matrices in f64, from the formulas and for clarity alone.

use vireid_clustering::{CameraCounts, Expansion, Neighbourhood, Origin};
use vireid_core::{Embeddings, Modality};

type Matrix = Vec<Vec<f64>>;

pub struct Dense<'a> {
    rows: &'a Embeddings,
    neighbourhood: Neighbourhood<'a>,
    /// For every sample the lists in which mutual neighbours are sought, and all of them by distance.
    lists: Vec<Vec<Vec<usize>>>,
    merged: Vec<Vec<usize>>,
}

impl<'a> Dense<'a> {
    pub fn new(rows: &'a Embeddings, k1: usize, neighbourhood: Neighbourhood<'a>) -> Self {
        let mut dense = Self { rows, neighbourhood, lists: vec![], merged: vec![] };
        let all = 0..rows.rows();
        let lists = all.clone().map(|i| match neighbourhood {
            Neighbourhood::Plain => vec![dense.sorted(i, |_| true, k1)],
            Neighbourhood::Balanced { origins } => {
                let same = |j: usize| origins[i].modality == origins[j].modality;
                let mut list = dense.sorted(i, same, k1 - k1 / 2);
                list.extend(dense.sorted(i, |j| !same(j), k1 / 2));
                vec![dense.by_distance(i, list)]
            }
            Neighbourhood::CameraAware { counts: CameraCounts { k1_intra, k1_inter, .. }, origins } => {
                let same = |j: usize| origins[i] == origins[j];
                vec![dense.sorted(i, same, k1_intra + 1), dense.sorted(i, |j| !same(j), k1_inter + 1)]
            }
        });
        let lists: Vec<Vec<Vec<usize>>> = lists.collect();
        dense.merged = all.map(|i| dense.by_distance(i, lists[i].concat())).collect();
        dense.lists = lists;
        dense
    }

    /// The Jaccard distances, row after row.
    pub fn distances(&self, expansion: &Expansion) -> Vec<f32> {
        let weights = self.expanded(&self.weights(), expansion);
        let n = weights.len();
        let shared = |i: usize, j: usize| (0..n).map(|l| weights[i][l].min(weights[j][l])).sum::<f64>();
        (0..n * n).map(|at| shared(at / n, at % n)).map(|s| (1.0 - s / (2.0 - s)).max(0.0) as f32).collect()
    }

    fn distance(&self, i: usize, j: usize) -> f64 {
        self.rows.row(i).iter().zip(self.rows.row(j)).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum()
    }

    fn by_distance(&self, i: usize, mut list: Vec<usize>) -> Vec<usize> {
        list.sort_by(|&a, &b| self.distance(i, a).total_cmp(&self.distance(i, b)).then(a.cmp(&b)));
        list
    }

    fn sorted(&self, i: usize, of: impl Fn(usize) -> bool, k: usize) -> Vec<usize> {
        self.by_distance(i, (0..self.rows.rows()).filter(|&j| of(j)).collect()).into_iter().take(k).collect()
    }

    /// R(i, k), with the list of that number cut to a share of its length.
    fn mutual(&self, number: usize, i: usize, cut: impl Fn(usize) -> usize) -> Vec<usize> {
        let near = |i: usize| {
            let list = &self.lists[i][number];
            &list[..(cut(list.len()) + 1).min(list.len())]
        };
        near(i).iter().copied().filter(|&j| near(j).contains(&i)).collect()
    }

    /// V before the expansion.
    fn weights(&self) -> Matrix {
        let n = self.rows.rows();
        let half = |k: usize| (k as f64 / 2.0).round_ties_even() as usize;
        let mut weights = vec![vec![0.0; n]; n];
        for (i, weights) in weights.iter_mut().enumerate() {
            let mut members: Vec<usize> = (0..self.lists[i].len()).flat_map(|l| self.mutual(l, i, |k| k)).collect();
            if !matches!(self.neighbourhood, Neighbourhood::CameraAware { .. }) {
                let own = members.clone();
                for &c in &own {
                    let theirs = self.mutual(0, c, half);
                    let common = theirs.iter().filter(|j| own.contains(j)).count();
                    if 3 * common > 2 * theirs.len() {
                        members.extend(theirs);
                    }
                }
            }
            let dot = |j: usize| -> f64 {
                self.rows.row(i).iter().zip(self.rows.row(j)).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
            };
            members.iter().for_each(|&j| weights[j] = (2.0 * dot(j) - 2.0).exp());
            let total: f64 = weights.iter().sum();
            weights.iter_mut().filter(|weight| **weight > 0.0).for_each(|weight| *weight /= total);
        }
        weights
    }

    /// "The k nearest" of a sample.
    fn nearest(&self, i: usize, k: usize) -> Vec<usize> {
        let Neighbourhood::Balanced { origins } = self.neighbourhood else {
            return self.merged[i].iter().copied().take(k).collect();
        };
        let side = |same: bool, k: usize| {
            let of = move |&j: &usize| (origins[i].modality == origins[j].modality) == same;
            self.merged[i].iter().copied().filter(of).take(k)
        };
        side(true, k - k / 2).chain(side(false, k / 2)).collect()
    }

    fn expanded(&self, weights: &Matrix, expansion: &Expansion) -> Matrix {
        let filled = |j: usize| weights[j].iter().any(|&weight| weight > 0.0);
        let mean = |of: &[usize]| of.iter().map(|&j| (j, 1.0 / of.len() as f64)).collect::<Vec<_>>();
        // The mean over modalities of the means over cameras of the means over at most `cap` members of each.
        let nested = |near: &[usize], cap: usize, key: &dyn Fn(usize) -> (Modality, u16)| {
            let mut keys: Vec<_> = near.iter().filter(|&&j| filled(j)).map(|&j| key(j)).collect();
            keys.sort_unstable();
            keys.dedup();
            let modalities = Modality::ALL.iter().filter(|m| keys.iter().any(|key| key.0 == **m)).count() as f64;
            let mut shares = Vec::new();
            for &group in &keys {
                let cameras = keys.iter().filter(|other| other.0 == group.0).count() as f64;
                let members: Vec<usize> =
                    near.iter().copied().filter(|&j| filled(j) && key(j) == group).take(cap).collect();
                shares.extend(mean(&members).into_iter().map(|(j, share)| (j, share / cameras / modalities)));
            }
            shares
        };
        let of = |origins: &[Origin], j: usize| (origins[j].modality, origins[j].camera.0);
        let shares = |i: usize| -> Vec<(usize, f64)> {
            match *expansion {
                Expansion::None => vec![(i, 1.0)],
                // One neighbour is the sample itself, even where a duplicate of it comes first.
                Expansion::Mean { k2: 1 }
                | Expansion::ModalityCamera { k2: 1, .. }
                | Expansion::Capped { k2: 1, .. } => {
                    vec![(i, 1.0)]
                }
                Expansion::Mean { k2 } => mean(&self.nearest(i, k2)),
                Expansion::ModalityBalanced { k2, origins } => {
                    nested(&self.nearest(i, k2), usize::MAX, &|j| (origins[j].modality, 0))
                }
                Expansion::ModalityCamera { k2, origins } => {
                    nested(&self.nearest(i, k2), usize::MAX, &|j| of(origins, j))
                }
                Expansion::Capped { k2, k3, origins } => nested(&self.nearest(i, k2), k3, &|j| of(origins, j)),
                Expansion::PerModality { k2, k3, origins } => {
                    let near = Modality::ALL.map(|m| self.sorted(i, |j| origins[j].modality == m, k2)).concat();
                    nested(&near, k3, &|j| of(origins, j))
                }
                Expansion::SideSplit { k2, k3, origins } => {
                    let side = |same: bool, k: usize| -> Vec<usize> {
                        let on = |&j: &usize| filled(j) && (origins[i] == origins[j]) == same;
                        self.merged[i].iter().copied().filter(on).take(k).collect()
                    };
                    let sides: Vec<_> =
                        [side(true, k2), side(false, k3)].into_iter().filter(|side| !side.is_empty()).collect();
                    let share = 1.0 / sides.len() as f64;
                    sides.iter().flat_map(|side| mean(side)).map(|(j, weight)| (j, weight * share)).collect()
                }
                Expansion::Reciprocal { k2, k3, origins } => {
                    let mut near = self.nearest(i, k2);
                    near.retain(|&j| self.nearest(j, k3).contains(&i));
                    nested(&near, usize::MAX, &|j| of(origins, j))
                }
                Expansion::CameraAware { k2_intra, k2_inter, origins } => {
                    let mut near = self.sorted(i, |j| origins[i] == origins[j], k2_intra);
                    near.extend(self.sorted(i, |j| origins[i] != origins[j], k2_inter));
                    mean(&near)
                }
                Expansion::Sequential { .. } => unreachable!("two expansions"),
            }
        };
        if let Expansion::Sequential { k2, k3, origins } = *expansion {
            let first = self.expanded(weights, &Expansion::ModalityCamera { k2, origins });
            return self.expanded(&first, &Expansion::Mean { k2: k3 });
        }
        let row = |i: usize| {
            // Where nobody is averaged, the row stays.
            let shares = Some(shares(i)).filter(|shares| !shares.is_empty()).unwrap_or(vec![(i, 1.0)]);
            (0..weights.len()).map(|l| shares.iter().map(|&(j, share)| share * weights[j][l]).sum()).collect()
        };
        (0..weights.len()).map(row).collect()
    }
}
