//! The reader of SYSU-MM01 as released.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use vireid_core::{Camera, Identity, PerModality};
use vireid_eval::sysu::SysuProtocol;

use super::listing::{Listing, note_beside};
use super::people::{note_trained_on, note_unlisted, people_folders, people_of_list, refuse_empty};
use super::{malformed, name_of};
use crate::notes::Notes;
use crate::{DataError, Dataset, Names, Sample, TestSplit};

pub(crate) const VISIBLE_CAMERAS: [u16; 4] = [1, 2, 4, 5];
pub(crate) const INFRARED_CAMERAS: [u16; 2] = [3, 6];
/// What is in the data set's folder.
pub(super) const PARTS: [&str; 7] = ["cam1", "cam2", "cam3", "cam4", "cam5", "cam6", "exp"];
const NAME: &str = "SYSU-MM01";
const HINT: &str = "see docs/data/sysu.md for how to get and lay out the data";

/// Reads SYSU-MM01 as released: `cam1..cam6/<id>/<n>.jpg`, split lists in `exp/`.
///
/// Training takes the identities of `train_id.txt` and `val_id.txt`, whose lists are sets. Visible cameras are 1, 2, 4, 5,
/// infrared ones 3, 6. An identity that a camera did not see has no folder there; an existing empty folder is an error.
///
/// # Errors
///
/// `VR0101` to `VR0104`.
pub fn read_sysu(root: &Path) -> Result<Dataset, DataError> {
    if !root.is_dir() {
        return Err(DataError::MissingRoot { dataset: NAME, path: root.into(), hint: HINT });
    }
    let mut notes = Notes::default();
    let mut list = |file: &str| people_of_list(&split_list(root, file)?, &mut notes);
    let mut train_identities = list("train_id.txt")?;
    let (val_identities, test_identities) = (list("val_id.txt")?, list("test_id.txt")?);
    for (people, file) in [(&train_identities, "train_id.txt"), (&test_identities, "test_id.txt")] {
        if people.is_empty() {
            return Err(malformed(&split_list(root, file)?, 1, "it lists no people".into()));
        }
    }
    train_identities.extend(val_identities);
    note_trained_on(&train_identities, &test_identities, &mut notes);

    let cameras = Cameras::of(root, &mut notes)?;
    let mut samples = |people: &BTreeSet<u32>, of: &[u16]| cameras.samples(people, of, &mut notes);
    let (name, synthetic) = name_of(NAME, root);
    let train = PerModality {
        visible: samples(&train_identities, &VISIBLE_CAMERAS)?,
        infrared: samples(&train_identities, &INFRARED_CAMERAS)?,
    };
    let test = PerModality {
        infrared: samples(&test_identities, &INFRARED_CAMERAS)?,
        visible: samples(&test_identities, &VISIBLE_CAMERAS)?,
    };
    let test = TestSplit::new(SysuProtocol, test);
    let listed = train_identities.union(&test_identities).copied().collect::<BTreeSet<u32>>();
    let there = cameras.people();
    note_unlisted(&there.difference(&listed).collect(), &mut notes);
    note_beside(root, &PARTS, &mut notes)?;
    let dataset = Dataset { name, synthetic, train, test, notes: notes.into_texts(), names: Names::default() };
    let missing = listed.difference(&there).map(|person| root.join("cam*").join(format!("{person:04}")));
    refuse_empty(missing.collect())?;
    Ok(dataset)
}

fn split_list(root: &Path, file: &str) -> Result<PathBuf, DataError> {
    let path = root.join("exp").join(file);
    if !path.is_file() {
        return Err(DataError::MissingPart { dataset: NAME, path, hint: HINT });
    }
    Ok(path)
}

/// The folders of each camera's people.
struct Cameras(BTreeMap<u16, BTreeMap<u32, Vec<PathBuf>>>);

impl Cameras {
    fn of(root: &Path, notes: &mut Notes) -> Result<Self, DataError> {
        let folders = |camera: u16| {
            let folder = root.join(format!("cam{camera}"));
            if !folder.is_dir() {
                return Err(DataError::MissingPart { dataset: NAME, path: folder, hint: HINT });
            }
            Ok((camera, people_folders(&folder, notes)?))
        };
        VISIBLE_CAMERAS.into_iter().chain(INFRARED_CAMERAS).map(folders).collect::<Result<_, DataError>>().map(Self)
    }

    fn people(&self) -> BTreeSet<u32> {
        self.0.values().flat_map(BTreeMap::keys).copied().collect()
    }

    /// All images of the people under the cameras, in path order.
    fn samples(&self, people: &BTreeSet<u32>, cameras: &[u16], notes: &mut Notes) -> Result<Vec<Sample>, DataError> {
        let (mut samples, mut empty) = (Vec::new(), Vec::new());
        for (&camera, folders) in self.0.iter().filter(|(camera, _)| cameras.contains(camera)) {
            for (&person, folders) in folders.iter().filter(|(person, _)| people.contains(person)) {
                for folder in folders {
                    let images = Listing::images_in(folder, notes)?;
                    if images.is_empty() {
                        empty.push(folder.clone());
                    }
                    samples.extend(images.into_iter().map(|path| Sample {
                        path,
                        identity: Some(Identity(person)),
                        camera: Camera(camera),
                    }));
                }
            }
        }
        refuse_empty(empty)?;
        samples.sort_unstable();
        Ok(samples)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// Eight people with an image of each camera; 1 to 6 train, 7 and 8 test.
    fn layout() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for camera in 1..=6 {
            for person in 1..=8 {
                let of_person = folder.path().join(format!("cam{camera}/{person:04}"));
                fs::create_dir_all(&of_person).unwrap();
                fs::write(of_person.join("0001.jpg"), b"not looked into").unwrap();
            }
        }
        fs::create_dir(folder.path().join("exp")).unwrap();
        for (list, people) in [("train", "1,2,3,4\n"), ("val", "5,6\n"), ("test", "7,8\n")] {
            fs::write(folder.path().join(format!("exp/{list}_id.txt")), people).unwrap();
        }
        folder
    }

