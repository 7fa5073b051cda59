//! k-reciprocal sets and their weights (Zhong et al., CVPR 2017), as unsupervised re-identification uses them.

use rayon::prelude::*;
use vireid_core::{Embeddings, follow};

use crate::dot::dot;
use crate::lists::Ranked;
use crate::{ClusteringError, SparseRows};

/// The weights of every sample over its k-reciprocal neighbours, by `weigh(sample, neighbours)`, which must sum to 1; `k1` is
/// that of a list of so many neighbours. A sample that is not among its own neighbours (it has `k1` exact duplicates) may have
/// none.
pub(crate) fn reciprocal_weights(
    ranking: &impl Ranked,
    k1: impl Fn(usize) -> usize + Sync,
    weigh: impl Fn(usize, &[u32]) -> Vec<(u32, f32)> + Sync,
) -> Result<SparseRows, ClusteringError> {
    let full = mutual_neighbours(ranking, |length| k1(length) + 1);
    let halved = mutual_neighbours(ranking, |length| half(k1(length)) + 1);
    let steps = follow("mutual neighbours", ranking.rows());
    let rows = (0..ranking.rows())
        .into_par_iter()
        .map(|row| {
            if !steps.step() {
                return Vec::new();
            }
            let mutual = &full[row];
            let mut expanded = mutual.clone();
            for &candidate in mutual {
                let list = &halved[candidate as usize];
                let overlap = list.iter().filter(|other| mutual.binary_search(other).is_ok()).count();
                if 3 * overlap > 2 * list.len() {
                    expanded.extend_from_slice(list);
                }
            }
            expanded.sort_unstable();
            expanded.dedup();
            weigh(row, &expanded)
        })
        .collect();
    steps.check()?;
    Ok(SparseRows::from_rows(rows))
}

/// Weights over the neighbours that are mutual in either of two rankings, at their full lengths; the sets are not expanded.
pub(crate) fn united_weights(
    rankings: [&impl Ranked; 2],
    weigh: impl Fn(usize, &[u32]) -> Vec<(u32, f32)> + Sync,
) -> Result<SparseRows, ClusteringError> {
    let [left, right] = rankings.map(|ranking| mutual_neighbours(ranking, |length| length));
    let steps = follow("mutual neighbours", left.len());
    let rows = left
        .into_par_iter()
        .zip(right)
        .enumerate()
        .map(|(row, (mut mutual, other))| {
            if !steps.step() {
                return Vec::new();
            }
            mutual.extend(other);
            mutual.sort_unstable();
            mutual.dedup();
            weigh(row, &mutual)
        })
        .collect();
    steps.check()?;
    Ok(SparseRows::from_rows(rows))
}

/// Half of k, rounded half to even as the reference does: 15 for 30, 2 for 5, 4 for 7.
fn half(k: usize) -> usize {
    let floor = k / 2;
    if k % 2 == 1 && floor % 2 == 1 { floor + 1 } else { floor }
}

/// The neighbours at the head of each sample's list that have it at the head of theirs, in ascending order; how long a head is
/// follows from the length of its list. Where it would be longer than the list it is the list: as in the reference, for the
/// full k the "+ 1" has no effect.
fn mutual_neighbours(ranking: &impl Ranked, depth: impl Fn(usize) -> usize + Sync) -> Vec<Vec<u32>> {
    let head = |row: usize| {
        let list = ranking.row(row);
        &list[..depth(list.len()).min(list.len())]
    };
    (0..ranking.rows())
        .into_par_iter()
        .map(|row| {
            let near = head(row).iter().copied();
            let mut mutual: Vec<u32> = near.filter(|&other| head(other as usize).contains(&(row as u32))).collect();
            mutual.sort_unstable();
            mutual
        })
        .collect()
}

/// The softmax of minus the squared distance, taken as `2 - 2 <x, y>` whatever the lengths, as the reference does.
pub(crate) fn softmax_weights(embeddings: &Embeddings, row: usize, neighbours: &[u32]) -> Vec<(u32, f32)> {
    let origin = embeddings.row(row);
    let similarity = |other: u32| -> f32 { 2.0 * dot(origin, embeddings.row(other as usize)) - 2.0 };
    let logits: Vec<f32> = neighbours.iter().map(|&other| similarity(other)).collect();
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exponentials: Vec<f32> = logits.iter().map(|logit| (logit - largest).exp()).collect();
    let total: f32 = exponentials.iter().sum();
    neighbours.iter().zip(exponentials).map(|(&other, value)| (other, value / total)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_rounds_to_even() {
        let halves: Vec<usize> = [3, 4, 5, 6, 7, 9, 15, 25, 30].into_iter().map(half).collect();
        assert_eq!(halves, [2, 2, 2, 3, 4, 4, 8, 12, 15]);
    }
}
