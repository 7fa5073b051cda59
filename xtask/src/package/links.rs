//! Links of a package's pages: what is beside the crate in the repository is not there for whoever reads it at a registry.

use super::unpacked::Unpacked;
use crate::Failure;

/// Links of Markdown files that lead to no address, no heading and no file of the package; rustdoc's links in parentheses are
/// among them, which only rustdoc follows.
pub(super) fn findings(package: &Unpacked) -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    for (page, text) in package.texts("md")? {
        for target in targets(&text) {
            let file = target.split('#').next().unwrap_or_default();
            let is_elsewhere = ["https://", "http://", "mailto:"].iter().any(|scheme| target.starts_with(scheme));
            if !is_elsewhere && !file.is_empty() && !package.has(page, file) {
                found.push(format!("{} links to {target}, which is not in the package", page.display()));
            }
        }
    }
    Ok(found)
}

/// Where the links of a page lead, those in blocks of code left out.
fn targets(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut is_code = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        }
        if is_code {
            continue;
        }
        let inline = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let definition = line.strip_prefix('[').and_then(|rest| rest.split_once("]: ")).map(|(_, target)| target);
        let first_word = |target: &str| Some(target.split_whitespace().next()?.trim_matches(['<', '>']).to_string());
        found.extend(inline.chain(definition).filter_map(first_word));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::unpacked::tests::package;
    use super::*;

    #[test]
    fn links_that_leave_the_package_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let readme = "See [Burn](https://burn.dev), [errors](errors.md#vr0001), [below](#below) and [`Type`].\n\
            [out](../../docs/a.md \"A\"), [none](none.md), [`Type`](module::Type)\n\
            [defined]: ../b.md\n```rust\nlet x = y[0](../no/link);\n```\n[after]: <errors.md>\n";
        let package = package(folder.path(), &[("README.md", readme), ("errors.md", "[up](../README.md)")]);
        let said = findings(&package).unwrap();
        let of = |file: &str, target: &str| format!("{file} links to {target}, which is not in the package");
        let expected = ["../../docs/a.md", "none.md", "module::Type", "../b.md"].map(|target| of("README.md", target));
        assert_eq!(said, [&expected[..], &[of("errors.md", "../README.md")]].concat());
    }
}
