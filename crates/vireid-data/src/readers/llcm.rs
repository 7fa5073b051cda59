//! The reader of LLCM.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use vireid_core::{Camera, Identity, PerModality};
use vireid_eval::llcm::LlcmProtocol;

use super::files::{Files, Naming, labelled_files};
use super::listing::{Listing, note_beside};
use super::people::{note_unlisted, people_folders, people_of_list, refuse_empty};
use super::{malformed, name_of};
use crate::notes::Notes;
use crate::{DataError, Dataset, Names, Sample, TestSplit};

const NAME: &str = "LLCM";
const HINT: &str = "see docs/data/llcm.md for how to get and lay out the data";
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
        return Err(malformed(&test_list, 1, "it lists no people".into()));
    }
    let mut training = |file: &str| training(root, &list(root, file)?, &mut files, &mut notes);
    let train = PerModality { visible: training("train_vis.txt")?, infrared: training("train_nir.txt")? };
    let folders = ["test_vis", "test_nir"].map(|folder| root.join(folder));
    let mut unlisted = BTreeSet::new();
    let mut testing = |folder: &Path| testing(folder, &identities, &mut unlisted, &mut files, &mut notes);
    let (visible, infrared) = (testing(&folders[0])?, testing(&folders[1])?);
    note_unlisted(&unlisted.iter().collect(), &mut notes);
    files.note_unlisted(root, &folders, &mut notes);
    let seen: BTreeSet<u32> =
        visible.iter().chain(&infrared).filter_map(|sample| sample.identity).map(|identity| identity.0).collect();
    let missing = identities.difference(&seen).map(|person| root.join("test_*/cam*").join(format!("{person:04}")));
    let missing = missing.collect();
    let test = TestSplit::new(LlcmProtocol, PerModality { visible, infrared });
    refuse_empty(missing)?;
    Ok(Dataset { name, synthetic, train, test, notes: notes.into_texts(), names: Names::default() })
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
    // All digits that follow, however many: 10 is not 1.
    let digits = |text: &str| -> Option<String> {
        let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
        Some(digits).filter(|digits| !digits.is_empty())
    };
    let folder = image.split(['/', '\\']).find_map(|part| digits(part.strip_prefix("cam")?));
    let in_name = || image.split(['/', '\\']).next_back()?.split('_').find_map(|part| digits(part.strip_prefix('c')?));
    folder.or_else(in_name).map(|camera| match camera.parse() {
        Ok(number @ 1..=CAMERAS) => Ok(Camera(number)),
        _ => Err(format!("'{image}' names camera {camera}; {NAME} has 1 to {CAMERAS}")),
    })
}

