//! What only someone who knows the files can try.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;
use vireid_core::Modality;

use super::files::{HEADER, Positioned, log_path, salt_of, snapshot_path};
use super::frame::{self, Kind};
use super::load::load;
use super::manifest::Manifest;
use super::recover::finish;
use super::scan::scan;
use super::state::count_logs;
use super::view::Log;
use super::writer::{Writer, read, write};
use super::{Keep, Local};
use crate::{Existing, Facts, Filter, Item, Judgement, Model, Moment, Store};

fn new_folder() -> TempDir {
    TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).unwrap()
}

fn item(id: &str, image: usize) -> Item {
    let angle = id.bytes().map(f32::from).sum::<f32>();
    let image = (image > 0).then(|| format!("picture-of-{id}").into_bytes().repeat(image));
    Item { facts: Facts::new(id, Modality::Visible), embedding: vec![angle.cos(), angle.sin()], image }
}

fn judgement(query: &str, answer: &str) -> Judgement {
    Judgement {
        query: Some(query.into()),
        query_modality: Modality::Visible,
        answer: answer.into(),
        answer_modality: Modality::Visible,
        similarity: 0.5,
        same: true,
        time: Moment::from_milliseconds(1).unwrap(),
    }
}

fn create(folder: &Path, log_bytes: u64) -> Local {
    let model = Model { weights: "w".into(), settings: BTreeMap::new(), dim: 2 };
    Local::create(folder, model, Keep { images: true, log_bytes }).unwrap()
}

fn open(folder: &Path) -> Local {
    Local::open(folder, None).unwrap()
}

fn add(store: &Local, items: &[(&str, usize)]) {
    let items = items.iter().map(|(id, image)| item(id, *image)).collect();
    store.add(items, Existing::Refuse).unwrap();
}

fn delete(store: &Local, ids: &[&str]) -> u64 {
    store.delete(&ids.iter().map(|id| String::from(*id)).collect::<Vec<_>>()).unwrap()
}

fn ids(store: &Local) -> Vec<String> {
    let page = store.page(None, &Filter::default(), usize::MAX).unwrap();
    for kept in &page.entries {
        let image = store.image(&kept.facts.id).unwrap();
        assert!(image.is_none_or(|image| image.starts_with(format!("picture-of-{}", kept.facts.id).as_bytes())));
    }
    page.entries.into_iter().map(|kept| kept.facts.id).collect()
}

/// Kind, place and bytes of the sound frames of a log.
fn frames(folder: &Path, log: u32) -> Vec<(Kind, u64, usize)> {
    let (manifest, _lock) = Manifest::open(folder).unwrap();
    let bytes = fs::read(log_path(folder, log)).unwrap();
    let scanned = scan(&bytes, salt_of(manifest.salt, log), HEADER, 1);
    scanned.frames.iter().map(|frame| (frame.kind, frame.offset, (frame.end() - frame.offset) as usize)).collect()
}

fn change(path: &Path, at: u64) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at as usize] ^= 1;
    fs::write(path, bytes).unwrap();
}

fn is_anywhere(folder: &Path, what: &str) -> bool {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let has = |bytes: Vec<u8>| bytes.windows(what.len()).any(|bytes| bytes == what.as_bytes());
    paths.map(|path| fs::read(path).unwrap()).any(has)
}

/// How long a log is after some additions at once.
fn length_of(items: &[(&str, usize)]) -> u64 {
    let folder = new_folder();
    let store = create(folder.path(), 1 << 20);
    add(&store, items);
    let length = fs::metadata(log_path(folder.path(), 1)).unwrap().len();
    drop(store);
    length
}

/// The one who writes, without a thread of its own.
fn writer(folder: &Path, log_bytes: u64) -> Writer {
    let (manifest, _) = Manifest::open(folder).unwrap();
    let loaded = load(folder, manifest.salt, 2, false).unwrap();
    finish(folder, manifest.salt, Keep { images: true, log_bytes }, loaded).unwrap()
}

#[test]
fn a_judgement_outlives_that_its_log_is_written_anew() {
    let gone = [("e1", 20), ("e2", 20), ("e3", 20)];
    let folder = new_folder();
    let store = create(folder.path(), length_of(&gone) + 1);
    add(&store, &[("x", 80), ("y", 1)]);
    add(&store, &gone);
    store.judge(judgement("x", "y")).unwrap();
    assert_eq!(delete(&store, &["e1", "e2", "e3"]), 3);
    drop(store);
    assert_eq!(count_logs(folder.path()), 3);
    let before = fs::metadata(log_path(folder.path(), 2)).unwrap().len();
    for _ in 0..3 {
        assert_eq!(open(folder.path()).judgements().unwrap(), [judgement("x", "y")]);
    }
    assert!(fs::metadata(log_path(folder.path(), 2)).unwrap().len() * 2 < before);
}

