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

/// Runs an ONNX file on drawn images: the largest difference of its embeddings to the network's, both of length 1.
///
/// # Errors
///
/// `VR0630` where it can't be run, or is further off than rounding can be.
pub fn difference(file: &[u8], trained: &TrainedNetwork, modality: Modality, raw: bool) -> Result<f32, ProgramError> {
    let mut largest = 0.0;
    for batch in BATCHES {
        let images = drawn_images(batch, trained.size());
        let expected = raw_or_whole(trained, &images, modality, raw)?;
        let got = guard_parser(|| embeddings(file, &images, trained.size(), raw).map_err(|error| format!("{error:#}")))
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

/// Noise around a colour of each image's own.
fn drawn_images(count: usize, size: ImageSize) -> Vec<Vec<u8>> {
    let mut stream = Streams::new(0).stream("export check", [0; 3]);
    let mut image = || {
        let colour = [0; 3].map(|_: i32| stream.uniform(30.0, 225.0));
        (0..3 * size.area()).map(|place| (colour[place % 3] + stream.uniform(-30.0, 30.0)) as u8).collect()
    };
    (0..count).map(|_| image()).collect()
}

fn embeddings(file: &[u8], images: &[Vec<u8>], size: ImageSize, raw: bool) -> TractResult<Vec<f32>> {
    let (batch, height, width) = (images.len(), size.height, size.width);
    let input: Tensor = if raw {
        let values: Vec<f32> = images.iter().flat_map(|image| normalised(image, size)).collect();
        Tensor::from_shape(&[batch, 3, height, width], &values)?
    } else {
        Tensor::from_shape(&[batch, height, width, 3], &images.concat())?
    };
    let fact = InferenceFact::dt_shape(input.datum_type(), input.shape());
    let model = tract_onnx::onnx().model_for_read(&mut &*file)?.with_input_fact(0, fact)?.into_optimized()?;
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
