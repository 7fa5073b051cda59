//! Lists of samples, one per sample, of any lengths.

use rayon::prelude::*;
use vireid_core::Embeddings;

use crate::NeighbourRanking;
use crate::dot::squared_distance;

/// A list of samples for every sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lists {
    /// Where each row's list starts, and where the last one ends.
    starts: Vec<usize>,
    indices: Vec<u32>,
}

/// Something that has a list of samples, nearest first, for every sample.
pub(crate) trait Ranked: Sync {
    fn rows(&self) -> usize;
    fn row(&self, row: usize) -> &[u32];
}

impl Ranked for Lists {
    fn rows(&self) -> usize {
        self.starts.len() - 1
    }

    fn row(&self, row: usize) -> &[u32] {
        &self.indices[self.starts[row]..self.starts[row + 1]]
    }
}

impl Ranked for NeighbourRanking {
    fn rows(&self) -> usize {
        self.rows()
    }

    fn row(&self, row: usize) -> &[u32] {
        self.row(row)
    }
}

impl From<NeighbourRanking> for Lists {
    fn from(ranking: NeighbourRanking) -> Self {
        let (rows, k) = (ranking.rows(), ranking.k());
        Self { starts: (0..=rows).map(|row| row * k).collect(), indices: ranking.into_indices() }
    }
}

impl Lists {
    pub(crate) fn new(lists: Vec<Vec<u32>>) -> Self {
        let mut starts = vec![0];
        starts.extend(lists.iter().scan(0, |end, list| {
            *end += list.len();
            Some(*end)
        }));
        Self { starts, indices: lists.concat() }
    }

    /// Of consecutive rows in blocks: where each of a block's lists ends, and the lists.
    pub(crate) fn of_blocks(blocks: Vec<(Vec<usize>, Vec<u32>)>) -> Self {
        let (mut starts, mut indices) = (vec![0], Vec::with_capacity(blocks.iter().map(|(_, all)| all.len()).sum()));
        for (ends, all) in blocks {
            starts.extend(ends.into_iter().map(|end| indices.len() + end));
            indices.extend(all);
        }
        Self { starts, indices }
    }

    /// The lists of which row `i` here is that of sample `order[i]`, by sample.
    pub(crate) fn reordered(self, order: &[u32]) -> Self {
        if order.is_sorted() {
            return self;
        }
        let mut places = vec![0; order.len()];
        order.iter().enumerate().for_each(|(place, &sample)| places[sample as usize] = place);
        Self::new(places.into_iter().map(|place| self.row(place).to_vec()).collect())
    }

    /// All indices, row after row.
    pub(crate) fn into_indices(self) -> Vec<u32> {
        self.indices
    }

    /// Two lists of every sample as one, by distance, ties by index. Each of them keeps its own order, whatever rounding makes
    /// of its distances here.
    pub(crate) fn merged(&self, other: &Self, embeddings: &Embeddings) -> Self {
        let rows = (0..self.rows()).into_par_iter().map(|row| {
            let measured = |list: &[u32]| -> Vec<(f32, u32)> {
                let measure =
                    |&sample: &u32| (squared_distance(embeddings.row(row), embeddings.row(sample as usize)), sample);
                list.iter().map(measure).collect()
            };
            let (left, right) = (measured(self.row(row)), measured(other.row(row)));
            let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
            let mut merged = Vec::with_capacity(self.row(row).len() + other.row(row).len());
            while let Some((_, sample)) = match (left.peek(), right.peek()) {
                (Some(a), Some(b)) if a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)).is_gt() => right.next(),
                (Some(_), _) => left.next(),
                (None, _) => right.next(),
            } {
                merged.push(sample);
            }
            merged
        });
        Self::new(rows.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reordered_lists_are_those_of_the_samples() {
        let lists = Lists::new(vec![vec![7, 8], vec![], vec![9]]);
        assert_eq!(lists, Lists::of_blocks(vec![(vec![2, 2], vec![7, 8]), (vec![1], vec![9])]));
        let reordered = lists.clone().reordered(&[2, 0, 1]);
        assert_eq!((reordered.row(0), reordered.row(1), reordered.row(2)), (&[][..], &[9][..], &[7, 8][..]));
        assert_eq!(lists.clone().reordered(&[0, 1, 2]), lists);
    }

    #[test]
    fn merged_by_distance_and_then_by_index() {
        let line = Embeddings::new(vec![0.0, 1.0, -1.0, 2.0, 5.0], 5, 1).unwrap();
        let (left, right) = (Lists::new(vec![vec![0, 2, 4]; 5]), Lists::new(vec![vec![1, 3]; 5]));
        assert_eq!(left.merged(&right, &line).row(0), [0, 1, 2, 3, 4]);
        assert_eq!(right.merged(&left, &line).row(0), [0, 1, 2, 3, 4]);
        let none = Lists::new(vec![vec![]; 5]);
        assert_eq!(left.merged(&none, &line), left);
        assert_eq!(none.merged(&left, &line), left);
    }
}
