//! Every package is held to the workspace's lints, of which one asks for documentation of every public item.

use toml::Value;

use super::exceptions::Exceptions;
use super::manifest::{self, Manifest, WORKSPACE};
use super::{Finding, Tree};

/// The lint that the compiler holds public items to.
const DOCUMENTED: &str = "missing_docs";
/// Packages with lints of their own, since the workspace forbids `unsafe` beyond recall: they must deny what lacks documentation
/// themselves. And files that leave something undocumented.
const EXCEPTIONS: [(&str, &str); 9] = [
    ("vireid-kernels", "two functions are unsafe: vector instructions and kernels of graphics cards"),
    ("vireid-no-llvm", "names of a C library can't be given without it"),
    ("vireid-product", "one function is unsafe: the call of the product"),
    ("vireid-python", "PyO3's macros expand to it"),
    ("crates/vireid-data/src/synthetic/person.rs", "a macro's lists of clothes and bags, which their names describe"),
    ("crates/vireid-kernels/src/gpu/adam.rs", LAUNCHED),
    ("crates/vireid-kernels/src/gpu/batch_norm.rs", LAUNCHED),
    ("crates/vireid-kernels/src/gpu/columns.rs", LAUNCHED),
    ("crates/vireid-kernels/src/gpu/follow.rs", LAUNCHED),
];

const LAUNCHED: &str = "cubecl's macro makes a public function beside each kernel, in a private module";

/// Packages that do not take the workspace's lints, and code that goes undocumented by its own leave.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let exceptions = Exceptions::new("xtask/src/tidy/lints.rs", &EXCEPTIONS);
    let mut findings = check_with(tree, &exceptions).unwrap_or_else(|finding| vec![finding]);
    findings.extend(exceptions.stale());
    findings
}

fn check_with(tree: &Tree, exceptions: &Exceptions) -> Result<Vec<Finding>, Finding> {
    let mut findings = Vec::new();
    if !denies(&manifest::workspace(tree)?, &["workspace", "lints", "rust"]) {
        findings.push(Finding::of_file(WORKSPACE, format!("its lints do not deny {DOCUMENTED}")));
    }
    for member in manifest::members(tree)? {
        let lints = member.table(&["lints"]);
        let takes = lints.and_then(|lints| lints.get("workspace")).and_then(Value::as_bool) == Some(true);
        if !takes && !exceptions.allow(&member.name) {
            findings.push(Finding::of_file(&member.path, "[lints] workspace = true is missing"));
        } else if !takes && !denies(&member, &["lints", "rust"]) {
            findings.push(Finding::of_file(&member.path, format!("its own lints do not deny {DOCUMENTED}")));
        }
    }
    for (path, text) in tree.ending(&[".rs"]) {
        let leaves = text.lines().enumerate().filter(|(_, line)| {
            let line = line.trim_start();
            line.starts_with('#')
                && ["allow(", "expect("].iter().any(|leave| line.contains(leave))
                && line.contains(DOCUMENTED)
        });
        let leaves: Vec<Finding> =
            leaves.map(|(number, _)| Finding::of_line(path, number + 1, "document it instead")).collect();
        if !leaves.is_empty() && !exceptions.allow(path) {
            findings.extend(leaves);
        }
    }
    Ok(findings)
}

fn denies(manifest: &Manifest, lints: &[&str]) -> bool {
    let level = manifest.table(lints).and_then(|lints| lints.get(DOCUMENTED));
    matches!(level.and_then(Value::as_str), Some("deny" | "forbid"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "[workspace.lints.rust]\nmissing_docs = \"deny\"\n";

    fn found(root: &str, member: &str, code: &str) -> Vec<String> {
        let tree = Tree::from([("Cargo.toml", root), ("crates/a/Cargo.toml", member), ("crates/a/src/lib.rs", code)]);
        let exceptions = Exceptions::new("", &[("apart", "of a test")]);
        let findings = check_with(&tree, &exceptions).unwrap_or_else(|finding| vec![finding]);
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn packages_take_the_workspaces_lints() {
        assert!(found(ROOT, "[package]\nname = \"a\"\n[lints]\nworkspace = true\n", "").is_empty());
        assert_eq!(
            found(ROOT, "[package]\nname = \"a\"\n", ""),
            ["crates/a/Cargo.toml: [lints] workspace = true is missing"]
        );
        let warned = ROOT.replace("deny", "warn");
        assert_eq!(
            found(&warned, "[lints]\nworkspace = true\n", ""),
            ["Cargo.toml: its lints do not deny missing_docs"]
        );
    }

    #[test]
    fn those_apart_deny_it_themselves() {
        let apart = "[package]\nname = \"apart\"\n[lints.rust]\n";
        assert!(found(ROOT, &format!("{apart}missing_docs = \"deny\"\n"), "").is_empty());
        assert_eq!(found(ROOT, apart, ""), ["crates/a/Cargo.toml: its own lints do not deny missing_docs"]);
    }

    #[test]
    fn nothing_is_left_undocumented_by_leave() {
        let found = found(ROOT, "[lints]\nworkspace = true\n", "//! A.\n#![allow(missing_docs)]\n");
        assert_eq!(found, ["crates/a/src/lib.rs:2: document it instead"]);
    }
}
