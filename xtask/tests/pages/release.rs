//! The checklist of a release names every package, each after those that it needs.

use std::collections::BTreeSet;

use crate::read::page;
use crate::workspace::{Package, Workspace};

#[test]
fn packages_are_listed_in_the_order_of_their_dependencies() {
    let Workspace(packages) = Workspace::read();
    let (public, private): (Vec<&Package>, Vec<&Package>) = packages.iter().partition(|package| package.is_published);
    let checklist = page("RELEASE.md");
    let listed: Vec<&str> = checklist.text.lines().filter_map(numbered).collect();
    let names: BTreeSet<&str> = public.iter().map(|package| package.name.as_str()).collect();
    assert_eq!(listed.iter().copied().collect::<BTreeSet<_>>(), names);
    assert_eq!(listed.len(), names.len(), "one is listed twice");
    for package in &public {
        let place = |name: &str| listed.iter().position(|listed| *listed == name);
        for needed in package.needs.iter().filter(|needed| names.contains(needed.as_str())) {
            assert!(place(needed) < place(&package.name), "{} needs {needed}", package.name);
        }
    }
    let packing: Vec<&String> =
        checklist.commands.iter().filter(|line| line.starts_with("cargo package --workspace")).collect();
    assert!(!packing.is_empty());
    for line in packing {
        let left_out: BTreeSet<&str> =
            line.split("--exclude ").skip(1).filter_map(|rest| rest.split_whitespace().next()).collect();
        assert_eq!(left_out, private.iter().map(|package| package.name.as_str()).collect(), "{line}");
    }
}

/// The package of a line such as "3. `vireid-core`".
fn numbered(line: &str) -> Option<&str> {
    let (number, rest) = line.trim_start().split_once(". `")?;
    number.bytes().all(|byte| byte.is_ascii_digit()).then(|| rest.split('`').next())?
}
