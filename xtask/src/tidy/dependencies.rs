//! Every dependency is used: those of the workspace by a member, those of a member by its code.

use std::collections::BTreeSet;

use super::exceptions::Exceptions;
use super::manifest::{self, Dependency, Kind, Manifest, WORKSPACE};
use super::{Finding, Tree};

/// Dependencies that no code names, as `package/dependency`.
const EXCEPTIONS: [(&str, &str); 12] = [
    ("vireid-python/clap", AS_IN_WORKSPACE),
    ("vireid-python/futures-core", AS_IN_WORKSPACE),
    ("vireid-python/http", AS_IN_WORKSPACE),
    ("vireid-python/httparse", AS_IN_WORKSPACE),
    ("vireid-python/indexmap", AS_IN_WORKSPACE),
    ("vireid-python/regex-syntax", AS_IN_WORKSPACE),
    ("vireid-python/rustix", AS_IN_WORKSPACE),
    ("vireid-python/vireid-backbone", AS_IN_WORKSPACE),
    ("vireid-python/vireid-kernels", AS_IN_WORKSPACE),
    ("vireid-python/vireid-losses", AS_IN_WORKSPACE),
    ("vireid-python/vireid-memory", AS_IN_WORKSPACE),
    ("vireid-python/vireid-train", AS_IN_WORKSPACE),
];
/// They give the wheel's build the features of the workspace's, which is used again.
const AS_IN_WORKSPACE: &str = "the feature `as_in_workspace`";

/// Dependencies that nothing uses, or only tests do.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let exceptions = Exceptions::new("xtask/src/tidy/dependencies.rs", &EXCEPTIONS);
    let mut findings = check_with(tree, &exceptions).unwrap_or_else(|finding| vec![finding]);
    findings.extend(exceptions.stale());
    findings
}

fn check_with(tree: &Tree, exceptions: &Exceptions) -> Result<Vec<Finding>, Finding> {
    let mut findings = Vec::new();
    let members = manifest::members(tree)?;
    let taken: BTreeSet<String> = members
        .iter()
        .flat_map(|member| {
            member.dependencies().into_iter().filter(Dependency::is_of_workspace).map(|one| one.name.into())
        })
        .collect();
    let workspace = manifest::workspace(tree)?;
    for (name, _) in workspace.table(&["workspace", "dependencies"]).into_iter().flatten() {
        if !taken.contains(name) {
            findings.push(Finding::of_file(WORKSPACE, format!("no member depends on {name}")));
        }
    }
    for member in &members {
        for dependency in member.dependencies() {
            let name = dependency.name;
            let Some(says) = fault(tree, member, &dependency) else { continue };
            if !exceptions.allow(&format!("{}/{name}", member.name)) {
                findings.push(Finding::of_file(&member.path, format!("{name}: {says}")));
            }
        }
    }
    Ok(findings)
}

/// What is wrong with a dependency of a package.
fn fault(tree: &Tree, member: &Manifest, dependency: &Dependency) -> Option<&'static str> {
    let name = dependency.name.replace('-', "_");
    let (mut in_package, mut in_tests, mut in_build) = (false, false, false);
    for (path, text) in tree.ending(&[".rs", ".md"]) {
        let Some(inside) = path.strip_prefix(member.folder()) else { continue };
        let is_page = path.ends_with(".md");
        let (code, documentation) = if is_page { (String::new(), text.into()) } else { apart(text) };
        // What documentation shows is compiled with the tests.
        in_tests |= names(&documentation, &name);
        let is_named = names(&code, &name);
        match inside.split('/').next() {
            Some("build.rs") => in_build |= is_named,
            Some("tests" | "benches" | "examples") => in_tests |= is_named,
            _ => in_package |= is_named,
        }
    }
    match dependency.kind {
        Kind::Normal if !in_package && in_tests => {
            Some("only tests, examples or documentation use it: a dev-dependency")
        }
        Kind::Normal if !in_package => Some("nothing uses it"),
        Kind::Development if !in_package && !in_tests => Some("no test, example or documentation uses it"),
        Kind::Build if !in_build => Some("the build script does not use it"),
        _ => None,
    }
}

