//! Whitespace that nobody sees and every diff shows.

use super::{Finding, Tree};

/// Bytes for parsers, which are to meet all there is.
const OF_PARSERS: [&str; 2] = ["fuzz/corpus/", "crates/vireid-fuzz/fixtures/"];

/// Lines that end with spaces or a carriage return, tabs, and files that do not end with the end of a line.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let files = tree.texts().filter(|(path, _)| !OF_PARSERS.iter().any(|folder| path.starts_with(folder)));
    files.flat_map(|(path, text)| of_file(path, text)).collect()
}

fn of_file(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in text.split('\n').enumerate() {
        if line.ends_with(char::is_whitespace) {
            findings.push(Finding::of_line(path, number + 1, "whitespace at the end of the line"));
        }
        if line.trim_end().contains('\t') {
            findings.push(Finding::of_line(path, number + 1, "a tab: indent with spaces"));
        }
    }
    if !text.is_empty() && !text.ends_with('\n') {
        findings.push(Finding::of_file(path, "the last line has no end"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_whitespace_is_found() {
        for (text, line) in [
            ("a \nb\n", Some(1)),
            ("a\nb\r\n", Some(2)),
            ("a\n\tb\n", Some(2)),
            ("a\tb\n", Some(1)),
            ("a\n \n", Some(2)),
            ("a\nb", None),
        ] {
            let found = check(&Tree::from([("a.md", text)]));
            assert_eq!(found.iter().map(|finding| finding.line).collect::<Vec<_>>(), [line], "{text:?}");
        }
        assert!(check(&Tree::from([("a.md", "a\n\n  b c\n"), ("empty", "")])).is_empty());
        assert!(check(&Tree::from([("fuzz/corpus/x/seed", "a \r\nb")])).is_empty());
    }
}