#[test]
fn a_small_frame_that_is_damaged_takes_nothing_with_it() {
    let folder = new_folder();
    let store = create(folder.path(), 1 << 20);
    add(&store, &[("a", 0), ("b", 0)]);
    delete(&store, &["a"]);
    add(&store, &[("c", 0), ("d", 1)]);
    add(&store, &[("e", 0)]);
    drop(store);
    let settled = frames(folder.path(), 1).into_iter().find(|(kind, ..)| *kind == Kind::Settled).unwrap();
    assert!(settled.2 < 2 * frame::HEAD, "{settled:?}");
    change(&log_path(folder.path(), 1), settled.1 + settled.2 as u64 - 1);
    assert!(Local::open(folder.path(), None).is_err());
    assert_eq!(Local::repair(folder.path()).unwrap().faults.len(), 1);
    assert_eq!(Local::check(folder.path()).unwrap().faults, []);
    assert_eq!(ids(&open(folder.path())), ["b", "c", "d", "e"]);
}

#[test]
fn a_place_that_is_old_costs_nobody_anything() {
    let all = ["e1", "e2", "e3", "e4", "e5"];
    let folder = new_folder();
    let store = create(folder.path(), 300);
    add(&store, &all.map(|id| (id, 3)));
    add(&store, &[("later", 0)]);
    delete(&store, &["e1", "e2", "e3"]);
    drop(store);
    assert_eq!(ids(&open(folder.path())), ["e4", "e5", "later"]);
    // Nothing says any more that all was overwritten.
    let (manifest, lock) = Manifest::open(folder.path()).unwrap();
    for log in 1..=count_logs(folder.path()) {
        let path = log_path(folder.path(), log);
        let mut bytes = fs::read(&path).unwrap();
        for (_, offset, length) in frames_of(&bytes, manifest.salt, log) {
            let batch = frame::read(&bytes, salt_of(manifest.salt, log), offset as usize).unwrap().batch;
            let mut erased = Vec::new();
            let fill = |to: &mut Vec<u8>| to.resize(to.len() + length - frame::HEAD, 0);
            frame::write(&mut erased, salt_of(manifest.salt, log), Kind::Erased, batch, fill);
            bytes[offset as usize..][..length].copy_from_slice(&erased);
        }
        fs::write(&path, bytes).unwrap();
        let _ = fs::remove_file(snapshot_path(folder.path(), log));
    }
    drop(lock);
    for _ in 0..2 {
        assert_eq!(ids(&open(folder.path())), ["e4", "e5", "later"]);
    }
}

fn frames_of(bytes: &[u8], salt: u32, log: u32) -> Vec<(Kind, u64, usize)> {
    let scanned = scan(bytes, salt_of(salt, log), HEADER, 1);
    let settled = scanned.frames.iter().filter(|frame| frame.kind == Kind::Settled);
    settled.map(|frame| (frame.kind, frame.offset, (frame.end() - frame.offset) as usize)).collect()
}

#[test]
fn a_length_that_changed_on_the_disk_takes_nothing_with_it() {
    for kind in [Kind::Entry, Kind::Image] {
        let folder = new_folder();
        let store = create(folder.path(), 1 << 20);
        add(&store, &[("a", 1), ("b", 2), ("c", 2), ("d", 2)]);
        let path = log_path(folder.path(), 1);
        let file = Positioned::open(&path).unwrap();
        let bytes = fs::read(&path).unwrap();
        // The second of its kind is that of `b`.
        let at = bytes.windows(11).position(|bytes| bytes == b"picture-of-").unwrap();
        assert!(at > 0);
        let manifest: serde_json::Value =
            serde_json::from_slice(&fs::read(folder.path().join("gallery.json")).unwrap()).unwrap();
        let salt = salt_of(manifest["salt"].as_u64().unwrap() as u32, 1);
        let scanned = scan(&bytes, salt, HEADER, 1);
        let frame = scanned.frames.iter().filter(|frame| frame.kind == kind).nth(1).unwrap();
        // The second byte of the length.
        file.write(&[bytes[frame.offset as usize + 2] ^ 1], frame.offset + 2).unwrap();
        assert_eq!(delete(&store, &["b"]), 1, "{kind:?}");
        assert_eq!(ids(&store), ["a", "c", "d"], "{kind:?}");
        assert!(!is_anywhere(folder.path(), "picture-of-b"));
        drop(store);
        for _ in 0..2 {
            assert_eq!(ids(&open(folder.path())), ["a", "c", "d"], "{kind:?}");
        }
        assert_eq!(Local::check(folder.path()).unwrap().faults, []);
    }
}

