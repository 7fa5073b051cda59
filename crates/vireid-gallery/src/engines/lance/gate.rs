//! One writer at a time, of all programs.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use lancedb::Table;
use tokio::runtime::Handle;

use super::lease::{Lease, Times};
use super::tables::{ENTRIES, JUDGEMENTS};
use super::{engine, wait_for};
use crate::GalleryError;

/// The file of a folder that a writer locks, beside the tables.
const LOCK: &str = "lock";

/// Lets one writer in at a time, of all programs. It is more than Lance asks for: what is deleted is gone only when older
/// versions are removed, and whoever is writing then needs them to see what others have done.
#[derive(Debug)]
pub struct Gate {
    here: Mutex<()>,
    kind: Kind,
    runtime: Handle,
}

#[derive(Debug)]
pub enum Kind {
    /// By the lock of a file in this folder.
    Folder(PathBuf),
    /// By the row of this table.
    Bucket(Table),
}

/// That no other writer is at work, until it is dropped.
pub struct Pass<'a> {
    _here: MutexGuard<'a, ()>,
    _file: Option<File>,
    lease: Option<(Lease, &'a Handle)>,
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if let Some((lease, runtime)) = self.lease.take() {
            let letting_go = async {
                lease.let_go().await;
                Ok(())
            };
            _ = wait_for(runtime, letting_go);
        }
    }
}

impl Gate {
    pub fn new(kind: Kind, runtime: Handle) -> Self {
        Self { here: Mutex::new(()), kind, runtime }
    }

    /// Waits for the other writers.
    ///
    /// # Errors
    ///
    /// `VR0809` for a folder or bucket that can't be written to.
    pub fn enter(&self) -> Result<Pass<'_>, GalleryError> {
        // What a panic left half done is done or undone by the next writer.
        let here = self.here.lock().unwrap_or_else(PoisonError::into_inner);
        let (file, lease) = match &self.kind {
            Kind::Folder(folder) => {
                let refused = |error: std::io::Error| engine(format!("can't write to {}: {error}", folder.display()));
                let file = OpenOptions::new().create(true).append(true).open(folder.join(LOCK)).map_err(refused)?;
                file.lock().map_err(refused)?;
                (Some(file), None)
            }
            Kind::Bucket(table) => {
                let table = table.clone();
                let lease = wait_for(&self.runtime, async move { Lease::take(&table, Times::default()).await })?;
                (None, Some((lease, &self.runtime)))
            }
        };
        Ok(Pass { _here: here, _file: file, lease })
    }
}

/// Makes a folder for a gallery where there is none; what is wrong with it if it can't be, or has anything in it but a gallery of
/// Lance files.
pub fn prepare(folder: &Path) -> Result<(), String> {
    let other = || -> std::io::Result<Option<String>> {
        std::fs::create_dir_all(folder)?;
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
    };
    match other() {
        Ok(None) => Ok(()),
        Ok(Some(name)) => Err(format!("the folder is not empty, and no gallery of Lance files: it has '{name}'")),
        Err(error) => Err(error.to_string()),
    }
}
