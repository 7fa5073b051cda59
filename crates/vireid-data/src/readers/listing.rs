//! What is in a folder: images, other folders, and what is neither.

use std::fs;
use std::path::{Path, PathBuf};

use image::ImageReader;
use vireid_core::guard_parser;

use crate::DataError;
use crate::notes::Notes;
use crate::synthetic::STAMP;

/// Endings of files that are taken for images unseen: a damaged one is reported, not left out.
const ENDINGS: [&str; 9] = ["jpg", "jpeg", "jpe", "jfif", "bmp", "png", "webp", "tif", "tiff"];
/// Folders that systems and archives leave between people's own.
const LITTER: [&str; 4] = ["__MACOSX", "@eaDir", "$RECYCLE.BIN", "lost+found"];

/// Why a file or folder is left out.
const HIDDEN: &str = "hidden";
const SYSTEM: &str = "put there by a system or an archive";
const NO_FILE: &str = "neither a file nor a folder";
const NO_IMAGE: &str = "not a JPEG, PNG, BMP, WebP or TIFF image";

/// The contents of a folder, by name.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub images: Vec<PathBuf>,
    pub folders: Vec<PathBuf>,
}

impl Listing {
    /// Lists a folder; what is hidden, litter or not an image goes into the notes. Nothing when there is no such folder.
    ///
    /// # Errors
    ///
    /// `VR0108`.
    pub fn of(folder: &Path, notes: &mut Notes) -> Result<Self, DataError> {
        let mut listing = Self::default();
        if !folder.is_dir() {
            return Ok(listing);
        }
        for (name, path) in entries(folder)? {
            if name.starts_with('.') {
                notes.leave_out(&path, HIDDEN);
            } else if LITTER.contains(&name.as_str()) {
                notes.leave_out(&path, SYSTEM);
            } else if path.is_dir() {
                listing.folders.push(path);
            } else if fs::metadata(&path).is_ok_and(|entry| !entry.is_file()) {
                notes.leave_out(&path, NO_FILE);
            } else if is_image(&path) {
                listing.images.push(path);
            } else {
                notes.leave_out(&path, NO_IMAGE);
            }
        }
        Ok(listing)
    }

    /// The images of a folder that should hold no folders.
    pub fn images_in(folder: &Path, notes: &mut Notes) -> Result<Vec<PathBuf>, DataError> {
        let Self { images, folders } = Self::of(folder, notes)?;
        folders.iter().for_each(|folder| notes.leave_out(folder, "deeper than the layout has folders"));
        Ok(images)
    }

    /// The images of a folder and of all folders below it; links to folders are not followed.
    pub fn images_below(folder: &Path, notes: &mut Notes) -> Result<Vec<PathBuf>, DataError> {
        let Self { mut images, folders } = Self::of(folder, notes)?;
        for folder in folders {
            match folder.is_symlink() {
                true => notes.leave_out(&folder, "a link to a folder"),
                false => images.extend(Self::images_below(&folder, notes)?),
            }
        }
        Ok(images)
    }
}

/// Notes what a layout's folder has besides the parts of the layout.
///
/// # Errors
///
/// `VR0108`.
pub(super) fn note_beside(folder: &Path, parts: &[&str], notes: &mut Notes) -> Result<(), DataError> {
    for (name, path) in entries(folder)? {
        if name != STAMP && !parts.contains(&name.as_str()) {
            notes.leave_out(&path, "in no part of the layout");
        }
    }
    Ok(())
}

/// What is in a folder, in path order.
fn entries(folder: &Path) -> Result<Vec<(String, PathBuf)>, DataError> {
    let failed = || DataError::io("can't list", folder);
    let named = |path: PathBuf| (path.file_name().unwrap_or_default().to_string_lossy().into_owned(), path);
    let entries = fs::read_dir(folder).map_err(failed())?;
    let entries = entries.map(|entry| entry.map(|entry| named(entry.path())).map_err(failed()));
    let mut entries = entries.collect::<Result<Vec<_>, DataError>>()?;
    entries.sort_unstable_by(|(_, a), (_, b)| a.cmp(b));
    Ok(entries)
}

/// By its ending, or else by its contents.
fn is_image(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
    if ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str())) {
        return true;
    }
    if !path.is_file() {
        return false;
    }
    // Anything may be there: what the parser panics on is not an image.
    let looked = guard_parser(|| {
        let reader = ImageReader::open(path).and_then(ImageReader::with_guessed_format);
        reader.is_ok_and(|reader| reader.format().is_some() && reader.into_dimensions().is_ok())
    });
    looked.unwrap_or(false)
}
