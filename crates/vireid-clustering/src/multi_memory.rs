use rayon::prelude::*;
use vireid_core::Embeddings;

use crate::ClusteringError;

/// The infrared cluster of every visible one by the multi-memory cost of MMM (Shi et al., ECCV 2024): the sum over the
/// infrared cluster's memories of the distance to the nearest memory of the visible cluster. Each visible cluster takes
/// the cheapest infrared one, the first on ties; several may take the same. `None` for all when there is no infrared one.
///
/// A cluster with fewer memories than another counts as if each of its memories stood for an equal share of `memories`.
///
/// # Errors
///
/// `VR0202` when the memories differ in dimension, `VR0201` when a cluster has no memory.
pub fn nearest_by_memories(
    visible: &[Embeddings],
    infrared: &[Embeddings],
) -> Result<Vec<Option<usize>>, ClusteringError> {
    let dim = visible.iter().chain(infrared).map(Embeddings::dim).next().unwrap_or(0);
    for memories in visible.iter().chain(infrared) {
        if memories.dim() != dim {
            let what = "dimensions of memories";
            return Err(ClusteringError::Length { what, left: memories.dim(), right: dim });
        }
        if memories.rows() == 0 {
            let expected = "at least 1";
            return Err(ClusteringError::Parameter { name: "memories of a cluster", value: "0".into(), expected });
        }
    }
    Ok(visible
        .par_iter()
        .map(|own| {
            let costs = infrared.iter().map(|other| cost(own, other));
            let first = |best: Option<(usize, f64)>, next: (usize, f64)| match best {
                Some(best) if best.1 <= next.1 => Some(best),
                _ => Some(next),
            };
            costs.enumerate().fold(None, first).map(|(cluster, _)| cluster)
        })
        .collect())
}

/// Mean over the infrared memories of the distance to the nearest visible one.
fn cost(visible: &Embeddings, infrared: &Embeddings) -> f64 {
    let nearest = |row: usize| {
        let squared = |own: usize| -> f64 {
            visible.row(own).iter().zip(infrared.row(row)).map(|(a, b)| f64::from(a - b).powi(2)).sum()
        };
        (0..visible.rows()).map(squared).fold(f64::INFINITY, f64::min).sqrt()
    };
    (0..infrared.rows()).map(nearest).sum::<f64>() / infrared.rows() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memories(rows: &[[f32; 2]]) -> Embeddings {
        Embeddings::new(rows.concat(), rows.len(), 2).unwrap()
    }

    #[test]
    fn the_nearest_and_the_first_on_ties() {
        let visible = [memories(&[[0.0, 0.0], [5.0, 0.0]]), memories(&[[9.0, 0.0]])];
        let infrared = [memories(&[[5.0, 1.0], [0.0, 1.0]]), memories(&[[9.0, 1.0], [9.0, 3.0]])];
        assert_eq!(nearest_by_memories(&visible, &infrared).unwrap(), [Some(0), Some(1)]);
        let twice = [infrared[1].clone(), infrared[1].clone()];
        assert_eq!(nearest_by_memories(&visible, &twice).unwrap(), [Some(0), Some(0)]);
        assert_eq!(nearest_by_memories(&visible, &[]).unwrap(), [None, None]);
        assert!(nearest_by_memories(&[], &infrared).unwrap().is_empty());
    }
}
