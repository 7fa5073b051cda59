//! Files of embeddings, in NumPy's form and in Parquet.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use vireid_core::{Embeddings, Modality};
use vireid_data::{BadImage, DataError};
use vireid_methods::{EmbeddingRecipe, RecipeDifference};

use crate::fingerprint::{self, Fingerprint};
use crate::npy::{npy_shape, prepare_npy};
use crate::overwriting::Prepared;
use crate::{ProgramError, embeddings_parquet, read_npy};

/// One image of a file of embeddings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmbeddedImage {
    /// Where the image is, from the root of the file system: a search may start from any folder.
    pub path: PathBuf,
    /// Modality of the image: `visible` or `infrared`.
    pub modality: String,
    /// What the user calls the camera.
    pub camera: String,
    /// What the user calls the person on it, where known.
    pub identity: Option<String>,
}

/// What a file of embeddings was made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Origin {
    version: String,
    model: String,
    data: String,
    // Older versions wrote none.
    fingerprint: Option<Fingerprint>,
}

/// Embeddings of many images on disk, in one of two forms: the matrix in `<name>.npy` (rows of length 1), a line per row in
/// `<name>.csv`, and the fingerprints of network, settings, data and rows in `<name>.json`; or all of it in `<name>.parquet`.
#[derive(Debug, Clone)]
pub struct EmbeddingsFile {
    /// One row of length 1 per image.
    pub embeddings: Embeddings,
    /// The image of each row of `embeddings`.
    pub images: Vec<EmbeddedImage>,
    /// The network and settings that the embeddings depend on.
    pub recipe: EmbeddingRecipe,
    /// Fingerprint of the lists of images.
    pub data: String,
}

/// How embeddings are kept.
#[derive(Debug, Clone, Copy)]
enum Form {
    Npy,
    Parquet,
}

impl Form {
    fn of(path: &Path) -> Result<Self, ProgramError> {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("npy") => Ok(Form::Npy),
            Some("parquet") => Ok(Form::Parquet),
            _ => Err(ProgramError::Usage(format!("{} does not end in .npy or .parquet", path.display()))),
        }
    }
}

impl EmbeddingsFile {
    /// Refuses a name that [`save`](Self::save) would refuse, before hours have gone into what it is to hold.
    ///
    /// # Errors
    ///
    /// `VR0606`.
    pub fn check_name(path: &Path) -> Result<(), ProgramError> {
        Form::of(path).map(|_| ())
    }

    /// Writes `path`: a `.npy` with its two companions, or a `.parquet`.
    ///
    /// # Errors
    ///
    /// `VR0605`; `VR0606` for another ending; `VR0113` for an image whose name is not text, before anything is written.
    pub fn save(&self, path: &Path) -> Result<(), ProgramError> {
        if let Some(bad) = self.images.iter().find_map(|image| BadImage::if_unnameable(&image.path)) {
            return Err(DataError::Image(bad).into());
        }
        match Form::of(path)? {
            Form::Npy => self.save_npy(path),
            Form::Parquet => embeddings_parquet::save(self, path, &self.fingerprint(path)),
        }
    }

    /// Reads what [`save`](Self::save) wrote. Images that were moved together with their index are found next to it.
    ///
    /// # Errors
    ///
    /// `VR0601` when a file is missing, damaged, or does not belong to the others, `VR0611` when an older version wrote it;
    /// `VR0606` for another ending.
    pub fn load(path: &Path) -> Result<Self, ProgramError> {
        let (mut file, fingerprint) = match Form::of(path)? {
            Form::Npy => Self::load_npy(path)?,
            Form::Parquet => embeddings_parquet::load(path)?,
        };
        let bad = |reason| ProgramError::BadIndex { path: path.into(), reason };
        fingerprint.check(&file.embeddings, &file.images).map_err(bad)?;
        // A row of any other would be in no list, and nobody would be told.
        let is_known = |name: &str| Modality::ALL.into_iter().any(|modality| modality.to_string() == name);
        if let Some(image) = file.images.iter().find(|image| !is_known(&image.modality)) {
            let (modality, image) = (&image.modality, image.path.display());
            return Err(bad(format!("'{modality}' of {image} is neither visible nor infrared")));
        }
        let folder = folder_of(path);
        for image in &mut file.images {
            if let Some(moved) = fingerprint::relocate(&image.path, &fingerprint.folder, &folder) {
                image.path = moved;
            }
        }
        Ok(file)
    }

