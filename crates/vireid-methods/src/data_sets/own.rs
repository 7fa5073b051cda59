//! The entry of the list for crops of your own.

use std::path::Path;
use std::sync::Arc;

use vireid_data::readers::{check_folders_to_train_on, read_folder, read_manifest};
use vireid_eval::own::OwnProtocol;

use super::{DataSet, Layout};

/// Endings of files that are read as a manifest.
const TABLES: [&str; 2] = ["csv", "parquet"];

fn is_table(path: &Path) -> bool {
    path.extension().is_some_and(|ending| TABLES.iter().any(|known| ending.eq_ignore_ascii_case(known)))
}

/// Crops of your own: folders or a manifest. Nobody published settings for them; SYSU-MM01's presets fit.
pub static OWN: DataSet = DataSet {
    name: "own",
    title: "own data",
    preset: "sysu",
    is_licensed: false,
    layout: Layout {
        check_to_train: check_folders_to_train_on,
        // Even one that is not there: whatever came to have its name would be read the next time.
        lists: |path| vec![path.join("manifest.csv")],
        ..Layout::new(
            "folder",
            "Crops of your own: `visible/<camera>/*`, `infrared/<camera>/*`",
            |path| {
                !is_table(path) && ["manifest.csv", "visible", "infrared"].iter().any(|part| path.join(part).exists())
            },
            |path, _| read_folder(path),
        )
    },
    other_layouts: &[Layout {
        lists: |path| vec![path.into()],
        ..Layout::new("manifest", "A list of crops: `path,modality,camera[,identity][,split]`", is_table, |path, _| {
            read_manifest(path)
        })
    }],
    protocol: || Arc::new(OwnProtocol),
    published: None,
    presets: &[],
    card: "docs/data/own.md",
    stand_in: None,
};
