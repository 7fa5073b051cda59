//! Images that are decoded once and kept within a budget.

use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use rayon::prelude::*;

use crate::decode::{Decoded, decode, fit};
use crate::{BadImage, Depth, ResizeFilter, Sample, ValueRange};

/// Height and width in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageSize {
    /// Height: rows of pixels.
    pub height: usize,
    /// Width: pixels of a row.
    pub width: usize,
}

impl ImageSize {
    /// Height times width.
    pub fn area(self) -> usize {
        self.height * self.width
    }
}

/// Bytes that decoded images may take, shared by all lists of a run.
#[derive(Debug, Clone)]
pub struct CacheBudget(Arc<AtomicUsize>);

impl CacheBudget {
    /// A budget of `bytes`. With 0 no image is kept, so each access decodes it again.
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(bytes)))
    }

    fn take(&self, bytes: usize) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes)).is_ok()
    }
}

/// A BLAKE3 hash.
pub(crate) type Digest = [u8; 32];

/// What is kept of an image.
#[derive(Debug, Default, Clone)]
struct Kept {
    pixels: OnceLock<Arc<[u8]>>,
    /// Of the file's bytes, as they were when first read; shared with the lists that hold a part of this one.
    digest: Arc<OnceLock<Digest>>,
    /// Set once the image was found whole; shared likewise.
    depth: Arc<OnceLock<Option<Depth>>>,
}

/// A list of images at one size: decoded and resized when first asked for, and kept while the budget lasts.
///
/// A batch visits images at random, so which ones are kept does not matter; nothing is ever evicted.
#[derive(Debug)]
pub struct ImageList {
    samples: Vec<Sample>,
    kept: Vec<Kept>,
    budget: CacheBudget,
    size: ImageSize,
    filter: ResizeFilter,
    range: ValueRange,
}

impl ImageList {
    /// A list of samples, each to be resized to `size`. Reads no file yet. Images with more than 8 bits are read by
    /// [`ValueRange::Full`]; see [`with_range`](Self::with_range).
    pub fn new(samples: Vec<Sample>, size: ImageSize, filter: ResizeFilter, budget: CacheBudget) -> Self {
        let kept = samples.iter().map(|_| Kept::default()).collect();
        Self { samples, kept, budget, size, filter, range: ValueRange::default() }
    }

    /// The list with another range for images with more than 8 bits. Images that were decoded before are dropped.
    pub fn with_range(self, range: ValueRange) -> Self {
        // What was decoded by another range is of no use.
        Self { range, ..Self::new(self.samples, self.size, self.filter, self.budget) }
    }

    /// Holds an image in memory at a position, whose path is a name from then on and no file: `from.height x from.width x 3`
    /// bytes, interleaved, resized now.
    ///
    /// # Errors
    ///
    /// When there are more or fewer bytes, or it is too small to be an image of a person.
    ///
    /// # Panics
    ///
    /// When `position` is not below [`len`](Self::len).
    pub fn hold(&mut self, position: usize, from: ImageSize, pixels: &[u8]) -> Result<(), BadImage> {
        if Some(pixels.len()) != from.height.checked_mul(from.width).and_then(|area| area.checked_mul(3)) {
            let ImageSize { height, width } = from;
            return Err(self.bad(position, format!("{} bytes are not {width} x {height} pixels", pixels.len())));
        }
        let fitted = fit(pixels.to_vec(), from, self.size, self.filter).map_err(|reason| self.bad(position, reason))?;
        self.keep(position, fitted, pixels, None);
        Ok(())
    }

    /// As [`hold`](Self::hold), of the bytes of an image's file.
    ///
    /// # Errors
    ///
    /// When the bytes can't be decoded, are cut short, or are of an image too small to be one of a person.
    ///
    /// # Panics
    ///
    /// When `position` is not below [`len`](Self::len).
    pub fn hold_file(&mut self, position: usize, bytes: &[u8]) -> Result<(), BadImage> {
        let decoded = decode(bytes, self.size, self.filter, self.range, true);
        let Decoded { pixels, depth } = decoded.map_err(|reason| self.bad(position, reason))?;
        self.keep(position, pixels, bytes, depth);
        Ok(())
    }

