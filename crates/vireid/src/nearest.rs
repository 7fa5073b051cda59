//! The rows of a gallery most similar to a query.

use rayon::prelude::*;
use vireid_core::Embeddings;

/// A row of a gallery and how similar it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// Row of the gallery, counted from 0.
    pub row: usize,
    /// Inner product of the embeddings: for rows of length 1 the cosine of their angle, from -1 to 1.
    pub similarity: f32,
}

/// The `top` rows of a gallery most similar to a query, the best first; ties by row. Exact: every row is compared.
pub fn nearest(gallery: &Embeddings, query: &[f32], top: usize) -> Vec<Hit> {
    let similarity = |row: usize| gallery.row(row).iter().zip(query).map(|(a, b)| a * b).sum::<f32>();
    let mut hits: Vec<Hit> =
        (0..gallery.rows()).into_par_iter().map(|row| Hit { row, similarity: similarity(row) }).collect();
    let better = |a: &Hit, b: &Hit| b.similarity.total_cmp(&a.similarity).then(a.row.cmp(&b.row));
    if top < hits.len() {
        hits.select_nth_unstable_by(top, better);
        hits.truncate(top);
    }
    hits.sort_unstable_by(better);
    hits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_come_first_and_ties_by_row() {
        let gallery = Embeddings::new(vec![0.0, 1.0, 1.0, 0.0, 0.6, 0.8, 1.0, 0.0], 4, 2).unwrap();
        let rows = |top| nearest(&gallery, &[1.0, 0.0], top).iter().map(|hit| hit.row).collect::<Vec<_>>();
        assert_eq!(rows(4), [1, 3, 2, 0]);
        assert_eq!(rows(2), [1, 3]);
        assert!(rows(0).is_empty());
        assert_eq!(rows(9), [1, 3, 2, 0]);
    }
}
