//! What the program's pages say is so: the commands that they tell people to type, and the sections on error codes.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use vireid_tests::documented::commands;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every command of the program in the README and the book is one that it understands.
#[test]
fn documented_commands_are_understood() {
    let commands = commands(&root(), &["vireid ", "cargo run --release -p vireid -- "]);
    for words in &commands {
        vireid::understand(words).unwrap_or_else(|error| panic!("{words:?}: {error}"));
    }
    assert!(commands.len() > 10, "{}", commands.len());
    let misspelt = ["trian", "--method", "mbccm"].map(String::from);
    assert!(vireid::understand(&misspelt).is_err());
}

/// Codes at the beginning of messages in the sources of all crates.
fn codes_in(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            codes_in(&path, found);
        } else if ["error.rs", "failure.rs"].iter().any(|name| path.ends_with(name)) {
            let text = fs::read_to_string(&path).unwrap();
            let parts = text.split("\"VR").skip(1);
            found.extend(parts.filter_map(|part| Some(format!("VR{}", part.get(..4)?))));
        }
    }
}

#[test]
fn every_code_has_a_section_and_every_section_a_code() {
    let crates = root().join("crates");
    let mut codes = BTreeSet::new();
    codes_in(&crates, &mut codes);
    assert!(codes.len() > 30, "{codes:?}");
    let text = fs::read_to_string(crates.join("vireid/errors.md")).unwrap();
    let sections = text.lines().filter_map(|line| line.strip_prefix("## "));
    assert_eq!(sections.map(str::to_string).collect::<BTreeSet<_>>(), codes);
    assert!(codes.iter().all(|code| vireid::explain_code(code).is_some()));
}