    fn keep(&mut self, position: usize, fitted: Vec<u8>, original: &[u8], depth: Option<Depth>) {
        let digest: Digest = blake3::hash(original).into();
        self.kept[position] = Kept {
            pixels: OnceLock::from(Arc::from(fitted)),
            digest: Arc::new(OnceLock::from(digest)),
            depth: Arc::new(OnceLock::from(depth)),
        };
    }

    /// The samples, in the order of their positions.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// How many images are listed, decoded or not.
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// Whether no image is listed.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// The size that all images are resized to.
    pub fn size(&self) -> ImageSize {
        self.size
    }

    /// Some of the images, as a list whose decoded images are kept however many they are.
    pub fn select(&self, positions: impl IntoIterator<Item = usize>) -> Self {
        let entry = |position: usize| (self.samples[position].clone(), self.kept[position].clone());
        let (samples, kept) = positions.into_iter().map(entry).unzip();
        Self {
            samples,
            kept,
            budget: CacheBudget::new(usize::MAX),
            size: self.size,
            filter: self.filter,
            range: self.range,
        }
    }

    /// One image as `height x width x 3` bytes, interleaved, decoded on first use.
    ///
    /// # Errors
    ///
    /// When the file can't be decoded, is cut short, or is too small to be an image of a person; when its name is not
    /// UTF-8 text, which tables of images need; and when its contents have changed since it was first read.
    ///
    /// # Panics
    ///
    /// When `position` is not below [`len`](Self::len).
    pub fn get(&self, position: usize) -> Result<Arc<[u8]>, BadImage> {
        let kept = &self.kept[position];
        if let Some(image) = kept.pixels.get() {
            return Ok(image.clone());
        }
        let (bytes, _) = self.read(position)?;
        let first_look = kept.depth.get().is_none();
        let decoded = decode(&bytes, self.size, self.filter, self.range, first_look);
        let decoded = decoded.map_err(|reason| self.bad(position, reason))?;
        if first_look {
            kept.depth.get_or_init(|| decoded.depth);
        }
        let image: Arc<[u8]> = decoded.pixels.into();
        if self.budget.take(image.len()) {
            return Ok(kept.pixels.get_or_init(|| image).clone());
        }
        Ok(image)
    }

    /// A BLAKE3 hash of the bytes of an image's file, as they were when it was first read; read now if it never was.
    ///
    /// # Errors
    ///
    /// When the file can't be read.
    pub fn digest(&self, position: usize) -> Result<[u8; 32], BadImage> {
        if let Some(digest) = self.kept[position].digest.get() {
            return Ok(*digest);
        }
        self.read(position).map(|(_, digest)| digest)
    }

