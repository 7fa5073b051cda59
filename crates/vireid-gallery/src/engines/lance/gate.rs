use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::engine;
use super::tables::{ENTRIES, JUDGEMENTS};
use crate::{GalleryError, LanceAddress};

/// The file that a writer locks, beside the tables.
const LOCK: &str = "lock";

/// Lets one writer in at a time: of this program, and of all programs where the files are in a folder.
#[derive(Debug)]
pub struct Gate {
    here: Mutex<()>,
    folder: Option<PathBuf>,
}

/// That no other writer is at work, until it is dropped.
pub struct Pass<'a> {
    _here: MutexGuard<'a, ()>,
    file: Option<File>,
}

impl Pass<'_> {
    /// Whether other programs are kept out as well.
    pub fn is_alone(&self) -> bool {
        self.file.is_some()
    }
}

impl Gate {
    pub fn new(address: &LanceAddress) -> Self {
        let folder = match address {
            LanceAddress::Folder(folder) => Some(folder.clone()),
            LanceAddress::Bucket(_) => None,
        };
        Self { here: Mutex::new(()), folder }
    }

    /// Waits for the other writers.
    ///
    /// # Errors
    ///
    /// `VR0809` for a folder that can't be written to.
    pub fn enter(&self) -> Result<Pass<'_>, GalleryError> {
        // What a panic left half done is done or undone by the next writer.
        let here = self.here.lock().unwrap_or_else(PoisonError::into_inner);
        let file = match &self.folder {
            None => None,
            Some(folder) => {
                let refused = |error: std::io::Error| engine(format!("can't write to {}: {error}", folder.display()));
                let file = OpenOptions::new().create(true).append(true).open(folder.join(LOCK)).map_err(refused)?;
                file.lock().map_err(refused)?;
                Some(file)
            }
        };
        Ok(Pass { _here: here, file })
    }

    /// Waits for the other writers of a gallery that may have to be made.
    ///
    /// # Errors
    ///
    /// `VR0808` for a folder that can't be made, or with anything in it but a gallery of Lance files.
    pub fn enter_new(&self, address: &LanceAddress) -> Result<Pass<'_>, GalleryError> {
        if let Some(folder) = &self.folder {
            let no_gallery = |reason: String| GalleryError::NoGallery { address: address.to_string(), reason };
            std::fs::create_dir_all(folder).map_err(|error| no_gallery(error.to_string()))?;
            if let Some(other) = other_than_ours(folder).map_err(|error| no_gallery(error.to_string()))? {
                return Err(no_gallery(format!(
                    "the folder is not empty, and no gallery of Lance files: it has '{other}'"
                )));
            }
        }
        self.enter()
    }
}

/// What a folder without a table of entries has that no gallery of Lance files has.
fn other_than_ours(folder: &Path) -> std::io::Result<Option<String>> {
    if folder.join(format!("{ENTRIES}.lance")).exists() {
        return Ok(None);
    }
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name != LOCK && name != format!("{JUDGEMENTS}.lance") {
            return Ok(Some(name));
        }
    }
    Ok(None)
}
