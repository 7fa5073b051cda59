use std::fs;
use std::path::{Path, PathBuf};

use vireid_core::{Camera, Identity, PerModality};

use super::{images_in, labelled_paths, name_of};
use crate::{DataError, Dataset, Names, Sample, TestSplit};

const NAME: &str = "LLCM";
const HINT: &str = "see datasets/llcm.md for how to get and lay out the data";
const CAMERAS: u16 = 9;

/// Reads LLCM: training lists `idx/train_vis.txt` and `idx/train_nir.txt` of `path label` lines, test identities in
/// `idx/test_id.txt`, their images in `test_vis/cam<c>/<id>/` and `test_nir/cam<c>/<id>/`.
///
/// The camera of a training image is the `cam<c>` folder in its path, or the `c<c>` in its file name; without either, all
/// images of a modality count as one camera's.
///
/// # Errors
///
/// `VR0101` to `VR0103`.
pub fn read_llcm(root: &Path) -> Result<Dataset, DataError> {
    if !root.is_dir() {
        return Err(DataError::MissingRoot { dataset: NAME, path: root.into(), hint: HINT });
    }
    let (name, synthetic) = name_of(NAME, root);
    let identities = test_identities(root)?;
    Ok(Dataset {
        name,
        synthetic,
        train: PerModality { visible: training(root, "train_vis.txt")?, infrared: training(root, "train_nir.txt")? },
        test: TestSplit::Llcm {
            visible: testing(root, "test_vis", &identities)?,
            infrared: testing(root, "test_nir", &identities)?,
        },
        names: Names::default(),
    })
}

fn list(root: &Path, file: &str) -> Result<PathBuf, DataError> {
    let path = root.join("idx").join(file);
    if !path.is_file() {
        return Err(DataError::MissingPart { dataset: NAME, path, hint: HINT });
    }
    Ok(path)
}

fn training(root: &Path, file: &str) -> Result<Vec<Sample>, DataError> {
    let of_line = |(image, identity): (String, Identity)| {
        let camera = camera_of(&image).unwrap_or(Camera(1));
        Sample { path: root.join(image), identity: Some(identity), camera }
    };
    let mut samples: Vec<Sample> = labelled_paths(&list(root, file)?)?.into_iter().map(of_line).collect();
    samples.sort_by(|a, b| a.path.as_os_str().cmp(b.path.as_os_str()));
    Ok(samples)
}

fn camera_of(image: &str) -> Option<Camera> {
    let number = |text: &str| text.parse::<u16>().ok().filter(|camera| (1..=CAMERAS).contains(camera));
    let folder = image.split(['/', '\\']).find_map(|part| number(part.strip_prefix("cam")?));
    let in_name = || image.split(['/', '\\']).next_back()?.split('_').find_map(|part| number(part.strip_prefix('c')?));
    folder.or_else(in_name).map(Camera)
}

fn test_identities(root: &Path) -> Result<Vec<u32>, DataError> {
    let path = list(root, "test_id.txt")?;
    let text = fs::read_to_string(&path).map_err(DataError::io("can't read", &path))?;
    let parse = |word: &str| {
        let reason = || format!("'{}' is not an identity", word.trim());
        word.trim().parse::<u32>().map_err(|_| DataError::MalformedList {
            path: path.clone(),
            line: 1,
            reason: reason(),
        })
    };
    text.split([',', '\n']).filter(|word| !word.trim().is_empty()).map(parse).collect()
}

fn testing(root: &Path, folder: &str, identities: &[u32]) -> Result<Vec<Sample>, DataError> {
    let mut samples = Vec::new();
    for camera in 1..=CAMERAS {
        for &identity in identities {
            let folder = root.join(folder).join(format!("cam{camera}")).join(format!("{identity:04}"));
            let of_file = |path| Sample { path, identity: Some(Identity(identity)), camera: Camera(camera) };
            samples.extend(images_in(&folder)?.into_iter().map(of_file));
        }
    }
    Ok(samples)
}

#[cfg(test)]
mod tests {
    use super::*;

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
