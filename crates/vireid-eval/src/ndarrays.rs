//! Evaluation on arrays of `ndarray`. Embeddings are made from arrays in `vireid-core`.

use ndarray::{Array2, ArrayView2};
use vireid_core::{Embeddings, Identity};

use crate::rank_metrics::{CmcRule, RankMetrics, rank_metrics};
use crate::{EvalError, similarities};

/// As [`similarities`], as an array of queries by gallery.
///
/// # Errors
///
/// `VR0402` when the dimensions differ.
///
/// ```
/// use ndarray::array;
/// use vireid_core::{Embeddings, Identity};
/// use vireid_eval::CmcRule;
/// use vireid_eval::ndarrays::{rank_metrics_of, similarity_array};
///
/// let gallery = Embeddings::try_from(array![[1.0f32, 0.0], [0.0, 2.0]].view())?;
/// let similar = similarity_array(&gallery.select(&[1]), &gallery)?;
/// assert_eq!(similar, array![[0.0, 4.0]]);
///
/// let people = [Identity(1), Identity(2)];
/// let found = rank_metrics_of((-similar).view(), &people[1..], &people, CmcRule::Images, 20, |_, _| false)?;
/// assert_eq!(found.rank(1), 1.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn similarity_array(queries: &Embeddings, gallery: &Embeddings) -> Result<Array2<f32>, EvalError> {
    let shape = (queries.rows(), gallery.rows());
    // There is a similarity for every pair.
    Ok(Array2::from_shape_vec(shape, similarities(queries, gallery)?).unwrap_or_default())
}

/// As [`rank_metrics`], of an array of queries by gallery that may lie in memory in any order.
///
/// # Errors
///
/// `VR0402` when the array does not have a row per query and a column per gallery image, `VR0401` when no query has a
/// match.
pub fn rank_metrics_of(
    distances: ArrayView2<f32>,
    queries: &[Identity],
    gallery: &[Identity],
    rule: CmcRule,
    depth: usize,
    ignored: impl Fn(usize, usize) -> bool + Sync,
) -> Result<RankMetrics, EvalError> {
    let (rows, columns) = distances.dim();
    let equal = |what, left, right| match left == right {
        true => Ok(()),
        false => Err(EvalError::Length { what, left, right }),
    };
    equal("rows of the distances and queries", rows, queries.len())?;
    equal("columns of the distances and gallery images", columns, gallery.len())?;
    match distances.to_slice() {
        Some(distances) => rank_metrics(distances, queries, gallery, rule, depth, ignored),
        None => {
            let distances: Vec<f32> = distances.iter().copied().collect();
            rank_metrics(&distances, queries, gallery, rule, depth, ignored)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    const PEOPLE: [Identity; 3] = [Identity(1), Identity(2), Identity(1)];

    #[test]
    fn the_order_in_memory_is_nothing() {
        let distances = array![[0.3f32, 0.1, 0.2], [0.5, 0.9, 0.7]];
        let of = |distances: ArrayView2<f32>| {
            rank_metrics_of(distances, &PEOPLE[..2], &PEOPLE, CmcRule::Images, 3, |_, _| false).unwrap()
        };
        let columns = distances.t().as_standard_layout().into_owned();
        assert_eq!(of(columns.t()), of(distances.view()));
        assert_eq!(of(distances.view()).cmc, [0.0, 0.5, 1.0]);
    }

    #[test]
    fn a_transposed_array_is_refused() {
        let distances = array![[0.3f32, 0.1, 0.2], [0.5, 0.9, 0.7]];
        let refused = rank_metrics_of(distances.t(), &PEOPLE[..2], &PEOPLE, CmcRule::Images, 3, |_, _| false);
        assert!(matches!(refused, Err(EvalError::Length { left: 3, right: 2, .. })), "{refused:?}");
    }

    #[test]
    fn similarities_keep_their_shape() {
        let gallery = Embeddings::try_from(array![[1.0f32, 2.0], [3.0, 4.0], [5.0, 6.0]].view()).unwrap();
        let queries = gallery.select(&[2, 0]);
        assert_eq!(similarity_array(&queries, &gallery).unwrap(), array![[17.0, 39.0, 61.0], [5.0, 11.0, 17.0]]);
        assert_eq!(similarity_array(&gallery.select(&[]), &gallery).unwrap().dim(), (0, 3));
    }
}