    fn fingerprint(&self, path: &Path) -> Fingerprint {
        Fingerprint {
            settings: self.recipe.settings.clone(),
            rows: self.embeddings.rows(),
            dim: self.embeddings.dim(),
            paths: fingerprint::paths(&self.images),
            values: fingerprint::values(&self.embeddings),
            folder: folder_of(path),
        }
    }

    fn save_npy(&self, npy: &Path) -> Result<(), ProgramError> {
        let origin = Origin {
            version: env!("CARGO_PKG_VERSION").into(),
            model: self.recipe.weights.clone(),
            data: self.data.clone(),
            fingerprint: Some(self.fingerprint(npy)),
        };
        let origin =
            Prepared::write(&npy.with_extension("json"), |file| Ok(serde_json::to_writer_pretty(file, &origin)?))?;
        let table = Prepared::write(&npy.with_extension("csv"), |file| {
            let mut writer = csv::Writer::from_writer(file);
            self.images.iter().try_for_each(|image| writer.serialize(image))?;
            writer.flush()
        })?;
        let matrix = prepare_npy(npy, &self.embeddings)?;
        // In this order: by the first the others are known as ours, wherever somebody stops us.
        origin.rename()?;
        table.rename()?;
        matrix.rename()
    }

    fn load_npy(npy: &Path) -> Result<(Self, Fingerprint), ProgramError> {
        let embeddings = read_npy(npy)?;
        let (table, origin) = (npy.with_extension("csv"), npy.with_extension("json"));
        let bad = |path: &Path, reason: String| ProgramError::BadIndex { path: path.into(), reason };
        let text = fs::read_to_string(&origin).map_err(|error| bad(&origin, error.to_string()))?;
        let Origin { model, data, fingerprint, .. } =
            serde_json::from_str(&text).map_err(|error| bad(&origin, error.to_string()))?;
        let fingerprint = fingerprint.ok_or_else(|| ProgramError::NoFingerprint { path: npy.into() })?;
        let mut reader = csv::Reader::from_path(&table).map_err(|error| bad(&table, error.to_string()))?;
        let images: Vec<EmbeddedImage> =
            reader.deserialize().collect::<Result<_, _>>().map_err(|error| bad(&table, error.to_string()))?;
        let recipe = EmbeddingRecipe { weights: model, settings: fingerprint.settings.clone() };
        Ok((Self { embeddings, images, recipe, data }, fingerprint))
    }

    /// Refuses embeddings that can't be compared with a network's: of other weights, or made with other settings.
    ///
    /// # Errors
    ///
    /// `VR0602`, `VR0612`.
    pub fn check_recipe(&self, path: &Path, network: &EmbeddingRecipe) -> Result<(), ProgramError> {
        if self.recipe.weights != network.weights {
            let (found, expected) = (self.recipe.weights.clone(), network.weights.clone());
            return Err(ProgramError::ForeignIndex { path: path.into(), found, expected });
        }
        match self.recipe.difference(network) {
            None => Ok(()),
            Some(RecipeDifference { field, found, expected }) => {
                Err(ProgramError::OtherSettings { path: path.into(), field, found, expected })
            }
        }
    }
}

/// The files that embeddings of this name are kept in.
pub(crate) fn parts(path: &Path) -> Vec<PathBuf> {
    match Form::of(path) {
        Ok(Form::Npy) => ["npy", "csv", "json"].map(|ending| path.with_extension(ending)).into(),
        _ => vec![path.into()],
    }
}

/// Whether a file is one of those that [`EmbeddingsFile::save`] wrote: a Parquet file with our fingerprint, or one of three
/// that belong together.
pub(crate) fn is_part(path: &Path) -> bool {
    if matches!(Form::of(path), Ok(Form::Parquet)) {
        return embeddings_parquet::is_ours(path);
    }
    let origin = fs::read(path.with_extension("json")).ok();
    // By its figures alone: an older or a newer program keeps more or less beside them.
    let origin: serde_json::Value = origin.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    let figure = |key: &str| origin["fingerprint"][key].as_u64().or_else(|| origin[key].as_u64());
    let (Some(rows), Some(dim), Some(_)) = (figure("rows"), figure("dim"), origin["model"].as_str()) else {
        return false;
    };
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("npy") => npy_shape(path) == Some((rows as usize, dim as usize)),
        Some("csv") => csv::Reader::from_path(path).is_ok_and(|mut table| {
            let is_ours = table.headers().is_ok_and(|header| {
                header.iter().take(3).eq(["path", "modality", "camera"]) && header.iter().all(|name| name != "split")
            });
            is_ours && table.records().filter(Result::is_ok).count() as u64 == rows
        }),
        _ => true,
    }
}

