//! SYSU-MM01's entry of the list.

use std::sync::Arc;

use vireid_core::PerModality;
use vireid_data::readers::{is_converted_layout, read_sysu, read_sysu_converted};
use vireid_data::synthetic::{SysuLayout, WorldSpec, write_sysu};
use vireid_eval::sysu::SysuProtocol;

use super::{Counts, DataSet, Layout, PartCounts, StandIn};

/// SYSU-MM01: four visible and two infrared cameras. The methods' own presets are made for it, so it has no layer.
pub static SYSU: DataSet = DataSet {
    name: "sysu",
    title: "SYSU-MM01",
    preset: "sysu",
    is_licensed: true,
    layout: Layout::new(
        "sysu",
        "SYSU-MM01, original or converted layout",
        |path| path.join("exp/train_id.txt").exists() || is_converted_layout(path),
        |path, _| if is_converted_layout(path) { read_sysu_converted(path) } else { read_sysu(path) },
    ),
    other_layouts: &[],
    protocol: || Arc::new(SysuProtocol),
    // Wu et al., ICCV 2017; the 395 training identities, and all images of the 96 test identities.
    published: Some(Counts {
        cameras: 6,
        train: PartCounts { identities: 395, images: PerModality { visible: 22_258, infrared: 11_909 } },
        test: PartCounts { identities: 96, images: PerModality { visible: 6_775, infrared: 3_803 } },
    }),
    presets: &[],
    card: "docs/data/sysu.md",
    stand_in: Some(StandIn {
        name: "synthetic",
        about: "The built-in world in SYSU-MM01's layout",
        spec: WorldSpec::sysu,
        draw: |root, seed, spec, progress| write_sysu(root, seed, spec, SysuLayout::Original, progress),
    }),
};
