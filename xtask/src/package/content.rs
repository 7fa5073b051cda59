//! README, licences and sizes.

use std::fs;
use std::path::Path;

use super::unpacked::Unpacked;
use crate::Failure;

/// The licences' texts, which each package must hold as the repository does.
const LICENCES: [&str; 2] = ["LICENSE-MIT", "LICENSE-APACHE"];
/// What the registry takes.
const LARGEST_PACKAGE: u64 = 10 << 20;
const LARGEST_FILE: u64 = 1_000_000;
/// Larger files that a package can't do without.
const LARGE: &[(&str, &str)] = &[("vireid-backbone", "weights/small.safetensors")];

/// What a package lacks, and what is too large in it.
pub(super) fn findings(package: &Unpacked, root: &Path) -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    let is_there = |name: &str| package.files.get(Path::new(name)).is_some_and(|bytes| *bytes > 0);
    if !is_there("README.md") {
        found.push("README.md is missing or empty".to_string());
    }
    for name in LICENCES {
        // A link that a checkout turned into a file holds a path in the place of the text.
        if !is_there(name) || fs::read(package.folder.join(name))? != fs::read(root.join(name))? {
            found.push(format!("{name} is not the repository's"));
        }
    }
    for (path, bytes) in package.files.iter().filter(|(_, bytes)| **bytes > LARGEST_FILE) {
        if !LARGE.iter().any(|(name, file)| *name == package.name && path == Path::new(file)) {
            found.push(format!("{} has {bytes} bytes", path.display()));
        }
    }
    if package.packed > LARGEST_PACKAGE {
        found.push(format!("the package has {} bytes, {LARGEST_PACKAGE} are taken", package.packed));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::unpacked::tests::package;
    use super::*;

    #[test]
    fn what_is_missing_or_large_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        package(&root, &[("LICENSE-MIT", "permission"), ("LICENSE-APACHE", "terms")]);
        let whole = [("README.md", "# example"), ("LICENSE-MIT", "permission"), ("LICENSE-APACHE", "terms")];
        let sound = package(&folder.path().join("sound"), &whole);
        assert_eq!(findings(&sound, &root).unwrap(), Vec::<String>::new());

        let long = "x".repeat(LARGEST_FILE as usize + 1);
        let bad = [("README.md", ""), ("LICENSE-MIT", "../../LICENSE-MIT"), ("weights/small.safetensors", &long)];
        let mut bad = package(&folder.path().join("bad"), &bad);
        bad.packed = LARGEST_PACKAGE + 1;
        let said = findings(&bad, &root).unwrap();
        let expected = ["README.md is", "LICENSE-MIT is", "LICENSE-APACHE is", "weights/small", "the package has"];
        assert_eq!(said.len(), expected.len(), "{said:?}");
        assert!(said.iter().zip(expected).all(|(said, begins)| said.starts_with(begins)), "{said:?}");
        // The one that may be large.
        bad.name = "vireid-backbone".into();
        assert_eq!(findings(&bad, &root).unwrap().len(), expected.len() - 1);
    }
}
