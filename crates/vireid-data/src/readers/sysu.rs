use std::fs;
use std::path::Path;

use vireid_core::{Camera, Identity, PerModality};

use super::{images_in, name_of};
use crate::{DataError, Dataset, Names, Sample, TestSplit};

pub(crate) const VISIBLE_CAMERAS: [u16; 4] = [1, 2, 4, 5];
pub(crate) const INFRARED_CAMERAS: [u16; 2] = [3, 6];
const NAME: &str = "SYSU-MM01";
const HINT: &str = "see datasets/sysu-mm01.md for how to get and lay out the data";

/// Reads SYSU-MM01 as released: `cam1..cam6/<id>/<n>.jpg`, split lists in `exp/`.
///
/// Training takes the identities of `train_id.txt` and `val_id.txt`. Visible cameras are 1, 2, 4, 5, infrared ones 3, 6.
/// An identity that a camera did not see has no folder there; an existing empty folder is an error.
///
/// # Errors
///
/// `VR0101` to `VR0104`.
pub fn read_sysu(root: &Path) -> Result<Dataset, DataError> {
    if !root.is_dir() {
        return Err(DataError::MissingRoot { dataset: NAME, path: root.into(), hint: HINT });
    }
    let mut train_identities = split_list(root, "train_id.txt")?;
    train_identities.extend(split_list(root, "val_id.txt")?);
    train_identities.sort_unstable();
    train_identities.dedup();
    let test_identities = split_list(root, "test_id.txt")?;

    let (name, synthetic) = name_of(NAME, root);
    let dataset = Dataset {
        name,
        synthetic,
        train: PerModality {
            visible: samples(root, &train_identities, &VISIBLE_CAMERAS)?,
            infrared: samples(root, &train_identities, &INFRARED_CAMERAS)?,
        },
        test: TestSplit::Sysu {
            queries: samples(root, &test_identities, &INFRARED_CAMERAS)?,
            pool: samples(root, &test_identities, &VISIBLE_CAMERAS)?,
        },
        names: Names::default(),
    };
    for &identity in train_identities.iter().chain(&test_identities) {
        let seen = (1..=6).any(|camera| folder(root, camera, identity).is_dir());
        if !seen {
            return Err(DataError::EmptyFolder { path: root.join("cam*").join(format!("{identity:04}")) });
        }
    }
    Ok(dataset)
}

fn split_list(root: &Path, file: &str) -> Result<Vec<u32>, DataError> {
    let path = root.join("exp").join(file);
    if !path.is_file() {
        return Err(DataError::MissingPart { dataset: NAME, path, hint: HINT });
    }
    let text = fs::read_to_string(&path).map_err(DataError::io("can't read", &path))?;
    let line = text.lines().next().unwrap_or_default();
    let mut identities = line
        .split(',')
        .map(|word| {
            word.trim().parse::<u32>().map_err(|_| DataError::MalformedList {
                path: path.clone(),
                line: 1,
                reason: format!(
                    "'{}' is not an identity; one line of comma-separated numbers is expected",
                    word.trim()
                ),
            })
        })
        .collect::<Result<Vec<u32>, _>>()?;
    identities.sort_unstable();
    Ok(identities)
}

fn folder(root: &Path, camera: u16, identity: u32) -> std::path::PathBuf {
    root.join(format!("cam{camera}")).join(format!("{identity:04}"))
}

/// All images of the identities under the cameras, in path order.
fn samples(root: &Path, identities: &[u32], cameras: &[u16]) -> Result<Vec<Sample>, DataError> {
    let mut samples = Vec::new();
    for &camera in cameras {
        let camera_folder = root.join(format!("cam{camera}"));
        if !camera_folder.is_dir() {
            return Err(DataError::MissingPart { dataset: NAME, path: camera_folder, hint: HINT });
        }
        for &identity in identities {
            let folder = folder(root, camera, identity);
            let files = images_in(&folder)?;
            if files.is_empty() && folder.is_dir() {
                return Err(DataError::EmptyFolder { path: folder });
            }
            samples.extend(files.into_iter().map(|path| Sample {
                path,
                identity: Some(Identity(identity)),
                camera: Camera(camera),
            }));
        }
    }
    samples.sort_unstable();
    Ok(samples)
}
