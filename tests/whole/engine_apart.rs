//! The engine names no method and no data set, and no library depends on what draws on a terminal: checked by reading
//! their files.

use std::fs;
use std::path::{Path, PathBuf};

use vireid_methods::data_sets::data_sets;
use vireid_methods::registry::methods;

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates")
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| match path.is_dir() {
            true => sources(&path),
            false => vec![path],
        })
        .collect()
}

/// A source without its tests.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().to_lowercase()
}

fn has_word(text: &str, word: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric()).any(|found| found == word)
}

#[test]
fn the_engine_names_no_method_and_no_data_set() {
    // Data of your own are a data set too, and "own" is a word of the language.
    let names = ["mbccm", "mult", "mmm", "dmic", "ecul", "bmil", "sysu", "regdb", "llcm"];
    let known: Vec<&str> = methods().chain(data_sets().map(|data_set| data_set.name)).collect();
    assert!(names.iter().all(|name| known.contains(name)), "{known:?}");
    let files = sources(&crates().join("vireid-train/src"));
    assert!(files.len() > 30);
    for file in files {
        let code = code(&file);
        let named: Vec<&&str> = names.iter().filter(|name| has_word(&code, name)).collect();
        assert!(named.is_empty(), "{} names {named:?}", file.display());
    }
    let manifest = fs::read_to_string(crates().join("vireid-train/Cargo.toml")).unwrap();
    assert!(!manifest.contains("vireid-methods"));
}

#[test]
fn only_the_program_draws_on_a_terminal() {
    let mut libraries = 0;
    for folder in fs::read_dir(crates()).unwrap().map(|entry| entry.unwrap().path()) {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let Ok(manifest) = fs::read_to_string(folder.join("Cargo.toml")) else { continue };
        let draws = ["indicatif", "comfy-table"].into_iter().any(|library| manifest.contains(library));
        assert_eq!(draws, name == "vireid", "{name}");
        libraries += 1;
    }
    assert!(libraries > 10);
}
