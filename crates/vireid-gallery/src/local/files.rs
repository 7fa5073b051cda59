//! The files of a gallery on disk.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::frame::{u32_of, u64_of};
use crate::GalleryError;

/// Bytes of a log or snapshot before its first frame.
pub(super) const HEADER: usize = 32;
const VERSION: u32 = 1;

/// What a file of frames begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Number of the log.
    pub log: u32,
    /// The batch that comes first in it.
    pub batch: u64,
    /// A number for an entry that no older log has used.
    pub sequence: u64,
}

impl Header {
    pub fn write(&self, salt: u32) -> Vec<u8> {
        let mut bytes = b"VGL1".to_vec();
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend(self.log.to_le_bytes());
        bytes.extend(self.batch.to_le_bytes());
        bytes.extend(self.sequence.to_le_bytes());
        bytes.extend(sum(salt, &bytes).to_le_bytes());
        bytes
    }

    /// `None` for bytes that are no header of this gallery.
    pub fn read(bytes: &[u8], salt: u32) -> Option<Self> {
        let (header, mut checksum) = bytes.get(..HEADER)?.split_at(HEADER - 4);
        let mut rest = header.strip_prefix(b"VGL1")?;
        let version = u32_of(&mut rest)?;
        let header_sum = sum(salt, header);
        let read = Self { log: u32_of(&mut rest)?, batch: u64_of(&mut rest)?, sequence: u64_of(&mut rest)? };
        (version == VERSION && u32_of(&mut checksum)? == header_sum).then_some(read)
    }
}

fn sum(salt: u32, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(salt);
    hasher.update(bytes);
    hasher.finalize()
}

/// What the checksums of a log begin with, so that no frame of another log or gallery, nor of an image that somebody made up, is
/// taken for one of this.
pub(super) fn salt_of(gallery: u32, log: u32) -> u32 {
    gallery ^ log.wrapping_mul(0x9E37_79B9)
}

pub(super) fn log_path(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("log-{number:06}.vgl"))
}

pub(super) fn snapshot_path(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("log-{number:06}.vgs"))
}

/// A file that several threads read and write by position.
#[derive(Debug)]
pub(super) struct Positioned {
    #[cfg(unix)]
    file: File,
    #[cfg(not(unix))]
    file: std::sync::Mutex<File>,
}

impl Positioned {
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        #[cfg(not(unix))]
        let file = std::sync::Mutex::new(file);
        Ok(Self { file })
    }

    /// One that can't be written.
    #[cfg(all(test, unix))]
    pub fn open_to_read(path: &Path) -> io::Result<Self> {
        Ok(Self { file: File::open(path)? })
    }

    #[cfg(unix)]
    pub fn read(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.file, bytes, offset)
    }

    #[cfg(unix)]
    pub fn write(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::write_all_at(&self.file, bytes, offset)
    }

    #[cfg(unix)]
    fn with<T>(&self, what: impl FnOnce(&File) -> T) -> T {
        what(&self.file)
    }

    #[cfg(not(unix))]
    pub fn read(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        use std::io::{Read, Seek, SeekFrom};
        self.with(|mut file| file.seek(SeekFrom::Start(offset)).and_then(|_| file.read_exact(bytes)))
    }

    #[cfg(not(unix))]
    pub fn write(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        use std::io::{Seek, SeekFrom, Write};
        self.with(|mut file| file.seek(SeekFrom::Start(offset)).and_then(|_| file.write_all(bytes)))
    }

    #[cfg(not(unix))]
    fn with<T>(&self, what: impl FnOnce(&File) -> T) -> T {
        what(&self.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    pub fn len(&self) -> io::Result<u64> {
        self.with(|file| file.metadata()).map(|metadata| metadata.len())
    }

    /// Overwrites everything from some byte on with zeros, for blocks that a file gives back may keep what was in them.
    pub fn wipe(&self, from: u64) -> io::Result<()> {
        let (zeros, end) = ([0; 1 << 14], self.len()?);
        let mut at = from;
        while at < end {
            let length = (end - at).min(zeros.len() as u64);
            self.write(&zeros[..length as usize], at)?;
            at += length;
        }
        self.sync()
    }

    /// Makes the file end somewhere; what comes behind it is overwritten first.
    pub fn cut(&self, length: u64) -> io::Result<()> {
        // What can't be overwritten is cut off all the same, for what is written next must not lie behind it.
        let _ = self.wipe(length);
        self.with(|file| file.set_len(length))?;
        self.sync()
    }

    /// Everything written is on the disk when this is back.
    pub fn sync(&self) -> io::Result<()> {
        self.with(File::sync_data)
    }
}

/// Overwrites a file and removes it.
pub(super) fn shred(path: &Path) -> io::Result<()> {
    Positioned::open(path)?.wipe(0)?;
    fs::remove_file(path)?;
    sync_folder(path)
}

/// Writes a file that is there as a whole or not at all, whatever happens, and on the disk when this is back. What it takes the place of
/// is overwritten.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_added_extension("new");
    let old = match Positioned::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        old => Some(old?),
    };
    let written = (|| {
        fs::write(&new, bytes)?;
        OpenOptions::new().write(true).open(&new)?.sync_all()?;
        fs::rename(&new, path)?;
        sync_folder(path)
    })();
    if written.is_err() {
        // It takes up space and is worth nothing; the next opening tries again.
        let _ = shred(&new);
        return written;
    }
    old.map_or(Ok(()), |old| old.wipe(0))
}

/// Makes sure that the names in a file's folder are on the disk.
pub(super) fn sync_folder(of: &Path) -> io::Result<()> {
    // Other systems can't open a folder, and keep names safe by themselves.
    match of.parent() {
        Some(folder) if cfg!(unix) => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}

/// A file can't be read.
pub(super) fn unreadable(path: &Path) -> impl Fn(io::Error) -> GalleryError {
    move |error| damaged(path, format!("it can't be read: {error}"))
}

/// A file is damaged.
pub(super) fn damaged(path: &Path, reason: impl Into<String>) -> GalleryError {
    GalleryError::Damaged { path: path.into(), reason: reason.into() }
}

/// A file can't be written, and a request was not kept for it.
pub(super) fn unwritable(path: &Path) -> impl Fn(io::Error) -> GalleryError {
    move |error| GalleryError::CantWrite {
        path: path.into(),
        reason: format!("{error}; nothing of this request was kept"),
    }
}