fn is_zero(mut file: File) -> bool {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    !bytes.is_empty() && bytes.iter().all(|byte| *byte == 0)
}

#[test]
fn a_file_is_overwritten_before_its_blocks_are_given_back() {
    let folder = new_folder();
    let store = create(folder.path(), 300);
    add(&store, &[("a", 9), ("b", 1)]);
    add(&store, &[("c", 1)]);
    delete(&store, &["a"]);
    drop(store);
    let unfinished = folder.path().join("log-000001.vgs.new");
    fs::write(&unfinished, "somebody").unwrap();
    let old = [log_path(folder.path(), 1), snapshot_path(folder.path(), 1), unfinished.clone()];
    let old = old.map(|path| File::open(path).unwrap());
    assert_eq!(ids(&open(folder.path())), ["b", "c"]);
    assert!(!unfinished.exists());
    assert_eq!(old.map(is_zero), [true; 3]);
}

#[test]
fn a_snapshot_that_nobody_holds_or_that_is_damaged_goes_as_a_whole() {
    for is_held in [true, false] {
        let folder = new_folder();
        let store = create(folder.path(), 300);
        add(&store, &[("a", 9), ("b", 1)]);
        add(&store, &[("c", 1)]);
        drop(store);
        let mut writer = writer(folder.path(), 300);
        let path = snapshot_path(folder.path(), 1);
        assert!(writer.snapshots[0].is_some() && path.exists());
        if is_held {
            // The length of its first frame.
            let bytes = fs::read(&path).unwrap();
            Positioned::open(&path).unwrap().write(&[bytes[HEADER + 2] ^ 1], HEADER as u64 + 2).unwrap();
        } else {
            writer.snapshots[0] = None;
        }
        let old = File::open(&path).unwrap();
        let tombstone = read(&writer.shared).tombstone(&[0]);
        write(&writer.shared).bury(&tombstone);
        writer.erase(&tombstone.places).unwrap();
        assert!(!path.exists(), "{is_held}");
        assert!(is_zero(old));
    }
}

#[test]
fn what_belongs_to_nothing_goes_with_what_is_repaired() {
    let folder = new_folder();
    let store = create(folder.path(), 300);
    add(&store, &[("lost", 3), ("b", 1)]);
    store.judge(judgement("b", "lost")).unwrap();
    add(&store, &[("c", 1)]);
    drop(store);
    let entry = frames(folder.path(), 1).into_iter().find(|(kind, ..)| *kind == Kind::Entry).unwrap();
    change(&log_path(folder.path(), 1), entry.1 + 30);
    assert_eq!(Local::repair(folder.path()).unwrap().faults.len(), 1);
    assert!(!is_anywhere(folder.path(), "lost"));
    let store = open(folder.path());
    assert_eq!((ids(&store), store.judgements().unwrap()), (vec!["b".into(), "c".into()], vec![]));
}

#[test]
fn one_log_that_can_not_be_written_stops_no_other() {
    let folder = new_folder();
    let store = create(folder.path(), 300);
    for id in ["a", "b", "c", "d"] {
        add(&store, &[(id, 30)]);
    }
    drop(store);
    let (manifest, lock) = Manifest::open(folder.path()).unwrap();
    let keep = Keep { images: true, log_bytes: 300 };
    let loaded = || {
        let mut loaded = load(folder.path(), manifest.salt, 2, false).unwrap();
        let file = Positioned::open_to_read(&log_path(folder.path(), 1)).unwrap();
        loaded.state.logs[0] = Arc::new(Log { file, salt: salt_of(manifest.salt, 1) });
        loaded
    };
    let mut writer = finish(folder.path(), manifest.salt, keep, loaded()).unwrap();
    let tombstones = [[0], [1]].map(|sequences| read(&writer.shared).tombstone(&sequences));
    let mut frames = Vec::new();
    for tombstone in &tombstones {
        let fill = |to: &mut Vec<u8>| tombstone.write(to);
        frame::write(&mut frames, writer.salt(), Kind::Tombstone, writer.batch + 1, fill);
        write(&writer.shared).bury(tombstone);
    }
    writer.commit(frames).unwrap();
    let both: Vec<_> = tombstones.iter().flat_map(|tombstone| tombstone.places.clone()).collect();
    let not = writer.erase(&both).unwrap_err();
    assert!(not.of(&tombstones[0].places).unwrap_err().to_string().starts_with("VR0806"));
    assert!(not.of(&tombstones[1].places).is_ok());
    assert!(is_anywhere(folder.path(), "picture-of-a") && !is_anywhere(folder.path(), "picture-of-b"));
    drop(writer);
    let writer = finish(folder.path(), manifest.salt, keep, loaded()).unwrap();
    assert_eq!(writer.unsettled, tombstones[0].places);
    drop((writer, lock));
    assert_eq!(ids(&open(folder.path())), ["c", "d"]);
    assert!(!is_anywhere(folder.path(), "picture-of-a"));
}

