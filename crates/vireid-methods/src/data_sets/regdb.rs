//! RegDB's entry of the list.

use std::sync::Arc;

use vireid_core::PerModality;
use vireid_data::readers::read_regdb;
use vireid_data::synthetic::{WorldSpec, write_regdb};
use vireid_eval::regdb::RegdbProtocol;

use super::{Counts, DataSet, Layout, PartCounts, StandIn};
use crate::presets::preset_files;

/// The numbers of one half of the data set: training and test are alike.
const PART: PartCounts = PartCounts { identities: 206, images: PerModality { visible: 2_060, infrared: 2_060 } };

/// RegDB: one visible and one thermal camera, and ten splits that are trained on one by one.
pub static REGDB: DataSet = DataSet {
    name: "regdb",
    title: "RegDB",
    preset: "regdb",
    is_licensed: true,
    layout: Layout::new("regdb", "RegDB", |path| path.join("idx/train_visible_1.txt").exists(), read_regdb),
    other_layouts: &[],
    protocol: || Arc::new(RegdbProtocol),
    // Nguyen et al., Sensors 2017: 206 and 206 people, ten images of each in either modality.
    published: Some(Counts { cameras: 2, train: PART, test: PART }),
    presets: preset_files![
        "bmil_regdb_paper",
        "dmic_regdb_paper",
        "dmic_regdb_paper+even",
        "ecul_regdb_paper",
        "ecul_regdb_paper+counts",
        "mmm_regdb_paper",
        "regdb_paper",
        "regdb_quick",
    ],
    card: "docs/data/regdb.md",
    stand_in: Some(StandIn {
        name: "synthetic-regdb",
        about: "The built-in world in RegDB's layout",
        spec: WorldSpec::regdb,
        draw: |root, seed, spec, progress| write_regdb(root, seed, spec, progress),
    }),
};
