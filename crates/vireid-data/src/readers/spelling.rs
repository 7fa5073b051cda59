//! Names in a table that may be the same one.

use std::collections::BTreeMap;

use unicode_normalization::UnicodeNormalization;

use crate::notes::{Notes, count};

/// Words with which tables say that they do not know.
const UNKNOWN: [&str; 8] = ["nan", "none", "null", "na", "n/a", "nat", "<na>", "unknown"];

/// Says which names of a column differ in their spelling only (`7` and `007`, `Ann` and `ann`), and which are words for
/// "not known": each is taken for a different name. With each name comes whether it could have been empty.
pub(super) fn note_spellings<'a>(column: &str, names: impl Iterator<Item = (&'a str, bool)>, notes: &mut Notes) {
    let mut uses: BTreeMap<&str, (usize, bool)> = BTreeMap::new();
    for (name, may_be_empty) in names {
        let (images, of_any) = uses.entry(name).or_default();
        *images += 1;
        *of_any |= may_be_empty;
    }
    let mut alike: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (&name, &(images, may_be_empty)) in &uses {
        if UNKNOWN.contains(&name.to_lowercase().as_str()) {
            let images = count(images, "image", "images");
            let advice = if may_be_empty { "; a training image's may be empty if it is not known" } else { "" };
            notes.say(format!("the {column} '{name}' of {images} is taken for a name{advice}"));
        }
        alike.entry(plain(name)).or_default().push(name);
    }
    let alike = alike.into_values().filter(|names| names.len() > 1).map(|names| format!("'{}'", names.join("' and '")));
    notes.say_of(format!("these differ only in spelling, and each counts as a different {column}"), alike);
}

/// A name without what programs change: capital letters, accents apart from their letters, zeros in front, a fraction of
/// nothing behind.
fn plain(name: &str) -> String {
    let name: String = name.to_lowercase().nfc().collect();
    let number = name.strip_suffix(".0").unwrap_or(&name);
    match number.parse::<u64>() {
        Ok(number) => number.to_string(),
        Err(_) => name,
    }
}
