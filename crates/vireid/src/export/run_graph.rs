//! Exported graphs run by `tract`, which knows nothing of this project.

use tract_onnx::prelude::*;
use vireid::ProgramError;
use vireid_core::{Modality, Streams, guard_parser};
use vireid_data::ImageSize;
use vireid_data::transform::{Transform, apply, to_planar};
use vireid_methods::TrainedNetwork;

use super::check::further;

/// Numbers of images, of which neither is the other: the batch is free.
const BATCHES: [usize; 2] = [1, 3];

/// Runs an ONNX file on images, the first in a batch of its own, then three, then all others: the largest difference of its
/// embeddings to the network's, both of length 1.
///
/// # Errors
///
/// `VR0630` where it can't be run, or is further off than rounding can be.
pub fn difference(
    file: &[u8],
    trained: &TrainedNetwork,
    modality: Modality,
    raw: bool,
    images: &[Vec<u8>],
) -> Result<f32, ProgramError> {
    let (mut largest, mut left) = (0.0, images);
    for batch in BATCHES.into_iter().chain([usize::MAX]) {
        let (images, rest) = left.split_at(batch.min(left.len()));
        left = rest;
        if images.is_empty() {
            break;
        }
        let expected = raw_or_whole(trained, images, modality, raw)?;
        let got = guard_parser(|| embeddings(file, images, trained.size(), raw).map_err(|error| format!("{error:#}")))
            .and_then(|result| result)
            .map_err(ProgramError::BadExport)?;
        largest = further(largest, &unit_rows(&got, trained.dim()), &expected)?;
    }
    Ok(largest)
}

/// What the network gives: of a raw graph without mirror images.
fn raw_or_whole(
    trained: &TrainedNetwork,
    images: &[Vec<u8>],
    modality: Modality,
    raw: bool,
) -> Result<Vec<f32>, ProgramError> {
    let mirrored = !raw && trained.config().evaluation.flip_average;
    Ok(trained.embed_bytes(images, modality, mirrored)?.as_slice().to_vec())
}

fn embeddings(file: &[u8], images: &[Vec<u8>], size: ImageSize, raw: bool) -> TractResult<Vec<f32>> {
    let (batch, height, width) = (images.len(), size.height, size.width);
    let input: Tensor = if raw {
        let values: Vec<f32> = images.iter().flat_map(|image| normalised(image, size)).collect();
        Tensor::from_shape(&[batch, 3, height, width], &values)?
    } else {
        Tensor::from_shape(&[batch, height, width, 3], &images.concat())?
    };
    run(file, input)
}

fn run(file: &[u8], input: Tensor) -> TractResult<Vec<f32>> {
    let fact = InferenceFact::dt_shape_from_tensor(&input);
    let model = onnx().model_for_read(&mut &*file)?.with_input_fact(0, fact)?.into_optimized()?;
    let outputs = model.into_runnable()?.run(tvec!(input.into()))?;
    Ok(outputs[0].to_plain_array_view::<f32>()?.iter().copied().collect())
}

fn normalised(image: &[u8], size: ImageSize) -> Vec<f32> {
    let mut view = to_planar(image);
    // Normalising draws nothing, so any stream will do.
    let mut stream = Streams::new(0).stream("none", [0; 3]);
    apply(&[Transform::Normalize], &mut view, size, &mut stream);
    view
}

