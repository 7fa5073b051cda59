//! Links of pages lead to files of the repository, and to sections that the files have.

use std::collections::BTreeSet;

use super::{Finding, Tree};

/// Links of all pages to what Git has no file for, and to headings that there are not.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.ending(&[".md"]) {
        for (number, line) in lines_outside_code(text) {
            for target in targets(&line) {
                if let Some(says) = fault(tree, path, target) {
                    findings.push(Finding::of_line(path, number, says));
                }
            }
        }
    }
    findings
}

/// What is wrong with the link of a page.
fn fault(tree: &Tree, page: &str, target: &str) -> Option<String> {
    let is_elsewhere = target.contains("://") || target.starts_with("mailto:");
    // Documentation of code: rustdoc looks after its own.
    if is_elsewhere || target.contains("::") {
        return None;
    }
    let (file, section) = target.split_once('#').map_or((target, None), |(file, section)| (file, Some(section)));
    let path = match file {
        "" => page.to_string(),
        _ => match joined(page, file) {
            Some(path) if path.is_empty() || tree.has(&path) => path,
            _ => return Some(format!("the link to {target} leads nowhere")),
        },
    };
    let text = tree.text(&path).filter(|_| path.ends_with(".md"))?;
    section.filter(|section| !sections(text).contains(*section)).map(|_| format!("{target}: there is no such section"))
}

/// The path that a relative link of a page leads to; `None` where it leaves the repository or begins at its root.
fn joined(page: &str, file: &str) -> Option<String> {
    if file.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in file.split('/') {
        match part {
            "" | "." => (),
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Targets of the links and images in a line, as Markdown and as HTML write them.
fn targets(line: &str) -> Vec<&str> {
    let ends = |rest: &'_ str| rest.find([')', ' ']).unwrap_or(rest.len());
    let inline = line.split("](").skip(1).map(|rest| &rest[..ends(rest)]);
    let named = line.starts_with('[').then(|| line.split_once("]: ")).flatten();
    let named = named.and_then(|(_, rest)| rest.split_whitespace().next());
    let html = ["src=\"", "href=\""].into_iter();
    let html = html.flat_map(|start| line.split(start).skip(1).filter_map(|rest| rest.split('"').next()));
    inline.chain(named).chain(html).collect()
}

/// Lines of a page without blocks and spans of code, counted from 1.
fn lines_outside_code(text: &str) -> impl Iterator<Item = (usize, String)> {
    let mut in_code = false;
    text.lines().enumerate().filter_map(move |(number, line)| {
        let is_fence = line.trim_start().starts_with("```");
        in_code ^= is_fence;
        (!in_code && !is_fence).then(|| (number + 1, without_spans(line)))
    })
}

/// A line whose code between backticks is gone.
fn without_spans(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("`")
}

/// The names that headings of a page go by in links, as GitHub and mdBook make them.
fn sections(text: &str) -> BTreeSet<String> {
    let mut in_code = false;
    let mut sections = BTreeSet::new();
    for line in text.lines() {
        in_code ^= line.trim_start().starts_with("```");
        let heading = line.trim_start_matches('#');
        if in_code || heading.len() == line.len() || !heading.starts_with(' ') {
            continue;
        }
        let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        let name: String = kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect();
        let again = (1..).map(|number| format!("{name}-{number}"));
        let free = std::iter::once(name.clone()).chain(again).find(|name| !sections.contains(name));
        sections.extend(free);
    }
    sections
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let tree = Tree::from([
            ("docs/a.md", text),
            ("docs/b.md", "# One `x`, two\n## Same\n## Same\n```sh\n# no heading\n```\n"),
            ("README.md", ""),
            ("docs/images/x.png", ""),
        ]);
        check(&tree).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn links_that_lead_nowhere_are_found() {
        for bad in [
            "[x](c.md)",
            "![x](images/y.png)",
            "[x](../../README.md)",
            "[x](/README.md)",
            "[x]: c.md",
            "<img src=\"images/y.png\">",
            "[fine](b.md) and [x](c.md)",
        ] {
            let findings = found(&format!("text\n{bad}\n"));
            assert!(findings.len() == 1 && findings[0].starts_with("docs/a.md:2: the link to "), "{bad}: {findings:?}");
        }
        for bad in ["[x](b.md#no-heading)", "[x](#here)", "[x](b.md#same-2)"] {
            assert!(found(bad)[0].ends_with("there is no such section"), "{bad}");
        }
    }

    #[test]
    fn others_are_not() {
        for good in [
            "[x](b.md) [y](../README.md \"title\") [z](images/) [w](../)",
            "[x](b.md#one-x-two) [y](b.md#same-1) [z](https://docs.rs/no.md) [w](mailto:a@b.example)",
            "# Here\n[x](#here)",
            "`[x](c.md)`\n```md\n[x](c.md)\n```",
            "[`x`](crate::x)\n\n[`y`]: crate::y",
        ] {
            assert!(found(good).is_empty(), "{good}: {:?}", found(good));
        }
    }
}
