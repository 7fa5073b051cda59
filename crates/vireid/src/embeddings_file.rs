use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use vireid_core::{Embeddings, Modality};
use vireid_data::{BadImage, DataError};

use crate::npy::{npy_shape, prepare_npy};
use crate::overwriting::Prepared;
use crate::{ProgramError, embeddings_parquet, read_npy};

/// One image of a file of embeddings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmbeddedImage {
    /// Where the image is.
    pub path: PathBuf,
    /// `visible` or `infrared`.
    pub modality: String,
    /// Number of the camera.
    pub camera: u16,
    /// Who is on it, where known.
    pub identity: Option<u32>,
}

/// What a file of embeddings was made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Origin {
    version: String,
    model: String,
    data: String,
    rows: usize,
    dim: usize,
}

/// Embeddings of many images on disk, in one of two forms: the matrix in `<name>.npy` (rows of length 1), a line per row in
/// `<name>.csv`, and the fingerprints of network and data in `<name>.json`; or all of it in `<name>.parquet`.
#[derive(Debug, Clone)]
pub struct EmbeddingsFile {
    /// One row per image.
    pub embeddings: Embeddings,
    /// The images, row by row.
    pub images: Vec<EmbeddedImage>,
    /// Fingerprint of the network.
    pub model: String,
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
    /// `VR0605`; `VR0606` for another ending; `VR0113` for an image whose name is no text, before anything is written.
    pub fn save(&self, path: &Path) -> Result<(), ProgramError> {
        if let Some(bad) = self.images.iter().find_map(|image| BadImage::if_unnameable(&image.path)) {
            return Err(DataError::Image(bad).into());
        }
        match Form::of(path)? {
            Form::Npy => self.save_npy(path),
            Form::Parquet => embeddings_parquet::save(self, path),
        }
    }

    /// Reads what [`save`](Self::save) wrote.
    ///
    /// # Errors
    ///
    /// `VR0601` when a file is missing, damaged, or does not belong to the others; `VR0606` for another ending.
    pub fn load(path: &Path) -> Result<Self, ProgramError> {
        let file = match Form::of(path)? {
            Form::Npy => Self::load_npy(path)?,
            Form::Parquet => embeddings_parquet::load(path)?,
        };
        // A row of any other would be in no list, and nobody would be told.
        let is_known = |name: &str| Modality::ALL.into_iter().any(|modality| modality.to_string() == name);
        match file.images.iter().find(|image| !is_known(&image.modality)) {
            Some(EmbeddedImage { path: image, modality, .. }) => Err(ProgramError::BadIndex {
                path: path.into(),
                reason: format!("'{modality}' of {} is neither visible nor infrared", image.display()),
            }),
            None => Ok(file),
        }
    }

    fn save_npy(&self, npy: &Path) -> Result<(), ProgramError> {
        let origin = Origin {
            version: env!("CARGO_PKG_VERSION").into(),
            model: self.model.clone(),
            data: self.data.clone(),
            rows: self.embeddings.rows(),
            dim: self.embeddings.dim(),
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

    fn load_npy(npy: &Path) -> Result<Self, ProgramError> {
        let embeddings = read_npy(npy)?;
        let (table, origin) = (npy.with_extension("csv"), npy.with_extension("json"));
        let bad = |path: &Path, reason: String| ProgramError::BadIndex { path: path.into(), reason };
        let text = fs::read_to_string(&origin).map_err(|error| bad(&origin, error.to_string()))?;
        let Origin { model, data, rows, dim, .. } =
            serde_json::from_str(&text).map_err(|error| bad(&origin, error.to_string()))?;
        let mut reader = csv::Reader::from_path(&table).map_err(|error| bad(&table, error.to_string()))?;
        let images: Vec<EmbeddedImage> =
            reader.deserialize().collect::<Result<_, _>>().map_err(|error| bad(&table, error.to_string()))?;
        if (rows, dim) != (embeddings.rows(), embeddings.dim()) || images.len() != rows {
            let reason = format!(
                "{} rows of {} in the matrix, {rows} of {dim} in the .json, {} in the .csv",
                embeddings.rows(),
                embeddings.dim(),
                images.len()
            );
            return Err(bad(npy, reason));
        }
        Ok(Self { embeddings, images, model, data })
    }

    /// Refuses the embeddings of another network.
    ///
    /// # Errors
    ///
    /// `VR0602`.
    pub fn check_model(&self, npy: &Path, expected: &str) -> Result<(), ProgramError> {
        if self.model == expected {
            return Ok(());
        }
        Err(ProgramError::ForeignIndex { path: npy.into(), found: self.model.clone(), expected: expected.into() })
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
    let (Some(rows), Some(dim), Some(_)) = (origin["rows"].as_u64(), origin["dim"].as_u64(), origin["model"].as_str())
    else {
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

#[cfg(test)]
mod tests {
    use super::*;

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
        let image = |name: &str, identity| EmbeddedImage {
            path: PathBuf::from(name),
            modality: "visible".into(),
            camera: 2,
            identity,
        };
        EmbeddingsFile {
            embeddings: Embeddings::new(vec![1.0, 0.0, 0.6, 0.8], 2, 2).unwrap(),
            images: vec![image("a, b.png", None), image("c.png", Some(7))],
            model: "m".into(),
            data: "d".into(),
        }
    }

    #[test]
    fn round_trip() {
        for name in ["made/gallery.npy", "made/gallery.parquet"] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(name);
            file().save(&path).unwrap();
            let loaded = EmbeddingsFile::load(&path).unwrap();
            assert_eq!(loaded.images, file().images);
            assert_eq!(loaded.embeddings.as_slice(), file().embeddings.as_slice());
            assert_eq!((loaded.model.as_str(), loaded.data.as_str()), ("m", "d"));
            assert!(loaded.check_model(&path, "m").is_ok());
            let foreign = loaded.check_model(&path, "other").unwrap_err().to_string();
            assert!(foreign.starts_with("VR0602"), "{foreign}");
        }
        let other = file().save(Path::new("gallery.txt")).unwrap_err().to_string();
        assert!(other.starts_with("VR0606"), "{other}");
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
            let said = EmbeddingsFile::load(&path).unwrap_err().to_string();
            assert!(said.starts_with("VR0601"), "{said}");
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
            assert!(said.starts_with("VR0601") && said.contains("'thermal' of c.png"), "{said}");
        }
    }

    #[test]
    fn parts_that_do_not_belong_together() {
        let folder = tempfile::tempdir().unwrap();
        let npy = folder.path().join("gallery.npy");
        let code = || EmbeddingsFile::load(&npy).unwrap_err().to_string();
        file().save(&npy).unwrap();
        fs::write(npy.with_extension("csv"), "path,modality,camera,identity\nx.png,visible,1,\n").unwrap();
        assert!(code().starts_with("VR0601") && code().contains("1 in the .csv"), "{}", code());
        fs::write(npy.with_extension("csv"), "colour\nred\n").unwrap();
        assert!(code().starts_with("VR0601"));
        fs::remove_file(npy.with_extension("json")).unwrap();
        assert!(code().starts_with("VR0601"));
    }
}
