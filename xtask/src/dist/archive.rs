//! A compressed archive whose bytes depend on what is in it and on nothing else.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};

use crate::Failure;

/// A `.tar.gz` in the making: everything lies in one folder and has one time and no owner.
pub(super) struct Archive {
    tar: tar::Builder<GzEncoder<File>>,
    within: PathBuf,
    time: u64,
}

impl Archive {
    pub(super) fn create(file: &Path, within: &str, time: u64) -> Result<Self, Failure> {
        // Neither a name nor a time in the header.
        let packed = GzBuilder::new().mtime(0).write(File::create(file)?, Compression::best());
        Ok(Self { tar: tar::Builder::new(packed), within: within.into(), time })
    }

    pub(super) fn program(&mut self, name: &str, from: &Path) -> Result<(), Failure> {
        self.append(name, from, 0o755)
    }

    pub(super) fn file(&mut self, name: &str, from: &Path) -> Result<(), Failure> {
        self.append(name, from, 0o644)
    }

    /// All files of a folder and of those below it, by their names.
    pub(super) fn folder(&mut self, name: &str, from: &Path) -> Result<(), Failure> {
        let mut entries: Vec<_> = fs::read_dir(from)?.collect::<Result<_, _>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let name = Path::new(name).join(entry.file_name());
            let name = name.to_str().ok_or("a name is not text")?;
            if entry.path().is_dir() { self.folder(name, &entry.path())? } else { self.file(name, &entry.path())? }
        }
        Ok(())
    }

    fn append(&mut self, name: &str, from: &Path, mode: u32) -> Result<(), Failure> {
        let bytes = fs::read(from).map_err(|error| format!("{}: {error}", from.display()))?;
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(mode);
        header.set_mtime(self.time);
        Ok(self.tar.append_data(&mut header, self.within.join(name), bytes.as_slice())?)
    }

    pub(super) fn finish(self) -> Result<(), Failure> {
        self.tar.into_inner()?.finish()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_depend_on_the_content_alone() {
        let folder = tempfile::tempdir().unwrap();
        let pack = |from: &str, names: [&str; 2], time: u64| {
            let from = folder.path().join(from);
            fs::create_dir_all(from.join("man")).unwrap();
            for name in names {
                fs::write(from.join("man").join(name), "page").unwrap();
            }
            fs::write(from.join("program"), "bytes").unwrap();
            let file = from.with_extension("tar.gz");
            let mut archive = Archive::create(&file, "x-1", time).unwrap();
            archive.program("program", &from.join("program")).unwrap();
            archive.folder("", &from).unwrap();
            archive.finish().unwrap();
            fs::read(file).unwrap()
        };
        let first = pack("a", ["one.1", "two.1"], 7);
        assert_eq!(first, pack("b", ["two.1", "one.1"], 7), "written in another order, in another folder");
        assert_ne!(first, pack("c", ["one.1", "two.1"], 8));
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(first.as_slice()));
        let entries: Vec<(String, u32)> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                (entry.path().unwrap().display().to_string(), entry.header().mode().unwrap())
            })
            .collect();
        let entry = |name: &str, mode: u32| (format!("x-1/{name}"), mode);
        assert_eq!(
            entries,
            [entry("program", 0o755), entry("man/one.1", 0o644), entry("man/two.1", 0o644), entry("program", 0o644)]
        );
    }
}
