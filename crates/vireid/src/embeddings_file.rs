use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use vireid_core::Embeddings;

use crate::{ProgramError, read_npy, write_npy};

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

/// Embeddings of many images on disk: the matrix in `<name>.npy` (rows of length 1), a line per row in `<name>.csv`, and the
/// fingerprints of network and data in `<name>.json`.
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

impl EmbeddingsFile {
    /// Writes the three files.
    ///
    /// # Errors
    ///
    /// `VR0605`.
    pub fn save(&self, npy: &Path) -> Result<(), ProgramError> {
        if let Some(folder) = npy.parent() {
            fs::create_dir_all(folder).map_err(ProgramError::io("can't make folder", folder))?;
        }
        write_npy(npy, &self.embeddings)?;
        let table = npy.with_extension("csv");
        let csv_error = |error: csv::Error| ProgramError::io("can't write", &table)(std::io::Error::other(error));
        let mut writer = csv::Writer::from_path(&table).map_err(csv_error)?;
        for image in &self.images {
            writer.serialize(image).map_err(csv_error)?;
        }
        writer.flush().map_err(ProgramError::io("can't write", &table))?;
        let origin = Origin {
            version: env!("CARGO_PKG_VERSION").into(),
            model: self.model.clone(),
            data: self.data.clone(),
            rows: self.embeddings.rows(),
            dim: self.embeddings.dim(),
        };
        let path = npy.with_extension("json");
        let text = serde_json::to_string_pretty(&origin).map_err(std::io::Error::other);
        let written = text.and_then(|text| fs::write(&path, text + "\n"));
        written.map_err(ProgramError::io("can't write", &path))
    }

    /// Reads the three files.
    ///
    /// # Errors
    ///
    /// `VR0601` when one is missing, damaged, or does not belong to the others.
    pub fn load(npy: &Path) -> Result<Self, ProgramError> {
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

#[cfg(test)]
mod tests {
    use super::*;

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
        let folder = tempfile::tempdir().unwrap();
        let npy = folder.path().join("made/gallery.npy");
        file().save(&npy).unwrap();
        let loaded = EmbeddingsFile::load(&npy).unwrap();
        assert_eq!(loaded.images, file().images);
        assert_eq!(loaded.embeddings.as_slice(), file().embeddings.as_slice());
        assert!(loaded.check_model(&npy, "m").is_ok());
        let foreign = loaded.check_model(&npy, "other").unwrap_err().to_string();
        assert!(foreign.starts_with("VR0602"), "{foreign}");
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
