//! LLCM's entry of the list.

use std::sync::Arc;

use vireid_core::PerModality;
use vireid_data::readers::read_llcm;
use vireid_data::synthetic::{WorldSpec, write_llcm};
use vireid_eval::llcm::LlcmProtocol;

use super::{Counts, DataSet, Layout, PartCounts, StandIn};
use crate::presets::preset_files;

/// LLCM, a data set of low light: nine cameras, each with a visible and a near-infrared sensor.
pub static LLCM: DataSet = DataSet {
    name: "llcm",
    title: "LLCM",
    preset: "llcm",
    is_licensed: true,
    layout: Layout::new("llcm", "LLCM", |path| path.join("idx/train_vis.txt").exists(), |path, _| read_llcm(path)),
    other_layouts: &[],
    protocol: || Arc::new(LlcmProtocol),
    // Zhang and Wang, CVPR 2023: 1,064 people and 46,767 images in all, which the parts add up to.
    published: Some(Counts {
        cameras: 9,
        train: PartCounts { identities: 713, images: PerModality { visible: 16_946, infrared: 13_975 } },
        test: PartCounts { identities: 351, images: PerModality { visible: 8_680, infrared: 7_166 } },
    }),
    presets: preset_files!["ecul_llcm_paper", "llcm_paper"],
    card: "docs/data/llcm.md",
    stand_in: Some(StandIn {
        name: "synthetic-llcm",
        about: "The built-in world in LLCM's layout",
        spec: WorldSpec::llcm,
        draw: |root, seed, spec, progress| write_llcm(root, seed, spec, progress),
    }),
};
