//! Every page under `docs/` is in the book: mdBook leaves out what its table of contents lacks, and links to it lead nowhere.

use super::{Finding, Tree};

/// The folder of the book's pages.
const FOLDER: &str = "docs/";
/// Its table of contents.
const CONTENTS: &str = "docs/SUMMARY.md";

/// Pages that the table of contents lacks.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let contents = tree.text(CONTENTS).unwrap_or_default();
    let pages = tree.ending(&[".md"]).filter(|(path, _)| *path != CONTENTS);
    let pages = pages.filter_map(|(path, _)| Some((path, path.strip_prefix(FOLDER)?)));
    let outside = pages.filter(|(_, page)| !contents.contains(&format!("({page})")));
    outside.map(|(path, _)| Finding::of_file(path, format!("{CONTENTS} lacks it"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_outside_the_book_is_found() {
        let tree =
            |contents| Tree::from([(CONTENTS, contents), ("docs/a.md", ""), ("docs/b/c.md", ""), ("README.md", "")]);
        assert!(check(&tree("- [A](a.md)\n- [C](b/c.md)\n")).is_empty());
        assert_eq!(
            check(&tree("- [A](a.md)\n- [C](c.md)\n")),
            [Finding::of_file("docs/b/c.md", "docs/SUMMARY.md lacks it")]
        );
    }
}
