//! Lists and images of data sets.

use vireid_core::Camera;
use vireid_data::readers::{read_llcm, read_manifest, read_regdb, read_sysu};
use vireid_data::{CacheBudget, Dataset, ImageList, ImageSize, ResizeFilter, Sample};

use crate::{Target, checked, choice, scratch, seeds};

pub const TARGETS: &[Target] = &[
    Target { name: "image", run: image, seeds: seeds::images },
    Target { name: "llcm_lists", run: llcm_lists, seeds: seeds::llcm_lists },
    Target { name: "manifest_csv", run: manifest_csv, seeds: seeds::manifests_csv },
    Target { name: "manifest_parquet", run: manifest_parquet, seeds: seeds::manifests_parquet },
    Target { name: "regdb_lists", run: regdb_lists, seeds: seeds::regdb_lists },
    Target { name: "sysu_lists", run: sysu_lists, seeds: seeds::sysu_lists },
];

/// Size that images are brought to.
const SIZE: ImageSize = ImageSize { height: 24, width: 12 };

/// An image of any kind that the decoder knows, with the check of a JPEG's end.
fn image(bytes: &[u8]) {
    let sample = Sample { path: scratch::file("image", bytes), identity: None, camera: Camera(1) };
    let list = ImageList::new(vec![sample], SIZE, ResizeFilter::Bilinear, CacheBudget::new(0));
    match list.get(0) {
        Ok(pixels) => assert_eq!(pixels.len(), 3 * SIZE.area()),
        Err(bad) => assert!(!bad.reason.is_empty() && !bad.reason.contains('\n'), "{bad}"),
    }
}

fn manifest_csv(bytes: &[u8]) {
    check(checked(read_manifest(&scratch::file("manifest.csv", bytes))));
}

fn manifest_parquet(bytes: &[u8]) {
    check(checked(read_manifest(&scratch::file("manifest.parquet", bytes))));
}

/// One of SYSU-MM01's three lists; the other two are whole.
fn sysu_lists(bytes: &[u8]) {
    let Some((which, list)) = choice(bytes) else { return };
    const LISTS: [&str; 3] = ["train_id.txt", "val_id.txt", "test_id.txt"];
    for camera in 1..=6 {
        scratch::file_once(&format!("sysu/cam{camera}/0001/a.jpg"), b"not looked into");
        scratch::file_once(&format!("sysu/cam{camera}/0002/a.jpg"), b"not looked into");
    }
    for (number, name) in LISTS.into_iter().enumerate() {
        let is_chosen = number == which % LISTS.len();
        scratch::file(&format!("sysu/exp/{name}"), if is_chosen { list } else { b"1,2\n" });
    }
    check(checked(read_sysu(&scratch::path("sysu"))));
}

/// One of RegDB's four lists; the other three are whole.
fn regdb_lists(bytes: &[u8]) {
    let Some((which, list)) = choice(bytes) else { return };
    const LISTS: [&str; 4] = ["train_visible_1.txt", "train_thermal_1.txt", "test_visible_1.txt", "test_thermal_1.txt"];
    for (number, name) in LISTS.into_iter().enumerate() {
        let is_chosen = number == which % LISTS.len();
        // A file that two lists name is refused.
        let whole = format!("Part/{number}/a.bmp 0\n");
        scratch::file(&format!("regdb/idx/{name}"), if is_chosen { list } else { whole.as_bytes() });
    }
    check(checked(read_regdb(&scratch::path("regdb"), 1)));
}

/// One of LLCM's three lists; the other two are whole.
fn llcm_lists(bytes: &[u8]) {
    let Some((which, list)) = choice(bytes) else { return };
    const LISTS: [(&str, &[u8]); 3] = [
        ("train_vis.txt", b"vis/0001/0001_c1_a.jpg 0\n"),
        ("train_nir.txt", b"nir/cam2/0001/a.jpg 0\n"),
        ("test_id.txt", b"5\n"),
    ];
    scratch::file_once("llcm/test_vis/cam1/0005/a.jpg", b"not looked into");
    scratch::file_once("llcm/test_nir/cam2/0005/a.jpg", b"not looked into");
    for (number, (name, whole)) in LISTS.into_iter().enumerate() {
        let is_chosen = number == which % LISTS.len();
        scratch::file(&format!("llcm/idx/{name}"), if is_chosen { list } else { whole });
    }
    check(checked(read_llcm(&scratch::path("llcm"))));
}

/// What was read can be scored: a test image has an identity.
fn check(dataset: Option<Dataset>) {
    let Some(dataset) = dataset else { return };
    let test = dataset.test.images();
    assert!(test.visible.iter().chain(test.infrared).all(|sample| sample.identity.is_some()), "{dataset:?}");
}
