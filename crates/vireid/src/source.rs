//! Where the images of a run come from.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use vireid_core::Streams;
use vireid_data::synthetic::WorldSize;
use vireid_data::{DataError, Dataset};
use vireid_methods::{MethodError, RunDir};

use crate::DataKind;
use crate::worlds::draw_with;

/// A data set in a folder of a folder, as archives unpack them; any table would be taken for a manifest.
fn known_inside(path: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(path).ok()?.flatten().map(|entry| entry.path());
    let mut inside: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    inside.sort_unstable();
    inside.into_iter().find(|path| DataKind::guess(path).is_some())
}

/// File of a run directory that says what the run is trained on.
const RECORD: &str = "data.json";

/// The record of a run.
#[derive(Serialize, Deserialize)]
struct Recorded {
    #[serde(flatten)]
    source: DataSource,
    /// Whether images that can't be used are left out.
    skip_corrupt: bool,
}

/// The seed of the synthetic world where none is named: the one of ten whose gain in mAP by MBCCM's quick preset is their
/// median. Measured with `cargo xtask worlds`; a test of the studies holds it to what was found.
pub const DEFAULT_WORLD: u64 = 1;

/// Where the images of a run come from: a data set on disk, or a synthetic world.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DataSource {
    /// What kind of data set it is; decides which reader opens it.
    pub kind: DataKind,
    /// Where it is; synthetic worlds are drawn there if they are not.
    pub path: PathBuf,
    /// Which split, for a data set with several.
    pub trial: u32,
    /// Seed of a synthetic world; other kinds ignore it.
    pub world_seed: u64,
    /// Whether a synthetic world has the real data set's own numbers of images.
    pub full_world: bool,
    /// Share of the training people, 0 to 1, that only one modality sees: see [`Dataset::unpair`].
    #[serde(default, skip_serializing_if = "is_none")]
    pub unpaired: f64,
}

fn is_none(share: &f64) -> bool {
    *share <= 0.0
}

impl DataSource {
    /// What is at `path`, or the synthetic world of `world_seed` in `cache` when there is no path.
    ///
    /// # Errors
    ///
    /// `VR0101` when nothing is there, `VR0111` when the kind of data set there can't be recognised.
    pub fn new(
        path: Option<&Path>,
        kind: Option<DataKind>,
        world_seed: u64,
        full_world: bool,
    ) -> Result<Self, DataError> {
        let with = |kind: DataKind, path: PathBuf| Self { kind, path, trial: 1, world_seed, full_world, unpaired: 0.0 };
        match (path, kind) {
            (Some(path), Some(kind)) => Ok(with(kind, path.into())),
            (Some(path), None) => match DataKind::guess(path) {
                Some(kind) => Ok(with(kind, path.into())),
                None if !path.exists() => {
                    let hint = "a folder or a manifest of images is what can be read";
                    Err(DataError::MissingRoot { dataset: "data", path: path.into(), hint })
                }
                None => Err(DataError::UnknownLayout { path: path.into(), known: known_inside(path) }),
            },
            (None, kind) => {
                let kind = kind.unwrap_or_default();
                if !kind.is_world() {
                    return Err(DataError::UnknownLayout { path: PathBuf::from(""), known: None });
                }
                let size = if full_world { "-full" } else { "" };
                let folder = format!("{}-{world_seed}{size}", kind.preset());
                Ok(with(kind, Path::new("data").join("synthetic").join(folder)))
            }
        }
    }

    /// Reads the lists of images, with a progress bar where a world is drawn first.
    ///
    /// # Errors
    ///
    /// What is wrong with the data.
    pub fn open(&self) -> Result<Dataset, DataError> {
        self.open_with(true)
    }

    /// As [`open`](Self::open), where there may be no bar.
    ///
    /// # Errors
    ///
    /// What is wrong with the data.
    pub fn open_with(&self, bar: bool) -> Result<Dataset, DataError> {
        let path = self.path.as_path();
        if let Some(world) = self.kind.drawn() {
            let mut spec = (world.spec)();
            if self.full_world {
                spec.size = WorldSize::Full;
            }
            draw_with(bar, |progress| (world.draw)(path, self.world_seed, &spec, progress))?;
        }
        let mut dataset = (self.kind.layout().read)(path, self.trial)?;
        if self.unpaired > 0.0 {
            // Who it is does not depend on the run's seed: it belongs to the data.
            dataset.unpair(self.unpaired, &mut Streams::new(self.world_seed).stream("unpaired", [0; 3]))?;
        }
        Ok(dataset)
    }

    /// Reads the lists of images of a data set that is to be trained on.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), and `VR0102` or `VR0106` where a modality is missing.
    pub fn open_to_train(&self, bar: bool) -> Result<Dataset, DataError> {
        let dataset = self.open_with(bar)?;
        (self.kind.layout().check_to_train)(&self.path)?;
        dataset.check_modalities()?;
        Ok(dataset)
    }

    /// The files that say which images there are: none of them may be written over while they are read.
    pub fn lists(&self) -> Vec<PathBuf> {
        (self.kind.layout().lists)(&self.path)
    }

    /// The source that a run was trained on; `None` where the run directory has no word of it.
    ///
    /// # Errors
    ///
    /// `VR0510` when it has one that can't be read.
    pub fn of_run(run: &Path) -> Result<Option<Self>, MethodError> {
        Ok(recorded(run)?.map(|recorded| recorded.source))
    }

    /// Whether a run leaves out images that can't be used.
    ///
    /// # Errors
    ///
    /// As [`of_run`](Self::of_run).
    pub fn is_skipping(run: &Path) -> Result<bool, MethodError> {
        Ok(recorded(run)?.is_some_and(|recorded| recorded.skip_corrupt))
    }

    /// Keeps in a run directory what the run is trained on, wherever it is used from later.
    ///
    /// # Errors
    ///
    /// `VR0509`; `VR0510` for a path that is not text.
    pub fn record(&self, run: &RunDir, skip_corrupt: bool) -> Result<(), MethodError> {
        let path = std::path::absolute(&self.path).unwrap_or_else(|_| self.path.clone());
        run.write_json(RECORD, &Recorded { source: Self { path, ..self.clone() }, skip_corrupt })
    }
}

fn recorded(run: &Path) -> Result<Option<Recorded>, MethodError> {
    let path = run.join(RECORD);
    let damaged = |reason: String| {
        let path = path.display();
        MethodError::RunDir(format!(
            "{path} is damaged ({reason}), so the run's data are not known; delete it and name the data"
        ))
    };
    match std::fs::read_to_string(&path) {
        Ok(text) => serde_json::from_str(&text).map(Some).map_err(|error| damaged(error.to_string())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(damaged(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_set_in_a_folder_of_its_archive_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("results.csv"), "method,rank1\n").unwrap();
        let refused = || DataSource::new(Some(folder.path()), None, 0, false).unwrap_err().to_string();
        assert!(!refused().contains("results.csv"), "a table is no data set's folder: {}", refused());
        let inside = folder.path().join("SYSU-MM01");
        std::fs::create_dir_all(inside.join("exp")).unwrap();
        std::fs::write(inside.join("exp/train_id.txt"), "1").unwrap();
        let error = refused();
        assert!(
            error.starts_with("VR0111") && error.contains("there is a data set in") && error.contains("SYSU-MM01"),
            "{error}"
        );
    }
}