#[test]
fn nobody_is_told_that_nothing_was_kept_where_that_is_not_known() {
    let folder = new_folder();
    drop(create(folder.path(), 300));
    let mut writer = writer(folder.path(), 300);
    let file = Positioned::open_to_read(&log_path(folder.path(), 1)).unwrap();
    let salt = writer.salt();
    write(&writer.shared).logs[0] = Arc::new(Log { file, salt });
    let said = writer.commit(Vec::new()).unwrap_err().to_string();
    assert!(said.contains("whether this request was kept") && !said.contains("nothing of this request"), "{said}");
    assert!(writer.commit(Vec::new()).unwrap_err().to_string().contains("open it anew"));
}

#[test]
fn only_one_makes_a_gallery_and_one_that_was_begun_can_be_made() {
    let model = || Model { weights: "w".into(), settings: BTreeMap::new(), dim: 2 };
    let folder = new_folder();
    let lock = File::create(folder.path().join("lock")).unwrap();
    lock.lock().unwrap();
    let said = Local::create(folder.path(), model(), Keep::default()).unwrap_err().to_string();
    assert!(said.starts_with("VR0805"), "{said}");
    drop(lock);
    let log = log_path(folder.path(), 1);
    fs::write(&log, [1; HEADER + 1]).unwrap();
    let said = Local::create(folder.path(), model(), Keep::default()).unwrap_err().to_string();
    assert!(said.starts_with("VR0808"), "{said}");
    fs::write(&log, [1; HEADER]).unwrap();
    fs::write(folder.path().join("gallery.json.new"), "{").unwrap();
    drop(Local::create(folder.path(), model(), Keep::default()).unwrap());
    assert!(ids(&open(folder.path())).is_empty());
}

#[test]
fn a_log_that_lost_most_before_it_was_full_is_written_anew() {
    let folder = new_folder();
    let store = create(folder.path(), length_of(&[("a", 100)]) + 1);
    add(&store, &[("a", 100)]);
    delete(&store, &["a"]);
    add(&store, &[("b", 1)]);
    drop(store);
    assert_eq!(count_logs(folder.path()), 2);
    let length = || fs::metadata(log_path(folder.path(), 1)).unwrap().len();
    assert_eq!(ids(&open(folder.path())), ["b"]);
    assert!(length() < 100, "{}", length());
    let left = length();
    assert_eq!(ids(&open(folder.path())), ["b"]);
    assert_eq!(length(), left);
}

#[test]
fn many_are_deleted_as_a_whole() {
    let folder = new_folder();
    let store = create(folder.path(), 1 << 20);
    let all: Vec<String> = (0..10).map(|n| format!("e{n}")).collect();
    add(&store, &all.iter().map(|id| (id.as_str(), 1)).collect::<Vec<_>>());
    assert_eq!(store.delete(&all).unwrap(), 10);
    drop(store);
    let kinds: Vec<Kind> = frames(folder.path(), 1).into_iter().map(|(kind, ..)| kind).collect();
    let commits = kinds.iter().filter(|kind| **kind == Kind::Commit).count();
    // The addition, the deletion, and the closing.
    assert_eq!(commits, 3, "{kinds:?}");
    assert!(kinds.iter().filter(|kind| **kind == Kind::Tombstone).count() > 3, "{kinds:?}");
    assert!(ids(&open(folder.path())).is_empty());
}

#[test]
fn a_number_is_never_used_again() {
    let folder = new_folder();
    let store = create(folder.path(), 300);
    add(&store, &[("a", 0)]);
    add(&store, &[("b", 40)]);
    delete(&store, &["b"]);
    drop(store);
    drop(open(folder.path()));
    let store = open(folder.path());
    add(&store, &[("c", 0)]);
    let next = store.page(None, &Filter::default(), 1).unwrap().next;
    assert_eq!(next.as_deref(), Some("2"));
}
