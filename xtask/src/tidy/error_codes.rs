//! Every error code has a section that says what to do, and every section is of a code that there is.

use std::collections::BTreeSet;

use super::exceptions::Exceptions;
use super::{Finding, Tree};

/// The sections.
const PAGE: &str = "crates/vireid/errors.md";
/// Where codes are named: code, and pages that send their readers to a section.
const NAMING: [&str; 6] = [".rs", ".py", ".pyi", ".js", ".md", ".ipynb"];
/// Codes that are named and that there are not.
const EXCEPTIONS: [(&str, &str); 1] = [("VR9999", "tests ask for the section of a code that there is not")];
const PLACE: &str = "xtask/src/tidy/error_codes.rs";

/// Codes without a section, and sections of which no error's message begins with the code.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let exceptions = Exceptions::new(PLACE, &EXCEPTIONS);
    let mut findings = check_with(tree, &exceptions);
    findings.extend(exceptions.stale());
    findings
}

fn check_with(tree: &Tree, exceptions: &Exceptions) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut sections: Vec<(usize, &str)> = Vec::new();
    let page = tree.text(PAGE).unwrap_or_default();
    for (number, line) in page.lines().enumerate() {
        let Some(code) = line.strip_prefix("## ") else { continue };
        if sections.last().is_some_and(|(_, before)| *before >= code) {
            findings.push(Finding::of_line(PAGE, number + 1, format!("{code} is not in order, or there twice")));
        }
        sections.push((number + 1, code));
    }
    let mut made = BTreeSet::new();
    for (path, text) in tree.ending(&NAMING).filter(|(path, _)| *path != PAGE && *path != PLACE) {
        for (number, line) in text.lines().enumerate() {
            for (start, code) in codes(line) {
                if path.ends_with(".rs") && line[..start].ends_with('"') {
                    made.insert(code);
                }
                if !sections.iter().any(|(_, section)| *section == code) && !exceptions.allow(code) {
                    findings.push(Finding::of_line(path, number + 1, format!("{code} has no section in {PAGE}")));
                }
            }
        }
    }
    let unknown = sections.iter().filter(|(_, code)| !made.contains(code));
    findings
        .extend(unknown.map(|(line, code)| Finding::of_line(PAGE, *line, format!("no error has the code '{code}'"))));
    findings
}

/// Codes such as `VR0107` in a line, and where they begin.
fn codes(line: &str) -> impl Iterator<Item = (usize, &str)> {
    line.match_indices("VR").filter_map(move |(start, _)| {
        let code = line.get(start..start + 6)?;
        let is_part = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        let is_whole = !is_part(line[..start].chars().next_back()) && !is_part(line[start + 6..].chars().next());
        (is_whole && code[2..].bytes().all(|byte| byte.is_ascii_digit())).then_some((start, code))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(page: &str, path: &str, text: &str) -> Vec<String> {
        let exceptions = Exceptions::new(PLACE, &EXCEPTIONS);
        let tree = Tree::from([(PAGE, page), (path, text)]);
        check_with(&tree, &exceptions).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn code_and_section_belong_together() {
        assert!(found("## VR0101\nHelp.\n", "a.rs", "#[error(\"VR0101: bad\")]").is_empty());
        assert_eq!(
            found("# Codes\n", "a.rs", "\n#[error(\"VR0101: bad\")]"),
            ["a.rs:2: VR0101 has no section in crates/vireid/errors.md"]
        );
        assert_eq!(
            found("## VR0101\n", "a.rs", "/// `VR0101` is only told of.\n"),
            ["crates/vireid/errors.md:1: no error has the code 'VR0101'"]
        );
        assert_eq!(found("", "docs/a.md", "See VR0102.").len(), 1);
        assert!(found("", "docs/a.md", "VR01xx, VR9999, VR01021").is_empty());
    }

    #[test]
    fn sections_are_in_order_and_there_once() {
        let text = "\"VR0101\" \"VR0102\"";
        assert_eq!(found("## VR0102\n## VR0101\n", "a.rs", text).len(), 1);
        assert_eq!(found("## VR0101\n## VR0101\n## VR0102\n", "a.rs", text).len(), 1);
    }
}
