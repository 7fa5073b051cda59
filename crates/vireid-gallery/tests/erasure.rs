//! What is deleted is in no file any more.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use tempfile::TempDir;
use vireid_core::Modality;
use vireid_gallery::{Existing, Facts, Filter, Item, Judgement, Keep, Local, Model, Moment, Scalar, Store};

const DIM: usize = 64;

fn item(n: u64) -> Item {
    let mut facts = Facts::new(format!("somebody-{n:03}"), Modality::Visible);
    facts.camera = format!("camera-of-{n:03}");
    facts.metadata = [("door".into(), Scalar::Text(format!("metadata-{n:03}")))].into();
    let mixed =
        |axis: u64| ((n << 32) + axis).wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 40;
    let mut embedding: Vec<f32> = (0..DIM as u64).map(|axis| (mixed(axis) % 1009) as f32 - 504.0).collect();
    let length = embedding.iter().map(|value| value * value).sum::<f32>().sqrt();
    embedding.iter_mut().for_each(|value| *value /= length);
    Item { facts, embedding, image: Some(format!("image-of-{n:03}").repeat(4).into()) }
}

/// Everything that tells of an entry: how it is called, what is known, how it looks, and that in the few bits of a snapshot.
fn traces(n: u64) -> Vec<Vec<u8>> {
    let item = item(n);
    let row: Vec<u8> = item.embedding.iter().flat_map(|value| value.to_le_bytes()).collect();
    let step = item.embedding.iter().fold(0.0f32, |largest, value| largest.max(value.abs())) / 127.0;
    let code: Vec<u8> = item.embedding.iter().map(|value| ((value / step).round() as i8).cast_unsigned()).collect();
    let texts = ["somebody", "camera-of", "metadata", "image-of"].map(|what| format!("{what}-{n:03}").into_bytes());
    // Parts, too.
    [row[..32].to_vec(), row[DIM * 2..].to_vec(), code[..16].to_vec(), code[DIM / 2..].to_vec()]
        .into_iter()
        .chain(texts)
        .collect()
}

fn traces_left(folder: &Path, n: u64) -> usize {
    let files: Vec<Vec<u8>> =
        fs::read_dir(folder).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect();
    let there = |trace: &&Vec<u8>| files.iter().any(|bytes| bytes.windows(trace.len()).any(|bytes| bytes == **trace));
    traces(n).iter().filter(there).count()
}

fn gallery(entries: u64) -> (TempDir, Local) {
    let folder = TempDir::new().unwrap();
    let model = Model { weights: "w".into(), settings: BTreeMap::new(), dim: DIM };
    let store = Local::create(folder.path(), model, Keep { images: true, log_bytes: 3000 }).unwrap();
    for n in 0..entries {
        store.add(vec![item(n)], Existing::Refuse).unwrap();
    }
    (folder, store)
}

#[test]
fn nothing_is_left_of_what_was_deleted() {
    let (folder, store) = gallery(40);
    for same in [true, false] {
        let judgement = Judgement {
            query: Some("somebody-003".into()),
            query_modality: Modality::Visible,
            answer: "somebody-020".into(),
            answer_modality: Modality::Visible,
            similarity: 0.5,
            same,
            time: Moment::now(),
        };
        store.judge(judgement).unwrap();
    }
    store.assign(&[("somebody-003".into(), Some(8))]).unwrap();
    // Deletion waits for snapshots that are being made; so all that there will be are there after one.
    store.delete(&["somebody-039".into()]).unwrap();
    for n in [3, 20, 38] {
        assert!(traces_left(folder.path(), n) >= 6, "{n}");
    }
    assert_eq!(traces_left(folder.path(), 3), 8, "its code is in a snapshot");
    store.delete(&["somebody-003".into()]).unwrap();
    assert_eq!(traces_left(folder.path(), 3), 0);
    assert_eq!(traces_left(folder.path(), 39), 0);
    assert!(store.judgements().unwrap().is_empty());
    let replaced =
        Item { embedding: item(100).embedding, image: None, facts: Facts::new("somebody-020", Modality::Infrared) };
    store.add(vec![replaced], Existing::Replace).unwrap();
    assert_eq!(traces_left(folder.path(), 20), 1, "only the id, which the new one has");
    let late = Filter { cameras: vec!["camera-of-038".into()], ..Filter::default() };
    assert_eq!(store.delete_matching(&late).unwrap(), 1);
    assert_eq!(traces_left(folder.path(), 38), 0);
    assert_eq!(traces_left(folder.path(), 21), 8);
    drop(store);
    let store = Local::open(folder.path(), None).unwrap();
    assert_eq!([3, 38, 39].map(|n| traces_left(folder.path(), n)), [0; 3]);
    assert_eq!(store.count().unwrap().visible, 36);
    assert_eq!(store.get("somebody-021").unwrap().unwrap().embedding, item(21).embedding);
}

#[test]
fn logs_of_which_most_is_gone_are_written_anew() {
    let (folder, store) = gallery(60);
    let gone: Vec<String> = (0..60).filter(|n| n % 5 != 0).map(|n| format!("somebody-{n:03}")).collect();
    let size =
        || fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum::<u64>();
    assert_eq!(store.delete(&gone).unwrap(), 48);
    let before = size();
    drop(store);
    for _ in 0..2 {
        let store = Local::open(folder.path(), None).unwrap();
        assert!(size() * 2 < before, "{} of {before}", size());
        let left = store.page(None, &Filter::default(), 100).unwrap().entries;
        let expected: Vec<Item> = (0..12).map(|n| item(5 * n)).collect();
        assert_eq!(left.len(), 12);
        for (kept, expected) in left.iter().zip(&expected) {
            assert_eq!((&kept.facts, &kept.embedding), (&expected.facts, &expected.embedding));
            assert_eq!(store.image(&kept.facts.id).unwrap(), expected.image);
        }
        drop(store);
        assert_eq!(Local::check(folder.path()).unwrap().faults, []);
    }
}

#[test]
fn an_overwriting_that_was_cut_short_is_finished() {
    let folder = TempDir::new().unwrap();
    let model = Model { weights: "w".into(), settings: BTreeMap::new(), dim: DIM };
    let store = Local::create(folder.path(), model, Keep { images: true, ..Keep::default() }).unwrap();
    store.add((0..3).map(item).collect(), Existing::Refuse).unwrap();
    let log = folder.path().join("log-000001.vgl");
    let before = fs::read(&log).unwrap();
    store.delete(&["somebody-001".into()]).unwrap();
    // As it is before anything says that all was overwritten.
    let after = fs::read(&log).unwrap();
    drop(store);
    let changed: Vec<usize> = (0..before.len()).filter(|at| before[*at] != after[*at]).collect();
    let (first, last) = (changed[0], changed[changed.len() - 1]);
    for at in (first..=last).step_by(7) {
        // A part of the frames came to the disk, this side or the other of some byte.
        for (old, new) in [(first..at, at..last + 1), (at..last + 1, first..at)] {
            let mut torn = after.clone();
            torn[old.clone()].copy_from_slice(&before[old]);
            torn[new.clone()].copy_from_slice(&after[new]);
            fs::write(&log, torn).unwrap();
            let store = Local::open(folder.path(), None).unwrap();
            assert_eq!(traces_left(folder.path(), 1), 0, "{at}");
            assert_eq!(store.count().unwrap().visible, 2);
            for n in [0, 2] {
                assert_eq!(store.get(&item(n).facts.id).unwrap().unwrap().embedding, item(n).embedding);
            }
        }
    }
}
