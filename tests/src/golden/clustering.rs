//! Golden operations of clustering.

use std::error::Error;

use vireid_clustering::{
    ClusterMemories, CostDirection, Expansion, JaccardEncoding, LabelTransfer, MemoryMatching, NeighbourGraph, Origin,
    Sinkhorn, SparseRows, TransferInput, TransportKernel, dbscan, match_by_costs, memory_costs,
};
use vireid_core::{Camera, Embeddings, Modality, PerModality};

use super::{Case, Outputs};

pub fn jaccard_distance(case: &Case) -> Result<Outputs, Box<dyn Error>> {
    distances(case, &Expansion::Mean { k2: case.parameter("k2")? })
}

pub fn jaccard_distance_modality_camera(case: &Case) -> Result<Outputs, Box<dyn Error>> {
    let modality = |value: f64| if value == 0.0 { Modality::Visible } else { Modality::Infrared };
    let pairs = case.input("modality")?.values.iter().zip(&case.input("camera")?.values);
    let origins: Vec<Origin> =
        pairs.map(|(&m, &camera)| Origin { modality: modality(m), camera: Camera(camera as u16) }).collect();
    distances(case, &Expansion::ModalityCamera { k2: case.parameter("k2")?, origins: &origins })
}

fn distances(case: &Case, expansion: &Expansion) -> Result<Outputs, Box<dyn Error>> {
    let encoding = JaccardEncoding::new(&case.embeddings("features")?, case.parameter("k1")?, expansion)?;
    let (n, near) = (encoding.len(), encoding.within(1.0));
    let mut distance = vec![1.0; n * n];
    for row in 0..n {
        for (column, value) in near.pairs(row) {
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

pub fn sinkhorn(case: &Case) -> Result<Outputs, Box<dyn Error>> {
    let settings = Sinkhorn {
        lambda: case.parameter("lambda")?,
        tolerance: case.parameter("tol")?,
        max_steps: case.parameter("max_iter")?,
    };
    let shape = &case.input("cost")?.shape;
    let kernel = TransportKernel::of_costs(&case.floats("cost")?, shape[0], shape[1], settings)?;
    let plan = kernel.plan(&kernel.solve()?);
    Ok(Outputs::from([("plan", plan.into_iter().map(f64::from).collect())]))
}

pub fn mult_label_transfer(case: &Case) -> Result<Outputs, Box<dyn Error>> {
    let both = |what: &str| -> Result<PerModality<Embeddings>, Box<dyn Error>> {
        let of = |modality: &str| case.embeddings(&format!("{what}_{modality}"));
        Ok(PerModality { visible: of("visible")?, infrared: of("infrared")? })
    };
    let sparse = |modality: &str| -> Result<SparseRows, Box<dyn Error>> {
        let name = format!("distance_{modality}");
        Ok(SparseRows::from_dense(&case.floats(&name)?, case.input(&name)?.shape[1], |distance| distance < 1.0))
    };
    let (embeddings, centroids) = (both("features")?, both("centroids")?);
    let distances = PerModality { visible: sparse("visible")?, infrared: sparse("infrared")? };
    let transfer = LabelTransfer {
        alpha: case.parameter("alpha")?,
        temperature: case.parameter("temperature")?,
        transport: Sinkhorn { lambda: case.parameter("lambda")?, ..Sinkhorn::mult() },
        ..LabelTransfer::mult()
    };
    let labels =
        transfer.run(TransferInput { embeddings: &embeddings, centroids: &centroids, distances: &distances })?;
    let mut outputs = Outputs::new();
    for (soft, hard, labels) in [
        ("soft_visible", "label_visible", &labels.own.visible),
        ("soft_infrared", "label_infrared", &labels.own.infrared),
        ("soft_cross_visible", "cross_label_visible", &labels.cross.visible),
        ("soft_cross_infrared", "cross_label_infrared", &labels.cross.infrared),
    ] {
        outputs.insert(soft, labels.as_slice().iter().map(|&value| f64::from(value)).collect());
        outputs.insert(hard, labels.hard().into_iter().map(|label| label as f64).collect());
    }
    Ok(outputs)
}

pub fn mmm_match(case: &Case) -> Result<Outputs, Box<dyn Error>> {
    let memories = |name: &str| -> Result<Vec<ClusterMemories>, Box<dyn Error>> {
        let [_, count, dim] = case.input(name)?.shape[..] else { return Err(format!("{name} is not 3-d").into()) };
        let points = |rows: &[f32]| Ok(ClusterMemories::Points(Embeddings::new(rows.to_vec(), count, dim)?));
        case.floats(name)?.chunks(count * dim).map(points).collect()
    };
    let (visible, infrared) = (memories("memories_visible")?, memories("memories_infrared")?);
    let costs = memory_costs(&visible, &infrared, CostDirection::SumOverInfrared)?;
    let matched = match_by_costs(&costs, visible.len(), infrared.len(), MemoryMatching::Nearest)?;
    let labels = matched.into_iter().map(|cluster| cluster.map_or(-1.0, |cluster| cluster as f64)).collect();
    Ok(Outputs::from([("infrared_of_visible", labels)]))
}
