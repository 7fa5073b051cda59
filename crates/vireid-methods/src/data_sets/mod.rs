//! The list of data sets: the one place to add to when there is a new one.
//!
//! A [`DataSet`] says all that is to be known of it: how a folder of it is recognised and read, how it is scored, its published
//! numbers, its presets, what stands in for it. To add one here, write its file and a line in `BUILT_IN`; in a program of your
//! own, [`register`] it. `docs/adding-a-data-set.md` shows how.

mod data_set;
mod llcm;
mod own;
mod regdb;
mod sysu;

use std::path::Path;
use std::sync::{PoisonError, RwLock};

pub use data_set::{Counts, DataSet, DrawProgress, Layout, PartCounts, StandIn};
pub use llcm::LLCM;
pub use own::OWN;
pub use regdb::REGDB;
pub use sysu::SYSU;

use crate::MethodError;

/// The data sets that come with the project, in the order in which they are listed and a path is tried.
static BUILT_IN: [&DataSet; 4] = [&SYSU, &REGDB, &LLCM, &OWN];

static REGISTERED: RwLock<Vec<&'static DataSet>> = RwLock::new(Vec::new());

fn registered() -> Vec<&'static DataSet> {
    REGISTERED.read().unwrap_or_else(PoisonError::into_inner).clone()
}

/// All data sets: the built-in ones, then those that were registered.
pub fn data_sets() -> impl Iterator<Item = &'static DataSet> {
    BUILT_IN.into_iter().chain(registered())
}

/// The data set of a [name](DataSet::name), not of a layout or stand-in; `None` for an unknown one.
pub fn find(name: &str) -> Option<&'static DataSet> {
    data_sets().find(|data_set| data_set.name == name)
}

/// The data set that lies at a path, and how, judged by names of files and folders alone; `None` where none does.
/// Registered ones are tried first: the layouts of the others may be a part of theirs.
pub fn recognise(path: &Path) -> Option<(&'static DataSet, &'static Layout)> {
    let mut known = registered().into_iter().chain(BUILT_IN);
    known.find_map(|data_set| Some((data_set, data_set.layouts().find(|layout| (layout.is_at)(path))?)))
}

/// Adds a data set to those that are known in this process: from here on it is recognised, it has its presets, and it
/// is on the list of kinds of data. Do so before anything else is read.
///
/// # Errors
///
/// `VR0502` for a name that is taken, or that a preset's name can't hold.
pub fn register(data_set: &'static DataSet) -> Result<(), MethodError> {
    let mut registered = REGISTERED.write().unwrap_or_else(PoisonError::into_inner);
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if data_set.name.is_empty() || !data_set.name.chars().all(is_plain) {
        let message = format!("'{}' can't be the name of a data set: a to z, 0 to 9 and - are allowed", data_set.name);
        return Err(MethodError::Config(message));
    }
    let known: Vec<&str> = BUILT_IN.iter().chain(registered.iter()).flat_map(|known| names(known)).collect();
    if let Some(taken) = names(data_set).find(|name| known.contains(name)) {
        return Err(MethodError::Config(format!("there is a data set '{taken}' already")));
    }
    registered.push(data_set);
    Ok(())
}

/// Every name that a data set is called by on a command line.
fn names(data_set: &DataSet) -> impl Iterator<Item = &str> {
    let forms = data_set.layouts().map(|layout| layout.name).chain(data_set.stand_in.as_ref().map(|world| world.name));
    std::iter::once(data_set.name).chain(forms)
}

#[cfg(test)]
mod tests {
    use vireid_data::synthetic::{WorldSize, WorldSpec};

    use super::*;

    #[test]
    fn a_stand_in_is_recognised_read_and_scored_as_what_it_stands_for() {
        let mut drawn = 0;
        for data_set in BUILT_IN {
            let Some(world) = &data_set.stand_in else { continue };
            let folder = tempfile::tempdir().unwrap();
            let size = WorldSize::Small { train: 2, test: 2, visible: 1, infrared: 1 };
            (world.draw)(folder.path(), 0, &WorldSpec { size, ..(world.spec)() }, &|_, _| ()).unwrap();
            let (found, layout) = recognise(folder.path()).unwrap();
            assert_eq!(found.name, data_set.name);
            let last = *data_set.trials().end();
            let dataset = (layout.read)(folder.path(), last).unwrap();
            assert!(dataset.synthetic && dataset.notes.is_empty(), "{:?}", dataset.notes);
            assert_eq!(dataset.test.protocol.unwrap().name(), (data_set.protocol)().name());
            drawn += 1;
        }
        assert_eq!(drawn, 3);
    }

    #[test]
    fn names_are_taken_once() {
        let mut all: Vec<&str> = BUILT_IN.iter().flat_map(|data_set| names(data_set)).collect();
        all.sort_unstable();
        all.dedup();
        let expected =
            ["folder", "llcm", "manifest", "own", "regdb", "synthetic", "synthetic-llcm", "synthetic-regdb", "sysu"];
        assert_eq!(all, expected);
        let said = register(&REGDB).unwrap_err().to_string();
        assert!(said.starts_with("VR0502") && said.contains("'regdb' already"), "{said}");
    }

    #[test]
    fn published_parts_add_up() {
        let of = |data_set: &DataSet| {
            let counts = data_set.published.unwrap();
            let images = |part: PartCounts| part.images.visible + part.images.infrared;
            (counts.train.identities + counts.test.identities, images(counts.train) + images(counts.test))
        };
        assert_eq!(of(&SYSU), (491, 44_745));
        assert_eq!(of(&REGDB), (412, 8_240));
        assert_eq!(of(&LLCM), (1_064, 46_767));
    }
}
