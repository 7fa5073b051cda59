//! `cargo xtask package`: every crate that is published, packed as the registry gets it, unpacked again and looked through.
//!
//! Cargo packs all of them in one call, in which they depend on one another as if they were published already; no network is
//! asked. What is looked for: [`manifest`] (the words that a registry shows, and dependencies that it would not have),
//! [`content`] (README, licences, sizes), [`links`] and [`reach`] (files outside the package).

mod content;
mod links;
mod manifest;
mod reach;
mod trial;
mod unpacked;
mod workspace;

use std::path::Path;

use clap::Args;

use crate::Failure;
use unpacked::Unpacked;
use workspace::Workspace;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Compile these packages from what was packed, or all where none is named (all take a quarter of an hour on two cores)
    #[arg(long, value_name = "CRATE", num_args = 0..)]
    verify: Option<Vec<String>>,
    /// Run the tests that are in these packages, in a workspace of nothing but packages
    #[arg(long, value_name = "CRATE", num_args = 1..)]
    test: Vec<String>,
}

/// Packs, looks through, says what was found in a table and a list.
///
/// # Errors
///
/// When Cargo can't pack, a package is not as it must be, or one that was asked for does not compile or fails its tests.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let workspace = Workspace::read()?;
    for name in arguments.verify.iter().flatten().chain(&arguments.test) {
        if !workspace.published().iter().any(|package| package.name == *name) {
            return Err(format!("{name} is not a crate of this workspace that is published").into());
        }
    }
    let packages = trial::pack(&workspace)?;
    println!("{}", table(&packages)?);
    let findings = findings(&workspace, &packages)?;
    for finding in &findings {
        println!("{finding}");
    }
    if workspace.published().iter().any(|package| package.repository.is_none()) {
        println!(
            "note: no `repository` is named; set it in [workspace.package] and in each crate once there is a public one"
        );
    }
    if !findings.is_empty() {
        return Err(format!("{} things must be mended before these packages are published", findings.len()).into());
    }
    if let Some(names) = &arguments.verify {
        trial::verify(&workspace, names)?;
    }
    if !arguments.test.is_empty() {
        trial::test(&workspace, &packages, &arguments.test)?;
    }
    Ok(())
}

/// Everything that is wrong, with the package and the file that it is wrong in.
fn findings(workspace: &Workspace, packages: &[Unpacked]) -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    for package in workspace.published() {
        found
            .extend(manifest::findings(workspace, package).into_iter().map(|what| format!("{}: {what}", package.name)));
    }
    for package in packages {
        let mut here = content::findings(package, &workspace.root)?;
        here.extend(links::findings(package)?);
        here.extend(reach::findings(package)?);
        found.extend(here.into_iter().map(|what| format!("{}: {what}", package.name)));
    }
    Ok(found)
}

/// The packages in the order in which they can be published, with their sizes.
fn table(packages: &[Unpacked]) -> Result<String, Failure> {
    let kib = |bytes: u64| format!("{:.1}", bytes as f64 / 1024.0);
    let mut lines = vec![
        "| package | files | KiB | KiB packed | largest file |".to_string(),
        "|---|---:|---:|---:|---|".to_string(),
    ];
    for package in packages {
        let (largest, bytes) = package.largest().ok_or_else(|| format!("{} is empty", package.name))?;
        let sum = package.files.values().sum();
        let Unpacked { name, files, packed, .. } = package;
        let largest = largest.display();
        let (sum, packed, bytes) = (kib(sum), kib(*packed), kib(bytes));
        lines.push(format!("| {name} | {} | {sum} | {packed} | {largest}, {bytes} |", files.len()));
    }
    Ok(lines.join("\n"))
}

/// The text of a file, with its name where it can't be read.
fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_a_line_per_package() {
        let folder = tempfile::tempdir().unwrap();
        let package = unpacked::tests::package(folder.path(), &[("README.md", "four"), ("src/lib.rs", "and seven.")]);
        let table = table(&[package]).unwrap();
        assert!(table.ends_with("| example | 2 | 0.0 | 0.0 | src/lib.rs, 0.0 |"), "{table}");
    }

    /// What is declared as the oldest toolchain is the one that all checks run with, and nothing has another version than the
    /// workspace.
    #[test]
    fn versions_agree() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let read = |name: &str| read(&root.join(name)).unwrap();
        let value = |text: &str| text.parse::<toml::Table>().unwrap();
        let manifest = value(&read("Cargo.toml"));
        let shared = &manifest["workspace"]["package"];
        let oldest = shared["rust-version"].as_str().unwrap();
        let toolchain = value(&read("rust-toolchain.toml"));
        assert_eq!(toolchain["toolchain"]["channel"].as_str().unwrap(), format!("{oldest}.0"));
        let version = shared["version"].as_str().unwrap();
        for (name, dependency) in manifest["workspace"]["dependencies"].as_table().unwrap() {
            if dependency.get("path").is_some() && dependency.get("version").is_some() {
                assert_eq!(dependency["version"].as_str(), Some(version), "{name}");
            }
        }
        assert_eq!(value(&read("fuzz/Cargo.toml"))["package"]["version"].as_str(), Some(version));
        let newest = read("CHANGELOG.md");
        let newest = newest.lines().find_map(|line| line.strip_prefix("## ").filter(|title| *title != "Unreleased"));
        assert!(newest.is_some_and(|title| title.starts_with(&format!("{version} - "))), "{newest:?}");
    }
}
