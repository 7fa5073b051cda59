//! Matching clusters by several memories each (MMM, Shi et al., ECCV 2024).

use rayon::prelude::*;
use vireid_core::{Embeddings, follow};

use crate::{ClusteringError, linear_assignment};

/// The memories of a cluster.
#[derive(Debug, Clone, PartialEq)]
pub enum ClusterMemories {
    /// Points in the space of the embeddings.
    Points(Embeddings),
    /// Single coordinates, each standing for the point that has it in every dimension. Not an idea but an accident of the
    /// released code: of a cluster with too few samples it keeps the mean and takes its coordinates for memories. The
    /// distance of two of them is the difference of the coordinates.
    Coordinates(Vec<f32>),
}

/// Which memories look for their nearest counterpart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CostDirection {
    /// The infrared cluster's (the released code).
    SumOverInfrared,
    /// The visible cluster's (the paper).
    SumOverVisible,
    /// The mean of both directions.
    Symmetric,
}

/// How clusters are matched when the costs of all pairs are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryMatching {
    /// Every visible cluster the cheapest infrared one, the first on ties; several may take the same (the released code).
    Nearest,
    /// The cheapest assignment of pairs (the paper). Visible clusters that are left over take the nearest (this project's
    /// choice).
    Hungarian,
}

/// The cost of every pair, visible by infrared: for each searching memory the distance to the nearest memory of the other
/// cluster, averaged. With equally many memories everywhere this orders pairs as the sum does.
///
/// # Errors
///
/// `VR0202` when the memories differ in dimension, `VR0201` when a cluster has no memory.
pub fn memory_costs(
    visible: &[ClusterMemories],
    infrared: &[ClusterMemories],
    direction: CostDirection,
) -> Result<Vec<f64>, ClusteringError> {
    let mut dim = None;
    for memories in visible.iter().chain(infrared) {
        if let ClusterMemories::Points(points) = memories {
            let expected = *dim.get_or_insert(points.dim());
            if points.dim() != expected {
                let what = "dimensions of memories";
                return Err(ClusteringError::Length { what, left: points.dim(), right: expected });
            }
        }
        if memories.count() == 0 {
            let expected = "at least 1";
            return Err(ClusteringError::Parameter { name: "memories of a cluster", value: "0".into(), expected });
        }
    }
    let cost = |own: &ClusterMemories, other: &ClusterMemories| match direction {
        CostDirection::SumOverInfrared => other.to_nearest(own),
        CostDirection::SumOverVisible => own.to_nearest(other),
        CostDirection::Symmetric => 0.5 * (other.to_nearest(own) + own.to_nearest(other)),
    };
    let steps = follow("costs", visible.len());
    let row = |own: &ClusterMemories| -> Vec<f64> {
        if steps.step() { infrared.iter().map(|other| cost(own, other)).collect() } else { Vec::new() }
    };
    let rows: Vec<Vec<f64>> = visible.par_iter().map(row).collect();
    steps.check()?;
    Ok(rows.concat())
}

/// The infrared cluster of every visible one; `None` for all when there is no infrared one. `costs` is
/// visible by infrared, as [`memory_costs`] gives it.
///
/// # Errors
///
/// `VR0202` when the costs have another size, `VR0203` when one is not finite.
pub fn match_by_costs(
    costs: &[f64],
    visible: usize,
    infrared: usize,
    matching: MemoryMatching,
) -> Result<Vec<Option<usize>>, ClusteringError> {
    if costs.len() != visible * infrared {
        let what = "costs and pairs of clusters";
        return Err(ClusteringError::Length { what, left: costs.len(), right: visible * infrared });
    }
    if infrared == 0 {
        return Ok(vec![None; visible]);
    }
    let nearest = |row: &[f64]| {
        let first = |best: usize, next: usize| if row[next] < row[best] { next } else { best };
        (0..row.len()).reduce(first)
    };
    let mut matched: Vec<Option<usize>> = costs.chunks_exact(infrared).map(nearest).collect();
    if matching == MemoryMatching::Hungarian {
        for (own, other) in linear_assignment(costs, visible, infrared)? {
            matched[own] = Some(other);
        }
    }
    Ok(matched)
}

impl ClusterMemories {
    fn count(&self) -> usize {
        match self {
            Self::Points(points) => points.rows(),
            Self::Coordinates(values) => values.len(),
        }
    }

    /// Mean over these memories of the distance to the nearest of the others.
    fn to_nearest(&self, others: &Self) -> f64 {
        let nearest =
            |own| (0..others.count()).map(|other| self.distance(own, others, other)).fold(f64::INFINITY, f64::min);
        (0..self.count()).map(nearest).sum::<f64>() / self.count() as f64
    }

