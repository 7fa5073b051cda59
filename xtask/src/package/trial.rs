//! What Cargo does with the packages: packs, compiles and tests them.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::unpacked::Unpacked;
use super::workspace::Workspace;
use crate::Failure;
use crate::cargo::{cargo, succeed};

/// Where all of it happens, below the folder of builds: nothing of theirs is taken or overwritten.
fn place(workspace: &Workspace) -> PathBuf {
    workspace.target.join("package-check")
}

fn command(workspace: &Workspace) -> Command {
    let mut cargo = cargo();
    cargo.current_dir(&workspace.root).args(["package", "--offline", "--locked", "--allow-dirty", "--target-dir"]);
    cargo.arg(place(workspace));
    cargo
}

/// Packs every crate that is published, in one call, and unpacks what came out.
pub(super) fn pack(workspace: &Workspace) -> Result<Vec<Unpacked>, Failure> {
    let packed = place(workspace).join("package");
    // One of a version before would be looked through in the place of one that was not made.
    if packed.exists() {
        fs::remove_dir_all(&packed)?;
    }
    let mut cargo = command(workspace);
    cargo.args(["--no-verify", "--workspace"]);
    for name in workspace.unpublished() {
        cargo.args(["--exclude", name]);
    }
    let output = cargo.stdin(Stdio::null()).output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{said}\nif something was not downloaded yet: cargo fetch").into());
    }
    let into = place(workspace).join("unpacked");
    fs::create_dir_all(&into)?;
    let unpack = |package: &&super::workspace::Package| {
        let file = packed.join(format!("{}-{}.crate", package.name, package.version));
        Unpacked::unpack(&file, &package.name, &into)
    };
    workspace.published().iter().map(unpack).collect()
}

/// Compiles the named packages, or all, from what is packed: Cargo gives each its dependencies as packages.
pub(super) fn verify(workspace: &Workspace, names: &[String]) -> Result<(), Failure> {
    let mut cargo = command(workspace);
    let all: Vec<String> = workspace.published().iter().map(|package| package.name.clone()).collect();
    for name in workspace.with_dependencies(if names.is_empty() { &all } else { names }) {
        cargo.args(["--package", &name]);
    }
    succeed(&mut cargo)
}

/// Runs tests in a workspace of the packages alone, with the versions of this one's `Cargo.lock`.
pub(super) fn test(workspace: &Workspace, packages: &[Unpacked], names: &[String]) -> Result<(), Failure> {
    let folder = place(workspace).join("unpacked");
    fs::write(folder.join("Cargo.toml"), manifest(packages)?)?;
    fs::copy(workspace.root.join("Cargo.lock"), folder.join("Cargo.lock"))?;
    let mut cargo = cargo();
    cargo.current_dir(&folder).args(["test", "--offline", "--release", "--target-dir"]).arg(place(workspace));
    for name in names {
        cargo.args(["--package", name]);
    }
    succeed(&mut cargo)
}

/// A workspace in which packages that ask the registry for one another get what was unpacked.
fn manifest(packages: &[Unpacked]) -> Result<String, Failure> {
    let mut members = Vec::new();
    let mut patches = toml::Table::new();
    for package in packages {
        let folder = package.folder.file_name().and_then(|name| name.to_str()).ok_or("a package has no folder")?;
        members.push(toml::Value::from(folder));
        patches.insert(package.name.clone(), toml::Table::from_iter([("path".to_string(), folder.into())]).into());
    }
    let workspace = toml::Table::from_iter([
        ("resolver".to_string(), toml::Value::from("3")),
        ("members".to_string(), toml::Value::Array(members)),
    ]);
    let patch = toml::Table::from_iter([("crates-io".to_string(), toml::Value::Table(patches))]);
    Ok(toml::Table::from_iter([
        ("workspace".to_string(), toml::Value::Table(workspace)),
        ("patch".to_string(), toml::Value::Table(patch)),
    ])
    .to_string())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::unpacked::tests::package;
    use super::*;

    #[test]
    fn packages_take_one_another_from_where_they_were_unpacked() {
        let folder = tempfile::tempdir().unwrap();
        let package = package(&folder.path().join("example-1.0.0"), &[("Cargo.toml", "[package]")]);
        let manifest: toml::Table = manifest(&[package]).unwrap().parse().unwrap();
        assert_eq!(manifest["workspace"]["members"].as_array().unwrap(), &["example-1.0.0".into()]);
        let patch = &manifest["patch"]["crates-io"]["example"];
        assert!(folder.path().join(patch["path"].as_str().unwrap()).join("Cargo.toml").exists());
        assert!(Path::new(patch["path"].as_str().unwrap()).is_relative());
    }
}
