//! A process that is killed while it writes loses nothing that it acknowledged, and leaves nothing half done.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;

use vireid_core::Modality;
use vireid_gallery::{Existing, Facts, Filter, Item, Keep, Local, Model, Scalar, Store};

const FOLDER: &str = "VIREID_TEST_CRASH_FOLDER";
const FIRST: &str = "VIREID_TEST_CRASH_FIRST";
const DIM: usize = 16;
const ROUNDS: u64 = 50;

/// Numbers that look like chance, the same for the same seed.
fn chance(seed: u64) -> impl Iterator<Item = u64> {
    let mut state = seed;
    std::iter::repeat_with(move || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB) >> 16
    })
}

/// The entries of a batch: the same whenever they are asked for.
fn items(batch: u64) -> Vec<Item> {
    let mut chance = chance(batch);
    let mut next = move || chance.next().unwrap();
    (0..1 + next() % 5)
        .map(|number| {
            let mut facts = Facts::new(format!("batch-{batch:06}-{number}"), Modality::Visible);
            facts.metadata = [("n".into(), Scalar::Text(format!("batch-{batch:06}")))].into();
            let mut embedding: Vec<f32> = (0..DIM).map(|_| (next() % 1000) as f32 - 500.0).collect();
            embedding[0] += 1000.0;
            let length = embedding.iter().map(|value| value * value).sum::<f32>().sqrt();
            embedding.iter_mut().for_each(|value| *value /= length);
            let image =
                (next() % 2 == 0).then(|| format!("batch-{batch:06}").repeat((next() % 200) as usize + 1).into());
            Item { facts, embedding, image }
        })
        .collect()
}

fn ids(batch: u64) -> Vec<String> {
    items(batch).into_iter().map(|item| item.facts.id).collect()
}

/// Run by the test below: adds and deletes until it is killed, and says what was acknowledged.
#[test]
#[ignore = "is run by another test"]
fn writer() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let first: u64 = std::env::var(FIRST).unwrap().parse().unwrap();
    let store = Local::open(folder, None).unwrap();
    let (added, to_delete) = mpsc::channel::<u64>();
    thread::scope(|scope| {
        for lane in 0..3 {
            let (store, added) = (&store, added.clone());
            scope.spawn(move || {
                for batch in (first + lane..).step_by(3) {
                    store.add(items(batch), Existing::Refuse).unwrap();
                    println!("added {batch}");
                    added.send(batch).unwrap();
                }
            });
        }
        for batch in to_delete.iter().filter(|batch| batch % 3 == 1) {
            println!("deleting {batch}");
            store.delete(&ids(batch)).unwrap();
            println!("deleted {batch}");
        }
    });
}

/// Batches whose names are anywhere in the files of a folder.
fn batches_in_bytes(folder: &Path) -> BTreeSet<u64> {
    let mut found = BTreeSet::new();
    for file in fs::read_dir(folder).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        let names = bytes.windows(12).filter(|bytes| bytes.starts_with(b"batch-"));
        found.extend(names.filter_map(|name| std::str::from_utf8(&name[6..]).ok()?.parse::<u64>().ok()));
    }
    found
}

#[derive(Default)]
struct Said {
    added: BTreeSet<u64>,
    deleting: BTreeSet<u64>,
    deleted: BTreeSet<u64>,
}

/// Starts the writer and kills it after it said so many things.
fn kill_after(lines: u64, folder: &Path, first: u64, said: &mut Said) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["writer", "--exact", "--ignored", "--nocapture"])
        .envs([(FOLDER, folder.to_str().unwrap()), (FIRST, &first.to_string())])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut heard = 0;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let Some((what, batch)) = line.split_once(' ') else { continue };
        let (set, Ok(batch)) = (
            match what {
                "added" => &mut said.added,
                "deleting" => &mut said.deleting,
                "deleted" => &mut said.deleted,
                _ => continue,
            },
            batch.parse(),
        ) else {
            continue;
        };
        set.insert(batch);
        heard += 1;
        if heard == lines {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(heard >= lines, "it stopped by itself after {heard} lines");
}

#[test]
fn a_killed_writer_loses_and_tears_nothing() {
    let folder = tempfile::TempDir::new().unwrap();
    let model = Model { weights: "w".into(), settings: BTreeMap::new(), dim: DIM };
    // Logs are short, so that many a kill comes while one is begun or its snapshot made.
    drop(Local::create(folder.path(), model, Keep { images: true, log_bytes: 20_000 }).unwrap());
    let mut said = Said::default();
    let mut moments = chance(7);
    for round in 0..ROUNDS {
        kill_after(1 + moments.next().unwrap() % 60, folder.path(), round * 10_000, &mut said);
        let store = Local::open(folder.path(), None).unwrap();
        let left = batches_in_bytes(folder.path());
        let resurrected: Vec<_> = said.deleted.intersection(&left).collect();
        assert!(resurrected.is_empty(), "round {round}: still in the bytes: {resurrected:?}");
        let kept = store.page(None, &Filter::default(), usize::MAX).unwrap().entries;
        let mut whole: BTreeMap<u64, usize> = BTreeMap::new();
        for entry in kept {
            let batch: u64 = entry.facts.id[6..12].parse().unwrap();
            let expected = items(batch).into_iter().find(|item| item.facts.id == entry.facts.id).unwrap();
            assert_eq!((&entry.facts, &entry.embedding), (&expected.facts, &expected.embedding));
            assert_eq!(store.image(&entry.facts.id).unwrap(), expected.image);
            *whole.entry(batch).or_default() += 1;
        }
        for (batch, count) in &whole {
            assert_eq!(*count, items(*batch).len(), "round {round}: batch {batch} is torn");
        }
        for batch in said.added.difference(&said.deleting) {
            assert!(whole.contains_key(batch), "round {round}: batch {batch} is lost");
        }
        assert!(said.deleted.iter().all(|batch| !whole.contains_key(batch)));
    }
    assert!(said.added.len() > 500 && said.deleted.len() > 50, "{} {}", said.added.len(), said.deleted.len());
}