    fn distance(&self, own: usize, others: &Self, other: usize) -> f64 {
        let from = |point: &[f32], value: f32| point.iter().map(|x| f64::from(x - value).powi(2)).sum::<f64>().sqrt();
        match (self, others) {
            (Self::Points(a), Self::Points(b)) => {
                let (a, b) = (a.row(own), b.row(other));
                a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt()
            }
            (Self::Points(a), Self::Coordinates(b)) => from(a.row(own), b[other]),
            (Self::Coordinates(a), Self::Points(b)) => from(b.row(other), a[own]),
            (Self::Coordinates(a), Self::Coordinates(b)) => f64::from(a[own] - b[other]).abs(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use vireid_compare::assert_near;

    fn points(rows: &[[f32; 2]]) -> ClusterMemories {
        ClusterMemories::Points(Embeddings::new(rows.concat(), rows.len(), 2).unwrap())
    }

    fn nearest(visible: &[ClusterMemories], infrared: &[ClusterMemories]) -> Vec<Option<usize>> {
        let costs = memory_costs(visible, infrared, CostDirection::SumOverInfrared).unwrap();
        match_by_costs(&costs, visible.len(), infrared.len(), MemoryMatching::Nearest).unwrap()
    }

    #[test]
    fn the_nearest_and_the_first_on_ties() {
        let visible = [points(&[[0.0, 0.0], [5.0, 0.0]]), points(&[[9.0, 0.0]])];
        let infrared = [points(&[[5.0, 1.0], [0.0, 1.0]]), points(&[[9.0, 1.0], [9.0, 3.0]])];
        assert_eq!(nearest(&visible, &infrared), [Some(0), Some(1)]);
        let twice = [infrared[1].clone(), infrared[1].clone()];
        assert_eq!(nearest(&visible, &twice), [Some(0), Some(0)]);
        assert_eq!(nearest(&visible, &[]), [None, None]);
        assert!(nearest(&[], &infrared).is_empty());
    }

    /// Four memories of which one is far: the direction decides.
    #[test]
    fn directions_differ() {
        let visible = [points(&[[0.0, 0.0], [0.0, 0.1], [0.1, 0.0], [2.0, 0.0]])];
        let infrared = [points(&[[0.0, 0.0], [0.0, 0.1], [0.1, 0.0], [0.1, 0.1]])];
        let cost = |direction| 4.0 * memory_costs(&visible, &infrared, direction).unwrap()[0];
        assert_near(cost(CostDirection::SumOverInfrared), 0.1, 1e-6);
        assert_near(cost(CostDirection::SumOverVisible), 1.9, 1e-6);
        assert_near(cost(CostDirection::Symmetric), 1.0, 1e-6);
    }

    /// Worked by hand: a coordinate against points, and against coordinates.
    #[test]
    fn coordinates_for_memories() {
        let coordinates = [0.3, 0.1, -0.2, 0.4].to_vec();
        let own = ClusterMemories::Coordinates(coordinates.clone());
        let flat = |rows: &[[f32; 5]]| ClusterMemories::Points(Embeddings::new(rows.concat(), rows.len(), 5).unwrap());
        let rows = [[0.3, 0.1, -0.2, 0.4, 0.25], [0.0; 5], [0.1; 5], [1.0, 0.0, 0.0, 0.0, 0.0]];
        let cost = memory_costs(std::slice::from_ref(&own), &[flat(&rows)], CostDirection::SumOverInfrared).unwrap()[0];
        assert_near(4.0 * cost, 1.638_004, 1e-5);
        let other = ClusterMemories::Coordinates(coordinates.iter().map(|x| x + 0.05).collect());
        let cost = memory_costs(&[own], &[other], CostDirection::SumOverInfrared).unwrap()[0];
        assert_near(4.0 * cost, 0.2, 1e-6);
    }

    #[test]
    fn the_hungarian_gives_pairs_and_the_rest_the_nearest() {
        // Both visible clusters want the first infrared one; the second of them can spare it more cheaply.
        let costs = [1.0, 9.0, 2.0, 3.0, 0.5, 8.0];
        let matched = |matching| match_by_costs(&costs, 3, 2, matching).unwrap();
        assert_eq!(matched(MemoryMatching::Nearest), [Some(0), Some(0), Some(0)]);
        assert_eq!(matched(MemoryMatching::Hungarian), [Some(0), Some(1), Some(0)]);
        assert!(match_by_costs(&costs, 2, 2, MemoryMatching::Nearest).is_err());
    }

    proptest! {
        /// The order of memories within a cluster is nothing.
        #[test]
        fn order_of_memories(values in prop::collection::vec(-1.0f32..1.0, 16)) {
            let rows: Vec<[f32; 2]> = values.chunks(2).map(|row| [row[0], row[1]]).collect();
            let mut reversed = rows[..4].to_vec();
            reversed.reverse();
            let other = [points(&rows[4..])];
            for direction in [CostDirection::SumOverInfrared, CostDirection::SumOverVisible, CostDirection::Symmetric] {
                let a = memory_costs(&[points(&rows[..4])], &other, direction).unwrap()[0];
                let b = memory_costs(&[points(&reversed)], &other, direction).unwrap()[0];
                assert_near(a, b, 1e-12);
            }
        }
    }
}
