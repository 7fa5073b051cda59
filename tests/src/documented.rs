//! What README and book tell people to type.

use std::path::{Path, PathBuf};

/// Lines of `sh` blocks in `README.md` and under `docs/`, continued lines joined, comments cut, that begin with one of
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
                let line = line.split(" #").next().unwrap_or_default();
                if let Some(rest) = prefixes.iter().find_map(|prefix| line.strip_prefix(prefix)) {
                    found.push(rest.split_whitespace().map(str::to_string).collect());
                }
            }
        }
    }
    found
}

fn pages(root: &Path) -> Vec<(PathBuf, String)> {
    let mut pages = vec![root.join("README.md")];
    collect(&root.join("docs"), &mut pages);
    let read = |page: PathBuf| {
        let text = std::fs::read_to_string(&page).unwrap_or_else(|error| panic!("{}: {error}", page.display()));
        (page, text)
    };
    pages.into_iter().map(read).collect()
}

fn collect(folder: &Path, pages: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            collect(&path, pages);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            pages.push(path);
        }
    }
}
