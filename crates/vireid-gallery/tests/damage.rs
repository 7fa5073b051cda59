//! Damaged files are found and named. They never become wrong answers.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use tempfile::TempDir;
use vireid_core::Modality;
use vireid_gallery::{Existing, Facts, Filter, GalleryError, Item, Judgement, Keep, Local, Model, Moment, Store};

/// In memory where the system has a place for that: thousands of galleries are opened here, and nothing is unplugged.
fn new_folder() -> TempDir {
    TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).unwrap()
}

fn model() -> Model {
    Model { weights: "w".into(), settings: BTreeMap::new(), dim: 3 }
}

fn item(n: usize) -> Item {
    let angle = n as f32;
    let embedding = vec![angle.cos(), angle.sin(), 0.0];
    Item { facts: Facts::new(format!("e{n}"), Modality::Visible), embedding, image: Some(vec![n as u8; 9]) }
}

type Step = Box<dyn Fn(&Local)>;

/// What is done to a gallery, one call after the other.
fn steps() -> Vec<Step> {
    let judgement = || Judgement {
        query: Some("e1".into()),
        query_modality: Modality::Visible,
        answer: "e2".into(),
        answer_modality: Modality::Visible,
        similarity: 0.5,
        same: true,
        time: Moment::from_milliseconds(1).unwrap(),
    };
    vec![
        Box::new(|store| drop(store.add(vec![item(0)], Existing::Refuse).unwrap())),
        Box::new(|store| drop(store.add((1..4).map(item).collect(), Existing::Refuse).unwrap())),
        Box::new(move |store| store.judge(judgement()).unwrap()),
        Box::new(|store| store.assign(&[("e3".into(), Some(4))]).unwrap()),
        Box::new(|store| drop(store.add(vec![item(4)], Existing::Refuse).unwrap())),
    ]
}

fn everything(store: &Local) -> Result<String, GalleryError> {
    let page = store.page(None, &Filter::default(), 100)?.entries;
    let images = (0..6).map(|n| store.image(&format!("e{n}"))).collect::<Result<Vec<_>, _>>()?;
    let found = store.search(&item(2).embedding, &Filter::default(), 3)?;
    Ok(format!("{:?} {page:?} {images:?} {found:?} {:?}", store.count()?, store.judgements()?))
}

/// A gallery, and what is in it.
fn gallery(log_bytes: u64) -> (TempDir, String) {
    let folder = new_folder();
    let store = Local::create(folder.path(), model(), Keep { images: true, log_bytes }).unwrap();
    steps().iter().for_each(|step| step(&store));
    let all = everything(&store).unwrap();
    drop(store);
    (folder, all)
}

fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = paths.map(|path| (path.clone(), fs::read(&path).unwrap())).collect();
    files.sort();
    files
}

/// Puts a folder's files back as they were.
fn restore(folder: &Path, as_before: &[(PathBuf, Vec<u8>)]) {
    for (path, _) in files(folder).iter().filter(|(path, _)| as_before.iter().all(|(before, _)| before != path)) {
        fs::remove_file(path).unwrap();
    }
    as_before.iter().for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
}

fn answer(folder: &Path) -> Result<String, String> {
    Local::open(folder, None).and_then(|store| everything(&store)).map_err(|error| error.to_string())
}

#[test]
fn a_log_that_ends_anywhere_has_all_its_whole_batches() {
    let folder = new_folder();
    let store = Local::create(folder.path(), model(), Keep { images: true, ..Keep::default() }).unwrap();
    let log = folder.path().join("log-000001.vgl");
    let mut stages = vec![(fs::metadata(&log).unwrap().len(), everything(&store).unwrap())];
    for step in steps() {
        step(&store);
        stages.push((fs::metadata(&log).unwrap().len(), everything(&store).unwrap()));
    }
    drop(store);
    let before = files(folder.path());
    let whole = fs::read(&log).unwrap();
    for length in 0..=whole.len() {
        restore(folder.path(), &before);
        fs::write(&log, &whole[..length]).unwrap();
        match stages.iter().rev().find(|(end, _)| *end <= length as u64) {
            Some((_, expected)) => {
                assert_eq!(answer(folder.path()).as_ref(), Ok(expected), "{length}");
                // What was cut is gone, and the gallery goes on.
                let store = Local::open(folder.path(), None).unwrap();
                store.add(vec![item(5)], Existing::Refuse).unwrap();
                drop(store);
                assert!(Local::open(folder.path(), None).unwrap().get("e5").unwrap().is_some());
            }
            None => assert!(answer(folder.path()).unwrap_err().starts_with("VR0807"), "{length}"),
        }
    }
}

