//! Fingerprints of lists of images.

use std::fmt::Write;

use rayon::prelude::*;

use crate::{DataError, ImageList};

/// A fingerprint of lists of images, 64 hexadecimal digits: BLAKE3 over each list's name and length, and each image's file
/// name, identity, camera and contents, in order. Two copies of a data set agree wherever they are; one changed byte of one
/// image, or one image in another list, makes another fingerprint.
///
/// Files that were read before are not read again: an image's hash is of the bytes that were decoded. `progress` is called
/// after each image, from several threads.
///
/// # Errors
///
/// `VR0113` when a file can't be read.
pub fn fingerprint(lists: &[(&str, &ImageList)], progress: impl Fn() + Sync) -> Result<String, DataError> {
    let mut hasher = blake3::Hasher::new();
    for (name, list) in lists {
        let digest = |position| {
            let digest = list.digest(position);
            progress();
            digest
        };
        let digests: Result<Vec<_>, _> = (0..list.len()).into_par_iter().map(digest).collect();
        let mut text = format!("{name} {}\n", list.len());
        for (sample, digest) in list.samples().iter().zip(digests.map_err(DataError::Image)?) {
            let file = sample.path.file_name().unwrap_or_default().to_string_lossy();
            let identity = sample.identity.map_or("-".into(), |identity| identity.0.to_string());
            let digest = blake3::Hash::from_bytes(digest).to_hex();
            // Writing to a string can't fail.
            let _ = writeln!(text, "{file} {identity} {} {digest}", sample.camera.0);
        }
        hasher.update(text.as_bytes());
    }
    Ok(hasher.finalize().to_hex().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CacheBudget, ImageSize, ResizeFilter, Sample};
    use vireid_core::Camera;

    fn of(folder: &std::path::Path, lists: [&[&str]; 2]) -> String {
        let lists = lists.map(|names| {
            let sample = |name: &&str| Sample { path: folder.join(name), identity: None, camera: Camera(1) };
            let size = ImageSize { height: 8, width: 8 };
            ImageList::new(names.iter().map(sample).collect(), size, ResizeFilter::Lanczos, CacheBudget::new(0))
        });
        fingerprint(&[("train", &lists[0]), ("test", &lists[1])], || ()).unwrap()
    }

    /// Images that were exchanged or blacked out keep their names and lengths; the fingerprint is of their contents.
    #[test]
    fn contents_places_and_copies() {
        let (folder, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for folder in [folder.path(), copy.path()] {
            for (name, contents) in [("a", "one"), ("b", "two"), ("c", "six")] {
                std::fs::write(folder.join(name), contents).unwrap();
            }
        }
        let before = of(folder.path(), [&["a", "b"], &["c"]]);
        assert_eq!(before.len(), 64);
        assert_eq!(of(copy.path(), [&["a", "b"], &["c"]]), before);
        assert_ne!(of(copy.path(), [&["a"], &["b", "c"]]), before);
        for (name, contents) in [("a", "two"), ("b", "one")] {
            std::fs::write(copy.path().join(name), contents).unwrap();
        }
        assert_ne!(of(copy.path(), [&["a", "b"], &["c"]]), before);
        std::fs::remove_file(copy.path().join("b")).unwrap();
        let list = ImageList::new(
            vec![Sample { path: copy.path().join("b"), identity: None, camera: Camera(1) }],
            ImageSize { height: 8, width: 8 },
            ResizeFilter::Lanczos,
            CacheBudget::new(0),
        );
        let error = fingerprint(&[("train", &list)], || ()).unwrap_err().to_string();
        assert!(error.starts_with("VR0113"), "{error}");
    }
}
