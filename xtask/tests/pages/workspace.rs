//! What Cargo says of the workspace.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

pub struct Package {
    pub name: String,
    pub is_published: bool,
    pub features: BTreeSet<String>,
    /// Kind and name of each target.
    pub targets: BTreeSet<(String, String)>,
    /// Packages of the workspace without which this one can't be packed: those that it asks for by a version too.
    pub needs: BTreeSet<String>,
}

pub struct Workspace(pub Vec<Package>);

impl Workspace {
    pub fn read() -> Self {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let arguments = ["metadata", "--no-deps", "--format-version", "1", "--offline"];
        let output = Command::new(cargo).args(arguments).current_dir(super::read::root()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
        Self(metadata["packages"].as_array().unwrap().iter().map(package).collect())
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|package| package.name == name)
    }

    /// The packages of some names; all where none is named.
    pub fn named(&self, names: &[&str]) -> Vec<&Package> {
        self.0.iter().filter(|package| names.is_empty() || names.contains(&package.name.as_str())).collect()
    }
}

fn package(package: &Value) -> Package {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let target = |target: &Value| {
        let kinds = list(&target["kind"]).into_iter().map(|kind| text(&kind)).collect::<Vec<_>>();
        kinds.into_iter().map(|kind| (kind, text(&target["name"]))).collect::<Vec<_>>()
    };
    let is_needed = |dependency: &&Value| dependency["path"].is_string() && dependency["req"] != "*";
    Package {
        name: text(&package["name"]),
        is_published: package["publish"].is_null(),
        features: package["features"].as_object().unwrap().keys().cloned().collect(),
        targets: list(&package["targets"]).iter().flat_map(target).collect(),
        needs: list(&package["dependencies"]).iter().filter(is_needed).map(|needed| text(&needed["name"])).collect(),
    }
}
