use std::error::Error;

use vireid_clustering::{JaccardConfig, JaccardEncoding, NeighbourGraph, dbscan};

use super::{Case, Outputs};

pub fn jaccard_distance(case: &Case) -> Result<Outputs, Box<dyn Error>> {
    let embeddings = case.embeddings("features")?;
    let config = JaccardConfig { k1: case.parameter("k1")?, k2: case.parameter("k2")? };
    let encoding = JaccardEncoding::new(&embeddings, config)?;
    let n = encoding.len();
    let mut distance = vec![1.0; n * n];
    for (row, near) in encoding.within(1.0).into_iter().enumerate() {
        for (column, value) in near {
            distance[row * n + column as usize] = f64::from(value);
        }
    }
    Ok(Outputs::from([("distance", distance)]))
}

pub fn dbscan_precomputed(case: &Case) -> Result<Outputs, Box<dyn Error>> {
    let n = case.input("distance")?.shape[0];
    let graph = NeighbourGraph::from_dense(&case.floats("distance")?, n, case.parameter("eps")?)?;
    let labels = dbscan(&graph, case.parameter("min_samples")?)?;
    let labels = labels.into_iter().map(|label| label.map_or(-1.0, |label| label as f64)).collect();
    Ok(Outputs::from([("labels", labels)]))
}
