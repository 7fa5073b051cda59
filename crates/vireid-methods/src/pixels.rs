//! Images of a list as a network takes them.

use std::ops::Range;

use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;
use vireid_data::transform::{Transform, apply, to_planar};
use vireid_data::{DataError, ImageList, ImageSize};

/// Images on a device.
///
/// # Shapes
///
/// - output: `[images, 3, height, width]`
pub(crate) fn image_tensor(pixels: Vec<f32>, size: ImageSize, device: &Device) -> Tensor<4> {
    let count = pixels.len() / (3 * size.area());
    Tensor::from_data(TensorData::new(pixels, [count, 3, size.height, size.width]), device)
}

/// Some images, normalised, one after another and channel by channel.
pub(crate) fn pixels(images: &ImageList, range: Range<usize>) -> Result<Vec<f32>, DataError> {
    let views: Result<Vec<Vec<f32>>, DataError> = range
        .into_par_iter()
        .map(|position| {
            let bytes = images.get(position).map_err(DataError::Image)?;
            let mut view = to_planar(&bytes);
            // Normalising draws nothing, so any stream will do.
            let mut stream = vireid_core::Streams::new(0).stream("none", [0; 3]);
            apply(&[Transform::Normalize], &mut view, images.size(), &mut stream);
            Ok(view)
        })
        .collect();
    Ok(views?.concat())
}
