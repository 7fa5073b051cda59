use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use rayon::prelude::*;
use vireid_core::guard_parser;

use crate::{BadImage, ResizeFilter, Sample, resize_rgb};

/// Smallest side that an image of a person can have.
const SMALLEST_SIDE: usize = 8;

/// Height and width in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageSize {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl ImageSize {
    /// Number of pixels.
    pub fn area(self) -> usize {
        self.height * self.width
    }
}

/// Bytes that decoded images may take, shared by all lists of a run.
#[derive(Debug, Clone)]
pub struct CacheBudget(Arc<AtomicUsize>);

impl CacheBudget {
    /// A budget of `bytes`.
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(bytes)))
    }

    fn take(&self, bytes: usize) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes)).is_ok()
    }
}

/// A list of images at one size: decoded and resized when first asked for, and kept while the budget lasts.
///
/// A batch visits images at random, so which ones are kept does not matter; nothing is ever evicted.
#[derive(Debug)]
pub struct ImageList {
    samples: Vec<Sample>,
    kept: Vec<OnceLock<Arc<[u8]>>>,
    budget: CacheBudget,
    size: ImageSize,
    filter: ResizeFilter,
}

impl ImageList {
    /// The list of some samples.
    pub fn new(samples: Vec<Sample>, size: ImageSize, filter: ResizeFilter, budget: CacheBudget) -> Self {
        let kept = samples.iter().map(|_| OnceLock::new()).collect();
        Self { samples, kept, budget, size, filter }
    }

    /// The samples, in order.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// Size that images are resized to.
    pub fn size(&self) -> ImageSize {
        self.size
    }

    /// One image as `height x width x 3` bytes.
    ///
    /// # Errors
    ///
    /// When the file can't be decoded or is too small to be an image of a person.
    pub fn get(&self, position: usize) -> Result<Arc<[u8]>, BadImage> {
        let slot = &self.kept[position];
        if let Some(image) = slot.get() {
            return Ok(image.clone());
        }
        let path = &self.samples[position].path;
        let image: Arc<[u8]> =
            decode(path, self.size, self.filter).map_err(|reason| BadImage { path: path.clone(), reason })?.into();
        if self.budget.take(image.len()) {
            return Ok(slot.get_or_init(|| image).clone());
        }
        Ok(image)
    }

    /// Decodes every image once, in parallel, and lists those that can't be used. What the budget allows stays decoded,
    /// so this is no lost work. `progress` is called after each image.
    pub fn check(&self, progress: impl Fn() + Sync) -> Vec<BadImage> {
        let looked = (0..self.len()).into_par_iter().filter_map(|position| {
            let bad = self.get(position).err();
            progress();
            bad
        });
        looked.collect()
    }

    /// The list without the images that a check found bad.
    pub fn without(self, bad: &[BadImage]) -> Self {
        let (samples, kept) = self
            .samples
            .into_iter()
            .zip(self.kept)
            .filter(|(sample, _)| bad.iter().all(|bad| bad.path != sample.path))
            .unzip();
        Self { samples, kept, ..self }
    }
}

fn decode(path: &Path, size: ImageSize, filter: ResizeFilter) -> Result<Vec<u8>, String> {
    let one_line = |error: String| error.split_whitespace().collect::<Vec<_>>().join(" ");
    let bytes = std::fs::read(path).map_err(|error| one_line(error.to_string()))?;
    if is_cut_jpeg(&bytes) {
        return Err("the JPEG data end before the image does".into());
    }
    let decoded =
        guard_parser(|| image::load_from_memory(&bytes))?.map_err(|error| one_line(error.to_string()))?.into_rgb8();
    let from = ImageSize { height: decoded.height() as usize, width: decoded.width() as usize };
    if from.height.min(from.width) < SMALLEST_SIDE {
        return Err(format!(
            "only {} x {} pixels; at least {SMALLEST_SIDE} a side are needed",
            from.width, from.height
        ));
    }
    if from == size {
        return Ok(decoded.into_raw());
    }
    resize_rgb(decoded.as_raw(), from, size, filter).ok_or_else(|| "can't be resized".to_string())
}

/// Whether a JPEG file stops within its image data. Decoders fill the rest with grey and say nothing. Markers can't occur
/// within entropy-coded data, so a whole file has an end marker behind its last start of scan; an embedded preview's end
/// marker stands before it.
fn is_cut_jpeg(bytes: &[u8]) -> bool {
    const START_OF_SCAN: [u8; 2] = [0xff, 0xda];
    const END_OF_IMAGE: [u8; 2] = [0xff, 0xd9];
    let last = |marker: [u8; 2]| bytes.windows(2).rposition(|pair| pair == marker);
    bytes.starts_with(&[0xff, 0xd8]) && last(END_OF_IMAGE) < last(START_OF_SCAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_jpeg_is_noticed_wherever_it_is_cut() {
        let mut jpeg = Vec::new();
        let pixels: Vec<u8> = (0..3 * 64 * 64).map(|i| (i * 7 % 251) as u8).collect();
        let mut encoder = image::codecs::jpeg::JpegEncoder::new(&mut jpeg);
        encoder.encode(&pixels, 64, 64, image::ExtendedColorType::Rgb8).unwrap();
        assert!(!is_cut_jpeg(&jpeg));
        let scan = jpeg.windows(2).rposition(|pair| pair == [0xff, 0xda]).unwrap();
        assert!((scan + 2..jpeg.len() - 2).all(|length| is_cut_jpeg(&jpeg[..length])));
        // Cut before the scan a decoder notices by itself.
        assert!((0..scan).all(|length| image::load_from_memory(&jpeg[..length]).is_err()));
        jpeg.extend(b"trailing bytes");
        assert!(!is_cut_jpeg(&jpeg));
    }
}
