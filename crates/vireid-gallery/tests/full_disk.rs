//! A full disk is an error and no more: what was kept is read, and is written again when there is room.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::process::Command;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use vireid_core::Modality;
use vireid_gallery::{Existing, Facts, Filter, Item, Keep, Local, Model, Store};

const FOLDER: &str = "VIREID_TEST_FULL_FOLDER";

fn item(n: usize) -> Item {
    let embedding = (0..32).map(|axis| f32::from(u8::from(axis == n % 32))).collect();
    Item { facts: Facts::new(format!("e{n}"), Modality::Infrared), embedding, image: Some(vec![n as u8; 3000]) }
}

/// Run by the test below, where no file can grow beyond some length.
#[test]
#[ignore = "is run by another test"]
fn child() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let store = Local::open(&folder, None).unwrap();
    let mut count = 0;
    let said = loop {
        // Of three, so that the disk is full in the middle of a batch.
        let items = (3 * count..3 * count + 3).map(item).collect();
        match store.add(items, Existing::Refuse) {
            Ok(_) => count += 1,
            Err(error) => break error.to_string(),
        }
        assert!(count < 1000, "the disk is never full");
    };
    assert!(said.starts_with("VR0806") && said.contains("nothing of this request was kept"), "{said}");
    assert!(count > 3, "{count}");
    let all_there = |store: &Local| {
        assert_eq!(store.count().unwrap().infrared, 3 * count as u64);
        for n in 0..3 * count {
            assert_eq!(store.get(&format!("e{n}")).unwrap().unwrap().embedding, item(n).embedding);
            assert_eq!(store.image(&format!("e{n}")).unwrap(), item(n).image);
        }
        assert_eq!(store.search(&item(1).embedding, &Filter::default(), 1).unwrap()[0].facts.id, "e1");
    };
    all_there(&store);
    assert!(store.add((0..3).map(|n| item(n + 3 * count)).collect(), Existing::Refuse).is_err());
    drop(store);
    let store = Local::open(&folder, None).unwrap();
    all_there(&store);
    drop(store);
    let limit = getrlimit(Resource::Fsize);
    // Not a byte more.
    let log = std::fs::metadata(format!("{folder}/log-000001.vgl")).unwrap().len();
    setrlimit(Resource::Fsize, Rlimit { current: Some(log), maximum: limit.maximum }).unwrap();
    let store = Local::open(&folder, None).unwrap();
    all_there(&store);
    // It would be closed with a frame that says so.
    assert!(store.delete(&["e0".into()]).is_err());
    all_there(&store);
    setrlimit(Resource::Fsize, Rlimit { current: limit.maximum, maximum: limit.maximum }).unwrap();
    let more = || vec![Item { facts: Facts::new("more", Modality::Visible), ..item(5) }];
    store.add(more(), Existing::Refuse).unwrap();
    drop(store);
    let store = Local::open(&folder, None).unwrap();
    all_there(&store);
    assert_eq!(store.get("more").unwrap().unwrap().facts, more()[0].facts);
    println!("all is well");
}

#[test]
fn is_an_error_and_no_more() {
    let folder = tempfile::TempDir::new().unwrap();
    let model = Model { weights: "w".into(), settings: BTreeMap::new(), dim: 32 };
    drop(Local::create(folder.path(), model, Keep { images: true, ..Keep::default() }).unwrap());
    // A write beyond the limit is then an error and no signal.
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -S -f 200; exec \"$0\" child --exact --ignored --nocapture"])
        .arg(std::env::current_exe().unwrap())
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("all is well"), "{said}");
}
