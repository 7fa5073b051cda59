//! Readers of the data sets' layouts on disk.

mod files;
mod listing;
mod llcm;
mod manifest;
mod market;
mod own;
#[cfg(feature = "parquet")]
mod parquet_table;
#[cfg(feature = "parquet")]
mod parquet_zstd;
mod people;
mod regdb;
mod spelling;
mod sysu;
mod text;

use std::path::Path;

pub use llcm::read_llcm;
pub use manifest::read_manifest;
pub use market::read_sysu_converted;
pub use own::{check_folders_to_train_on, read_folder};
pub use regdb::read_regdb;
pub use sysu::read_sysu;
pub(crate) use sysu::{INFRARED_CAMERAS, VISIBLE_CAMERAS};

use vireid_core::Camera;

use crate::DataError;
use crate::synthetic::STAMP;

/// Whether a path holds a converted SYSU-MM01 (`rgb_modify`, `ir_modify`) rather than the original one.
pub fn is_converted_layout(root: &Path) -> bool {
    root.join("rgb_modify").is_dir() && root.join("ir_modify").is_dir()
}

/// The name of a data set read from a folder, and whether the folder holds a synthetic world.
fn name_of(layout: &str, root: &Path) -> (String, bool) {
    let synthetic = root.join(STAMP).exists();
    (if synthetic { format!("synthetic world in the layout of {layout}") } else { layout.to_string() }, synthetic)
}

/// The camera that has a place among the names of cameras, counted from 0.
///
/// # Errors
///
/// `VR0103` when there are more names than numbers of cameras.
fn numbered_camera(place: usize, of: &Path) -> Result<Camera, DataError> {
    let number = u16::try_from(place + 1).map(Camera);
    number.map_err(|_| malformed(of, 0, format!("it has more cameras than {}, the most that are read", u16::MAX)))
}

/// A list that can't be read as what it should be, or an image whose name is wrong (`line` 0).
fn malformed(path: &Path, line: usize, reason: String) -> DataError {
    DataError::MalformedList { path: path.into(), line, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_cameras_end() {
        assert_eq!(numbered_camera(0, Path::new("x")).unwrap(), Camera(1));
        assert_eq!(numbered_camera(65_534, Path::new("x")).unwrap(), Camera(65_535));
        let error = numbered_camera(65_535, Path::new("x")).unwrap_err().to_string();
        assert!(error.starts_with("VR0103: x: it has more cameras than 65535"), "{error}");
    }
}
