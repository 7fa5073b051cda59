//! The file of sums beside the archives, by which a folder of them is known again.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::Failure;

const NAME: &str = "SHA256SUMS";
/// Lies in a folder from the first to the last start.
const MARK: &str = ".vireid-dist";

/// Takes a folder for what is packed; one that holds files of others is refused, for they could be written over.
pub(super) fn take(folder: &Path, force: bool) -> Result<(), Failure> {
    let is_empty = fs::read_dir(folder).map_or(Ok(true), |mut entries| Ok::<_, Failure>(entries.next().is_none()))?;
    if !force && !is_empty && !folder.join(MARK).exists() {
        let folder = folder.display();
        return Err(format!(
            "VR0626: {folder} holds files that `cargo xtask dist` did not write; name another folder, or pass --force"
        )
        .into());
    }
    fs::create_dir_all(folder)?;
    Ok(fs::write(folder.join(MARK), "")?)
}

/// Writes the sums of files in one folder, as `sha256sum --check` reads them.
pub(super) fn write(folder: &Path, files: &[PathBuf]) -> Result<(), Failure> {
    let mut text = String::new();
    for file in files {
        let name = file.file_name().and_then(|name| name.to_str()).ok_or("a name is not text")?;
        for byte in Sha256::digest(fs::read(file)?) {
            let _ = write!(text, "{byte:02x}");
        }
        let _ = writeln!(text, "  {name}");
    }
    Ok(fs::write(folder.join(NAME), text)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_the_usual_program() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.txt");
        fs::write(&file, "abc").unwrap();
        write(folder.path(), &[file]).unwrap();
        let sum = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  a.txt\n";
        assert_eq!(fs::read_to_string(folder.path().join(NAME)).unwrap(), sum);
    }

    #[test]
    fn files_of_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        let new = folder.path().join("new");
        take(&new, false).unwrap();
        fs::create_dir(new.join("build")).unwrap();
        take(&new, false).unwrap();
        // A project of somebody's may well have such a folder.
        fs::create_dir(folder.path().join("source")).unwrap();
        let refused = take(folder.path(), false).unwrap_err().to_string();
        assert!(refused.contains("VR0626"), "{refused}");
        assert!(!folder.path().join(MARK).exists());
        take(folder.path(), true).unwrap();
    }
}