    fn write(root: &Path, list: &str, text: &[u8]) {
        fs::write(root.join(format!("exp/{list}_id.txt")), text).unwrap();
    }

    /// Numbers of images: training visible and infrared, test visible and infrared; and what was said.
    fn read(root: &Path) -> Result<([usize; 4], String), String> {
        let dataset = read_sysu(root).map_err(|error| error.to_string())?;
        let (train, test) = (&dataset.train, dataset.test.images());
        let counts = [train.visible.len(), train.infrared.len(), test.visible.len(), test.infrared.len()];
        Ok((counts, dataset.notes.join("\n")))
    }

    #[test]
    fn a_list_in_any_shape_is_the_same_set() {
        let folder = layout();
        let whole = ([24, 12, 8, 4], String::new());
        let shapes: [&[u8]; 12] = [
            b"1,2,3,4",
            b"1,2,3,4\r\n",
            b"1, 2, 3, 4 \n",
            b"0001,0002,0003,0004\n",
            b"1,2,3,4,\n\n",
            b"\xef\xbb\xbf1,2,3,4\n",
            b"1\n2\n3\n4\n",
            b"1,2,\n3,4\n",
            b"1,2\n3,4\n",
            b"\n1,2,3,4\n",
            b"1,2\r3,4\r",
            b"1;2;3;4\n",
        ];
        for shape in shapes {
            write(folder.path(), "train", shape);
            assert_eq!(read(folder.path()).unwrap(), whole, "{:?}", String::from_utf8_lossy(shape));
        }
    }

    #[test]
    fn a_person_twice_counts_once_and_is_told() {
        let folder = layout();
        write(folder.path(), "test", b"7,7,8\n");
        write(folder.path(), "train", b"1,2,3,4,7\n");
        let (counts, notes) = read(folder.path()).unwrap();
        assert_eq!(counts, [28, 14, 8, 4]);
        assert!(notes.contains("test_id.txt names 1 person more than once, who count once:\n  7"), "{notes}");
        assert!(notes.contains("of the 2 people of the test, 1 is in training too"), "{notes}");
        write(folder.path(), "train", b"1,2");
        let (_, notes) = read(folder.path()).unwrap();
        assert!(notes.contains("2 people with folders in no list, not read:\n  3\n  4"), "{notes}");
    }

    /// Unpacked one folder too deep, or sorted by clothing.
    #[test]
    fn images_below_a_persons_folder_are_told() {
        let folder = layout();
        let person = folder.path().join("cam3/0002");
        fs::create_dir(person.join("crops")).unwrap();
        fs::rename(person.join("0001.jpg"), person.join("crops/0001.jpg")).unwrap();
        let error = read(folder.path()).unwrap_err();
        assert!(
            error.starts_with("VR0104: there is no image in 1 folder of a person; 1 image lies in folders below"),
            "{error}"
        );
        assert!(error.contains("0002/crops/0001.jpg: move them up") && error.ends_with("cam3/0002"), "{error}");
    }

    #[test]
    fn people_without_images_are_all_named() {
        let folder = layout();
        write(folder.path(), "train", b"1,2,3,4,333,444\n");
        let error = read(folder.path()).unwrap_err();
        assert!(error.starts_with("VR0104") && error.contains("0333") && error.contains("0444"), "{error}");
        write(folder.path(), "train", b"1,2\n3,four\n");
        let error = read(folder.path()).unwrap_err();
        assert!(error.starts_with("VR0103") && error.contains("line 2: 'four'"), "{error}");
        write(folder.path(), "train", b"1,2,3,4");
        write(folder.path(), "train", b"");
        let error = read(folder.path()).unwrap_err();
        assert!(error.starts_with("VR0103") && error.contains("train_id.txt line 1: it lists no people"), "{error}");
        write(folder.path(), "train", b"1,2,3,4");
        write(folder.path(), "test", b"");
        let error = read(folder.path()).unwrap_err();
        assert!(error.starts_with("VR0103") && error.contains("test_id.txt line 1: it lists no people"), "{error}");
    }

    #[test]
    fn folders_with_fewer_digits_and_what_is_left_out() {
        let folder = layout();
        fs::rename(folder.path().join("cam1/0001"), folder.path().join("cam1/1")).unwrap();
        // The first of these people is trained on and tested: their folders are listed twice.
        write(folder.path(), "test", b"1,7,8");
        for place in [
            "cam1/.ipynb_checkpoints/0001.jpg",
            "cam2/0001/more/0002.jpg",
            "cam2/0009.jpg",
            "cam2/__MACOSX/x",
            "cam7/0001/0001.jpg",
            "cam3/2/0002.jpg",
        ] {
            let path = folder.path().join(place);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"").unwrap();
        }
        let (counts, notes) = read(folder.path()).unwrap();
        assert_eq!(counts, [24, 13, 12, 6]);
        assert!(notes.contains("deeper than the layout has folders): 1 file or folder:"), "{notes}");
        for word in ["hidden", "ipynb_checkpoints", "cam2/0001/more", "cam2/0009.jpg", "__MACOSX", "cam7"] {
            assert!(notes.contains(word), "{word}: {notes}");
        }
        let twice = notes.split("count as one person:").nth(1).unwrap();
        assert!(twice.contains("cam3/0002\n") && twice.contains("cam3/2\n"), "{notes}");
    }
}
