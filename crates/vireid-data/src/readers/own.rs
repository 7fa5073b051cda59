//! The reader of crops of your own.

use std::path::{Path, PathBuf};

use vireid_core::{Modality, PerModality};

use super::listing::Listing;
use super::manifest::read_listed;
use super::numbered_camera;
use crate::notes::{Notes, count};
use crate::{DataError, Dataset, Names, Sample, TestSplit};

const NAME: &str = "own data";
const HINT: &str = "put the crops into visible/<camera>/ and infrared/<camera>/, or list them in a manifest.csv";
/// A manifest in the folder itself goes before the folder's structure.
const MANIFEST: &str = "manifest.csv";

/// Reads your own crops: `visible/<camera>/*` and `infrared/<camera>/*`, or what `manifest.csv` in the folder lists
/// (see [`read_manifest`](super::read_manifest)).
///
/// You need not know who is on them: without a manifest no identity is known and nothing is scored. Camera folders are
/// numbered by name, visible ones first, and go by their folder's name in results; images directly in `visible/` or
/// `infrared/` are one camera's, of that name, and those in folders below a camera's folder are that camera's. One of the two
/// folders is enough to be read, though not to be trained on.
///
/// # Errors
///
/// `VR0101`, `VR0102` without either folder, `VR0103` for more cameras than there are numbers; those of
/// [`read_manifest`](super::read_manifest).
pub fn read_folder(root: &Path) -> Result<Dataset, DataError> {
    if !root.is_dir() {
        return Err(DataError::MissingRoot { dataset: NAME, path: root.into(), hint: HINT });
    }
    let manifest = root.join(MANIFEST);
    if manifest.is_file() {
        let mut notes = Notes::default();
        let (mut dataset, files) = read_listed(&manifest)?;
        files.note_unlisted(root, &[], &mut notes);
        let beside =
            Modality::ALL.map(|modality| modality.to_string()).into_iter().filter(|name| root.join(name).is_dir());
        let beside = beside.collect::<Vec<_>>().join(" and ");
        if !beside.is_empty() {
            notes.say(format!("{} decides what is read, not {beside} next to it", manifest.display()));
        }
        dataset.notes.extend(notes.into_texts());
        return Ok(dataset);
    }
    let mut notes = Notes::default();
    let Listing { images, folders } = Listing::of(root, &mut notes)?;
    let is_read = |folder: &Path| Modality::ALL.iter().any(|modality| folder == root.join(modality.to_string()));
    for path in images.iter().chain(folders.iter().filter(|folder| !is_read(folder))) {
        notes.leave_out(path, "neither in visible nor in infrared");
    }
    if let [Some(missing), Some(_)] = missing_folders(root) {
        return Err(DataError::MissingPart { dataset: NAME, path: missing, hint: HINT });
    }
    let mut names = Names::default();
    let mut samples = |modality: Modality| -> Result<Vec<Sample>, DataError> {
        let folder = root.join(modality.to_string());
        if !folder.is_dir() {
            return Ok(Vec::new());
        }
        let Listing { images, folders } = Listing::of(&folder, &mut notes)?;
        let mut of_cameras = vec![(folder.clone(), images)];
        for folder in folders {
            let images = Listing::images_below(&folder, &mut notes)?;
            let deeper = images.iter().filter(|image| image.parent() != Some(folder.as_path())).count();
            if deeper > 0 {
                let images = count(deeper, "image", "images");
                notes.say(format!("{images} in folders below {}: taken for this camera's", folder.display()));
            }
            of_cameras.push((folder, images));
        }
        let mut samples = Vec::new();
        for (folder, images) in of_cameras {
            if images.is_empty() {
                continue;
            }
            let camera = numbered_camera(names.cameras.len(), root)?;
            let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            names.cameras.insert(camera, name);
            samples.extend(images.into_iter().map(|path| Sample { path, identity: None, camera }));
        }
        samples.sort_unstable();
        Ok(samples)
    };
    let train = PerModality { visible: samples(Modality::Visible)?, infrared: samples(Modality::Infrared)? };
    let name = format!("{NAME} in {}", root.display());
    let notes = notes.into_texts();
    Ok(Dataset { name, synthetic: false, train, test: TestSplit::default(), notes, names })
}

/// Refuses a folder of crops that lacks one of the two that training needs; one with a manifest has neither.
///
/// # Errors
///
/// `VR0102`.
pub fn check_folders_to_train_on(root: &Path) -> Result<(), DataError> {
    let missing = missing_folders(root).into_iter().flatten().next();
    match missing.filter(|_| !root.join(MANIFEST).is_file()) {
        Some(path) => Err(DataError::MissingPart { dataset: NAME, path, hint: HINT }),
        None => Ok(()),
    }
}