/// The folder that a file is in, from the root of the file system.
fn folder_of(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.into());
    path.parent().map_or_else(PathBuf::new, Path::to_path_buf)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::write_npy;

    const NAMES: [&str; 2] = ["made/gallery.npy", "made/gallery.parquet"];

    fn image(path: &str, identity: Option<&str>) -> EmbeddedImage {
        let (modality, camera) = ("visible".into(), "noto, 2nd".into());
        EmbeddedImage { path: PathBuf::from(path), modality, camera, identity: identity.map(String::from) }
    }

    fn recipe() -> EmbeddingRecipe {
        let settings = [("dimension", "2"), ("input.filter", "\"lanczos\""), ("unit_length", "true")];
        let settings = settings.map(|(key, value)| (key.to_string(), value.to_string())).into();
        EmbeddingRecipe { weights: "m".into(), settings }
    }

    /// What was written may be written again; what has the name alone may not.
    #[test]
    fn files_are_known_again() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["gallery.npy", "gallery.parquet"] {
            let path = folder.path().join(name);
            file().save(&path).unwrap();
            assert!(parts(&path).iter().all(|part| part.exists() && is_part(part)), "{name}");
        }
        let npy = folder.path().join("gallery.npy");
        fs::write(
            npy.with_extension("csv"),
            "path,modality,camera,identity,split\na.png,visible,1,,\nb.png,visible,1,,\n",
        )
        .unwrap();
        assert!(!is_part(&npy.with_extension("csv")) && is_part(&npy), "a manifest of the same name");
        fs::remove_file(npy.with_extension("json")).unwrap();
        assert!(!is_part(&npy), "a matrix of somebody else");
        fs::write(folder.path().join("manifest.parquet"), "PAR1").unwrap();
        assert!(!is_part(&folder.path().join("manifest.parquet")));
    }

    fn file() -> EmbeddingsFile {
        EmbeddingsFile {
            embeddings: Embeddings::new(vec![1.0, 0.0, 0.6, 0.8], 2, 2).unwrap(),
            images: vec![image("/a, b.png", None), image("/c.png", Some("ann"))],
            recipe: recipe(),
            data: "d".into(),
        }
    }

    fn says(path: &Path, code: &str, word: &str) {
        let said = EmbeddingsFile::load(path).unwrap_err().to_string();
        assert!(said.starts_with(code) && said.contains(word), "{said}");
    }

    #[test]
    fn round_trip() {
        for name in NAMES {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(name);
            file().save(&path).unwrap();
            let loaded = EmbeddingsFile::load(&path).unwrap();
            assert_eq!(loaded.images, file().images, "names of cameras and people are the user's");
            assert_eq!(loaded.embeddings.as_slice(), file().embeddings.as_slice());
            assert_eq!((&loaded.recipe, loaded.data.as_str()), (&recipe(), "d"));
        }
        let other = file().save(Path::new("gallery.txt")).unwrap_err().to_string();
        assert!(other.starts_with("VR0606"), "{other}");
    }

    /// The hash of the weights was all that was compared.
    #[test]
    fn an_index_of_other_weights_or_settings_is_refused_by_name() {
        for name in NAMES {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(name);
            file().save(&path).unwrap();
            let loaded = EmbeddingsFile::load(&path).unwrap();
            assert!(loaded.check_recipe(&path, &recipe()).is_ok());
            let refused = |network: &EmbeddingRecipe| loaded.check_recipe(&path, network).unwrap_err().to_string();
            let foreign = refused(&EmbeddingRecipe { weights: "other".into(), ..recipe() });
            assert!(foreign.starts_with("VR0602"), "{foreign}");
            for (field, value) in [("dimension", "3"), ("input.filter", "\"bilinear\""), ("input.range", "\"image\"")] {
                let mut network = recipe();
                network.settings.insert(field.into(), value.into());
                let said = refused(&network);
                assert!(said.starts_with("VR0612") && said.contains(&format!("{field} = ")), "{said}");
            }
        }
    }

    #[test]
    fn rows_in_another_order_or_of_another_length_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let npy = folder.path().join("gallery.npy");
        let rows = |values: [f32; 4]| Embeddings::new(values.into(), 2, 2).unwrap();
        file().save(&npy).unwrap();
        write_npy(&npy, &rows([0.6, 0.8, 1.0, 0.0])).unwrap();
        says(&npy, "VR0601", "another order");
        write_npy(&npy, &rows([1.0, 0.0, 1.2, 1.6])).unwrap();
        says(&npy, "VR0601", "row 1 of the matrix has a length of 2.000");
        write_npy(&npy, &Embeddings::new(vec![1.0, 1.0], 2, 1).unwrap()).unwrap();
        says(&npy, "VR0601", "2 of 1 numbers in the matrix");
        file().save(&npy).unwrap();
        let table = fs::read_to_string(npy.with_extension("csv")).unwrap();
        let lines: Vec<&str> = table.lines().collect();
        fs::write(npy.with_extension("csv"), [lines[0], lines[2], lines[1]].join("\n") + "\n").unwrap();
        says(&npy, "VR0601", "paths");
        fs::write(npy.with_extension("csv"), table.replacen("visible", "infrared", 1)).unwrap();
        says(&npy, "VR0601", "modalities");
    }

    #[test]
    fn an_index_of_an_older_version_is_named_as_such() {
        let folder = tempfile::tempdir().unwrap();
        let npy = folder.path().join("gallery.npy");
        file().save(&npy).unwrap();
        let older = r#"{"version": "0.1.0", "model": "m", "data": "d", "rows": 2, "dim": 2}"#;
        fs::write(npy.with_extension("json"), older).unwrap();
        says(&npy, "VR0611", "older version");
    }

    #[test]
    fn an_index_that_moves_with_its_images_finds_them() {
        for name in ["gallery.npy", "gallery.parquet"] {
            let folder = tempfile::tempdir().unwrap();
            let (before, after) = (folder.path().join("before"), folder.path().join("after"));
            fs::create_dir(&before).unwrap();
            fs::write(before.join("a.png"), "an image").unwrap();
            let mut file = file();
            file.images[0].path = before.join("a.png");
            file.save(&before.join(name)).unwrap();
            fs::rename(&before, &after).unwrap();
            let images = EmbeddingsFile::load(&after.join(name)).unwrap().images;
            assert_eq!(images[0].path, after.join("a.png"));
            assert_eq!(images[1].path, Path::new("/c.png"), "not beside it before, so not now");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_name_that_is_no_text_leaves_no_half_an_index() {
        use std::os::unix::ffi::OsStrExt;
        let mut file = file();
        file.images[1].path = PathBuf::from(std::ffi::OsStr::from_bytes(b"caf\xe9.png"));
        let folder = tempfile::tempdir().unwrap();
        for name in ["gallery.npy", "gallery.parquet"] {
            let said = file.save(&folder.path().join(name)).unwrap_err().to_string();
            assert!(said.starts_with("VR0113") && said.contains("UTF-8"), "{said}");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_damaged_parquet_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gallery.parquet");
        file().save(&path).unwrap();
        let whole = fs::read(&path).unwrap();
        for bytes in [&whole[..whole.len() - 9], &b"\xff\xd8\xff\xe0 a picture, no table"[..], &[]] {
            fs::write(&path, bytes).unwrap();
            says(&path, "VR0601", "");
        }
    }

    #[test]
    fn a_row_of_no_modality_is_named() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["gallery.npy", "gallery.parquet"] {
            let path = folder.path().join(name);
            let mut thermal = file();
            thermal.images[1].modality = "thermal".into();
            thermal.save(&path).unwrap();
            let said = EmbeddingsFile::load(&path).unwrap_err().to_string();
            assert!(said.starts_with("VR0601") && said.contains("'thermal' of /c.png"), "{said}");
        }
    }

    #[test]
    fn parts_that_do_not_belong_together() {
        let folder = tempfile::tempdir().unwrap();
        let npy = folder.path().join("gallery.npy");
        file().save(&npy).unwrap();
        fs::write(npy.with_extension("csv"), "path,modality,camera,identity\nx.png,visible,1,\n").unwrap();
        says(&npy, "VR0601", "1 in the list of images");
        fs::write(npy.with_extension("csv"), "colour\nred\n").unwrap();
        says(&npy, "VR0601", "");
        fs::remove_file(npy.with_extension("json")).unwrap();
        says(&npy, "VR0601", "");
    }
}
