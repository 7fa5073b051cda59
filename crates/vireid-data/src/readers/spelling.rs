use std::collections::BTreeMap;

use crate::error::some_of;
use crate::notes::{Notes, count};

/// Words with which tables say that they do not know.
const UNKNOWN: [&str; 8] = ["nan", "none", "null", "na", "n/a", "nat", "<na>", "unknown"];

/// Says which names of a column differ in their spelling only (`7` and `007`, `Ann` and `ann`), and which are words for
/// "not known": each is taken for a name of its own.
pub(super) fn note_spellings<'a>(column: &str, names: impl Iterator<Item = &'a str>, notes: &mut Notes) {
    let mut uses: BTreeMap<&str, usize> = BTreeMap::new();
    for name in names {
        *uses.entry(name).or_default() += 1;
    }
    let mut alike: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (&name, &images) in &uses {
        if UNKNOWN.contains(&name.to_lowercase().as_str()) {
            let images = count(images, "image", "images");
            notes.say(format!(
                "the {column} '{name}' of {images} is taken for a name; leave it empty if it is not known"
            ));
        }
        alike.entry(plain(name)).or_default().push(name);
    }
    let alike: Vec<String> = alike
        .into_values()
        .filter(|names| names.len() > 1)
        .map(|names| format!("'{}'", names.join("' and '")))
        .collect();
    if !alike.is_empty() {
        notes
            .say(format!("these differ in their spelling only, and count as different {column}s: {}", some_of(&alike)));
    }
}

/// A name without what programs change: capital letters, zeros in front, a fraction of nothing behind.
fn plain(name: &str) -> String {
    let name = name.to_lowercase();
    let number = name.strip_suffix(".0").unwrap_or(&name);
    match number.parse::<u64>() {
        Ok(number) => number.to_string(),
        Err(_) => name,
    }
}
