//! The reader of SYSU-MM01 as the methods' scripts convert it.

use std::collections::{BTreeSet, HashSet};
use std::ffi::{OsStr, OsString};
use std::path::Path;

use vireid_core::{Camera, Identity, PerModality};
use vireid_eval::sysu::SysuProtocol;

use super::listing::{Listing, note_beside};
use super::people::note_trained_on;
use super::sysu::PARTS;
use super::{INFRARED_CAMERAS, VISIBLE_CAMERAS, malformed, name_of};
use crate::notes::Notes;
use crate::{DataError, Dataset, Names, Sample, TestSplit};

const NAME: &str = "SYSU-MM01 (converted)";
const HINT: &str = "see docs/data/sysu.md for the converted layout";
const MODALITIES: [&str; 2] = ["rgb_modify", "ir_modify"];
const TRAIN: &str = "bounding_box_train";
const QUERY: &str = "query";
const GALLERY: &str = "bounding_box_test";

/// Reads SYSU-MM01 as the unsupervised methods' scripts convert it: `rgb_modify` and `ir_modify`, each with
/// `bounding_box_train`, `query` and `bounding_box_test`, files named `<id>_c<camera>_<name>`.
///
/// The test images of an identity are split over `query` and `bounding_box_test`; together they are the original's. An image
/// that is in both counts once.
///
/// # Errors
///
/// `VR0101`, `VR0102`, `VR0103` (a file name without identity and camera, or with a camera that the modality does not have).
pub fn read_sysu_converted(root: &Path) -> Result<Dataset, DataError> {
    if !root.is_dir() {
        return Err(DataError::MissingRoot { dataset: NAME, path: root.into(), hint: HINT });
    }
    let mut notes = Notes::default();
    let [visible, infrared] = MODALITIES.map(|modality| root.join(modality));
    let train = PerModality {
        visible: part(&visible, TRAIN, &VISIBLE_CAMERAS, &mut notes)?,
        infrared: part(&infrared, TRAIN, &INFRARED_CAMERAS, &mut notes)?,
    };
    let trained_on: HashSet<&OsStr> =
        train.visible.iter().chain(&train.infrared).filter_map(|sample| sample.path.file_name()).collect();
    let mut test = |modality: &Path, cameras: &[u16]| -> Result<Vec<Sample>, DataError> {
        let mut samples = part(modality, QUERY, cameras, &mut notes)?;
        let queries: HashSet<OsString> =
            samples.iter().filter_map(|sample| Some(sample.path.file_name()?.to_owned())).collect();
        for sample in part(modality, GALLERY, cameras, &mut notes)? {
            match sample.path.file_name().is_some_and(|name| queries.contains(name)) {
                true => notes.leave_out(&sample.path, "in query as well, by its name"),
                false => samples.push(sample),
            }
        }
        let is_trained_on = |sample: &&Sample| sample.path.file_name().is_some_and(|name| trained_on.contains(name));
        let names = samples.iter().filter(is_trained_on).map(|sample| sample.path.display());
        notes.say_of("test images that have the names of training images".into(), names);
        // The original listing: by identity, camera and file name, whichever of the two folders a file is in.
        samples.sort_by(|a, b| a.path.file_name().cmp(&b.path.file_name()));
        Ok(samples)
    };
    let (queries, pool) = (test(&infrared, &INFRARED_CAMERAS)?, test(&visible, &VISIBLE_CAMERAS)?);
    let people = |lists: [&[Sample]; 2]| -> BTreeSet<u32> {
        lists.into_iter().flatten().filter_map(|sample| sample.identity).map(|identity| identity.0).collect()
    };
    note_trained_on(&people([&train.visible, &train.infrared]), &people([&queries, &pool]), &mut notes);
    // The scripts write into the folder of the original.
    note_beside(root, &[&MODALITIES[..], &PARTS].concat(), &mut notes)?;
    for folder in [&visible, &infrared] {
        note_beside(folder, &[TRAIN, QUERY, GALLERY], &mut notes)?;
    }
    let (name, synthetic) = name_of(NAME, root);
    let test = TestSplit::new(SysuProtocol, PerModality { visible: pool, infrared: queries });
    Ok(Dataset { name, synthetic, train, test, notes: notes.into_texts(), names: Names::default() })
}

/// The images of one of a modality's folders.
fn part(modality: &Path, part: &str, cameras: &[u16], notes: &mut Notes) -> Result<Vec<Sample>, DataError> {
    let folder = modality.join(part);
    if !folder.is_dir() {
        return Err(DataError::MissingPart { dataset: NAME, path: folder, hint: HINT });
    }
    let mut samples = Vec::new();
    for path in Listing::images_in(&folder, notes)? {
        match sample(&path, cameras).map_err(|reason| malformed(&path, 0, reason))? {
            Some(sample) => samples.push(sample),
            None => notes.leave_out(&path, "of no person: its identity is below 0"),
        }
    }
    Ok(samples)
}

