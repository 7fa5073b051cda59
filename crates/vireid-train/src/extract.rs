//! Embedding the images of a list.

use std::ops::Range;

use burn::tensor::Device;
use crossbeam_channel::{bounded, unbounded};
use vireid_backbone::Backbone;
use vireid_core::{Embeddings, Modality};
use vireid_data::{DataError, ImageList, ImageSize};

use crate::pixels::{image_tensor, pixels};
use crate::replicas::copy_to;
use crate::{Devices, MethodError};

/// Batches prepared while the network works.
const AHEAD: usize = 2;

/// Embeds every image of a list, in order, with the network in inference mode.
///
/// With `flip_average` an embedding is the mean over the image and its mirror image, not normalised again. `network`
/// must be off the autodiff device ([`Module::valid`](burn::module::Module::valid)) and on the first of `devices`, so
/// that nothing is kept for gradients. `batch` is the number of images per pass, at least 1; several devices take whole
/// batches in turn. `progress` is called with the number of images done.
///
/// # Errors
///
/// `VR0113` when an image can't be read any more, `VR0002` when the network answers with NaN, `VR0502` when it gives
/// another number of values than images and [`Backbone::dim`] make, `VR0511` when a device fails.
pub fn extract<B: Backbone>(
    network: &B,
    images: &ImageList,
    modality: Modality,
    batch: usize,
    flip_average: bool,
    devices: &Devices,
    mut progress: impl FnMut(usize),
) -> Result<Embeddings, MethodError> {
    let batches: Vec<Range<usize>> =
        (0..images.len()).step_by(batch).map(|start| start..(start + batch).min(images.len())).collect();
    let dim = network.dim();
    let mut values = vec![0.0; images.len() * dim];
    let (ready, prepared) = bounded::<(usize, Result<Vec<f32>, DataError>)>(AHEAD * devices.count());
    let (finished, results) = unbounded::<(usize, Result<Vec<f32>, MethodError>)>();
    let embed = move |network: &B, pixels: Result<Vec<f32>, DataError>, device: &Device| {
        embed_batch(network, pixels?, images.size(), modality, flip_average, device)
    };
    let mut done = 0;
    let mut keep = |(number, result): (usize, Result<Vec<f32>, MethodError>)| -> Result<(), MethodError> {
        let (rows, batch) = (result?, &batches[number]);
        let (count, place) = (rows.len(), &mut values[batch.start * dim..batch.end * dim]);
        if count != place.len() {
            let message =
                format!("the network gave {count} numbers for {} images and embeddings of {dim}", batch.len());
            return Err(MethodError::Config(message));
        }
        place.copy_from_slice(&rows);
        done += batch.len();
        progress(done);
        Ok(())
    };
    std::thread::scope(|scope| {
        // Moved in here, so that an error closes the channel and all threads end early.
        let results = results;
        let batches = batches.clone();
        scope.spawn(move || {
            for (number, range) in batches.into_iter().enumerate() {
                if ready.send((number, pixels(images, range))).is_err() {
                    return;
                }
            }
        });
        for device in devices.others() {
            let (copy, prepared, finished) = (copy_to(network, device), prepared.clone(), finished.clone());
            scope.spawn(move || {
                for (number, pixels) in prepared {
                    if finished.send((number, embed(&copy, pixels, device))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(finished);
        // The first device works on this thread, which also tells how far all have come.
        for (number, pixels) in prepared {
            keep((number, embed(network, pixels, devices.first())))?;
            results.try_iter().try_for_each(&mut keep)?;
        }
        results.iter().try_for_each(keep)
    })?;
    Ok(Embeddings::new(values, images.len(), dim)?)
}

/// The embeddings of one batch, row after row.
pub(crate) fn embed_batch<B: Backbone>(
    network: &B,
    pixels: Vec<f32>,
    size: ImageSize,
    modality: Modality,
    flip_average: bool,
    device: &Device,
) -> Result<Vec<f32>, MethodError> {
    let input = image_tensor(pixels, size, device);
    let mut embedded = network.embed(input.clone(), modality);
    if flip_average {
        embedded = (embedded + network.embed(input.flip([3]), modality)).div_scalar(2.0);
    }
    // Clustering works on the host, so this read is the purpose of the pass.
    Ok(embedded.try_into_vec_as::<f32>()?)
}
