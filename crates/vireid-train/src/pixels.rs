//! Images of a list as a network takes them.

use std::ops::Range;

use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;
use vireid_data::transform::{Transform, apply, to_planar};
use vireid_data::{DataError, ImageList, ImageSize};

/// Puts images on a device. `pixels` are all images of `size`, one after another and channel by channel.
///
/// # Shapes
///
/// - output: `[images, 3, height, width]`
pub(crate) fn image_tensor(pixels: Vec<f32>, size: ImageSize, device: &Device) -> Tensor<4> {
    let count = pixels.len() / (3 * size.area());
    Tensor::from_data(TensorData::new(pixels, [count, 3, size.height, size.width]), device)
}

/// Some images of a list, normalised, one after another and channel by channel.
///
/// # Errors
///
/// `VR0113` when an image can't be read any more.
pub(crate) fn pixels(images: &ImageList, range: Range<usize>) -> Result<Vec<f32>, DataError> {
    let views: Result<Vec<Vec<f32>>, DataError> = range
        .into_par_iter()
        .map(|position| {
            let bytes = images.get(position).map_err(DataError::Image)?;
            Ok(normalised(&bytes, images.size()))
        })
        .collect();
    Ok(views?.concat())
}

/// The bytes of an image of `size`, pixel by pixel, as networks take them: channel by channel.
pub(crate) fn normalised(bytes: &[u8], size: ImageSize) -> Vec<f32> {
    let mut view = to_planar(bytes);
    // Normalising draws nothing, so any stream will do.
    let mut stream = vireid_core::Streams::new(0).stream("none", [0; 3]);
    apply(&[Transform::Normalize], &mut view, size, &mut stream);
    view
}

#[cfg(test)]
mod tests {
    use super::*;
    use vireid_data::{CacheBudget, ResizeFilter, Sample};

    /// An image that can't be read while embedding says so itself.
    #[test]
    fn an_unreadable_image_hands_on_its_own_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cut.png");
        std::fs::write(&path, b"no image").unwrap();
        let sample = Sample { path, identity: None, camera: vireid_core::Camera(1) };
        let size = ImageSize { height: 8, width: 8 };
        let list = ImageList::new(vec![sample], size, ResizeFilter::Lanczos, CacheBudget::new(0));
        let error = pixels(&list, 0..1).unwrap_err().to_string();
        assert!(error.starts_with("VR0113") && error.contains("cut.png: it is not an image"), "{error}");
    }
}
