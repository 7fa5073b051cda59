//! The many-to-many bilateral cross-modality cluster matching of MBCCM (Cheng et al., ACM MM 2023).
//!
//! Two assignment problems are solved on the squared distances `D` of the centroids (rows infrared, columns visible): a
//! one-to-one one, and one in which each cluster of the smaller modality may be used up to `floor(L / n) + 1` times so
//! that every cluster of the larger one gets a partner. Each assigned pair then admits every pair at most as far apart:
//! along the infrared row for the first problem, along the visible column for the second.

use vireid_core::{Association, Embeddings};

use crate::{ClusteringError, linear_assignment};

/// Along which side the two assignments are extended when there are fewer visible than infrared clusters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MatchOrientation {
    /// As the authors' code: always the one-to-one assignment along infrared rows, the capacitated one along visible
    /// columns. The two size branches are then not mirror images of each other.
    AsReleased,
    /// The smaller side by its one-to-one partner, the larger side by its capacitated partner, whichever modality that
    /// is: swapping the modalities transposes the result.
    Mirrored,
}

/// Associates the clusters of two modalities from their centroids.
///
/// Every cluster of either side gets at least one partner when both sides have clusters; the association is empty when
/// one side has none.
///
/// # Errors
///
/// `VR0202` when the centroids differ in dimension.
pub fn bilateral_match(
    infrared: &Embeddings,
    visible: &Embeddings,
    orientation: MatchOrientation,
) -> Result<Association, ClusteringError> {
    let distances = squared_distances(infrared, visible)?;
    match_distances(&distances, infrared.rows(), visible.rows(), orientation)
}

fn match_distances(
    distances: &[f32],
    rows: usize,
    columns: usize,
    orientation: MatchOrientation,
) -> Result<Association, ClusteringError> {
    let (one_to_one, capacitated) = two_assignments(distances, rows, columns)?;
    let at = |i: usize, j: usize| distances[i * columns + j];

    let mut row_reach = vec![f32::NEG_INFINITY; rows];
    let mut column_reach = vec![f32::NEG_INFINITY; columns];
    let swap = orientation == MatchOrientation::Mirrored && columns < rows;
    let (along_rows, along_columns) = if swap { (capacitated, one_to_one) } else { (one_to_one, capacitated) };
    for (i, j) in along_rows {
        row_reach[i] = row_reach[i].max(at(i, j));
    }
    for (i, j) in along_columns {
        column_reach[j] = column_reach[j].max(at(i, j));
    }
    Ok(Association::from_fn(rows, columns, |i, j| at(i, j) <= row_reach[i].max(column_reach[j])))
}

/// `|a|^2 + |b|^2 - 2 <a, b>` of every pair of rows, `left` by `right`, in f32.
fn squared_distances(left: &Embeddings, right: &Embeddings) -> Result<Vec<f32>, ClusteringError> {
    if left.dim() != right.dim() {
        let what = "dimensions of the two sets of centroids";
        return Err(ClusteringError::Length { what, left: left.dim(), right: right.dim() });
    }
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
    let right_norms: Vec<f32> = (0..right.rows()).map(|j| dot(right.row(j), right.row(j))).collect();
    let mut distances = Vec::with_capacity(left.rows() * right.rows());
    for i in 0..left.rows() {
        let row = left.row(i);
        let norm = dot(row, row);
        distances.extend((0..right.rows()).map(|j| norm + right_norms[j] - 2.0 * dot(row, right.row(j))));
    }
    Ok(distances)
}

type Pairs = Vec<(usize, usize)>;