fn missing_folders(root: &Path) -> [Option<PathBuf>; 2] {
    Modality::ALL.map(|modality| Some(root.join(modality.to_string())).filter(|folder| !folder.is_dir()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use vireid_core::Camera;

    fn touch(root: &Path, files: &[&str]) {
        for file in files {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"not looked into").unwrap();
        }
    }

    #[test]
    fn camera_folders_and_images_without_one() {
        let root = tempfile::tempdir().unwrap();
        touch(root.path(), &["visible/door/b.png", "visible/door/a.jpg", "visible/hall/c.webp", "visible/notes.txt"]);
        touch(root.path(), &["infrared/x.png"]);
        let dataset = read_folder(root.path()).unwrap();
        let cameras = |samples: &[Sample]| samples.iter().map(|s| s.camera.0).collect::<Vec<_>>();
        assert_eq!(cameras(&dataset.train.visible), [1, 1, 2]);
        assert_eq!(cameras(&dataset.train.infrared), [3]);
        let names: Vec<String> = [1, 2, 3].map(|camera| dataset.names.camera(Camera(camera))).into();
        assert_eq!(names, ["door", "hall", "infrared"], "results show the folders' names");
        assert!(dataset.train.visible.iter().all(|sample| sample.identity.is_none()));
        assert!(dataset.train.visible[0].path.ends_with("door/a.jpg"));
        assert!(dataset.test.is_empty());
    }

    /// A gallery to search in may have one modality.
    #[test]
    fn one_of_the_folders_is_enough_to_be_read() {
        let root = tempfile::tempdir().unwrap();
        touch(root.path(), &["infrared/night/x.png"]);
        let dataset = read_folder(root.path()).unwrap();
        assert_eq!((dataset.train.visible.len(), dataset.train.infrared.len()), (0, 1));
        assert!(dataset.check_modalities().unwrap_err().to_string().starts_with("VR0106"));
    }

    #[test]
    fn what_is_deeper_hidden_or_of_another_ending() {
        let root = tempfile::tempdir().unwrap();
        touch(root.path(), &["visible/door/a.png", "visible/hall/monday/b.png", "visible/hall/tuesday/c.JPE"]);
        touch(root.path(), &["infrared/x.png", "visible/.ipynb_checkpoints/a.png", "visible/door/._a.png"]);
        touch(
            root.path(),
            &["visible/__MACOSX/a.png", "visible/door/Thumbs.db", "thermal/b.png", "visible/door/d.gif"],
        );
        let image = image::RgbImage::new(8, 16);
        image.save_with_format(root.path().join("visible/door/shot"), image::ImageFormat::Tiff).unwrap();
        let dataset = read_folder(root.path()).unwrap();
        let cameras = dataset.train.visible.iter().map(|s| (s.path.file_name().unwrap().to_str().unwrap(), s.camera.0));
        assert_eq!(cameras.collect::<Vec<_>>(), [("a.png", 1), ("shot", 1), ("b.png", 2), ("c.JPE", 2)]);
        let notes = dataset.notes.join("\n");
        for word in [
            "2 images in folders below",
            "hall",
            ".ipynb_checkpoints",
            "._a.png",
            "__MACOSX",
            "Thumbs.db",
            "thermal",
            "d.gif",
        ] {
            assert!(notes.contains(word), "{word}: {notes}");
        }
    }

    #[test]
    fn images_beside_a_manifest_that_it_does_not_list() {
        let root = tempfile::tempdir().unwrap();
        touch(root.path(), &["visible/door/a.png", "visible/door/b.png", "other/c.png", "other/readme.txt"]);
        fs::write(root.path().join("manifest.csv"), "path,modality,camera\n./visible/door/a.png,visible,door\n")
            .unwrap();
        let dataset = read_folder(root.path()).unwrap();
        assert!(
            dataset.notes[0].ends_with("manifest.csv decides what is read, not visible next to it"),
            "{:?}",
            dataset.notes
        );
        let images =
            ["other/c.png", "visible/door/b.png"].map(|image| format!("\n  {}", root.path().join(image).display()));
        assert_eq!(dataset.notes[1..], [format!("left out (in no list): 2 files or folders:{}", images.concat())]);
    }

    #[test]
    fn what_is_missing_is_named() {
        let root = tempfile::tempdir().unwrap();
        let code = || read_folder(root.path()).unwrap_err().to_string();
        assert!(code().starts_with("VR0102") && code().contains("visible"), "{}", code());
        touch(root.path(), &["visible/a.png"]);
        let one_sided = check_folders_to_train_on(root.path()).unwrap_err().to_string();
        assert!(one_sided.starts_with("VR0102") && one_sided.contains("infrared"), "{one_sided}");
        let nowhere = read_folder(&root.path().join("nowhere")).unwrap_err().to_string();
        assert!(nowhere.starts_with("VR0101"), "{nowhere}");
    }
}
