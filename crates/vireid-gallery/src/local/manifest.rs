//! The file that makes a folder a gallery, and its lock.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::files::{HEADER, Header, damaged, log_path, salt_of, sync_folder, unwritable, write_whole};
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
    /// Makes a gallery, and what keeps others out of it.
    pub fn create(folder: &Path, model: Model, keep: Keep) -> Result<(Self, File), GalleryError> {
        let no = no(folder);
        if !(1..=MOST).contains(&model.dim) {
            return Err(no(format!("embeddings of {} numbers can't be kept, only of 1 to {MOST}", model.dim)));
        }
        make_folder(folder).map_err(|error| no(format!("the folder can't be made: {error}")))?;
        // Before the lock, so that none is left where no gallery can be; and again with it, for another may have been quicker.
        check_empty(folder)?;
        let lock = take_lock(folder)?;
        check_empty(folder)?;
        let salt = RandomState::new().hash_one(folder) as u32;
        let header = Header { log: 1, batch: 1, sequence: 0 }.write(salt_of(salt, 1));
        let log = log_path(folder, 1);
        write_whole(&log, &header).map_err(unwritable(&log))?;
        let mut manifest = Self { format: FORMAT, model, keep, created: Moment::now(), salt, checksum: 0 };
        manifest.checksum = manifest.sum();
        let json = serde_json::to_vec_pretty(&manifest).map_err(|error| no(error.to_string()))?;
        // Last: a folder with this file is a gallery.
        let path = folder.join(NAME);
        write_whole(&path, &json).map_err(unwritable(&path))?;
        Ok((manifest, lock))
    }

    /// Of an existing gallery, and what keeps others out of it.
    pub fn open(folder: &Path) -> Result<(Self, File), GalleryError> {
        let no = no(folder);
        let path = folder.join(NAME);
        if !path.is_file() {
            return Err(no("there is no gallery".into()));
        }
        let lock = take_lock(folder)?;
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

fn no(folder: &Path) -> impl Fn(String) -> GalleryError {
    move |reason| GalleryError::NoGallery { address: folder.display().to_string(), reason }
}

fn take_lock(folder: &Path) -> Result<File, GalleryError> {
    let refused = |error: io::Error| {
        let reason = format!("it can't be locked, and is opened only where it can be locked and written to: {error}");
        no(folder)(reason)
    };
    let lock = OpenOptions::new().create(true).append(true).open(folder.join(LOCK)).map_err(refused)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(GalleryError::InUse { path: folder.into() }),
        Err(TryLockError::Error(error)) => Err(refused(error)),
    }
}

/// Makes a folder and those above it, and sees to it that their names are on the disk.
fn make_folder(folder: &Path) -> io::Result<()> {
    let new: Vec<&Path> = folder.ancestors().take_while(|folder| !folder.exists()).collect();
    fs::create_dir_all(folder)?;
    new.into_iter().try_for_each(|folder| match folder.parent() {
        Some(parent) if parent.as_os_str().is_empty() => sync_folder(&Path::new(".").join(folder)),
        _ => sync_folder(folder),
    })
}

/// Refuses a folder that holds anything but what a making that was cut short left.
fn check_empty(folder: &Path) -> Result<(), GalleryError> {
    let no = no(folder);
    let unreadable = |error: io::Error| no(format!("it can't be read: {error}"));
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let log = log_path(folder, 1);
        let unfinished = [folder.join(NAME), log.clone()].map(|path| path.with_added_extension("new"));
        // A log with more than its first bytes is that of a gallery which lost its other file.
        let begun = path == log && fs::metadata(&log).is_ok_and(|log| log.len() <= HEADER as u64);
        if !(path == folder.join(LOCK) || begun || unfinished.contains(&path)) {
            return Err(no("the folder is not empty, and a gallery needs one of its own".into()));
        }
    }
    Ok(())
}