/// Identity and camera from a file name such as `0006_c3_0001.jpg`; nothing for an identity below 0, as such layouts name
/// crops of no person. Only the base name counts: a folder may match too.
fn sample(path: &Path, cameras: &[u16]) -> Result<Option<Sample>, String> {
    // What else a name may hold, even what is no text, is nothing to this reader.
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let digits = |text: &str| text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let parsed = name.split_once("_c").and_then(|(identity, rest)| {
        let (number, camera) = (identity.strip_prefix('-').unwrap_or(identity), &rest[..digits(rest)]);
        let is_number = !number.is_empty() && digits(number) == number.len();
        (is_number && !camera.is_empty()).then_some((identity, camera))
    });
    let Some((identity, camera)) = parsed else {
        return Err("the name is not <id>_c<camera>_...".into());
    };
    let Some(camera) = camera.parse().ok().filter(|camera| cameras.contains(camera)).map(Camera) else {
        let known = cameras.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
        return Err(format!("its name has camera {camera}; this modality has {known}"));
    };
    if identity.starts_with('-') {
        return Ok(None);
    }
    let person =
        identity.parse().map_err(|_| format!("its name has the identity {identity}, which is too large a number"))?;
    Ok(Some(Sample { path: path.into(), identity: Some(Identity(person)), camera }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// An image in each part of each modality, and one more of given name to train on.
    fn layout(names: [&str; 2]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for ((modality, camera), added) in MODALITIES.into_iter().zip([1, 3]).zip(names) {
            for (number, part) in [TRAIN, QUERY, GALLERY].into_iter().enumerate() {
                add(folder.path(), format!("{modality}/{part}/0001_c{camera}_000{number}.jpg"));
            }
            add(folder.path(), format!("{modality}/{TRAIN}/{added}"));
        }
        folder
    }

    fn add(root: &Path, file: impl AsRef<Path>) {
        let path = root.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, b"not looked into").unwrap();
    }

    #[test]
    fn cameras_are_whole_numbers_that_the_modality_has() {
        for (names, word) in [
            (["0002_c12_0001.jpg", "0002_c6_0001.jpg"], "camera 12"),
            (["0002_c3_0001.jpg", "0002_c6_0001.jpg"], "has 1, 2, 4, 5"),
            (["0002_c5_0001.jpg", "0002_c65_0001.jpg"], "camera 65"),
            (["0002_c5_0001.jpg", "0002_c70000_0001.jpg"], "camera 70000"),
            (["0002_c5_0001.jpg", "0002_c4_0001.jpg"], "has 3, 6"),
            (["0002_5_0001.jpg", "0002_c6_0001.jpg"], "<id>_c<camera>"),
            (["4294967296_c5_0001.jpg", "0002_c6_0001.jpg"], "identity 4294967296, which is too large"),
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

    #[test]
    fn one_image_in_two_parts_and_what_lies_beside_them() {
        let folder = layout(["0002_c5_0001.jpg", "0002_c6_0001.jpg"]);
        let (both, trained_on) = ("0001_c1_0001.jpg", "0001_c3_0000.jpg");
        add(folder.path(), format!("rgb_modify/{GALLERY}/{both}"));
        add(folder.path(), format!("ir_modify/{GALLERY}/{trained_on}"));
        add(folder.path(), "ir_modify/extra/0001_c3_0009.jpg");
        add(folder.path(), "cam1/0001/0001.jpg");
        add(folder.path(), "backup/0001.jpg");
        let dataset = read_sysu_converted(folder.path()).unwrap();
        let test = dataset.test.images();
        assert_eq!((test.visible.len(), test.infrared.len()), (2, 3));
        let told = |sentence: &str, files: &[&str]| {
            let files =
                files.iter().map(|file| format!("\n  {}", folder.path().join(file).display())).collect::<String>();
            assert!(dataset.notes.contains(&format!("{sentence}:{files}")), "{sentence}: {:?}", dataset.notes);
        };
        told("left out (in query as well, by its name): 1 file or folder", &[&format!("rgb_modify/{GALLERY}/{both}")]);
        let of_training = format!("ir_modify/{GALLERY}/{trained_on}");
        told("test images that have the names of training images", &[&of_training]);
        told("left out (in no part of the layout): 2 files or folders", &["backup", "ir_modify/extra"]);
    }

    /// The check of the images refuses it, or leaves it out.
    #[cfg(unix)]
    #[test]
    fn a_name_that_is_no_text_still_says_who_and_where() {
        use std::os::unix::ffi::OsStrExt;
        let folder = layout(["0002_c5_0001.jpg", "0002_c6_0001.jpg"]);
        add(&folder.path().join("rgb_modify").join(TRAIN), OsStr::from_bytes(b"0002_c4_caf\xe9.jpg"));
        let dataset = read_sysu_converted(folder.path()).unwrap();
        assert_eq!(dataset.train.visible[1].camera, Camera(4));
    }
}
