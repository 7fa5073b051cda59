//! Files for parsers that read none but files.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

thread_local! {
    // In memory where the system has a place for that: nothing has to last.
    static FOLDER: TempDir = TempDir::new_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
}

/// A path in a folder of this thread's own; what lay there stays.
pub fn path(name: &str) -> PathBuf {
    FOLDER.with(|folder| folder.path().join(name))
}

/// Writes a file of that folder.
pub fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let path = path(name);
    if fs::write(&path, bytes).is_err() {
        path.parent().map(fs::create_dir_all).transpose().unwrap();
        fs::write(&path, bytes).unwrap();
    }
    path
}

/// Writes a file of that folder unless it is there.
pub fn file_once(name: &str, bytes: &[u8]) {
    if !path(name).exists() {
        file(name, bytes);
    }
}

/// Reads a file and removes it.
#[cfg(feature = "program")]
pub fn take(path: &std::path::Path) -> Vec<u8> {
    let bytes = fs::read(path).unwrap();
    fs::remove_file(path).unwrap();
    bytes
}