#[test]
fn a_byte_that_changed_is_found_or_does_not_matter() {
    // Two batches in the first log, which has a snapshot, and several in the other.
    let (folder, expected) = gallery(400);
    drop(Local::open(folder.path(), None).unwrap());
    let before = files(folder.path());
    let kinds = |kind: &str| before.iter().filter(|(path, _)| path.extension().is_some_and(|is| is == kind)).count();
    assert_eq!((kinds("vgl"), kinds("vgs")), (2, 1));
    let mut found = 0;
    for (path, bytes) in before.iter().filter(|(path, _)| !path.ends_with("lock")) {
        let name = path.file_name().unwrap().to_str().unwrap();
        for at in 0..bytes.len() {
            restore(folder.path(), &before);
            let mut bytes = bytes.clone();
            bytes[at] ^= 1 << (at % 8);
            fs::write(path, bytes).unwrap();
            match answer(folder.path()) {
                Ok(answer) => assert_eq!(answer, expected, "byte {at} of {name}"),
                Err(said) => {
                    let named = said.starts_with("VR0807") && said.contains(name);
                    assert!(named || name == "gallery.json" && said.starts_with("VR0808"), "{at}: {said}");
                    found += usize::from(name.ends_with("vgl"));
                }
            }
        }
    }
    let logs = before.iter().filter(|(path, _)| path.extension().is_some_and(|kind| kind == "vgl"));
    assert!(found * 10 > 7 * logs.map(|(_, bytes)| bytes.len()).sum::<usize>(), "{found}");
}

#[test]
fn damage_is_named_and_dropped_on_request() {
    let (folder, _) = gallery(150);
    let log = folder.path().join("log-000002.vgl");
    let mut bytes = fs::read(&log).unwrap();
    // Within the row of e2, which is the second of its log.
    let row = item(2).embedding.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let at = bytes.windows(row.len()).position(|bytes| bytes == row).unwrap();
    bytes[at] ^= 1;
    fs::write(&log, bytes).unwrap();
    let store = Local::open(folder.path(), None).unwrap();
    let said = store.get("e2").unwrap_err().to_string();
    assert!(said.starts_with("VR0807") && said.contains("log-000002.vgl"), "{said}");
    assert!(store.search(&item(2).embedding, &Filter::default(), 1).unwrap_err().to_string().starts_with("VR0807"));
    assert_eq!(store.get("e1").unwrap().unwrap().embedding, item(1).embedding);
    assert!(Local::check(folder.path()).unwrap_err().to_string().starts_with("VR0805"));
    drop(store);
    let health = Local::check(folder.path()).unwrap();
    let [fault] = health.faults.as_slice() else { panic!("{health:?}") };
    assert_eq!(fault.path, log);
    assert!(fault.offset < at as u64 && at as u64 <= fault.offset + fault.bytes, "{fault:?}");
    assert_eq!(Local::repair(folder.path()).unwrap().faults, health.faults);
    assert_eq!(Local::check(folder.path()).unwrap().faults, []);
    let store = Local::open(folder.path(), None).unwrap();
    assert!(store.get("e2").unwrap().is_none());
    for n in [0, 1, 3, 4] {
        assert_eq!(store.get(&format!("e{n}")).unwrap().unwrap().embedding, item(n).embedding);
    }
    assert_eq!(store.get("e3").unwrap().unwrap().person, Some(4));
}

#[test]
fn what_can_not_be_opened_says_why() {
    let (folder, _) = gallery(1 << 20);
    let said = |error: GalleryError| error.to_string();
    let open = Local::open(folder.path(), None).unwrap();
    assert!(said(Local::open(folder.path(), None).unwrap_err()).starts_with("VR0805"));
    drop(open);
    let other = Model { weights: "other".into(), ..model() };
    assert!(said(Local::open(folder.path(), Some(&other)).unwrap_err()).starts_with("VR0804"));
    assert!(said(Local::create(folder.path(), model(), Keep::default()).unwrap_err()).starts_with("VR0808"));
    let nothing = new_folder();
    assert!(said(Local::open(nothing.path(), None).unwrap_err()).starts_with("VR0808"));
    fs::write(nothing.path().join("notes.txt"), "mine").unwrap();
    assert!(said(Local::open_or_create(nothing.path(), model(), Keep::default()).unwrap_err()).starts_with("VR0808"));
    fs::remove_file(folder.path().join("log-000001.vgl")).unwrap();
    assert!(said(Local::open(folder.path(), None).unwrap_err()).starts_with("VR0807"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_without_a_panic(
        noise in prop::collection::vec(any::<u8>(), 0..400),
        keep in 0.0f64..1.0,
        which in 0usize..20,
    ) {
        let (folder, expected) = gallery(150);
        let before = files(folder.path());
        let (path, bytes) = &before[which % before.len()];
        let mut bytes = bytes[..(bytes.len() as f64 * keep) as usize].to_vec();
        bytes.extend(noise);
        fs::write(path, bytes).unwrap();
        let derived = path.extension().is_some_and(|extension| extension == "vgs") || path.ends_with("lock");
        match Local::check(folder.path()) {
            Ok(_) => (),
            Err(error) => prop_assert!(!derived, "{}", error),
        }
        let answer = answer(folder.path());
        if derived {
            prop_assert_eq!(answer, Ok(expected));
        }
    }
}
