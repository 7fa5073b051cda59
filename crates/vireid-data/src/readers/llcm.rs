use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use vireid_core::{Camera, Identity, PerModality};

use super::files::{Files, labelled_files};
use super::listing::Listing;
use super::people::{people_folders, people_of_list, refuse_empty};
use super::{malformed, name_of};
use crate::notes::Notes;
use crate::{DataError, Dataset, Names, Sample, TestSplit};

const NAME: &str = "LLCM";
const HINT: &str = "see datasets/llcm.md for how to get and lay out the data";
const CAMERAS: u16 = 9;

/// Reads LLCM: training lists `idx/train_vis.txt` and `idx/train_nir.txt` of `path label` lines, test identities in
/// `idx/test_id.txt`, their images in `test_vis/cam<c>/<id>/` and `test_nir/cam<c>/<id>/`. Lists are sets.
///
/// The camera of a training image is the `cam<c>` folder in its path, or the `c<c>` in its file name; without either, all
/// images of a modality count as one camera's.
///
/// # Errors
///
/// `VR0101` to `VR0104`; a camera that LLCM does not have is `VR0103`.
pub fn read_llcm(root: &Path) -> Result<Dataset, DataError> {
    if !root.is_dir() {
        return Err(DataError::MissingRoot { dataset: NAME, path: root.into(), hint: HINT });
    }
    let (mut files, mut notes) = (Files::default(), Notes::default());
    let (name, synthetic) = name_of(NAME, root);
    let test_list = list(root, "test_id.txt")?;
    let identities = people_of_list(&test_list, &mut notes)?;
    if identities.is_empty() {
        return Err(malformed(&test_list, 1, "it names nobody".into()));
    }
    let mut training = |file: &str| training(root, &list(root, file)?, &mut files, &mut notes);
    let train = PerModality { visible: training("train_vis.txt")?, infrared: training("train_nir.txt")? };
    let mut testing = |folder: &str| testing(&root.join(folder), &identities, &mut notes);
    let (visible, infrared) = (testing("test_vis")?, testing("test_nir")?);
    let seen: BTreeSet<u32> =
        visible.iter().chain(&infrared).filter_map(|sample| sample.identity).map(|identity| identity.0).collect();
    let missing = identities.difference(&seen).map(|person| root.join("test_*/cam*").join(format!("{person:04}")));
    let missing = missing.collect();
    let test = TestSplit::Llcm { visible, infrared };
    refuse_empty(missing)?;
    Ok(Dataset { name, synthetic, train, test, notes: notes.into_sentences(), names: Names::default() })
}

fn list(root: &Path, file: &str) -> Result<PathBuf, DataError> {
    let path = root.join("idx").join(file);
    if !path.is_file() {
        return Err(DataError::MissingPart { dataset: NAME, path, hint: HINT });
    }
    Ok(path)
}

fn training(root: &Path, list: &Path, files: &mut Files, notes: &mut Notes) -> Result<Vec<Sample>, DataError> {
    let named = labelled_files(root, list, files, notes)?.into_iter();
    let sample = |(line, path, identity): (usize, PathBuf, Identity)| {
        let below = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
        let camera = camera_of(&below).unwrap_or(Ok(Camera(1))).map_err(|reason| malformed(list, line, reason))?;
        Ok(Sample { path, identity: Some(identity), camera })
    };
    let mut samples = named.map(sample).collect::<Result<Vec<Sample>, DataError>>()?;
    samples.sort_by(|a, b| a.path.as_os_str().cmp(b.path.as_os_str()));
    Ok(samples)
}

/// The camera that a path names, if any; an error when LLCM has no such camera.
fn camera_of(image: &str) -> Option<Result<Camera, String>> {
    let number = |text: &str| text.parse::<u16>().ok();
    let folder = image.split(['/', '\\']).find_map(|part| number(part.strip_prefix("cam")?));
    let in_name = || image.split(['/', '\\']).next_back()?.split('_').find_map(|part| number(part.strip_prefix('c')?));
    folder.or_else(in_name).map(|camera| match camera {
        1..=CAMERAS => Ok(Camera(camera)),
        _ => Err(format!("'{image}' names camera {camera}; {NAME} has 1 to {CAMERAS}")),
    })
}

