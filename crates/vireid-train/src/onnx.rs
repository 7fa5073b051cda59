//! A trained network as an ONNX graph: from the bytes of images to embeddings as they are searched.

use vireid_backbone::onnx::{Axis, Element, Graph, Value};
use vireid_core::Modality;
use vireid_data::transform::{DEVIATION, MEAN};

use crate::networks::Embedder;
use crate::{EngineConfig, MethodError};

/// Name of the graphs' only input.
const IMAGES: &str = "images";
/// Name of their only output.
const EMBEDDING: &str = "embedding";

/// See [`TrainedNetwork::onnx`](crate::TrainedNetwork::onnx).
pub(crate) fn drawn(
    network: &dyn Embedder,
    config: &EngineConfig,
    modality: Modality,
    raw: bool,
) -> Result<Graph, MethodError> {
    let (size, name) = (config.size(), &config.backbone.name);
    let [height, width] = [size.height, size.width].map(Axis::Length);
    let mut graph = Graph::new(name);
    let draw = |graph: &mut Graph, images: &Value| {
        let rows = graph.within("network", |graph| network.draw(graph, images, modality));
        rows.ok_or_else(|| MethodError::NotDrawable(name.clone()))
    };
    let rows = if raw {
        let images = graph.input(IMAGES, Element::F32, &[Axis::Batch, Axis::Length(3), height, width]);
        draw(&mut graph, &images)?
    } else {
        let bytes = graph.input(IMAGES, Element::U8, &[Axis::Batch, height, width, Axis::Length(3)]);
        let images = graph.within("normalise", |graph| normalised(graph, &bytes));
        if config.evaluation.flip_average {
            let both = graph.within("mirror", |graph| with_mirror_images(graph, &images, size.width));
            let rows = draw(&mut graph, &both)?;
            graph.within("average", |graph| averaged(graph, &rows, network.dim()))
        } else {
            let rows = draw(&mut graph, &images)?;
            graph.within("unit_length", |graph| graph.unit_rows(&rows))
        }
    };
    graph.output(EMBEDDING, &rows, &[Axis::Batch, Axis::Length(network.dim())]);
    Ok(graph)
}

/// Bytes `[batch, height, width, 3]` to what networks take, `[batch, 3, height, width]`.
fn normalised(graph: &mut Graph, bytes: &Value) -> Value {
    let most = graph.scalar("most", 255.0);
    let mean = graph.weights("mean", &[3, 1, 1], &MEAN);
    let deviation = graph.weights("deviation", &[3, 1, 1], &DEVIATION);
    let numbers = graph.to_f32(bytes);
    let planes = graph.transpose(&numbers, &[0, 3, 1, 2]);
    let shares = graph.div(&planes, &most);
    let centred = graph.sub(&shares, &mean);
    graph.div(&centred, &deviation)
}

/// The mirror images behind the images.
fn with_mirror_images(graph: &mut Graph, images: &Value, width: usize) -> Value {
    let columns: Vec<i64> = (0..width as i64).rev().collect();
    let columns = graph.integers("columns", &columns);
    let mirrored = graph.gather(images, &columns, 3);
    graph.concat(&[images, &mirrored], 0)
}

/// The mean of an image's and its mirror image's embedding, each of length 1 before and both together after.
fn averaged(graph: &mut Graph, rows: &Value, dim: usize) -> Value {
    let half = graph.scalar("half", 0.5);
    let rows = graph.unit_rows(rows);
    let pairs = graph.reshape(&rows, &[2, -1, dim as i64]);
    let [image, mirrored] = [0, 1].map(|number| {
        let position = graph.position(number);
        graph.gather(&pairs, &position, 0)
    });
    let sum = graph.add(&image, &mirrored);
    let mean = graph.mul(&sum, &half);
    graph.unit_rows(&mean)
}
