//! The files of the repository.

use std::path::Path;
use std::process::Command;

use crate::Failure;

/// Endings of files that are not read: they hold no text.
const BINARY: [&str; 9] = ["parquet", "pth", "safetensors", "png", "jpg", "bmp", "tiff", "webp", "npy"];

/// A file of the repository.
struct File {
    path: String,
    /// `None` where it is none.
    text: Option<String>,
}

/// All files that Git tracks or would track, and the text of those that hold text.
pub(super) struct Tree {
    files: Vec<File>,
}

impl Tree {
    /// Reads the files of a checkout: new ones too, unless they are ignored.
    ///
    /// # Errors
    ///
    /// When Git can't list them, or one can't be read.
    pub fn read(root: &Path) -> Result<Self, Failure> {
        let mut git = Command::new("git");
        git.arg("-C").arg(root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
        let output = git.output().map_err(|error| format!("git, which knows the files: {error}"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("git could not list the files of {}: {}", root.display(), said.trim()).into());
        }
        let mut files = Vec::new();
        for path in String::from_utf8(output.stdout)?.split_terminator('\0') {
            let on_disk = root.join(path);
            // One that was deleted and is still in the index is nobody's fault yet.
            if !on_disk.is_file() {
                continue;
            }
            let ending = path.rsplit('.').next().unwrap_or_default();
            let text = if BINARY.contains(&ending) { None } else { text(std::fs::read(on_disk)?) };
            files.push(File { path: path.into(), text });
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files.dedup_by(|a, b| a.path == b.path);
        Ok(Self { files })
    }

    /// Path and text of all files that hold text.
    pub fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().filter_map(|file| Some((file.path.as_str(), file.text.as_deref()?)))
    }

    /// Those whose names end with any of some endings, such as `.rs`.
    pub fn ending<'a>(&'a self, endings: &'a [&str]) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.texts().filter(|(path, _)| endings.iter().any(|ending| path.ends_with(ending)))
    }

    /// The text of a file.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.files.iter().find(|file| file.path == path)?.text.as_deref()
    }

    /// Whether there is a file or a folder of that path.
    pub fn has(&self, path: &str) -> bool {
        let inside = |file: &File| file.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'));
        self.files.iter().any(|file| file.path == path || inside(file))
    }
}

#[cfg(test)]
impl<const N: usize> From<[(&str, &str); N]> for Tree {
    fn from(files: [(&str, &str); N]) -> Self {
        let file = |(path, text): (&str, &str)| File { path: path.into(), text: Some(text.into()) };
        Self { files: files.into_iter().map(file).collect() }
    }
}

/// What a file says, if it is text.
fn text(bytes: Vec<u8>) -> Option<String> {
    if bytes.contains(&0) { None } else { String::from_utf8(bytes).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_folders_are_found() {
        let tree = Tree::from([("docs/a.md", "x"), ("src/lib.rs", "y")]);
        assert!(tree.has("docs") && tree.has("docs/a.md") && !tree.has("doc") && !tree.has("docs/a"));
        assert_eq!(tree.ending(&[".rs", ".md"]).count(), 2);
        assert_eq!(tree.ending(&[".rs"]).next(), Some(("src/lib.rs", "y")));
        assert_eq!(tree.text("docs/a.md"), Some("x"));
    }

    #[test]
    fn bytes_are_no_text() {
        assert_eq!(text(vec![b'a', 0]), None);
        assert_eq!(text(vec![0xff]), None);
        assert_eq!(text(b"text".to_vec()).as_deref(), Some("text"));
    }

    #[test]
    fn new_files_count_and_ignored_ones_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let git = |words: &[&str]| {
            let done = Command::new("git").arg("-C").arg(folder.path()).args(words).output().unwrap();
            assert!(done.status.success(), "{done:?}");
        };
        assert!(Tree::read(&folder.path().join("nowhere")).is_err());
        git(&["init", "--quiet"]);
        let write = |name: &str, text: &[u8]| std::fs::write(folder.path().join(name), text).unwrap();
        write(".gitignore", b"left-out\n");
        for name in ["kept.md", "gone.md", "new.md", "left-out"] {
            write(name, b"text");
        }
        write("bytes", &[0, 1]);
        git(&["add", "kept.md", "gone.md"]);
        std::fs::remove_file(folder.path().join("gone.md")).unwrap();
        let tree = Tree::read(folder.path()).unwrap();
        assert_eq!(tree.texts().map(|(path, _)| path).collect::<Vec<_>>(), [".gitignore", "kept.md", "new.md"]);
        assert!(tree.has("bytes") && !tree.has("gone.md") && !tree.has("left-out"));
    }
}
