//! Files of code stay short enough to be read as one thought.

use super::{Finding, Tree};

/// Lines that a file of code may have. The custom is 300; from here on it is a rule.
const LIMIT: usize = 400;
/// Lines by which an entry of [`LONGER`] may lie above its file before it has to follow.
const SLACK: usize = 25;
/// Endings of files of code.
const CODE: [&str; 5] = [".rs", ".py", ".js", ".css", ".sh"];
/// This file.
const PLACE: &str = "xtask/src/tidy/lengths.rs";

/// Files that are longer, and how long each may be. A number may shrink, and an entry go; neither may be added to.
const LONGER: [(&str, usize); 16] = [
    ("crates/vireid-backbone/src/two_stream.rs", 626),
    ("crates/vireid-data/src/synthetic/figure.rs", 497),
    ("crates/vireid-data/src/transform.rs", 461),
    ("crates/vireid-gallery/tests/engines.rs", 418),
    ("crates/vireid-kernels/src/gpu/batch_norm.rs", 492),
    ("crates/vireid-kernels/tests/against_stock.rs", 478),
    ("crates/vireid-methods/src/mmm/mod.rs", 599),
    ("crates/vireid-methods/tests/mmm.rs", 544),
    ("crates/vireid-serve/src/page/page.css", 660),
    ("crates/vireid-serve/tests/browser/test_page.py", 495),
    ("crates/vireid-train/src/engine.rs", 625),
    ("crates/vireid-train/src/run_dir.rs", 451),
    ("crates/vireid/src/embeddings_file.rs", 417),
    ("crates/vireid/src/training.rs", 404),
    ("crates/vireid/tests/cluster_arrays.rs", 420),
    ("crates/vireid/tests/program.rs", 921),
];

/// Files of code that are longer than they may be, and entries of [`LONGER`] that are behind.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    check_with(tree, &LONGER)
}

fn check_with(tree: &Tree, longer: &[(&str, usize)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.ending(&CODE) {
        let lines = text.lines().count();
        let entry = longer.iter().find(|(long, _)| *long == path).map(|(_, lines)| *lines);
        let says = match entry {
            None if lines > LIMIT => {
                format!("{lines} lines, and at most {LIMIT} may be: give a part of it a file of its own")
            }
            Some(most) if lines > most => format!("it grew from {most} lines to {lines}, and may only shrink"),
            _ => continue,
        };
        findings.push(Finding::of_file(path, says));
    }
    for (path, most) in longer {
        let lines = tree.text(path).map_or(0, |text| text.lines().count());
        if lines <= LIMIT {
            findings.push(Finding::of_file(PLACE, format!("{path} needs no entry any more")));
        } else if lines + SLACK < *most {
            findings.push(Finding::of_file(PLACE, format!("{path} has {lines} lines now: let its entry follow")));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(lines: usize, longer: &[(&str, usize)]) -> Vec<String> {
        let text = "x\n".repeat(lines);
        let findings = check_with(&Tree::from([("a.rs", text.as_str())]), longer);
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_long_file_is_found() {
        assert!(said(LIMIT, &[]).is_empty());
        assert!(said(LIMIT + 1, &[])[0].starts_with("a.rs: 401 lines"));
    }

    #[test]
    fn a_known_one_may_only_shrink() {
        assert!(said(LIMIT + 50, &[("a.rs", LIMIT + 50)]).is_empty());
        assert!(said(LIMIT + 30, &[("a.rs", LIMIT + 50)]).is_empty());
        assert!(said(LIMIT + 51, &[("a.rs", LIMIT + 50)])[0].contains("may only shrink"));
        assert!(said(LIMIT + 10, &[("a.rs", LIMIT + 50)])[0].contains("let its entry follow"));
        assert!(said(LIMIT, &[("a.rs", LIMIT + 50)])[0].contains("needs no entry"));
        assert!(said(1, &[("b.rs", LIMIT + 50)])[0].contains("b.rs needs no entry"));
    }
}
