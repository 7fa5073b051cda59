use std::path::Path;

use vireid_core::{Camera, PerModality};

use super::{labelled_paths, name_of};
use crate::{DataError, Dataset, Names, Sample, TestSplit};

const NAME: &str = "RegDB";
const HINT: &str = "see datasets/regdb.md for how to get and lay out the data";

/// Camera numbers given to RegDB's two cameras, which the data set does not number.
const VISIBLE_CAMERA: Camera = Camera(1);
const THERMAL_CAMERA: Camera = Camera(2);

/// Reads one of RegDB's ten trials: lists `idx/{train,test}_{visible,thermal}_<trial>.txt` of `path label` lines.
///
/// # Errors
///
/// `VR0101` to `VR0103`.
pub fn read_regdb(root: &Path, trial: u32) -> Result<Dataset, DataError> {
    if !root.is_dir() {
        return Err(DataError::MissingRoot { dataset: NAME, path: root.into(), hint: HINT });
    }
    let list = |split: &str, modality: &str, camera| samples(root, &format!("{split}_{modality}_{trial}.txt"), camera);
    let (name, synthetic) = name_of(&format!("{NAME} trial {trial}"), root);
    Ok(Dataset {
        name,
        synthetic,
        train: PerModality {
            visible: list("train", "visible", VISIBLE_CAMERA)?,
            infrared: list("train", "thermal", THERMAL_CAMERA)?,
        },
        test: TestSplit::RegDb {
            visible: list("test", "visible", VISIBLE_CAMERA)?,
            thermal: list("test", "thermal", THERMAL_CAMERA)?,
        },
        names: Names::default(),
    })
}

fn samples(root: &Path, file: &str, camera: Camera) -> Result<Vec<Sample>, DataError> {
    let path = root.join("idx").join(file);
    if !path.is_file() {
        return Err(DataError::MissingPart { dataset: NAME, path, hint: HINT });
    }
    let mut samples: Vec<Sample> = labelled_paths(&path)?
        .into_iter()
        .map(|(image, identity)| Sample { path: root.join(image), identity: Some(identity), camera })
        .collect();
    // String order of the paths, in which ".../10/..." stands before ".../2/...".
    samples.sort_by(|a, b| a.path.as_os_str().cmp(b.path.as_os_str()));
    Ok(samples)
}
