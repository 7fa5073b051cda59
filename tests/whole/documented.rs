//! The commands of the program that pages tell people to type.

use std::path::Path;

use vireid_tests::documented::commands;

/// Every command of the program in the README and the book is one that it understands.
#[test]
fn documented_commands_are_understood() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let commands = commands(&root, &["vireid ", "cargo run --release -p vireid -- "]);
    for words in &commands {
        vireid::understand(words).unwrap_or_else(|error| panic!("{words:?}: {error}"));
    }
    assert!(commands.len() > 10, "{}", commands.len());
    let misspelt = ["trian", "--method", "mbccm"].map(String::from);
    assert!(vireid::understand(&misspelt).is_err());
}
