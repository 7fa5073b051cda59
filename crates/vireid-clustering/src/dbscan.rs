//! DBSCAN over a graph of neighbours.

use crate::{ClusteringError, NeighbourGraph};

/// DBSCAN over a neighbour graph, with scikit-learn's labels; `None` is noise.
///
/// A sample with at least `min_samples` neighbours (itself included) is a core sample. Clusters are the connected
/// components of core samples, numbered by their smallest core sample; a border sample goes to the lowest-numbered
/// cluster that has a core sample among its neighbours.
///
/// # Errors
///
/// `VR0201` when `min_samples` is 0.
pub fn dbscan(graph: &NeighbourGraph, min_samples: usize) -> Result<Vec<Option<usize>>, ClusteringError> {
    if min_samples == 0 {
        return Err(ClusteringError::Parameter { name: "min_samples", value: "0".into(), expected: "at least 1" });
    }
    let is_core = |sample: usize| graph.neighbours(sample).len() >= min_samples;
    let mut labels = vec![None; graph.len()];
    let mut clusters = 0;
    let mut pending = Vec::new();
    for seed in 0..graph.len() {
        if labels[seed].is_some() || !is_core(seed) {
            continue;
        }
        labels[seed] = Some(clusters);
        pending.push(seed);
        while let Some(core) = pending.pop() {
            for &neighbour in graph.neighbours(core) {
                let neighbour = neighbour as usize;
                if labels[neighbour].is_none() {
                    labels[neighbour] = Some(clusters);
                    if is_core(neighbour) {
                        pending.push(neighbour);
                    }
                }
            }
        }
        clusters += 1;
    }
    Ok(labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_a_line(points: &[f32], eps: f64) -> Vec<Option<usize>> {
        let distances: Vec<f32> = points.iter().flat_map(|a| points.iter().map(move |b| (a - b).abs())).collect();
        dbscan(&NeighbourGraph::from_dense(&distances, points.len(), eps).unwrap(), 4).unwrap()
    }

    /// A border point between two clusters belongs to the one that is found first; reversing the input moves it.
    #[test]
    fn border_points_take_the_first_cluster() {
        let mut line = vec![0.0, 1.0, 2.0, 3.0, 5.0, 7.0, 8.0, 9.0, 10.0, 20.0, 30.0, 31.0, 32.0];
        let expected = |text: &str| text.chars().map(|c| c.to_digit(10).map(|d| d as usize)).collect::<Vec<_>>();
        assert_eq!(on_a_line(&line, 2.0), expected("000001111----"));
        line.reverse();
        assert_eq!(on_a_line(&line, 2.0), expected("----000001111"));
    }

    #[test]
    fn nothing_and_only_noise() {
        assert!(on_a_line(&[], 1.0).is_empty());
        assert_eq!(on_a_line(&[0.0, 10.0, 20.0], 1.0), vec![None; 3]);
    }
}
