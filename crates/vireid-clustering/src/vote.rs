//! Matching the clusters of two modalities by the votes of their images.

use std::collections::HashMap;

use rayon::prelude::*;
use vireid_core::{ClusterId, Embeddings, Infrared, PseudoLabels, Visible};
use vireid_product::{Shape, multiply};

use crate::ClusteringError;

/// Two clusters that were matched by the votes of their images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VotedPair {
    /// The visible cluster of the pair.
    pub visible: ClusterId<Visible>,
    /// The infrared cluster of the pair.
    pub infrared: ClusterId<Infrared>,
    /// How many pairs of images voted for it.
    pub votes: usize,
}

/// Rows of a block of products.
const BLOCK: usize = 256;

/// Cross-modality matching by votes (the memory aggregation of ADCA, Yang et al., ACM MM 2022): every pair of a visible
/// and an infrared image whose inner product is at least `threshold` votes for the pair of their clusters, and pairs of
/// clusters are matched one to one by descending votes.
///
/// Ties go to the pair whose best image pair has the larger product, then comes first. Noise does not vote.
///
/// # Errors
///
/// `VR0202` when dimensions differ or there are not as many labels as embeddings.
pub fn vote(
    visible: (&Embeddings, &PseudoLabels<Visible>),
    infrared: (&Embeddings, &PseudoLabels<Infrared>),
    threshold: f32,
) -> Result<Vec<VotedPair>, ClusteringError> {
    vote_among(visible, infrared, threshold, &|_, _| true)
}

/// As [`vote`], of the pairs of a visible and an infrared image for which `allowed` holds.
///
/// # Errors
///
/// As [`vote`].
pub fn vote_among(
    visible: (&Embeddings, &PseudoLabels<Visible>),
    infrared: (&Embeddings, &PseudoLabels<Infrared>),
    threshold: f32,
    allowed: &(dyn Fn(usize, usize) -> bool + Sync),
) -> Result<Vec<VotedPair>, ClusteringError> {
    let ((visible, visible_labels), (infrared, infrared_labels)) = (visible, infrared);
    let equal = |what, left: usize, right: usize| match left == right {
        true => Ok(()),
        false => Err(ClusteringError::Length { what, left, right }),
    };
    equal("visible embeddings and labels", visible.rows(), visible_labels.len())?;
    equal("infrared embeddings and labels", infrared.rows(), infrared_labels.len())?;
    equal("dimensions of visible and infrared embeddings", visible.dim(), infrared.dim())?;
    let (dim, columns) = (visible.dim(), infrared.rows());
    let transposed = Shape::row_major(columns, dim).transposed();
    let tallies: Vec<HashMap<(usize, usize), Tally>> = visible
        .as_slice()
        .par_chunks(BLOCK * dim)
        .enumerate()
        .map(|(number, block)| {
            let mut products = vec![0.0f32; block.len() / dim * columns];
            let shape = Shape::row_major(block.len() / dim, dim);
            multiply(&mut products, (block, shape), (infrared.as_slice(), transposed), false);
            let mut tallies = HashMap::new();
            for (row, products) in products.chunks(columns.max(1)).enumerate() {
                let i = number * BLOCK + row;
                let Some(own) = visible_labels.as_slice()[i] else { continue };
                for (j, &product) in products.iter().enumerate().filter(|&(_, &product)| product >= threshold) {
                    let Some(other) = infrared_labels.as_slice()[j].filter(|_| allowed(i, j)) else { continue };
                    let pair = Tally { votes: 1, best: product, first: (i, j) };
                    let key = (own.index(), other.index());
                    tallies.entry(key).and_modify(|tally: &mut Tally| tally.add(pair)).or_insert(pair);
                }
            }
            tallies
        })
        .collect();
    let mut total: HashMap<(usize, usize), Tally> = HashMap::new();
    for (key, tally) in tallies.into_iter().flatten() {
        total.entry(key).and_modify(|sum| sum.add(tally)).or_insert(tally);
    }
    let mut ranked: Vec<((usize, usize), Tally)> = total.into_iter().collect();
    ranked.sort_unstable_by(|(_, a), (_, b)| {
        b.votes.cmp(&a.votes).then(b.best.total_cmp(&a.best)).then(a.first.cmp(&b.first))
    });
    let mut taken = (vec![false; visible_labels.clusters()], vec![false; infrared_labels.clusters()]);
    let mut matched = Vec::new();
    for ((v, r), tally) in ranked {
        if !taken.0[v] && !taken.1[r] {
            (taken.0[v], taken.1[r]) = (true, true);
            matched.push(VotedPair { visible: ClusterId::new(v), infrared: ClusterId::new(r), votes: tally.votes });
        }
    }
    Ok(matched)
}

/// The votes of a pair of clusters.
#[derive(Clone, Copy)]
struct Tally {
    votes: usize,
    best: f32,
    /// The first image pair that has the best product.
    first: (usize, usize),
}

impl Tally {
    fn add(&mut self, other: Tally) {
        self.votes += other.votes;
        if other.best > self.best || (other.best == self.best && other.first < self.first) {
            (self.best, self.first) = (other.best, other.first);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels<M: vireid_core::ModalityTag>(labels: &[Option<usize>]) -> PseudoLabels<M> {
        PseudoLabels::new(labels).unwrap()
    }

    /// Worked by hand: noise has votes but no cluster, and the pair (1, 2) comes too late.
    #[test]
    fn a_worked_case() {
        let visible = [1.0, 0.0, 0.0, 0.9, 0.1, 0.0, 0.0, 1.0, 0.0, 0.1, 0.9, 0.0, 0.0, 0.0, 1.0];
        let infrared = [0.8, 0.2, 0.0, 0.7, 0.1, 0.1, 0.2, 0.8, 0.0, 0.0, 0.6, 0.8, 0.0, 0.1, 0.9];
        let visible = Embeddings::new(visible.to_vec(), 5, 3).unwrap();
        let infrared = Embeddings::new(infrared.to_vec(), 5, 3).unwrap();
        let of_visible = labels(&[Some(0), Some(0), Some(1), Some(1), None]);
        let of_infrared = labels(&[Some(0), Some(0), Some(1), Some(2), Some(2)]);
        let pairs = vote((&visible, &of_visible), (&infrared, &of_infrared), 0.5).unwrap();
        let plain: Vec<_> = pairs.iter().map(|p| (p.visible.index(), p.infrared.index(), p.votes)).collect();
        assert_eq!(plain, [(0, 0, 4), (1, 1, 2)]);
        assert!(vote((&visible, &of_visible), (&infrared, &of_infrared), 2.0).unwrap().is_empty());
        assert!(vote((&visible, &labels(&[None])), (&infrared, &of_infrared), 0.5).is_err());
    }

    #[test]
    fn nobody_on_one_side() {
        let none = Embeddings::new(vec![], 0, 2).unwrap();
        let one = Embeddings::new(vec![1.0, 0.0], 1, 2).unwrap();
        assert!(vote((&none, &labels(&[])), (&one, &labels(&[Some(0)])), 0.5).unwrap().is_empty());
        assert!(vote((&one, &labels(&[Some(0)])), (&none, &labels(&[])), 0.5).unwrap().is_empty());
    }
}