fn unit_rows(rows: &[f32], dim: usize) -> Vec<f32> {
    let scaled = |row: &[f32]| {
        let length = row.iter().map(|value| value * value).sum::<f32>().sqrt().max(1e-12);
        row.iter().map(|value| value / length).collect::<Vec<f32>>()
    };
    rows.chunks(dim.max(1)).flat_map(scaled).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, Tensor as BurnTensor, TensorData};
    use vireid_backbone::onnx::{Axis, Element, Graph};
    use vireid_backbone::parameters::fill_parameters;
    use vireid_backbone::{Backbone, Precision, StageConfig, StemConfig, TwoStreamNetConfig, VitConfig};
    use vireid_compare::assert_close;

    /// Values that leave nothing at 0 or 1, so that no part of a network can be forgotten.
    fn stirred<B: Backbone>(net: B) -> B {
        let mut stream = Streams::new(3).stream("stirred", [0; 3]);
        fill_parameters(net, |name, shape| {
            let count: usize = shape.iter().product();
            let window: usize = shape.iter().skip(1).product();
            let (mean, spread) = match name.rsplit('.').next() {
                Some("running_var") => (1.0, 0.5),
                Some("weight") if shape.len() == 1 => (1.0, 0.5),
                // Its three factors would grow with the cube of what goes in.
                _ if name.contains(".non_local.") => (0.0, 0.2 / (window as f64).sqrt()),
                _ => (0.0, 1.5 / (window as f64).sqrt()),
            };
            Some((0..count).map(|_| (mean + stream.uniform(-spread, spread)) as f32).collect())
        })
    }

    /// The drawn network in another runtime against its own pass, for both modalities and two sizes of a batch.
    fn assert_drawn_as_it_is<B: Backbone>(
        net: B,
        [height, width]: [usize; 2],
        forward: impl Fn(&B, BurnTensor<4>, Modality) -> BurnTensor<2>,
    ) {
        let net = stirred(net);
        let mut stream = Streams::new(1).stream("images", [0; 3]);
        let mut outputs = Vec::new();
        for modality in Modality::ALL {
            let mut graph = Graph::new("net");
            let axes = [Axis::Batch, Axis::Length(3), Axis::Length(height), Axis::Length(width)];
            let images = graph.input("images", Element::F32, &axes);
            let rows = net.draw(&mut graph, &images, modality).unwrap();
            graph.output("embedding", &rows, &[Axis::Batch, Axis::Length(net.dim())]);
            let file = graph.into_bytes(&[]).unwrap();
            for batch in BATCHES {
                let count = batch * 3 * height * width;
                let values: Vec<f32> = (0..count).map(|_| stream.normal(0.0, 1.0) as f32).collect();
                let shape = [batch, 3, height, width];
                let input = BurnTensor::<4>::from_data(TensorData::new(values.clone(), shape), &Device::default());
                let expected: Vec<f32> = forward(&net, input, modality).into_data().try_to_vec().unwrap();
                let got = run(&file, Tensor::from_shape(&shape, &values).unwrap()).unwrap();
                let size = expected.iter().map(|value| f64::from(value.abs())).sum::<f64>() / expected.len() as f64;
                assert!(size > 0.01 && size < 1e4, "{size}");
                assert_close(&got, &expected, 1e-4 * size);
                outputs.push(expected[0]);
            }
        }
        assert!(outputs[0] != outputs[2], "the modalities have layers of their own");
    }

    fn assert_residual(config: TwoStreamNetConfig, size: [usize; 2]) {
        let net = config.init(&Device::default(), &mut Streams::new(0).stream("init", [0; 3]));
        assert_drawn_as_it_is(net, size, |net, images, modality| net.forward_one(images, modality));
    }

    #[test]
    fn residual_networks_are_drawn_as_they_are() {
        assert_residual(TwoStreamNetConfig::small(), [33, 18]);
        assert_residual(TwoStreamNetConfig::resnet18().with_non_local_blocks(), [48, 31]);
        let bottlenecks = vec![StageConfig::new(2, 4, 16, 1), StageConfig::new(1, 8, 32, 2).with_non_local(1)];
        let net = TwoStreamNetConfig::new(StemConfig::new(8, 7, true), bottlenecks, true);
        assert_residual(net.clone().with_precision(Precision::F32), [40, 24]);
        assert_residual(net.with_stride_in_1x1(true), [40, 24]);
    }

    #[test]
    fn transformers_are_drawn_as_they_are() {
        for config in [VitConfig::tiny(), VitConfig::tiny().with_stride(4).with_image([24, 16])] {
            let image = config.image;
            let net = config.init(&Device::default(), &mut Streams::new(0).stream("init", [0; 3])).unwrap();
            assert_drawn_as_it_is(net, image, |net, images, modality| net.forward_one(images, modality).embedding);
        }
    }
}
