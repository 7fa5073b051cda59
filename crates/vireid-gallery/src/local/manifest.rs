use std::fs::{self, File, OpenOptions, TryLockError};
use std::hash::{BuildHasher, RandomState};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::files::{Header, damaged, log_path, salt_of, unwritable, write_whole};
use crate::{GalleryError, Model, Moment};

const NAME: &str = "gallery.json";
const LOCK: &str = "lock";
const FORMAT: u32 = 1;
/// The most numbers of an embedding.
const MOST: usize = 1 << 16;

/// What a gallery on disk keeps, settled when it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keep {
    /// Whether images are kept. Where not, those of added entries are left out.
    pub images: bool,
    /// Bytes of a log from which on another is begun; 256 MiB is good.
    pub log_bytes: u64,
}

impl Default for Keep {
    /// No images, logs of 256 MiB.
    fn default() -> Self {
        Self { images: false, log_bytes: 256 << 20 }
    }
}

/// The file that makes a folder a gallery.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Manifest {
    format: u32,
    pub model: Model,
    #[serde(flatten)]
    pub keep: Keep,
    created: Moment,
    /// What the checksums of its files begin with.
    pub salt: u32,
    /// Of all else in the file.
    checksum: u32,
}

impl Manifest {
    /// Makes a gallery.
    pub fn create(folder: &Path, model: Model, keep: Keep) -> Result<(), GalleryError> {
        let no = |reason: String| GalleryError::NoGallery { address: folder.display().to_string(), reason };
        if !(1..=MOST).contains(&model.dim) {
            return Err(no(format!("embeddings of {} numbers can't be kept, only of 1 to {MOST}", model.dim)));
        }
        fs::create_dir_all(folder).map_err(|error| no(format!("the folder can't be made: {error}")))?;
        let mut names = fs::read_dir(folder).map_err(|error| no(format!("it can't be read: {error}")))?;
        if names.next().is_some() {
            return Err(no("the folder is not empty, and a gallery needs one of its own".into()));
        }
        let salt = RandomState::new().hash_one(folder) as u32;
        let header = Header { log: 1, batch: 1, sequence: 0 }.write(salt_of(salt, 1));
        let log = log_path(folder, 1);
        write_whole(&log, &header).map_err(unwritable(&log))?;
        let mut manifest = Self { format: FORMAT, model, keep, created: Moment::now(), salt, checksum: 0 };
        manifest.checksum = manifest.sum();
        let json = serde_json::to_vec_pretty(&manifest).map_err(|error| no(error.to_string()))?;
        // Last: a folder with this file is a gallery.
        let path = folder.join(NAME);
        write_whole(&path, &json).map_err(unwritable(&path))
    }

    /// Of an existing gallery, and what keeps others out of it.
    pub fn open(folder: &Path) -> Result<(Self, File), GalleryError> {
        let no = |reason: String| GalleryError::NoGallery { address: folder.display().to_string(), reason };
        let path = folder.join(NAME);
        if !path.is_file() {
            return Err(no("there is no gallery".into()));
        }
        let lock = OpenOptions::new().create(true).append(true).open(folder.join(LOCK));
        let lock = lock.map_err(|error| no(format!("it can't be locked: {error}")))?;
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => return Err(GalleryError::InUse { path: folder.into() }),
            // Some network drives know no locks.
            Ok(()) | Err(TryLockError::Error(_)) => (),
        }
        let text = fs::read(&path).map_err(super::files::unreadable(&path))?;
        let manifest: Self = serde_json::from_slice(&text).map_err(|error| damaged(&path, error.to_string()))?;
        if manifest.format != FORMAT {
            return Err(no(format!("its format is {}, and this version knows {FORMAT}", manifest.format)));
        }
        if manifest.checksum != manifest.sum() {
            return Err(damaged(&path, "its checksum is wrong"));
        }
        Ok((manifest, lock))
    }

    fn sum(&self) -> u32 {
        let plain = Self { checksum: 0, ..self.clone() };
        serde_json::to_vec(&plain).map_or(0, |json| crc32fast::hash(&json))
    }

    /// Whether a folder has a gallery.
    pub fn exists(folder: &Path) -> bool {
        folder.join(NAME).exists()
    }
}
