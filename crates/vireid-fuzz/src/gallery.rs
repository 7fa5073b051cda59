//! A gallery on disk, one of its files damaged.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use vireid_core::Modality;
use vireid_gallery::{Existing, Facts, Filter, Item, Judgement, Keep, Local, Model, Moment, Store};

use crate::{Target, checked, choice, scratch};

/// The gallery on disk.
pub const TARGETS: &[Target] = &[Target { name: "gallery", run: gallery, seeds }];

/// A whole gallery. Its checksums begin with a number by lot, so it is kept and not made anew each time.
const FILES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/gallery");
/// Entries that were put into it; the last is deleted again.
const ENTRIES: usize = 6;

/// The file that is replaced is chosen by the first byte. Facts that are read back are of entries that were put in, or there is an
/// error, before and after a repair; images and judgements are read and not compared.
fn gallery(bytes: &[u8]) {
    let Some((which, damaged)) = choice(bytes) else { return };
    let files = files();
    let folder = scratch::path("gallery");
    if folder.exists() {
        fs::remove_dir_all(&folder).unwrap();
    }
    fs::create_dir_all(&folder).unwrap();
    for (number, (name, whole)) in files.iter().enumerate() {
        let bytes = if number == which % files.len() { damaged } else { whole };
        fs::write(folder.join(name), bytes).unwrap();
    }
    checked(Local::check(&folder));
    look(&folder);
    checked(Local::repair(&folder));
    look(&folder);
}

/// Reads everything.
fn look(folder: &Path) {
    let Some(store) = checked(Local::open(folder, None)) else { return };
    if let Some(page) = checked(store.page(None, &Filter::default(), 100)) {
        for entry in page.entries {
            let is_known = (0..ENTRIES).any(|n| facts(n) == entry.facts);
            assert!(is_known, "nobody put this in: {:?}", entry.facts);
            checked(store.image(&entry.facts.id));
        }
    }
    checked(store.search(&embedding(1), &Filter::default(), 3));
    checked(store.judgements());
    checked(store.count());
}

fn embedding(n: usize) -> Vec<f32> {
    vec![(n as f32).cos(), (n as f32).sin(), 0.0]
}

fn facts(n: usize) -> Facts {
    Facts::new(format!("e{n}"), Modality::ALL[n % 2])
}

/// Makes the gallery that is kept: two logs, and a snapshot of what both say.
///
/// # Panics
///
/// When it can't be made.
pub fn make(folder: &Path) {
    let model = Model { weights: "w".into(), settings: BTreeMap::new(), dim: 3 };
    let store = Local::create(folder, model, Keep { images: true, log_bytes: 300 }).unwrap();
    for n in 0..ENTRIES {
        let item = Item { facts: facts(n), embedding: embedding(n), image: Some(vec![n as u8; 9]) };
        store.add(vec![item], Existing::Refuse).unwrap();
    }
    let judgement = Judgement {
        query: Some("e1".into()),
        query_modality: Modality::Infrared,
        answer: "e2".into(),
        answer_modality: Modality::Visible,
        similarity: 0.5,
        same: true,
        time: Moment::from_milliseconds(1).unwrap(),
    };
    store.judge(judgement).unwrap();
    store.assign(&[("e3".into(), Some(4))]).unwrap();
    store.delete(&[facts(ENTRIES - 1).id]).unwrap();
}

/// The files of the whole gallery by name; its lock is none of them.
fn files() -> Vec<(String, Vec<u8>)> {
    let paths = fs::read_dir(FILES).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = paths.filter(|path| !path.ends_with("lock")).collect();
    files.sort_unstable();
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_string();
    files.iter().map(|path| (name(path), fs::read(path).unwrap())).collect()
}

/// Each file in its own place.
fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    const NAMES: [&str; 6] = ["seed-file-0", "seed-file-1", "seed-file-2", "seed-file-3", "seed-file-4", "seed-file-5"];
    let files = files();
    assert!(files.len() <= NAMES.len(), "{} files", files.len());
    let seed = |(number, (_, bytes)): (usize, (String, Vec<u8>))| [vec![number as u8], bytes].concat();
    NAMES.into_iter().zip(files.into_iter().enumerate().map(seed)).collect()
}
