//! What the pages of the root, such as the README, and the book tell people to type.

use std::path::{Path, PathBuf};

/// Lines of `sh` blocks in the pages of the root and under `docs/`, continued lines joined, comments cut, that begin with one of
/// `prefixes`; without the prefix, as words.
///
/// # Panics
///
/// When a page can't be read: this is for tests.
pub fn commands(root: &Path, prefixes: &[&str]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for (_, text) in pages(root) {
        for block in text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next()) {
            for line in block.replace("\\\n", " ").lines() {
                let line = line.trim_start().split(" #").next().unwrap_or_default();
                if let Some(rest) = prefixes.iter().find_map(|prefix| line.strip_prefix(prefix)) {
                    found.push(rest.split_whitespace().map(str::to_string).collect());
                }
            }
        }
    }
    found
}

fn pages(root: &Path) -> Vec<(PathBuf, String)> {
    let is_page = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "md");
    let mut pages: Vec<PathBuf> = entries(root).into_iter().filter(is_page).collect();
    let mut folders = vec![root.join("docs")];
    while let Some(folder) = folders.pop() {
        let (below, files): (Vec<PathBuf>, Vec<PathBuf>) = entries(&folder).into_iter().partition(|path| path.is_dir());
        folders.extend(below);
        pages.extend(files.into_iter().filter(is_page));
    }
    let read = |page: PathBuf| {
        let text = std::fs::read_to_string(&page).unwrap_or_else(|error| panic!("{}: {error}", page.display()));
        (page, text)
    };
    pages.into_iter().map(read).collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.flatten().map(|entry| entry.path()).collect()
}
