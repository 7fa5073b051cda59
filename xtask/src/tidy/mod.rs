//! `cargo xtask tidy`: what must hold for the repository as a whole and no compiler sees. A file per rule; each has a test that
//! breaks it. A rule's exceptions stand in its file, each with its reason, and one that nothing needs any more is a fault itself.
//!
//! That every key of every preset has a comment is held by a test beside the presets, `crates/vireid-methods/src/presets.rs`;
//! that the tables of the pages are those of the results, by [`tables`](crate::tables).

mod book;
mod dependencies;
mod error_codes;
mod exceptions;
mod features;
mod finding;
mod headers;
mod lengths;
mod links;
mod lints;
mod manifest;
mod results;
mod tree;
mod whitespace;
mod words;

use std::path::Path;

use crate::Failure;

use finding::Finding;
use tree::Tree;

/// A rule: what breaks it in the repository.
type Rule = fn(&Tree) -> Vec<Finding>;

/// All rules by name.
const RULES: [(&str, Rule); 11] = [
    ("headers", headers::check),
    ("lengths", lengths::check),
    ("words", words::check),
    ("whitespace", whitespace::check),
    ("links", links::check),
    ("book", book::check),
    ("lints", lints::check),
    ("error codes", error_codes::check),
    ("results", results::check),
    ("dependencies", dependencies::check),
    ("features", features::check),
];

/// The folder of the repository.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Checks the repository, and prints what breaks its rules.
///
/// # Errors
///
/// When anything does, or Git can't say which files there are.
pub(crate) fn run() -> Result<(), Failure> {
    let findings = findings(&Tree::read(Path::new(ROOT))?);
    for (rule, finding) in &findings {
        println!("{finding} [{rule}]");
    }
    match findings.len() {
        0 => Ok(()),
        1 => Err("one thing is not as it should be; the rules are in xtask/src/tidy/".into()),
        many => Err(format!("{many} things are not as they should be; the rules are in xtask/src/tidy/").into()),
    }
}

fn findings(tree: &Tree) -> Vec<(&'static str, Finding)> {
    RULES.iter().flat_map(|(name, rule)| rule(tree).into_iter().map(|finding| (*name, finding))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_is_tidy() {
        let tree = Tree::read(Path::new(ROOT)).unwrap();
        assert!(tree.texts().count() > 700, "too few files were found");
        let found: Vec<String> = findings(&tree).iter().map(|(rule, finding)| format!("{finding} [{rule}]")).collect();
        assert!(found.is_empty(), "cargo xtask tidy:\n{}", found.join("\n"));
    }
}
