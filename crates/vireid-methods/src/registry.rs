//! The list of methods: the one place to add to when there is a new one.

use std::sync::{LazyLock, PoisonError, RwLock};

use vireid_train::{AnyMethod, MethodError, RunConfig};

use crate::parts::settings::{ClusteringSettings, read_clustering};
use crate::{bmil, dmic, ecul, mbccm, mmm, mult};

/// What the registry knows of a method.
#[derive(Debug, Clone, Copy)]
pub struct MethodEntry {
    /// Its name: a configuration's `method`, and the beginning of its presets' names. Without `_`, which separates the
    /// parts of a preset's name.
    pub name: &'static str,
    /// Builds it from the sections of a configuration that it reads.
    pub build: fn(&RunConfig) -> Result<Box<dyn AnyMethod>, MethodError>,
    /// Its preset files, by name and text: see [`presets`](crate::presets()).
    pub presets: &'static [(&'static str, &'static str)],
    /// The clustering of one modality on its own that its configuration describes, for looking at clusters outside a
    /// run; mostly [`read_clustering`].
    pub clustering: fn(&RunConfig) -> Result<ClusteringSettings, MethodError>,
}

/// Every method that this process knows, first those that come with the project. To add one, write its module and list
/// it here.
static METHODS: LazyLock<RwLock<Vec<MethodEntry>>> =
    LazyLock::new(|| RwLock::new(vec![mbccm::ENTRY, mult::ENTRY, mmm::ENTRY, dmic::ENTRY, ecul::ENTRY, bmil::ENTRY]));

/// Makes a method of your own known by its name, with its presets, for the rest of the process. A method that had the
/// name before is replaced.
///
/// # Errors
///
/// `VR0502` for a name that the names of presets can't hold.
pub fn register(entry: MethodEntry) -> Result<(), MethodError> {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if entry.name.is_empty() || !entry.name.chars().all(is_plain) {
        let message = format!("'{}' can't be the name of a method: a to z, 0 to 9 and - are allowed", entry.name);
        return Err(MethodError::Config(message));
    }
    let mut entries = METHODS.write().unwrap_or_else(PoisonError::into_inner);
    entries.retain(|known| known.name != entry.name);
    entries.push(entry);
    Ok(())
}

/// The entries of all methods: the built-in ones, then those that were registered.
pub fn entries() -> Vec<MethodEntry> {
    METHODS.read().unwrap_or_else(PoisonError::into_inner).clone()
}

/// The names of all methods, in the order of [`entries`].
pub fn methods() -> impl Iterator<Item = &'static str> {
    entries().into_iter().map(|entry| entry.name)
}

/// Builds the method that a configuration names.
///
/// # Errors
///
/// `VR0503` for an unknown name; `VR0501` for a setting that the method does not read, `VR0502` for a value that can't be
/// used.
pub fn build(config: &RunConfig) -> Result<Box<dyn AnyMethod>, MethodError> {
    (entry(&config.engine.method)?.build)(config)
}

/// The clustering of one modality on its own that a configuration describes. For a method that is not known here,
/// `[clustering]` is read as most methods have it.
///
/// # Errors
///
/// `VR0501` for an unknown key of `[clustering]`, `VR0502` for an unusable value.
pub fn clustering(config: &RunConfig) -> Result<ClusteringSettings, MethodError> {
    // A run of a method that this program does not know has its clusters looked at too.
    entry(&config.engine.method).map_or(read_clustering as fn(&RunConfig) -> _, |entry| entry.clustering)(config)
}

fn entry(name: &str) -> Result<MethodEntry, MethodError> {
    entries().into_iter().find(|entry| entry.name == name).ok_or_else(|| MethodError::Unknown {
        what: "method",
        name: name.into(),
        known: methods().map(str::to_string).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `my_method_sysu_quick` was taken for a preset of a method `my`.
    #[test]
    fn names_that_presets_can_not_hold_are_refused() {
        for name in ["", "my_method", "Mine"] {
            let said = register(MethodEntry { name, ..mbccm::ENTRY }).unwrap_err().to_string();
            assert!(said.starts_with("VR0502") && said.contains(&format!("'{name}'")), "{said}");
        }
        assert_eq!(methods().count(), 6);
    }
}
