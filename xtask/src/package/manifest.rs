//! What a registry shows of a crate, and dependencies that it would not have.

use super::workspace::{Package, Workspace};

/// Categories that the crates name; a registry drops one that it doesn't know without a word. Its list: `categories.toml` in
/// the sources of crates.io.
const CATEGORIES: &[&str] = &[
    "algorithms",
    "command-line-utilities",
    "computer-vision",
    "data-structures",
    "database-implementations",
    "development-tools::build-utils",
    "development-tools::testing",
    "encoding",
    "mathematics",
    "multimedia::images",
    "science",
    "web-programming::http-server",
];
/// Of a registry: more keywords than these, longer ones and more categories are refused.
const MOST_WORDS: usize = 5;
const LONGEST_KEYWORD: usize = 20;

/// What a registry would refuse or not show, and dependencies that would not be found there.
pub(super) fn findings(workspace: &Workspace, package: &Package) -> Vec<String> {
    let mut found = words(package);
    found.extend(documentation(package));
    for dependency in package.dependencies.iter().filter(|dependency| dependency.path.is_some()) {
        let name = &dependency.name;
        match workspace.published().iter().find(|other| other.name == *name) {
            None if dependency.req == "*" => {
                found.push(format!(
                    "depends on {name}, which is not published: its tests can't be run from the package"
                ));
            }
            None => found.push(format!("depends on {name} {}, which is not published", dependency.req)),
            Some(other) if dependency.req != format!("^{}", other.version) => {
                found.push(format!("depends on {name} {}, which is {}", dependency.req, other.version));
            }
            Some(_) => {}
        }
    }
    found
}

fn words(package: &Package) -> Vec<String> {
    let mut found = Vec::new();
    let fields = [
        ("description", package.description.is_some()),
        ("license", package.license.is_some()),
        ("readme", package.readme.is_some()),
        ("rust-version", package.rust_version.is_some()),
    ];
    found
        .extend(fields.iter().filter(|(_, is_there)| !is_there).map(|(name, _)| format!("Cargo.toml has no `{name}`")));
    for (name, list) in [("keywords", &package.keywords), ("categories", &package.categories)] {
        if list.is_empty() || list.len() > MOST_WORDS {
            found.push(format!("{} {name}; one to {MOST_WORDS} are shown", list.len()));
        }
    }
    let is_sound = |word: &str| {
        let is_of_words = |c: char| c.is_ascii_alphanumeric() || "_-+".contains(c);
        word.len() <= LONGEST_KEYWORD
            && word.starts_with(|c: char| c.is_ascii_alphanumeric())
            && word.chars().all(is_of_words)
    };
    found.extend(package.keywords.iter().filter(|word| !is_sound(word)).map(|word| format!("no keyword: `{word}`")));
    let unknown = package.categories.iter().filter(|category| !CATEGORIES.contains(&category.as_str()));
    found.extend(unknown.map(|category| format!("category `{category}` is not among those known here")));
    found
}

/// What docs.rs is told.
fn documentation(package: &Package) -> Vec<String> {
    let docs = &package.metadata["docs"]["rs"];
    if !docs["targets"].is_array() {
        return vec!["[package.metadata.docs.rs] names no `targets`".into()];
    }
    let features = docs["features"].as_array().into_iter().flatten().filter_map(serde_json::Value::as_str);
    let unknown = features.filter(|feature| !package.features.contains_key(*feature));
    unknown
        .map(|feature| format!("[package.metadata.docs.rs] names the feature `{feature}`, which there is not"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::workspace::tests::workspace;
    use super::*;

    #[test]
    fn what_is_missing_or_too_much_is_told() {
        let found = workspace(&[("leaf", true, &[])]).unwrap();
        let sound = found.published()[0].clone();
        assert_eq!(findings(&found, &sound), Vec::<String>::new());
        type Spoil = fn(&mut Package);
        let cases: [(Spoil, &str); 9] = [
            (|package| package.description = None, "no `description`"),
            (|package| package.rust_version = None, "no `rust-version`"),
            (|package| package.keywords = vec![], "0 keywords"),
            (|package| package.keywords = vec!["x".into(); 6], "6 keywords"),
            (|package| package.keywords = vec!["x".repeat(21)], "no keyword: `xxx"),
            (|package| package.keywords = vec!["two words".into()], "no keyword: `two words`"),
            (|package| package.categories = vec!["people".into()], "category `people`"),
            (|package| package.metadata = serde_json::Value::Null, "no `targets`"),
            (|package| package.features.clear(), "feature `extra`"),
        ];
        for (spoil, says) in cases {
            let mut package = sound.clone();
            spoil(&mut package);
            let said = findings(&found, &package);
            assert!(said.len() == 1 && said[0].contains(says), "{says}: {said:?}");
        }
    }

    #[test]
    fn a_registry_has_every_dependency_in_its_version() {
        let found = workspace(&[("leaf", true, &[]), ("tool", false, &[]), ("top", true, &["leaf", "tool"])]).unwrap();
        let mut top = found.published()[1].clone();
        assert_eq!(findings(&found, &top), ["depends on tool ^1.0.0, which is not published"]);
        top.dependencies[1].req = "*".into();
        assert!(findings(&found, &top)[0].contains("its tests can't be run"));
        top.dependencies.pop();
        top.dependencies[0].req = "^0.9.0".into();
        assert_eq!(findings(&found, &top), ["depends on leaf ^0.9.0, which is 1.0.0"]);
        // Those of others are others' to judge.
        top.dependencies[0].path = None;
        assert!(findings(&found, &top).is_empty());
    }
}
