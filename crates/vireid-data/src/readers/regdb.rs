//! The reader of RegDB.

use std::path::Path;

use vireid_core::{Camera, PerModality};
use vireid_eval::regdb::RegdbProtocol;

use super::files::{Files, labelled_files};
use super::name_of;
use crate::notes::Notes;
use crate::{DataError, Dataset, Names, Sample, TestSplit};

const NAME: &str = "RegDB";
const HINT: &str = "see docs/data/regdb.md for how to get and lay out the data";

/// Camera numbers given to RegDB's two cameras, which the data set does not number.
const VISIBLE_CAMERA: Camera = Camera(1);
const THERMAL_CAMERA: Camera = Camera(2);

/// Reads one of RegDB's ten trials: lists `idx/{train,test}_{visible,thermal}_<trial>.txt` of `path label` lines. A list is a
/// set: a line that occurs twice counts once.
///
/// # Errors
///
/// `VR0101` to `VR0103`; an image that two lists name is `VR0103`.
pub fn read_regdb(root: &Path, trial: u32) -> Result<Dataset, DataError> {
    if !root.is_dir() {
        return Err(DataError::MissingRoot { dataset: NAME, path: root.into(), hint: HINT });
    }
    let (mut files, mut notes) = (Files::default(), Notes::default());
    let mut list = |split: &str, modality: &str, camera: Camera| -> Result<Vec<Sample>, DataError> {
        let path = root.join("idx").join(format!("{split}_{modality}_{trial}.txt"));
        if !path.is_file() {
            return Err(DataError::MissingPart { dataset: NAME, path, hint: HINT });
        }
        let named = labelled_files(root, &path, &mut files, &mut notes)?.into_iter();
        let sample = |(_, path, identity)| Sample { path, identity: Some(identity), camera };
        let mut samples: Vec<Sample> = named.map(sample).collect();
        // String order of the paths, in which ".../10/..." stands before ".../2/...".
        samples.sort_by(|a, b| a.path.as_os_str().cmp(b.path.as_os_str()));
        Ok(samples)
    };
    let (name, synthetic) = name_of(&format!("{NAME} trial {trial}"), root);
    let train = PerModality {
        visible: list("train", "visible", VISIBLE_CAMERA)?,
        infrared: list("train", "thermal", THERMAL_CAMERA)?,
    };
    let test = PerModality {
        visible: list("test", "visible", VISIBLE_CAMERA)?,
        infrared: list("test", "thermal", THERMAL_CAMERA)?,
    };
    let test = TestSplit::new(RegdbProtocol, test);
    files.note_unlisted(root, &[], &mut notes);
    Ok(Dataset { name, synthetic, train, test, notes: notes.into_texts(), names: Names::default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn layout(lists: [(&str, &[u8]); 4]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("idx")).unwrap();
        for (name, text) in lists {
            fs::write(folder.path().join(format!("idx/{name}_1.txt")), text).unwrap();
        }
        for image in ["Visible/1/a.bmp", "Visible/1/b.bmp", "Thermal/1/a.bmp", "Thermal/1/b.bmp"] {
            let path = folder.path().join(image);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"not looked into").unwrap();
        }
        folder
    }

    const TRAIN: [(&str, &[u8]); 2] = [("train_visible", b"v/1.bmp 0\n"), ("train_thermal", b"t/1.bmp 0\n")];

    #[test]
    fn a_list_pasted_twice_in_another_spelling_is_read_once() {
        let visible =
            b"\xef\xbb\xbfVisible/1/a.bmp 0\r\nVisible\\1\\b.bmp 0\r\nVisible/1/a.bmp\t0\r\n./Visible/1/b.bmp 0\r\n";
        let [visible_train, thermal_train] = TRAIN;
        let folder =
            layout([visible_train, thermal_train, ("test_visible", visible), ("test_thermal", b"Thermal/1/a.bmp 0\n")]);
        let dataset = read_regdb(folder.path(), 1).unwrap();
        let names: Vec<_> = dataset.test.images().visible.iter().map(|sample| sample.path.is_file()).collect();
        assert_eq!(names, [true, true]);
        assert!(dataset.notes[0].contains("test_visible_1.txt names 2 images again"), "{:?}", dataset.notes);
        let unlisted =
            format!("left out (in no list): 1 file or folder:\n  {}", folder.path().join("Thermal/1/b.bmp").display());
        assert_eq!(dataset.notes[1..], [unlisted]);
    }

    #[test]
    fn one_file_for_two_uses_or_two_people() {
        let cases: [(&[u8], &[u8], &str); 3] = [
            (b"Visible/1/a.bmp 0\n", b"v/../Visible/1/a.bmp 0\n", "test_thermal_1.txt line 1"),
            (b"v/./1.bmp 0\n", b"Thermal/1/a.bmp 0\n", "train_visible_1.txt line 1;"),
            (b"Visible/1/a.bmp 0\nVisible/1/a.bmp 3\n", b"Thermal/1/a.bmp 0\n", "somebody else in"),
        ];
        for (visible, thermal, word) in cases {
            let [visible_train, thermal_train] = TRAIN;
            let folder = layout([visible_train, thermal_train, ("test_visible", visible), ("test_thermal", thermal)]);
            let error = read_regdb(folder.path(), 1).unwrap_err().to_string();
            assert!(error.starts_with("VR0103") && error.contains(word), "{error}");
        }
    }
}
