//! Every feature of a package is one that something asks for.

use std::collections::BTreeSet;

use super::manifest::{self, Manifest};
use super::{Finding, Tree};

/// Packages whose features people choose on a command line. A feature of theirs that nothing in the workspace refers to must be
/// named by a page or a script, beside the word "feature".
const OF_PEOPLE: [&str; 4] = ["vireid", "vireid-examples", "vireid-python", "vireid-studies"];
/// Pages and scripts.
const NAMING: [&str; 5] = [".md", ".sh", "/run", "/check", ".yml"];
/// What Cargo asks for by itself.
const DEFAULT: &str = "default";

/// Features that no code asks about, no other feature, dependency or target refers to, and no page names.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    check_with(tree).unwrap_or_else(|finding| vec![finding])
}

fn check_with(tree: &Tree) -> Result<Vec<Finding>, Finding> {
    let members = manifest::members(tree)?;
    let asked: BTreeSet<(&str, &str)> = members.iter().flat_map(asked_for).collect();
    let mut findings = Vec::new();
    for member in &members {
        for (feature, switches) in member.features() {
            if feature == DEFAULT
                || asked.contains(&(member.name.as_str(), feature))
                || code_asks(tree, member, feature)
            {
                continue;
            }
            let is_of_people = OF_PEOPLE.contains(&member.name.as_str());
            let says = match is_of_people && !switches.is_empty() {
                true if is_named(tree, feature) => continue,
                true => format!("no page says what the feature {feature} is for"),
                false => format!("nothing asks for the feature {feature}"),
            };
            findings.push(Finding::of_file(&member.path, says));
        }
    }
    Ok(findings)
}

/// Features, each with its package, that the manifest of a package refers to.
fn asked_for(member: &Manifest) -> Vec<(&str, &str)> {
    let own = |feature| (member.name.as_str(), feature);
    let of_features = member.features().flat_map(|(_, switches)| switches).filter(|switch| !switch.starts_with("dep:"));
    let mut asked: Vec<(&str, &str)> = of_features
        .map(|switch| match switch.split_once('/') {
            Some((package, feature)) => (package.trim_end_matches('?'), feature),
            None => own(switch),
        })
        .collect();
    for dependency in member.dependencies() {
        let features = dependency.value.get("features").and_then(toml::Value::as_array).into_iter().flatten();
        asked.extend(features.filter_map(toml::Value::as_str).map(|feature| (dependency.name, feature)));
    }
    asked.extend(member.required_features().map(own));
    asked
}

/// Whether the code of a package is another one with the feature.
fn code_asks(tree: &Tree, member: &Manifest, feature: &str) -> bool {
    let condition = format!("feature = \"{feature}\"");
    tree.ending(&[".rs"]).any(|(path, text)| path.starts_with(member.folder()) && text.contains(&condition))
}

/// Whether a page or a script names a feature as one.
fn is_named(tree: &Tree, feature: &str) -> bool {
    let is_part = |c: char| !(c.is_alphanumeric() || c == '-' || c == '_');
    let names = |line: &str| line.to_lowercase().contains("feature") && line.split(is_part).any(|word| word == feature);
    tree.ending(&NAMING).any(|(_, text)| text.lines().any(names))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str, manifest: &str, path: &str, text: &str) -> Vec<String> {
        let manifest = format!("[package]\nname = \"{name}\"\n{manifest}");
        let tree = Tree::from([("a/Cargo.toml", manifest.as_str()), (path, text)]);
        check(&tree).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_feature_that_nothing_asks_for_is_found() {
        let manifest = "[features]\ndefault = []\nx = [\"dep:y\"]\n";
        let nobodys = ["a/Cargo.toml: nothing asks for the feature x"];
        assert_eq!(found("a", manifest, "a/src/lib.rs", "#[cfg(feature = \"xy\")]"), nobodys);
        assert_eq!(found("a", manifest, "b/src/lib.rs", "#[cfg(feature = \"x\")]"), nobodys);
        assert_eq!(found("a", manifest, "README.md", "cargo build --features x"), nobodys);
        assert!(found("a", manifest, "a/src/lib.rs", "#[cfg(feature = \"x\")]").is_empty());
        assert!(found("a", &manifest.replace("= []", "= [\"x\"]"), "p", "").is_empty());
        assert!(found("a", &format!("{manifest}[[bin]]\nrequired-features = [\"x\"]\n"), "p", "").is_empty());
        for other in [
            "[package]\nname = \"b\"\n[features]\nz = [\"a?/x\"]\n[[bin]]\nrequired-features = [\"z\"]\n",
            "[package]\nname = \"b\"\n[dev-dependencies]\na = { path = \"../a\", features = [\"x\"] }\n",
        ] {
            assert!(found("a", manifest, "b/Cargo.toml", other).is_empty(), "{other}");
        }
    }

    #[test]
    fn one_that_people_choose_is_told_of() {
        let manifest = "[features]\nx = [\"dep:y\"]\nempty = []\n";
        let findings =
            found("vireid", manifest, "README.md", "Build with `--features x`, or with the feature `empty`.");
        assert_eq!(findings, ["a/Cargo.toml: nothing asks for the feature empty"]);
        assert_eq!(
            found("vireid", "[features]\nx = [\"dep:y\"]\n", "README.md", "An x is a letter."),
            ["a/Cargo.toml: no page says what the feature x is for"]
        );
    }
}
