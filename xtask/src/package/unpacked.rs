//! A package as whoever downloads it has it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;

use crate::Failure;

/// A package that was unpacked into a folder.
#[derive(Debug)]
pub(crate) struct Unpacked {
    pub(crate) name: String,
    /// Where its `Cargo.toml` is.
    pub(crate) folder: PathBuf,
    /// Sizes of its files in bytes, by their paths within it.
    pub(crate) files: BTreeMap<PathBuf, u64>,
    /// Size of the packed file.
    pub(crate) packed: u64,
}

impl Unpacked {
    /// Unpacks `NAME-VERSION.crate` into a folder, in which it makes one of that name.
    pub(super) fn unpack(packed: &Path, name: &str, into: &Path) -> Result<Self, Failure> {
        let told = |error: std::io::Error| format!("{}: {error}", packed.display());
        let stem = packed.file_stem().ok_or("a package has no name")?;
        let folder = into.join(stem);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        tar::Archive::new(GzDecoder::new(File::open(packed).map_err(told)?)).unpack(into).map_err(told)?;
        let size = fs::metadata(packed).map_err(told)?.len();
        Self::open(name, folder, size)
    }

    fn open(name: &str, folder: PathBuf, packed: u64) -> Result<Self, Failure> {
        let mut files = BTreeMap::new();
        list(&folder, Path::new(""), &mut files)?;
        Ok(Self { name: name.into(), folder, files, packed })
    }

    /// The largest file and its bytes.
    pub(super) fn largest(&self) -> Option<(&Path, u64)> {
        self.files.iter().max_by_key(|(_, bytes)| **bytes).map(|(path, bytes)| (path.as_path(), *bytes))
    }

    /// Files with this ending and their texts.
    pub(super) fn texts(&self, ending: &str) -> Result<Vec<(&Path, String)>, Failure> {
        let these = self.files.keys().filter(|path| path.extension().is_some_and(|extension| extension == ending));
        these.map(|path| Ok((path.as_path(), super::read(&self.folder.join(path))?))).collect()
    }

    /// Whether there is a file at this path, which is taken from `from`'s folder, or a folder.
    pub(super) fn has(&self, from: &Path, target: &str) -> bool {
        let mut place = from.parent().unwrap_or(Path::new("")).to_path_buf();
        for part in Path::new(target).components() {
            match part {
                std::path::Component::Normal(name) => place.push(name),
                std::path::Component::CurDir => {}
                // Above the package's folder there is nothing to go up from.
                std::path::Component::ParentDir if place.pop() => {}
                _ => return false,
            }
        }
        self.files.keys().any(|file| file.starts_with(&place))
    }
}

/// Adds the files below `within`, a path in `folder`.
fn list(folder: &Path, within: &Path, files: &mut BTreeMap<PathBuf, u64>) -> Result<(), Failure> {
    for entry in fs::read_dir(folder.join(within))? {
        let entry = entry?;
        let path = within.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            list(folder, &path, files)?;
        } else {
            files.insert(path, entry.metadata()?.len());
        }
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    /// A package of these files, in a folder.
    pub(in super::super) fn package(folder: &Path, files: &[(&str, &str)]) -> Unpacked {
        for (name, text) in files {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Unpacked::open("example", folder.to_path_buf(), 7).unwrap()
    }

    #[test]
    fn what_was_packed_is_unpacked_in_the_place_of_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let packed = folder.path().join("example-1.0.0.crate");
        let mut archive = tar::Builder::new(GzEncoder::new(File::create(&packed).unwrap(), Compression::fast()));
        for (name, text) in [("Cargo.toml", "[package]"), ("src/lib.rs", "//! Code.")] {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            archive.append_data(&mut header, format!("example-1.0.0/{name}"), text.as_bytes()).unwrap();
        }
        archive.into_inner().unwrap().finish().unwrap();
        let into = folder.path().join("unpacked");
        let stale = into.join("example-1.0.0/stale.rs");
        fs::create_dir_all(stale.parent().unwrap()).unwrap();
        fs::write(&stale, "of before").unwrap();
        let found = Unpacked::unpack(&packed, "example", &into).unwrap();
        let files: Vec<(&str, u64)> = found.files.iter().map(|(path, size)| (path.to_str().unwrap(), *size)).collect();
        assert_eq!(files, [("Cargo.toml", 9), ("src/lib.rs", 9)]);
        assert_eq!(found.packed, fs::metadata(&packed).unwrap().len());
        assert!(Unpacked::unpack(&folder.path().join("none.crate"), "none", &into).is_err());
    }

    #[test]
    fn paths_are_followed_within_the_package_only() {
        let folder = tempfile::tempdir().unwrap();
        let package =
            package(folder.path(), &[("README.md", ""), ("src/deep/mod.rs", ""), ("tests/files/a.json", "{}")]);
        let from = Path::new("src/deep/mod.rs");
        for inside in ["mod.rs", "../../README.md", "./../../tests/files/a.json", "../../tests/files"] {
            assert!(package.has(from, inside), "{inside}");
        }
        // The last one leads out and in again: the folder has another name elsewhere.
        let back = format!("../../../{}/README.md", folder.path().file_name().unwrap().to_str().unwrap());
        for outside in ["none.rs", "../../../README.md", "/etc/passwd", "../../READ", &back] {
            assert!(!package.has(from, outside), "{outside}");
        }
    }
}