    /// The numbers of an image with more than 8 bits; `None` for others, and before it was decoded.
    pub fn depth(&self, position: usize) -> Option<Depth> {
        self.kept[position].depth.get().copied().flatten()
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
    pub fn without(&self, bad: &[BadImage]) -> Self {
        let bad: HashSet<&Path> = bad.iter().map(|bad| bad.path.as_path()).collect();
        let entries = self.samples.iter().zip(&self.kept);
        let good = entries.filter(|(sample, _)| !bad.contains(sample.path.as_path()));
        let (samples, kept) = good.map(|(sample, kept)| (sample.clone(), kept.clone())).unzip();
        Self { samples, kept, budget: self.budget.clone(), size: self.size, filter: self.filter, range: self.range }
    }

    /// The bytes of a file and their digest, which is kept.
    fn read(&self, position: usize) -> Result<(Vec<u8>, Digest), BadImage> {
        let path = &self.samples[position].path;
        if let Some(bad) = BadImage::if_unnameable(path) {
            return Err(bad);
        }
        let entry = std::fs::metadata(path).map_err(|error| self.bad(position, error.to_string()))?;
        // Reading a pipe would wait for whoever writes into it.
        if !entry.is_file() {
            return Err(self.bad(position, "it is not a file".into()));
        }
        let bytes = std::fs::read(path).map_err(|error| self.bad(position, error.to_string()))?;
        let digest = blake3::hash(&bytes).into();
        if *self.kept[position].digest.get_or_init(|| digest) != digest {
            return Err(self.bad(position, "it has changed since it was first read".into()));
        }
        Ok((bytes, digest))
    }

    fn bad(&self, position: usize, reason: String) -> BadImage {
        BadImage { path: self.samples[position].path.clone(), reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vireid_core::Camera;

    fn list(paths: &[std::path::PathBuf]) -> ImageList {
        let sample = |path: &std::path::PathBuf| Sample { path: path.clone(), identity: None, camera: Camera(1) };
        let size = ImageSize { height: 16, width: 8 };
        ImageList::new(paths.iter().map(sample).collect(), size, ResizeFilter::Lanczos, CacheBudget::new(usize::MAX))
    }

    /// As if it had been read from a file without loss.
    #[test]
    fn an_image_in_memory_is_as_one_in_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        let image = image::RgbImage::from_fn(20, 30, |x, y| image::Rgb([x as u8 * 9, y as u8 * 7, 5]));
        image.save(&path).unwrap();
        let mut held = list(&["image 0".into()]);
        held.hold(0, ImageSize { height: 30, width: 20 }, image.as_raw()).unwrap();
        assert_eq!(held.get(0).unwrap(), list(std::slice::from_ref(&path)).get(0).unwrap());
        let bytes = std::fs::read(&path).unwrap();
        let mut of_bytes = list(&["image 0".into()]);
        of_bytes.hold_file(0, &bytes).unwrap();
        assert_eq!(of_bytes.get(0).unwrap(), held.get(0).unwrap());
        assert_eq!(of_bytes.digest(0).unwrap(), list(&[path]).digest(0).unwrap());
        assert!(of_bytes.hold_file(0, &bytes[..bytes.len() / 2]).is_err());
        assert!(held.hold(0, ImageSize { height: 31, width: 20 }, image.as_raw()).is_err());
        assert!(held.hold(0, ImageSize { height: 2, width: 2 }, &[0; 12]).unwrap_err().reason.contains("2 x 2"));
    }

    #[test]
    fn a_digest_is_of_the_contents_and_of_the_first_reading() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        let draw = |grey| image::RgbImage::from_pixel(8, 16, image::Rgb([grey; 3])).save(&path).unwrap();
        draw(10);
        let (unread, read) = (list(std::slice::from_ref(&path)), list(std::slice::from_ref(&path)));
        assert!(read.check(|| ()).is_empty());
        let before = unread.digest(0).unwrap();
        draw(20);
        assert_eq!(read.digest(0).unwrap(), before);
        assert_ne!(list(&[path]).digest(0).unwrap(), before);
    }

    /// What a run says that it was trained on, it was trained on.
    #[test]
    fn a_file_that_changes_behind_its_digest_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        let draw = |grey| image::RgbImage::from_pixel(8, 16, image::Rgb([grey; 3])).save(&path).unwrap();
        draw(10);
        let list = list(std::slice::from_ref(&path));
        list.digest(0).unwrap();
        draw(20);
        assert_eq!(list.get(0).unwrap_err().reason, "it has changed since it was first read");
        draw(10);
        assert_eq!(list.get(0).unwrap()[0], 10);
    }

    /// Any ending, as long as the contents are an image's.
    #[test]
    fn contents_count_not_endings() {
        let folder = tempfile::tempdir().unwrap();
        let image = image::RgbImage::from_fn(8, 16, |x, y| image::Rgb([x as u8 * 9, y as u8 * 9, 7]));
        let formats =
            [("a.jpg", image::ImageFormat::Png), ("b.jfif", image::ImageFormat::Tiff), ("c", image::ImageFormat::Bmp)];
        for (name, format) in formats {
            let path = folder.path().join(name);
            image.save_with_format(&path, format).unwrap();
            assert_eq!(&*list(&[path]).get(0).unwrap(), image.as_raw(), "{name}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_name_that_is_no_text_is_refused_before_the_work() {
        use std::os::unix::ffi::OsStrExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(std::ffi::OsStr::from_bytes(b"caf\xe9.png"));
        image::RgbImage::new(8, 16).save_with_format(&path, image::ImageFormat::Png).unwrap();
        let bad = list(&[path]).check(|| ());
        assert!(bad.len() == 1 && bad[0].reason.contains("UTF-8"), "{bad:?}");
    }
}
