//! A trained network as what embeds the files of strangers.

use std::io::Cursor;

use image::ImageReader;
use vireid_core::{Camera, Modality};
use vireid_data::{CacheBudget, ImageList, Sample};
use vireid_methods::{MethodError, TrainedNetwork};

/// The most pixels of an image that strangers send: a small file can claim to be a huge image.
const MOST_PIXELS: u64 = 10_000_000;

/// Embeds the files of images of one modality, each of length 1, or says why one can't be used.
///
/// # Errors
///
/// Those of [`TrainedNetwork::embed`].
pub fn embed_files(
    network: &TrainedNetwork,
    files: &[Vec<u8>],
    modality: Modality,
) -> Result<Vec<Result<Vec<f32>, String>>, MethodError> {
    let config = network.config();
    let sample = |number: usize| Sample { path: format!("image {number}").into(), identity: None, camera: Camera(0) };
    let list =
        ImageList::new((0..files.len()).map(sample).collect(), network.size(), config.filter()?, CacheBudget::new(0));
    let mut list = list.with_range(config.range()?);
    let mut hold = |(position, file): (usize, &Vec<u8>)| {
        check_size(file)?;
        list.hold_file(position, file).map_err(|bad| bad.reason)
    };
    let held: Vec<Result<(), String>> = files.iter().enumerate().map(&mut hold).collect();
    let usable = list.select((0..files.len()).filter(|&position| held[position].is_ok()));
    let embeddings = match usable.is_empty() {
        true => None,
        false => Some(network.embed(&usable, modality, |_| ())?),
    };
    let mut rows =
        embeddings.iter().flat_map(|embeddings| (0..embeddings.rows()).map(|row| embeddings.row(row).to_vec()));
    // As many rows as images that are held.
    Ok(held.into_iter().map(|held| held.map(|()| rows.next().unwrap_or_default())).collect())
}

/// Refuses an image that is too large to be a crop, before anything of it is decoded.
fn check_size(file: &[u8]) -> Result<(), String> {
    // What has no size that can be read is no image, and the decoder says so better.
    let reader = ImageReader::new(Cursor::new(file)).with_guessed_format().ok();
    match reader.and_then(|reader| reader.into_dimensions().ok()) {
        Some((width, height)) if u64::from(width) * u64::from(height) > MOST_PIXELS => {
            Err(format!("{width} x {height} pixels are too many for a crop of a person"))
        }
        _ => Ok(()),
    }
}
