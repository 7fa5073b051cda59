use std::path::{Path, PathBuf};

use vireid_core::{Camera, Identity, PerModality};

use super::{images_in, name_of};
use crate::{DataError, Dataset, Names, Sample, TestSplit};

const NAME: &str = "SYSU-MM01 (converted)";
const HINT: &str = "see datasets/sysu-mm01.md for the converted layout";

/// Reads SYSU-MM01 as the unsupervised methods' scripts convert it: `rgb_modify` and `ir_modify`, each with
/// `bounding_box_train`, `query` and `bounding_box_test`, files named `<id>_c<camera>_<name>`.
///
/// The test images of an identity are split over `query` and `bounding_box_test`; together they are the original's.
///
/// # Errors
///
/// `VR0101`, `VR0102`, `VR0103` (a file name without identity and camera).
pub fn read_sysu_converted(root: &Path) -> Result<Dataset, DataError> {
    if !root.is_dir() {
        return Err(DataError::MissingRoot { dataset: NAME, path: root.into(), hint: HINT });
    }
    let part = |modality: &str, part: &str| -> Result<Vec<Sample>, DataError> {
        let folder = root.join(modality).join(part);
        if !folder.is_dir() {
            return Err(DataError::MissingPart { dataset: NAME, path: folder, hint: HINT });
        }
        images_in(&folder)?.into_iter().map(sample).collect()
    };
    let test = |modality: &str| -> Result<Vec<Sample>, DataError> {
        let mut samples = part(modality, "query")?;
        samples.extend(part(modality, "bounding_box_test")?);
        // The original listing: by identity, camera and file name, whichever of the two folders a file is in.
        samples.sort_by(|a, b| a.path.file_name().cmp(&b.path.file_name()));
        Ok(samples)
    };
    let (name, synthetic) = name_of(NAME, root);
    Ok(Dataset {
        name,
        synthetic,
        train: PerModality {
            visible: part("rgb_modify", "bounding_box_train")?,
            infrared: part("ir_modify", "bounding_box_train")?,
        },
        test: TestSplit::Sysu { queries: test("ir_modify")?, pool: test("rgb_modify")? },
        names: Names::default(),
    })
}

/// Identity and camera from a file name such as `0006_c3_0001.jpg`. Only the base name counts: a folder may match too.
fn sample(path: PathBuf) -> Result<Sample, DataError> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let parsed = name.split_once("_c").and_then(|(identity, rest)| {
        let camera = rest.chars().next()?.to_digit(10)?;
        Some((identity.parse::<u32>().ok()?, camera as u16))
    });
    match parsed {
        Some((identity, camera)) => Ok(Sample { identity: Some(Identity(identity)), camera: Camera(camera), path }),
        None => Err(DataError::MalformedList { reason: "the name is not <id>_c<camera>_...".into(), line: 0, path }),
    }
}