fn testing(root: &Path, identities: &BTreeSet<u32>, notes: &mut Notes) -> Result<Vec<Sample>, DataError> {
    let mut samples = Vec::new();
    for camera in 1..=CAMERAS {
        for (identity, folders) in people_folders(&root.join(format!("cam{camera}")), notes)? {
            if !identities.contains(&identity) {
                continue;
            }
            for folder in folders {
                let of_file = |path| Sample { path, identity: Some(Identity(identity)), camera: Camera(camera) };
                samples.extend(Listing::images_in(&folder, notes)?.into_iter().map(of_file));
            }
        }
    }
    Ok(samples)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn write(path: &Path) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        image::RgbImage::new(4, 8).save(path).unwrap();
    }

    fn layout() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("idx")).unwrap();
        fs::write(root.join("idx/train_vis.txt"), "vis/0001/0001_c3_f1.jpg 0\nvis/0002/x.jpg 1\n").unwrap();
        fs::write(root.join("idx/train_nir.txt"), "nir/cam7/0001/a.jpg 0\n").unwrap();
        fs::write(root.join("idx/test_id.txt"), "5, 6\n").unwrap();
        write(&root.join("test_vis/cam2/0005/b.jpg"));
        write(&root.join("test_vis/cam2/0005/a.jpg"));
        write(&root.join("test_nir/cam9/0006/a.jpg"));
        folder
    }

    #[test]
    fn lists_folders_and_cameras() {
        let folder = layout();
        let dataset = read_llcm(folder.path()).unwrap();
        let cameras =
            |samples: &[Sample]| samples.iter().map(|s| (s.identity.unwrap().0, s.camera.0)).collect::<Vec<_>>();
        assert_eq!(cameras(&dataset.train.visible), [(0, 3), (1, 1)]);
        assert_eq!(cameras(&dataset.train.infrared), [(0, 7)]);
        let TestSplit::Llcm { visible, infrared } = &dataset.test else { panic!("LLCM's split") };
        assert_eq!((cameras(visible), cameras(infrared)), (vec![(5, 2), (5, 2)], vec![(6, 9)]));
        assert!(visible[0].path.ends_with("a.jpg"));
    }

    #[test]
    fn a_camera_of_two_digits_is_not_camera_1() {
        let folder = layout();
        for (path, word) in [("nir/cam12/0001/a.jpg", "camera 12"), ("vis/0001_c10_f1.jpg", "camera 10")] {
            fs::write(folder.path().join("idx/train_nir.txt"), format!("nir/cam7/0001/a.jpg 0\n{path} 0\n")).unwrap();
            let error = read_llcm(folder.path()).unwrap_err().to_string();
            assert!(error.starts_with("VR0103") && error.contains("line 2") && error.contains(word), "{error}");
        }
    }

    #[test]
    fn a_test_person_without_images_is_named() {
        let folder = layout();
        fs::write(folder.path().join("idx/test_id.txt"), "5\n6\n77\n5\n").unwrap();
        let error = read_llcm(folder.path()).unwrap_err().to_string();
        assert!(error.starts_with("VR0104") && error.contains("0077"), "{error}");
    }

    #[test]
    fn what_is_missing_or_malformed_is_named() {
        let folder = layout();
        let says = |code: &str, word: &str| {
            let error = read_llcm(folder.path()).unwrap_err().to_string();
            assert!(error.starts_with(code) && error.contains(word), "{error}");
        };
        fs::write(folder.path().join("idx/test_id.txt"), "5,six").unwrap();
        says("VR0103", "'six'");
        fs::write(folder.path().join("idx/train_nir.txt"), "nir/a.jpg\n").unwrap();
        fs::write(folder.path().join("idx/test_id.txt"), "5,6").unwrap();
        says("VR0103", "train_nir.txt");
        fs::remove_file(folder.path().join("idx/train_nir.txt")).unwrap();
        says("VR0102", "train_nir.txt");
        assert!(read_llcm(Path::new("no/such")).unwrap_err().to_string().starts_with("VR0101"));
    }
}
