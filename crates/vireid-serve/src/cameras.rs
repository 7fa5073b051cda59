//! The names of the gallery's cameras, remembered for a moment.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use vireid_gallery::{Filter, GalleryError, Store};

use crate::service::every;

/// The most names that are told.
const MOST: usize = 1000;
/// How long names are believed: other programs can write to the same engine.
const AGE: Duration = Duration::from_secs(60);

/// The names of the gallery's cameras, so that not every question about them looks at all entries.
#[derive(Default)]
pub struct Cameras(Mutex<Known>);

#[derive(Default)]
struct Known {
    names: Option<(BTreeSet<String>, Instant)>,
    /// Grows with every change, so that a look that began before it is not kept.
    changes: u64,
}

impl Cameras {
    // No panic leaves it half changed.
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An entry was added.
    pub fn add(&self, camera: &str) {
        let mut known = self.lock();
        known.changes += 1;
        if let Some((names, _)) = &mut known.names
            && !camera.is_empty()
        {
            names.insert(camera.into());
        }
    }

    /// Entries are gone.
    pub fn forget(&self) {
        let mut known = self.lock();
        known.changes += 1;
        known.names = None;
    }

    /// The names, sorted, at most 1000.
    pub fn names(&self, store: &dyn Store) -> Result<Vec<String>, GalleryError> {
        let before = {
            let known = self.lock();
            if let Some((names, since)) = &known.names
                && since.elapsed() < AGE
            {
                return Ok(names.iter().take(MOST).cloned().collect());
            }
            known.changes
        };
        let mut names = BTreeSet::new();
        every(store, &Filter::default(), |kept| {
            if !kept.facts.camera.is_empty() && !names.contains(&kept.facts.camera) {
                names.insert(kept.facts.camera);
            }
        })?;
        let first = names.iter().take(MOST).cloned().collect();
        let mut known = self.lock();
        if known.changes == before {
            known.names = Some((names, Instant::now()));
        }
        Ok(first)
    }
}
