//! Words that were left behind: paths of somebody's machine, hosts that only one network knows, code that waits to be written,
//! and the marks of a merge.

use super::{Finding, Tree};

/// This file, which has to name them.
const PLACE: &str = "xtask/src/tidy/words.rs";

/// What a text must not contain as a word of its own, and why.
const FORBIDDEN: [(&str, &str); 20] = [
    ("/work/", MACHINE),
    ("/tmp/t/", MACHINE),
    ("/tmp/wt/", MACHINE),
    ("/home/", MACHINE),
    ("/root/", MACHINE),
    ("/Users/", MACHINE),
    ("index.crates.io", HOST),
    ("static.crates.io", HOST),
    ("pypi.org", HOST),
    ("files.pythonhosted.org", HOST),
    ("conda.anaconda.org", HOST),
    ("registry.npmjs.org", HOST),
    ("proxy.golang.org", HOST),
    ("deb.debian.org", HOST),
    ("artifactory", HOST),
    ("dbg!(", "a look at a value that was meant for a moment"),
    ("todo!(", UNWRITTEN),
    ("unimplemented!(", UNWRITTEN),
    ("FIXME", NOTE),
    ("XXX", NOTE),
];
const MACHINE: &str = "a path of somebody's machine: name what is meant relative to the repository, or as an argument";
const HOST: &str =
    "a host of a package registry or a proxy: let cargo, pip and their like know it; pages to read may be linked";
const UNWRITTEN: &str = "code that waits to be written";
const NOTE: &str = "a note to oneself: say it as an issue";

/// Marks that a merge leaves at the beginning of a line.
const MERGE: [&str; 3] = ["<<<<<<< ", "||||||| ", ">>>>>>> "];
/// The mark between the two sides, which is a whole line.
const MERGE_MIDDLE: &str = "=======";

/// Forbidden words in all files that hold text.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let files = tree.texts().filter(|(path, _)| *path != PLACE);
    files.flat_map(|(path, text)| of_file(path, text)).collect()
}

fn of_file(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for (word, why) in FORBIDDEN.iter().filter(|(word, _)| has_word(line, word)) {
            findings.push(Finding::of_line(path, number + 1, format!("'{word}': {why}")));
        }
        if line == MERGE_MIDDLE || MERGE.iter().any(|mark| line.starts_with(mark)) {
            findings.push(Finding::of_line(path, number + 1, "a mark of an unfinished merge"));
        }
    }
    findings
}

/// Whether a line has a word that is no part of a longer one: no letter or digit goes on at either end that has one itself. A
/// path of a machine begins where no other path ends.
fn has_word(line: &str, word: &str) -> bool {
    let goes_on = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    line.match_indices(word).any(|(start, _)| {
        let (before, behind) = (&line[..start], &line[start + word.len()..]);
        let ends_in_a_word = word.ends_with(char::is_alphanumeric);
        !(goes_on(before.chars().next_back()) || ends_in_a_word && goes_on(behind.chars().next()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forbidden_words_are_found() {
        for (word, _) in FORBIDDEN {
            let text = format!("good\nsay \"{word}\" again\n");
            let found = check(&Tree::from([("docs/a.md", text.as_str())]));
            assert_eq!(found.len(), 1, "{word}");
            assert_eq!(found[0].line, Some(2));
            assert!(found[0].says.contains(word), "{word}");
        }
    }

    #[test]
    fn parts_of_longer_words_are_not() {
        for good in ["net/work/items", "mytodo!()", "a_dbg!(x)", "XXXL", "FIXMEs", "crates.io", "docs.rs", "VRXXX1"] {
            assert!(check(&Tree::from([("docs/a.md", good)])).is_empty(), "{good}");
        }
    }

    #[test]
    fn marks_of_a_merge_are_found() {
        for bad in ["<<<<<<< HEAD", "=======", ">>>>>>> branch", "||||||| base"] {
            assert_eq!(check(&Tree::from([("a.rs", bad)])).len(), 1, "{bad}");
        }
        assert!(check(&Tree::from([("a.md", "========\n ======= \na <<<<<<< b\n")])).is_empty());
    }
}
