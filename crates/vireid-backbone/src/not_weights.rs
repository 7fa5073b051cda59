//! Why a file is none of weights, told by how it begins.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Bytes that are looked at.
const BEGINNING: u64 = 512;

/// Why a file can't be one of weights, and the way out, told by how it begins; `None` where it may be one.
pub(crate) fn why_not_weights(path: &Path) -> std::io::Result<Option<&'static str>> {
    if path.is_dir() {
        return Ok(Some(match path.join("checkpoints/last.safetensors").is_file() {
            true => "it is the folder of a run: name the file checkpoints/last.safetensors in it",
            false => "it is a folder; name the file of weights in it",
        }));
    }
    // Such as a pipe: reading might wait for ever.
    if !path.metadata()?.is_file() {
        return Ok(Some("it is no ordinary file; copy what it gives to one"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(BEGINNING).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes).trim_start().to_ascii_lowercase();
    Ok(if bytes.is_empty() {
        Some("the file is empty, as after a download that failed; fetch it again")
    } else if ["<!doctype", "<html", "<?xml", "<head"].iter().any(|start| text.starts_with(start)) {
        Some("it is a web page and not the file of weights: its address led to a page about it; fetch the file itself")
    } else if text.starts_with("version https://git-lfs") {
        Some("it is what git-lfs keeps in place of a file; get the file itself with: git lfs pull")
    } else if bytes.starts_with(b"\x89HDF") {
        Some("it is an HDF5 file, as Keras writes them; save the network with PyTorch or as safetensors")
    } else {
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_by_mistake_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights.pth");
        let told = |content: &[u8]| {
            std::fs::write(&path, content).unwrap();
            why_not_weights(&path).unwrap()
        };
        for (content, says) in [
            (&b""[..], "empty"),
            (b"\n <!DOCTYPE html><html>", "web page"),
            (b"<html><head>", "web page"),
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"),
            (b"\x89HDF\r\n\x1a\n", "HDF5"),
        ] {
            assert!(told(content).is_some_and(|why| why.contains(says)), "{says}");
        }
        assert_eq!(told(b"PK\x03\x04"), None);
        assert!(why_not_weights(folder.path()).unwrap().unwrap().contains("folder"));
        std::fs::create_dir(folder.path().join("checkpoints")).unwrap();
        std::fs::write(folder.path().join("checkpoints/last.safetensors"), "").unwrap();
        assert!(why_not_weights(folder.path()).unwrap().unwrap().contains("last.safetensors"));
    }
}
