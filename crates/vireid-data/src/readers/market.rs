use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use vireid_core::{Camera, Identity, PerModality};

use super::listing::Listing;
use super::people::note_trained_on;
use super::{INFRARED_CAMERAS, VISIBLE_CAMERAS, malformed, name_of};
use crate::notes::Notes;
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
/// `VR0101`, `VR0102`, `VR0103` (a file name without identity and camera, or with a camera that the modality does not have).
pub fn read_sysu_converted(root: &Path) -> Result<Dataset, DataError> {
    if !root.is_dir() {
        return Err(DataError::MissingRoot { dataset: NAME, path: root.into(), hint: HINT });
    }
    let mut notes = Notes::default();
    let mut part = |modality: &str, part: &str, cameras: &[u16]| -> Result<Vec<Sample>, DataError> {
        let folder = root.join(modality).join(part);
        if !folder.is_dir() {
            return Err(DataError::MissingPart { dataset: NAME, path: folder, hint: HINT });
        }
        let mut samples = Vec::new();
        for path in Listing::images_in(&folder, &mut notes)? {
            match sample(&path, cameras)? {
                Some(sample) => samples.push(sample),
                None => notes.leave_out(&path, "nobody's: its identity is below 0"),
            }
        }
        Ok(samples)
    };
    let train = PerModality {
        visible: part("rgb_modify", "bounding_box_train", &VISIBLE_CAMERAS)?,
        infrared: part("ir_modify", "bounding_box_train", &INFRARED_CAMERAS)?,
    };
    let mut test = |modality: &str, cameras: &[u16]| -> Result<Vec<Sample>, DataError> {
        let mut samples = part(modality, "query", cameras)?;
        samples.extend(part(modality, "bounding_box_test", cameras)?);
        // The original listing: by identity, camera and file name, whichever of the two folders a file is in.
        samples.sort_by(|a, b| a.path.file_name().cmp(&b.path.file_name()));
        Ok(samples)
    };
    let (queries, pool) = (test("ir_modify", &INFRARED_CAMERAS)?, test("rgb_modify", &VISIBLE_CAMERAS)?);
    let people = |lists: [&[Sample]; 2]| -> BTreeSet<u32> {
        lists.into_iter().flatten().filter_map(|sample| sample.identity).map(|identity| identity.0).collect()
    };
    note_trained_on(&people([&train.visible, &train.infrared]), &people([&queries, &pool]), &mut notes);
    let (name, synthetic) = name_of(NAME, root);
    let test = TestSplit::Sysu { queries, pool };
    Ok(Dataset { name, synthetic, train, test, notes: notes.into_sentences(), names: Names::default() })
}

/// Identity and camera from a file name such as `0006_c3_0001.jpg`; nothing for an identity below 0, as such layouts name
/// crops of nobody. Only the base name counts: a folder may match too.
fn sample(path: &Path, cameras: &[u16]) -> Result<Option<Sample>, DataError> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let parsed = name.split_once("_c").and_then(|(identity, rest)| {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
        Some((identity.parse::<i64>().ok()?, rest[..digits].parse::<u16>().ok()?))
    });
    let Some((identity, camera)) = parsed else {
        return Err(malformed(path, 0, "the name is not <id>_c<camera>_...".into()));
    };
    if !cameras.contains(&camera) {
        let known = cameras.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
        let reason = format!("its name has camera {camera}; this modality has {known}");
        return Err(malformed(path, 0, reason));
    }
    let sample =
        |identity| Sample { path: PathBuf::from(path), identity: Some(Identity(identity)), camera: Camera(camera) };
    Ok(u32::try_from(identity).ok().map(sample))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn layout(names: [&str; 2]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let base = [("rgb_modify", "0001_c1_0001.jpg"), ("ir_modify", "0001_c3_0001.jpg")];
        for ((modality, name), added) in base.into_iter().zip(names) {
            for part in ["bounding_box_train", "query", "bounding_box_test"] {
                let of_part = folder.path().join(modality).join(part);
                fs::create_dir_all(&of_part).unwrap();
                fs::write(of_part.join(name), b"not looked into").unwrap();
            }
            fs::write(folder.path().join(modality).join("bounding_box_train").join(added), b"").unwrap();
        }
        folder
    }

    #[test]
    fn cameras_are_whole_numbers_that_the_modality_has() {
        for (names, word) in [
            (["0002_c12_0001.jpg", "0002_c6_0001.jpg"], "camera 12"),
            (["0002_c3_0001.jpg", "0002_c6_0001.jpg"], "has 1, 2, 4, 5"),
            (["0002_c5_0001.jpg", "0002_c65_0001.jpg"], "camera 65"),
            (["0002_c5_0001.jpg", "0002_c4_0001.jpg"], "has 3, 6"),
            (["0002_5_0001.jpg", "0002_c6_0001.jpg"], "<id>_c<camera>"),
        ] {
            let error = read_sysu_converted(layout(names).path()).unwrap_err().to_string();
            assert!(error.starts_with("VR0103") && error.contains(word) && !error.contains("line"), "{error}");
        }
        let folder = layout(["0002_c5s1_0001.jpg", "-1_c6_0001.jpg"]);
        let dataset = read_sysu_converted(folder.path()).unwrap();
        assert_eq!(dataset.train.visible[1].camera, Camera(5));
        assert_eq!(dataset.train.infrared.len(), 1);
        assert!(dataset.notes[1].contains("-1_c6_0001.jpg"), "{:?}", dataset.notes);
        // The test's only person is one of training's.
        assert!(dataset.notes[0].contains("1 is in training too"), "{:?}", dataset.notes);
    }
}