/// The test images below a folder; people who have images there and are in no list go into `unlisted`.
fn testing(
    root: &Path,
    identities: &BTreeSet<u32>,
    unlisted: &mut BTreeSet<u32>,
    files: &mut Files,
    notes: &mut Notes,
) -> Result<Vec<Sample>, DataError> {
    let cameras: Vec<(u16, String)> = (1..=CAMERAS).map(|camera| (camera, format!("cam{camera}"))).collect();
    if root.is_dir() {
        note_beside(root, &cameras.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>(), notes)?;
    }
    let mut samples = Vec::new();
    for (camera, name) in cameras {
        for (person, folders) in people_folders(&root.join(name), notes)? {
            if !identities.contains(&person) {
                unlisted.insert(person);
                continue;
            }
            for folder in folders {
                for path in Listing::images_in(&folder, notes)? {
                    match files.name(&path, root, 0, Some(Identity(person)))? {
                        Naming::First => {
                            samples.push(Sample { path, identity: Some(Identity(person)), camera: Camera(camera) });
                        }
                        Naming::Again { .. } => notes.leave_out(&path, "another name of an image that is read"),
                    }
                }
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
        let PerModality { visible, infrared } = dataset.test.images();
        assert_eq!((cameras(visible), cameras(infrared)), (vec![(5, 2), (5, 2)], vec![(6, 9)]));
        assert!(visible[0].path.ends_with("a.jpg"));
    }

    #[test]
    fn a_camera_of_two_digits_is_not_camera_1() {
        let folder = layout();
        for (path, word) in [
            ("nir/cam12/0001/a.jpg", "camera 12"),
            ("vis/0001_c10_f1.jpg", "camera 10"),
            ("nir/cam70000/a.jpg", "camera 70000"),
            ("nir/cam10b/a.jpg", "camera 10"),
            ("nir/cam0/a.jpg", "camera 0"),
        ] {
            fs::write(folder.path().join("idx/train_nir.txt"), format!("nir/cam7/0001/a.jpg 0\n{path} 0\n")).unwrap();
            let error = read_llcm(folder.path()).unwrap_err().to_string();
            assert!(error.starts_with("VR0103") && error.contains("line 2") && error.contains(word), "{error}");
        }
    }

    /// With a byte order mark, lines that end in CR, backslashes, and every line twice.
    #[test]
    fn lists_as_other_programs_write_them() {
        let folder = layout();
        let plain = read_llcm(folder.path()).unwrap();
        write(&folder.path().join("vis/0002/x.jpg"));
        write(&folder.path().join("vis/0001/0001_c3_f1.jpg"));
        let visible = "vis\\0001\\0001_c3_f1.jpg 0\rvis\\0002\\x.jpg 1\r";
        fs::write(folder.path().join("idx/train_vis.txt"), format!("\u{feff}{visible}{visible}")).unwrap();
        fs::write(folder.path().join("idx/test_id.txt"), "\u{feff}5\r6\r6\r").unwrap();
        let dataset = read_llcm(folder.path()).unwrap();
        let cameras =
            |dataset: &Dataset| dataset.train.visible.iter().map(|s| (s.identity, s.camera)).collect::<Vec<_>>();
        assert_eq!(cameras(&dataset), cameras(&plain));
        assert!(dataset.train.visible.iter().all(|sample| sample.path.is_file()));
        assert_eq!(dataset.notes.len(), 2, "{:?}", dataset.notes);
        assert!(dataset.notes[0].ends_with("test_id.txt names 1 person more than once, who count once:\n  6"));
        assert!(dataset.notes[1].contains("train_vis.txt names 2 images again"));
    }

    #[test]
    fn an_image_to_train_on_is_none_to_test_with() {
        let folder = layout();
        fs::write(folder.path().join("idx/train_vis.txt"), "vis/x.jpg 0\ntest_vis/cam2/0005/a.jpg 1\n").unwrap();
        let error = read_llcm(folder.path()).unwrap_err().to_string();
        assert!(error.starts_with("VR0103") && error.contains("0005/a.jpg is also in"), "{error}");
        assert!(error.contains("train_vis.txt line 2;"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn a_test_image_under_two_names_counts_once() {
        let folder = layout();
        std::os::unix::fs::symlink("a.jpg", folder.path().join("test_vis/cam2/0005/c.jpg")).unwrap();
        let dataset = read_llcm(folder.path()).unwrap();
        assert_eq!(dataset.test.images().visible.len(), 2);
        assert!(
            dataset.notes[0].contains("another name") && dataset.notes[0].ends_with("c.jpg"),
            "{:?}",
            dataset.notes
        );
    }

    #[test]
    fn what_is_left_out_is_told() {
        let folder = layout();
        assert_eq!(read_llcm(folder.path()).unwrap().notes, Vec::<String>::new());
        for file in ["test_vis/cam10/0005/a.jpg", "test_nir/a.jpg", "test_vis/cam3/0008/a.jpg", "vis/0003/y.jpg"] {
            write(&folder.path().join(file));
        }
        let dataset = read_llcm(folder.path()).unwrap();
        let at = |file: &str| format!("\n  {}", folder.path().join(file).display());
        let expected = [
            "1 person with folders in no list, not read:\n  8".to_string(),
            format!("left out (in no list): 1 file or folder:{}", at("vis/0003/y.jpg")),
            format!(
                "left out (in no part of the layout): 2 files or folders:{}{}",
                at("test_nir/a.jpg"),
                at("test_vis/cam10")
            ),
        ];
        assert_eq!(dataset.notes, expected);
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