/// The one-to-one and the capacitated assignment, both as (infrared, visible) pairs.
fn two_assignments(distances: &[f32], rows: usize, columns: usize) -> Result<(Pairs, Pairs), ClusteringError> {
    if rows == 0 || columns == 0 {
        return Ok((Vec::new(), Vec::new()));
    }
    let infrared_is_small = columns >= rows;
    let (small, large) = if infrared_is_small { (rows, columns) } else { (columns, rows) };
    let cost: Vec<f64> = (0..small)
        .flat_map(|s| (0..large).map(move |l| if infrared_is_small { s * columns + l } else { l * columns + s }))
        .map(|position| f64::from(distances[position]))
        .collect();
    let capacity = large / small + 1;
    let oriented = |pairs: Pairs| -> Pairs {
        pairs.into_iter().map(|(s, l)| if infrared_is_small { (s % small, l) } else { (l, s % small) }).collect()
    };
    let one_to_one = oriented(linear_assignment(&cost, small, large)?);
    let capacitated = oriented(linear_assignment(&cost.repeat(capacity), capacity * small, large)?);
    Ok((one_to_one, capacitated))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use vireid_core::{ClusterId, Streams};

    fn random(rows: usize, stream: &mut vireid_core::Stream) -> Embeddings {
        let values = (0..rows * 4).map(|_| stream.normal(0.0, 1.0) as f32).collect();
        Embeddings::new(values, rows, 4).unwrap().normalized()
    }

    fn mask(association: &Association) -> Vec<Vec<bool>> {
        let (rows, columns) = association.shape();
        let mut mask = vec![vec![false; columns]; rows];
        association.pairs().for_each(|(i, v)| mask[i.index()][v.index()] = true);
        mask
    }

    proptest! {
        #[test]
        fn everyone_has_a_partner(infrared in 1usize..14, visible in 1usize..14, seed: u64, mirrored: bool) {
            let mut stream = Streams::new(seed).stream("match", [0; 3]);
            let (i, v) = (random(infrared, &mut stream), random(visible, &mut stream));
            let orientation = if mirrored { MatchOrientation::Mirrored } else { MatchOrientation::AsReleased };
            let association = bilateral_match(&i, &v, orientation).unwrap();
            prop_assert!((0..infrared).all(|c| !association.visible_of(ClusterId::new(c)).is_empty()));
            prop_assert!((0..visible).all(|c| !association.infrared_of(ClusterId::new(c)).is_empty()));
        }

        #[test]
        fn the_mirrored_form_transposes(infrared in 1usize..10, visible in 1usize..10, seed: u64) {
            prop_assume!(infrared != visible);
            let mut stream = Streams::new(seed).stream("match", [0; 3]);
            let (i, v) = (random(infrared, &mut stream), random(visible, &mut stream));
            let there = mask(&bilateral_match(&i, &v, MatchOrientation::Mirrored).unwrap());
            let back = mask(&bilateral_match(&v, &i, MatchOrientation::Mirrored).unwrap());
            for (r, row) in there.iter().enumerate() {
                for (c, &set) in row.iter().enumerate() {
                    prop_assert_eq!(set, back[c][r]);
                }
            }
        }
    }

    fn check(distances: &[&[f32]], expected: &[&str]) {
        let (rows, columns) = (distances.len(), distances[0].len());
        let flat = distances.concat();
        let association = match_distances(&flat, rows, columns, MatchOrientation::AsReleased).unwrap();
        let expected: Vec<Vec<bool>> = expected.iter().map(|row| row.chars().map(|c| c == '1').collect()).collect();
        assert_eq!(mask(&association), expected);
    }

    /// Worked cases whose optima are unique.
    #[test]
    fn worked_cases() {
        // More visible clusters.
        let wide: [&[f32]; 3] =
            [&[0.30, 0.91, 0.52, 0.83, 0.20], &[0.70, 0.40, 0.64, 0.10, 0.95], &[0.25, 0.80, 0.85, 0.97, 0.55]];
        check(&wide, &["00101", "01010", "10000"]);
        // More infrared clusters: not the transpose of the mirrored case.
        let tall: [&[f32]; 5] =
            [&[0.30, 0.90, 0.50], &[0.70, 0.40, 0.60], &[0.25, 0.80, 0.85], &[0.15, 0.35, 0.95], &[0.65, 0.47, 0.75]];
        check(&tall, &["101", "010", "100", "110", "010"]);
        let transposed: Vec<Vec<f32>> = (0..5).map(|c| wide.iter().map(|row| row[c]).collect()).collect();
        let transposed: Vec<&[f32]> = transposed.iter().map(Vec::as_slice).collect();
        check(&transposed, &["101", "010", "100", "010", "100"]);
        // Equal numbers; the capacitated assignment leaves a row unused.
        check(&[&[0.20, 0.60, 0.93], &[0.31, 0.75, 0.80], &[0.10, 0.53, 0.42]], &["110", "100", "111"]);
        // The capacity binds.
        let binding: [&[f32]; 2] = [&[0.2, 0.9, 0.95, 0.9, 0.5, 0.6, 0.8], &[0.7, 0.3, 0.45, 0.35, 0.4, 0.85, 0.1]];
        check(&binding, &["1000110", "0111101"]);
        check(&[&[0.5, 0.1]], &["11"]);
        check(&[&[0.5], &[0.1]], &["1", "1"]);
    }

    #[test]
    fn no_clusters_on_one_side() {
        let none = Embeddings::new(vec![], 0, 4).unwrap();
        let mut stream = Streams::new(0).stream("match", [0; 3]);
        let association = bilateral_match(&none, &random(3, &mut stream), MatchOrientation::AsReleased).unwrap();
        assert_eq!((association.shape(), association.is_empty()), ((0, 3), true));
    }
}
