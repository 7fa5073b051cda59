use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;
use vireid_backbone::Backbone;
use vireid_core::{Embeddings, Modality};
use vireid_data::transform::{Transform, apply, to_planar};
use vireid_data::{DataError, ImageList};

use crate::MethodError;

/// Batches prepared while the network works.
const AHEAD: usize = 2;

/// Embeds every image of a list, in order, with the network in inference mode.
///
/// With `flip_average` an embedding is the mean over the image and its mirror image, not normalised again. `network` must
/// be off the autodiff device ([`Module::valid`](burn::module::Module::valid)): nothing is kept for gradients.
/// `progress` is called with the number of images done.
///
/// # Errors
///
/// `VR0109` when an image can't be read any more, `VR0002` when the network answers with NaN.
pub fn extract<B: Backbone>(
    network: &B,
    images: &ImageList,
    modality: Modality,
    batch: usize,
    flip_average: bool,
    device: &Device,
    mut progress: impl FnMut(usize),
) -> Result<Embeddings, MethodError> {
    let size = images.size();
    let (ready, prepared) = crossbeam_channel::bounded::<Result<Vec<f32>, DataError>>(AHEAD);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for start in (0..images.len()).step_by(batch) {
                let range = start..(start + batch).min(images.len());
                if ready.send(pixels(images, range)).is_err() {
                    return;
                }
            }
        });
        let mut values = Vec::with_capacity(images.len() * network.dim());
        for pixels in prepared {
            let pixels = pixels?;
            let count = pixels.len() / (3 * size.area());
            let data = TensorData::new(pixels, [count, 3, size.height, size.width]);
            let input = Tensor::<4>::from_data(data, device);
            let mut embedded = network.embed(input.clone(), modality);
            if flip_average {
                embedded = (embedded + network.embed(input.flip([3]), modality)).div_scalar(2.0);
            }
            // Clustering works on the host, so this read is the purpose of the pass.
            let read = embedded.into_data().convert::<f32>().try_to_vec::<f32>();
            values.extend(read.map_err(|error| MethodError::Config(format!("embeddings can't be read: {error:?}")))?);
            progress(values.len() / network.dim());
        }
        Ok(Embeddings::new(values, images.len(), network.dim())?)
    })
}

fn pixels(images: &ImageList, range: std::ops::Range<usize>) -> Result<Vec<f32>, DataError> {
    let step = range.start;
    let views: Result<Vec<Vec<f32>>, DataError> = range
        .into_par_iter()
        .map(|position| {
            let bytes = images.get(position).map_err(|bad| DataError::Loader { step, reason: bad.to_string() })?;
            let mut view = to_planar(&bytes);
            // Normalising draws nothing, so any stream will do.
            let mut stream = vireid_core::Streams::new(0).stream("none", [0; 3]);
            apply(&[Transform::Normalize], &mut view, images.size(), &mut stream);
            Ok(view)
        })
        .collect();
    Ok(views?.concat())
}
