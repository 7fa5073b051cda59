//! Every Rust file begins with what it holds.

use super::{Finding, Tree};

/// Rust files whose first thing, after comments to their readers, is neither `//!` nor a README in its place.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let bare = tree.ending(&[".rs"]).filter(|(_, text)| !has_header(text));
    bare.map(|(path, _)| Finding::of_file(path, "begin it with `//!` and what it holds")).collect()
}

fn has_header(text: &str) -> bool {
    let is_aside = |line: &str| line.is_empty() || line.starts_with("//") && !line.starts_with("///");
    let mut lines = text.lines().map(str::trim);
    let is_said = |line: &str| line.strip_prefix("//!").is_some_and(|words| !words.trim().is_empty());
    lines.find(|line| is_said(line) || !is_aside(line)).is_some_and(|line| is_said(line) || line.starts_with("#![doc"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_header_is_found() {
        for bad in
            ["", "use std::fs;\n//! Late.\n", "/// Of an item.\nfn f() {}\n", "//!\nfn f() {}\n", "#![no_main]\n"]
        {
            assert_eq!(check(&Tree::from([("src/a.rs", bad)])).len(), 1, "{bad:?}");
        }
        for good in [
            "//! What it holds.\n",
            "// A word to readers.\n//! What it holds.\n",
            "#![doc = include_str!(\"../README.md\")]\n",
            "// A word to readers.\n\n#![doc = include_str!(\"../README.md\")]\n",
        ] {
            assert!(check(&Tree::from([("src/a.rs", good)])).is_empty(), "{good:?}");
        }
    }
}