/// The code of a source, and its documentation; other comments are neither.
fn apart(text: &str) -> (String, String) {
    let (mut code, mut documentation) = (String::new(), String::new());
    for line in text.lines().map(str::trim_start) {
        let target = match line {
            _ if line.starts_with("///") || line.starts_with("//!") => &mut documentation,
            _ if line.starts_with("//") => continue,
            _ => &mut code,
        };
        target.push_str(line);
        target.push('\n');
    }
    (code, documentation)
}

/// Whether code names a crate: in a path, or by `use`.
fn names(code: &str, name: &str) -> bool {
    let goes_on = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    code.match_indices(name).any(|(start, _)| {
        let (before, behind) = (&code[..start], &code[start + name.len()..]);
        let is_whole = !goes_on(before.chars().next_back()) && !goes_on(behind.chars().next());
        let is_used = ["use ", "extern crate "].iter().any(|word| before.ends_with(word));
        is_whole && (behind.starts_with("::") || is_used)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "[package]\nname = \"a\"\n[dependencies]\nb-c.workspace = true\n";

    fn found(manifest: &str, path: &str, code: &str) -> Vec<String> {
        let root = "[workspace.dependencies]\nb-c = \"1\"\n";
        let tree = Tree::from([("Cargo.toml", root), ("crates/a/Cargo.toml", manifest), (path, code)]);
        let exceptions = Exceptions::new("", &[("a/known", "of a test")]);
        let findings = check_with(&tree, &exceptions).unwrap_or_else(|finding| vec![finding]);
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_nobody_depends_on_is_found() {
        assert_eq!(found("[package]\nname = \"a\"\n", "x", ""), ["Cargo.toml: no member depends on b-c"]);
        let own = "[package]\nname = \"a\"\n[dependencies]\nb-c = \"2\"\n";
        assert_eq!(found(own, "crates/a/src/lib.rs", "use b_c::D;"), ["Cargo.toml: no member depends on b-c"]);
    }

    #[test]
    fn what_no_code_names_is_found() {
        for unused in ["", "// b_c::d()\n", "let b_c = 1;", "use b_cd::E;", "b_c_d::e()"] {
            let findings = found(MANIFEST, "crates/a/src/lib.rs", unused);
            assert_eq!(findings, ["crates/a/Cargo.toml: b-c: nothing uses it"], "{unused}");
        }
        for used in ["use b_c::D;", "use b_c;", "b_c::d()", "#[b_c::main]", "pub use b_c as e;"] {
            assert!(found(MANIFEST, "crates/a/src/lib.rs", used).is_empty(), "{used}");
        }
        assert_eq!(found(MANIFEST, "crates/other/src/lib.rs", "use b_c::D;").len(), 1);
        let known = "[dependencies]\nb-c.workspace = true\nknown = \"1\"\n[package]\nname = \"a\"\n";
        assert!(found(known, "crates/a/src/lib.rs", "b_c::d()").is_empty());
    }

    #[test]
    fn a_dependency_is_of_the_right_kind() {
        for (path, code) in [
            ("crates/a/tests/t.rs", "use b_c::D;"),
            ("crates/a/src/lib.rs", "/// use b_c::D;\nfn f() {}"),
            ("crates/a/README.md", "use b_c::D;"),
        ] {
            assert!(found(MANIFEST, path, code)[0].ends_with("a dev-dependency"), "{path}");
            assert!(found(&MANIFEST.replace("[dep", "[dev-dep"), path, code).is_empty(), "{path}");
        }
        let build = MANIFEST.replace("[dep", "[build-dep");
        assert!(found(&build, "crates/a/build.rs", "use b_c::D;").is_empty());
        assert!(found(&build, "crates/a/src/lib.rs", "use b_c::D;")[0].ends_with("the build script does not use it"));
    }
}
