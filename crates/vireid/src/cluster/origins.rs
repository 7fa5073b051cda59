//! Which camera and modality each image is of.

use std::path::Path;

use vireid::ProgramError;
use vireid_clustering::Origin;
use vireid_core::{Camera, Modality};

use crate::npy::Entries;

/// The entries of a file, one per image.
pub fn entries(path: &Path, images: usize) -> Result<Entries, ProgramError> {
    let entries = Entries::read(path).map_err(|reason| bad(path, reason))?;
    match entries.len() {
        count if count == images => Ok(entries),
        count => Err(bad(path, format!("it has {count} entries, and the embeddings have {images} rows"))),
    }
}

/// Where every image comes from: of one camera, and visible, where nothing is said.
pub fn origins(cameras: Option<&Path>, modalities: Option<&Path>, images: usize) -> Result<Vec<Origin>, ProgramError> {
    let mut origins = vec![Origin { modality: Modality::Visible, camera: Camera(0) }; images];
    if let Some(path) = cameras {
        for (origin, number) in origins.iter_mut().zip(entries(path, images)?.numbered()) {
            let number = u16::try_from(number);
            origin.camera = Camera(number.map_err(|_| bad(path, "it has more than 65536 different cameras".into()))?);
        }
    }
    if let Some(path) = modalities {
        let modalities = read_modalities(&entries(path, images)?).map_err(|reason| bad(path, reason))?;
        origins.iter_mut().zip(modalities).for_each(|(origin, modality)| origin.modality = modality);
    }
    Ok(origins)
}

fn read_modalities(entries: &Entries) -> Result<Vec<Modality>, String> {
    let known = "visible is 0, 'visible' or 'rgb', infrared is 1, 'infrared', 'ir' or 'thermal'";
    match entries {
        Entries::Numbers(numbers) => {
            let modality = |(row, number): (usize, &i128)| match number {
                0 => Ok(Modality::Visible),
                1 => Ok(Modality::Infrared),
                other => Err(format!("entry {row} is {other}, which is no modality: {known}")),
            };
            numbers.iter().enumerate().map(modality).collect()
        }
        Entries::Names(names) => {
            let modality = |(row, name): (usize, &String)| match name.to_lowercase().as_str() {
                "visible" | "rgb" => Ok(Modality::Visible),
                "infrared" | "ir" | "thermal" => Ok(Modality::Infrared),
                _ => Err(format!("entry {row} is '{}', which is no modality: {known}", name.escape_debug())),
            };
            names.iter().enumerate().map(modality).collect()
        }
    }
}

fn bad(path: &Path, reason: String) -> ProgramError {
    ProgramError::BadArray { path: path.into(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modalities_by_number_and_by_name() {
        let names = ["rgb", "IR", "Visible", "thermal", "infrared"].map(String::from);
        let expected =
            [Modality::Visible, Modality::Infrared, Modality::Visible, Modality::Infrared, Modality::Infrared];
        assert_eq!(read_modalities(&Entries::Names(names.into())).unwrap(), expected);
        assert_eq!(read_modalities(&Entries::Numbers(vec![0, 1, 0, 1, 1])).unwrap(), expected);
        assert!(read_modalities(&Entries::Numbers(vec![0, 7])).unwrap_err().contains("entry 1 is 7"));
        assert!(read_modalities(&Entries::Names(vec!["radar".into()])).unwrap_err().contains("entry 0 is 'radar'"));
    }
}
