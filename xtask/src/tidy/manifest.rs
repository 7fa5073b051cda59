//! The manifests of the workspace's packages.

use toml::{Table, Value};

use super::{Finding, Tree};

/// The manifest of the workspace.
pub(super) const WORKSPACE: &str = "Cargo.toml";
/// A workspace of its own, which needs another compiler.
const APART: &str = "fuzz/Cargo.toml";

/// The manifest of a package.
pub(super) struct Manifest {
    /// Its file.
    pub path: String,
    /// The package's name.
    pub name: String,
    table: Table,
}

/// What a dependency is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The package itself.
    Normal,
    /// Its tests, benchmarks and examples.
    Development,
    /// Its build script.
    Build,
}

/// A dependency as its package writes it.
pub(super) struct Dependency<'a> {
    /// What it is called here.
    pub name: &'a str,
    /// What it is for.
    pub kind: Kind,
    /// Its version, or a table of settings.
    pub value: &'a Value,
}

impl Dependency<'_> {
    /// Whether its version is the workspace's.
    pub fn is_of_workspace(&self) -> bool {
        self.value.get("workspace").and_then(Value::as_bool) == Some(true)
    }
}

impl Manifest {
    /// A table of it, by the names that lead there.
    pub fn table(&self, names: &[&str]) -> Option<&Table> {
        names.iter().try_fold(&self.table, |table, name| table.get(*name)?.as_table())
    }

    /// The folder of the package, with a slash at the end.
    pub fn folder(&self) -> &str {
        self.path.strip_suffix("Cargo.toml").unwrap_or(&self.path)
    }

    /// What it depends on, on some systems only too.
    pub fn dependencies(&self) -> Vec<Dependency<'_>> {
        let systems = self.table(&["target"]).into_iter().flat_map(Table::values).filter_map(Value::as_table);
        let mut dependencies = Vec::new();
        for table in std::iter::once(&self.table).chain(systems) {
            for (section, kind) in [
                ("dependencies", Kind::Normal),
                ("dev-dependencies", Kind::Development),
                ("build-dependencies", Kind::Build),
            ] {
                let section = table.get(section).and_then(Value::as_table).into_iter().flatten();
                dependencies.extend(section.map(|(name, value)| Dependency { name, kind, value }));
            }
        }
        dependencies
    }

    /// Its features, and what each switches on.
    pub fn features(&self) -> impl Iterator<Item = (&str, Vec<&str>)> {
        let features = self.table(&["features"]).into_iter().flatten();
        features.map(|(name, value)| {
            (name.as_str(), value.as_array().into_iter().flatten().filter_map(Value::as_str).collect())
        })
    }

    /// Features that its targets can't do without.
    pub fn required_features(&self) -> impl Iterator<Item = &str> {
        let kinds = ["bin", "example", "test", "bench"].into_iter();
        let targets = kinds.filter_map(|kind| self.table.get(kind)?.as_array()).flatten();
        targets.filter_map(|target| target.get("required-features")?.as_array()).flatten().filter_map(Value::as_str)
    }
}

/// The workspace's own manifest.
///
/// # Errors
///
/// What is wrong with it.
pub(super) fn workspace(tree: &Tree) -> Result<Manifest, Finding> {
    read(WORKSPACE, tree.text(WORKSPACE).unwrap_or_default())
}

/// The manifests of all members.
///
/// # Errors
///
/// What is wrong with the first that can't be read.
pub(super) fn members(tree: &Tree) -> Result<Vec<Manifest>, Finding> {
    let manifests = tree.ending(&["/Cargo.toml"]).filter(|(path, _)| *path != APART);
    manifests.map(|(path, text)| read(path, text)).collect()
}

fn read(path: &str, text: &str) -> Result<Manifest, Finding> {
    let table: Table = text.parse().map_err(|error| Finding::of_file(path, format!("no manifest: {error}")))?;
    let name = table.get("package").and_then(|package| package.get("name")?.as_str());
    Ok(Manifest { path: path.into(), name: name.unwrap_or_default().into(), table })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_is_read() {
        let text = "[package]\nname = \"a\"\n[dependencies]\nb.workspace = true\n\
            [target.'cfg(unix)'.dev-dependencies]\nc = { version = \"1\", features = [\"x\"] }\n\
            [features]\nf = [\"dep:b\", \"c/y\"]\n[[example]]\nname = \"e\"\nrequired-features = [\"f\"]\n";
        let tree = Tree::from([("Cargo.toml", "[workspace]\n"), ("crates/a/Cargo.toml", text), (APART, "[package]")]);
        let members = members(&tree).unwrap_or_default();
        let [manifest] = members.as_slice() else { panic!("{} members", members.len()) };
        assert_eq!((manifest.name.as_str(), manifest.folder()), ("a", "crates/a/"));
        let dependencies: Vec<_> = manifest.dependencies().iter().map(|one| (one.name.to_string(), one.kind)).collect();
        assert_eq!(dependencies, [("b".to_string(), Kind::Normal), ("c".to_string(), Kind::Development)]);
        assert!(manifest.dependencies()[0].is_of_workspace() && !manifest.dependencies()[1].is_of_workspace());
        assert_eq!(manifest.features().collect::<Vec<_>>(), [("f", vec!["dep:b", "c/y"])]);
        assert_eq!(manifest.required_features().collect::<Vec<_>>(), ["f"]);
        assert!(workspace(&tree).is_ok_and(|manifest| manifest.table(&["workspace"]).is_some()));
    }

    #[test]
    fn a_broken_one_is_told() {
        let findings = members(&Tree::from([("a/Cargo.toml", "[package")])).err();
        assert!(findings.is_some_and(|finding| finding.says.starts_with("no manifest")));
    }
}
