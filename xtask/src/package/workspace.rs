//! The crates of this workspace, as Cargo tells them.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::Deserialize;

use crate::Failure;
use crate::cargo::cargo;

/// What `cargo metadata` says.
#[derive(Debug, Deserialize)]
pub(crate) struct Workspace {
    packages: Vec<Package>,
    #[serde(rename = "workspace_root")]
    pub(crate) root: PathBuf,
    /// Where builds go.
    #[serde(rename = "target_directory")]
    pub(crate) target: PathBuf,
}

/// A crate.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    /// The registries that it may go to; `None` for any.
    publish: Option<Vec<String>>,
    pub(crate) description: Option<String>,
    pub(crate) license: Option<String>,
    pub(crate) readme: Option<PathBuf>,
    pub(crate) repository: Option<String>,
    pub(crate) rust_version: Option<String>,
    pub(crate) keywords: Vec<String>,
    pub(crate) categories: Vec<String>,
    pub(crate) features: serde_json::Map<String, serde_json::Value>,
    pub(crate) metadata: serde_json::Value,
    pub(crate) dependencies: Vec<Dependency>,
}

/// What a crate asks for, of any kind.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// The versions that will do: `*` where none is named.
    pub(crate) req: String,
    /// Where it is, for a crate of this workspace.
    pub(crate) path: Option<PathBuf>,
}

impl Package {
    pub(crate) fn is_published(&self) -> bool {
        self.publish.as_ref().is_none_or(|registries| !registries.is_empty())
    }
}

impl Workspace {
    /// Asks Cargo.
    pub(crate) fn read() -> Result<Self, Failure> {
        let output =
            cargo().args(["metadata", "--no-deps", "--format-version", "1", "--offline", "--locked"]).output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into());
        }
        Self::parse(&output.stdout)
    }

    pub(super) fn parse(metadata: &[u8]) -> Result<Self, Failure> {
        let mut workspace: Self = serde_json::from_slice(metadata)?;
        workspace.packages = in_order(workspace.packages)?;
        Ok(workspace)
    }

    /// Those that are published, each behind all that it depends on, also for its tests.
    pub(crate) fn published(&self) -> Vec<&Package> {
        self.packages.iter().filter(|package| package.is_published()).collect()
    }

    /// Names of those that are not.
    pub(crate) fn unpublished(&self) -> impl Iterator<Item = &str> {
        self.packages.iter().filter(|package| !package.is_published()).map(|package| package.name.as_str())
    }

    /// These and all crates of the workspace that they depend on.
    pub(crate) fn with_dependencies(&self, names: &[String]) -> BTreeSet<String> {
        let mut all: BTreeSet<String> = names.iter().cloned().collect();
        // Backwards: whoever depends on a crate comes before it.
        for package in self.packages.iter().rev() {
            if all.contains(&package.name) {
                all.extend(local(package).map(str::to_string));
            }
        }
        all
    }
}

/// Crates of the workspace that one depends on.
fn local(package: &Package) -> impl Iterator<Item = &str> {
    package
        .dependencies
        .iter()
        .filter(|dependency| dependency.path.is_some())
        .map(|dependency| dependency.name.as_str())
}

/// Each behind all that it depends on, those of one rank by name.
fn in_order(mut left: Vec<Package>) -> Result<Vec<Package>, Failure> {
    left.sort_by(|a, b| a.name.cmp(&b.name));
    let mut done: Vec<Package> = Vec::new();
    while !left.is_empty() {
        let names: BTreeSet<String> = left.iter().map(|package| package.name.clone()).collect();
        let (ready, waiting): (Vec<_>, Vec<_>) =
            left.into_iter().partition(|package| !local(package).any(|name| names.contains(name)));
        if ready.is_empty() {
            return Err(format!("these depend on one another in a circle, or on one that does: {names:?}").into());
        }
        done.extend(ready);
        left = waiting;
    }
    Ok(done)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A workspace of crates with the names of those that they depend on.
    pub(in super::super) fn workspace(packages: &[(&str, bool, &[&str])]) -> Result<Workspace, Failure> {
        let packages: Vec<serde_json::Value> = packages
            .iter()
            .map(|(name, is_published, needs)| {
                let dependencies: Vec<serde_json::Value> =
                    needs.iter().map(|need| serde_json::json!({"name": need, "req": "^1.0.0", "path": need})).collect();
                let publish = if *is_published { serde_json::Value::Null } else { serde_json::json!([]) };
                serde_json::json!({
                    "name": name, "version": "1.0.0", "publish": publish, "description": "A crate", "license": "MIT",
                    "readme": "README.md", "repository": null, "rust_version": "1.95", "keywords": ["one"],
                    "categories": ["science"], "features": {"extra": []}, "dependencies": dependencies,
                    "metadata": {"docs": {"rs": {"features": ["extra"], "targets": ["x86_64-unknown-linux-gnu"]}}},
                })
            })
            .collect();
        let metadata =
            serde_json::json!({"packages": packages, "workspace_root": "/w", "target_directory": "/w/target"});
        Workspace::parse(&serde_json::to_vec(&metadata)?)
    }

    #[test]
    fn each_comes_behind_what_it_needs() {
        let found = workspace(&[
            ("a-program", true, &["middle", "leaf"]),
            ("middle", true, &["leaf"]),
            ("tool", false, &["a-program"]),
            ("leaf", true, &[]),
            ("apart", true, &[]),
        ])
        .unwrap();
        let names: Vec<&str> = found.published().iter().map(|package| package.name.as_str()).collect();
        assert_eq!(names, ["apart", "leaf", "middle", "a-program"]);
        assert_eq!(found.unpublished().collect::<Vec<_>>(), ["tool"]);
        let with = found.with_dependencies(&["middle".into()]);
        assert_eq!(with.into_iter().collect::<Vec<_>>(), ["leaf", "middle"]);
        assert_eq!(found.with_dependencies(&["tool".into()]).len(), 4);
    }

    #[test]
    fn a_circle_is_told() {
        let error = workspace(&[("a", true, &["b"]), ("b", true, &["a"]), ("c", true, &[])]).unwrap_err().to_string();
        assert!(error.contains("circle") && error.contains("\"a\"") && !error.contains("\"c\""), "{error}");
    }
}
