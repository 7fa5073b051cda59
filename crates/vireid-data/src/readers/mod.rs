//! Readers of the data sets' layouts on disk.

mod llcm;
mod manifest;
mod market;
mod own;
#[cfg(feature = "parquet")]
mod parquet_table;
mod regdb;
mod sysu;

use std::fs;
use std::path::{Path, PathBuf};

pub use llcm::read_llcm;
pub use manifest::read_manifest;
pub use market::read_sysu_converted;
pub use own::{check_folders_to_train_on, read_folder};
pub use regdb::read_regdb;
pub use sysu::read_sysu;
pub(crate) use sysu::{INFRARED_CAMERAS, VISIBLE_CAMERAS};

use vireid_core::Identity;

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

/// The lines `<path> <label>` of a list.
fn labelled_paths(list: &Path) -> Result<Vec<(String, Identity)>, DataError> {
    let text = fs::read_to_string(list).map_err(DataError::io("can't read", list))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(number, line)| {
            let entry = line.trim().rsplit_once(' ').and_then(|(image, label)| Some((image, label.parse().ok()?)));
            let Some((image, label)) = entry else {
                let reason = format!("'{line}' is not '<path> <label>'");
                return Err(DataError::MalformedList { path: list.into(), line: number + 1, reason });
            };
            Ok((image.to_string(), Identity(label)))
        })
        .collect()
}

/// The image files of a folder by name; an empty list when there is no folder.
fn images_in(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(DataError::io("can't list", folder))? {
        let path = entry.map_err(DataError::io("can't list", folder))?.path();
        let extension = path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
        if matches!(extension.as_deref(), Some("jpg" | "jpeg" | "bmp" | "png" | "webp")) {
            files.push(path);
        }
    }
    files.sort_unstable();
    Ok(files)
}
