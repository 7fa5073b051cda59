//! Galleries in Lance files: what is deleted is in no file, and every answer is that of an exact store.

#![allow(clippy::unwrap_used)]
#![cfg(feature = "lance")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tokio::runtime::Runtime;
use vireid_core::{Modality, Streams};
use vireid_gallery::{
    Address, Existing, Facts, Filter, InMemory, Item, Judgement, Keep, Lance, LanceAddress, Local, Model, Moment,
    Opening, Scalar, Store,
};

const DIM: usize = 64;

fn model(dim: usize) -> Model {
    Model { weights: "w".into(), settings: BTreeMap::new(), dim }
}

fn open(folder: &Path) -> Lance {
    let address = LanceAddress::Folder(folder.into());
    Lance::open(&address, Opening::OrCreate { model: &model(DIM), images: true }).unwrap()
}

fn unit(mut row: Vec<f32>) -> Vec<f32> {
    let length = row.iter().map(|value| value * value).sum::<f32>().sqrt();
    row.iter_mut().for_each(|value| *value /= length);
    row
}

fn item(n: u64) -> Item {
    let mut facts = Facts::new(format!("somebody-{n:03}"), Modality::Visible);
    facts.camera = format!("camera-of-{n:03}");
    facts.metadata = [("door".into(), Scalar::Text(format!("metadata-{n:03}")))].into();
    let mut stream = Streams::new(n).stream("item", [0; 3]);
    let embedding = unit((0..DIM).map(|_| stream.normal(0.0, 1.0) as f32).collect());
    Item { facts, embedding, image: Some(format!("image-of-{n:03}").repeat(4).into()) }
}

/// Everything that tells of an entry: how it is called, what is known, how it looks.
fn traces(n: u64) -> Vec<Vec<u8>> {
    let row: Vec<u8> = item(n).embedding.iter().flat_map(|value| value.to_le_bytes()).collect();
    let texts = ["somebody", "camera-of", "metadata", "image-of"].map(|what| format!("{what}-{n:03}").into_bytes());
    [row[..32].to_vec(), row[DIM * 2..][..32].to_vec()].into_iter().chain(texts).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn traces_left(folder: &Path, n: u64) -> usize {
    let files: Vec<Vec<u8>> = files(folder).into_iter().map(|path| fs::read(path).unwrap()).collect();
    let there = |trace: &&Vec<u8>| files.iter().any(|bytes| bytes.windows(trace.len()).any(|bytes| bytes == **trace));
    traces(n).iter().filter(there).count()
}

/// By the engine itself: how many versions there are, and rows that are deleted but there.
fn versions(place: &str, table: &str) -> (usize, usize) {
    Runtime::new().unwrap().block_on(async {
        let connection = lancedb::connect(place).execute().await.unwrap();
        let table = connection.open_table(table).execute().await.unwrap();
        let deleted = table.as_native().unwrap().count_deleted_rows().await.unwrap();
        (table.list_versions().await.unwrap().len(), deleted)
    })
}

/// By the engine itself: how many versions there are, rows that are deleted but there, and files of rows that no version has.
fn left_over(folder: &Path, table: &str) -> (usize, usize, usize) {
    Runtime::new().unwrap().block_on(async {
        let connection = lancedb::connect(folder.to_str().unwrap()).execute().await.unwrap();
        let files = files(&folder.join(format!("{table}.lance/data"))).len();
        let table = connection.open_table(table).execute().await.unwrap();
        let native = table.as_native().unwrap();
        let of_rows =
            native.manifest().await.unwrap().fragments.iter().map(|fragment| fragment.files.len()).sum::<usize>();
        let deleted = native.count_deleted_rows().await.unwrap();
        (table.list_versions().await.unwrap().len(), deleted, files - of_rows)
    })
}

fn judgement(query: &str, answer: &str) -> Judgement {
    Judgement {
        query: Some(query.into()),
        query_modality: Modality::Visible,
        answer: answer.into(),
        answer_modality: Modality::Visible,
        similarity: 0.5,
        same: true,
        time: Moment::now(),
    }
}

#[test]
fn nothing_is_left_of_what_was_deleted() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path());
    store.add((0..20).map(item).collect(), Existing::Refuse).unwrap();
    for n in 20..40 {
        store.add(vec![item(n)], Existing::Refuse).unwrap();
    }
    store.judge(judgement("somebody-003", "somebody-021")).unwrap();
    store.judge(judgement("somebody-004", "somebody-005")).unwrap();
    store.assign(&[("somebody-003".into(), Some(8)), ("somebody-021".into(), Some(8))]).unwrap();
    for n in [3, 21, 30] {
        assert_eq!(traces_left(folder.path(), n), 6, "{n}: the files show it, or this test shows nothing");
    }
    assert_eq!(store.delete(&["somebody-003".into()]).unwrap(), 1);
    assert_eq!(traces_left(folder.path(), 3), 0);
    assert_eq!(store.judgements().unwrap().len(), 1);
    // An entry that is alone in its file, and all of a filter.
    let late = Filter { cameras: vec!["camera-of-030".into(), "camera-of-021".into()], ..Filter::default() };
    assert_eq!(store.delete_matching(&late).unwrap(), 2);
    assert_eq!([21, 30].map(|n| traces_left(folder.path(), n)), [0; 2]);
    let newer =
        Item { embedding: item(100).embedding, image: None, facts: Facts::new("somebody-005", Modality::Infrared) };
    store.add(vec![newer], Existing::Replace).unwrap();
    assert_eq!(traces_left(folder.path(), 5), 1, "only the id, which the new one has");
    assert!(store.judgements().unwrap().is_empty());
    assert_eq!(traces_left(folder.path(), 4), 6);
    assert_eq!(["entries", "judgements"].map(|table| left_over(folder.path(), table)), [(1, 0, 0); 2]);
    drop(store);
    let store = open(folder.path());
    assert_eq!(store.count().unwrap().visible, 36);
    assert_eq!(store.get("somebody-022").unwrap().unwrap().embedding, item(22).embedding);
    assert_eq!(store.image("somebody-022").unwrap(), item(22).image);
    assert_eq!(store.delete_matching(&Filter::default()).unwrap(), 37);
    assert_eq!([0, 4, 22, 39].map(|n| traces_left(folder.path(), n)), [0; 4]);
}

/// What is in the objects then is to be looked at by other means: this knows no S3 but that of the engine.
#[test]
fn no_version_is_left_of_what_was_deleted_in_a_bucket() {
    let Ok(bucket) = std::env::var("VIREID_TEST_S3") else {
        println!("not run: VIREID_TEST_S3 is not set");
        return;
    };
    let place = format!("{bucket}/erased_{}", Moment::now().milliseconds());
    let store = Address::parse(&place).unwrap().open(Opening::OrCreate { model: &model(DIM), images: true }).unwrap();
    store.add((0..20).map(item).collect(), Existing::Refuse).unwrap();
    store.judge(judgement("somebody-003", "somebody-010")).unwrap();
    store.add((20..30).map(item).collect(), Existing::Refuse).unwrap();
    assert!(versions(&place, "entries").0 > 1);
    assert_eq!(store.delete(&["somebody-003".into(), "somebody-025".into()]).unwrap(), 2);
    assert_eq!(["entries", "judgements"].map(|table| versions(&place, table)), [(1, 0); 2]);
    assert_eq!(store.image("somebody-010").unwrap(), item(10).image);
    println!("made: {place}");
}

#[test]
fn a_deletion_that_was_cut_short_is_finished_by_the_next_writer() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path());
    store.add((0..20).map(item).collect(), Existing::Refuse).unwrap();
    drop(store);
    // As far as it comes before the files are put in order.
    Runtime::new().unwrap().block_on(async {
        let connection = lancedb::connect(folder.path().to_str().unwrap()).execute().await.unwrap();
        let table = connection.open_table("entries").execute().await.unwrap();
        table.delete("id = 'somebody-007'").await.unwrap();
    });
    // And a write that died before its version was there.
    fs::write(folder.path().join("entries.lance/data/left.lance"), "somebody-007").unwrap();
    assert!(traces_left(folder.path(), 7) >= 6);
    assert_eq!(open(folder.path()).delete(&["nobody".into()]).unwrap(), 0);
    assert_eq!(traces_left(folder.path(), 7), 0);
    assert_eq!(left_over(folder.path(), "entries"), (1, 0, 0));
}

#[test]
fn many_small_additions_do_not_make_many_files() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path());
    for n in 0..150 {
        store.add(vec![item(n)], Existing::Refuse).unwrap();
    }
    assert!(files(&folder.path().join("entries.lance/data")).len() <= 70);
    assert!(left_over(folder.path(), "entries").0 <= 70);
    let kept: Vec<String> =
        store.page(None, &Filter::default(), 200).unwrap().entries.into_iter().map(|e| e.facts.id).collect();
    assert_eq!(kept, (0..150).map(|n| item(n).facts.id).collect::<Vec<_>>());
}

#[test]
fn what_others_tagged_is_said_to_be_kept() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path());
    store.add((0..3).map(item).collect(), Existing::Refuse).unwrap();
    Runtime::new().unwrap().block_on(async {
        let connection = lancedb::connect(folder.path().to_str().unwrap()).execute().await.unwrap();
        let table = connection.open_table("entries").execute().await.unwrap();
        let version = table.version().await.unwrap();
        table.tags().await.unwrap().create("mine", version).await.unwrap();
    });
    let said = store.delete(&["somebody-001".into()]).unwrap_err().to_string();
    assert!(said.starts_with("VR0809") && said.contains("may still be in its files") && said.contains("tag"), "{said}");
    assert!(store.get("somebody-001").unwrap().is_none());
}

/// Rows so close to each other that the engine's sums order them otherwise, and more equals than it is asked for.
#[test]
fn answers_are_exact_however_close_the_entries_are() {
    for dim in [1, 3, 40, 512] {
        let folder = TempDir::new().unwrap();
        let address = LanceAddress::Folder(folder.path().into());
        let files = Lance::open(&address, Opening::OrCreate { model: &model(dim), images: false }).unwrap();
        let exact = InMemory::new(model(dim));
        let mut stream = Streams::new(dim as u64).stream("close", [0; 3]);
        let mut row = |n: usize| match n % 3 {
            0 => unit(vec![1.0; dim]),
            1 => unit((0..dim).map(|_| 1.0 + stream.normal(0.0, 1e-6) as f32).collect()),
            _ => unit((0..dim).map(|_| stream.normal(0.0, 1.0) as f32 + 1e-3).collect()),
        };
        let items: Vec<Item> = (0..600)
            .map(|n| {
                let facts = Facts::new(format!("{}", n * 7919 % 601), Modality::ALL[n % 2]);
                Item { facts, embedding: row(n), image: None }
            })
            .collect();
        for part in items.chunks(100) {
            files.add(part.to_vec(), Existing::Refuse).unwrap();
            exact.add(part.to_vec(), Existing::Refuse).unwrap();
        }
        let infrared = Filter { modality: Some(Modality::Infrared), ..Filter::default() };
        for query in items.iter().step_by(97) {
            for top in [1, 2, 45, 599, usize::MAX] {
                for filter in [&Filter::default(), &infrared] {
                    let answers = |store: &dyn Store| store.search(&query.embedding, filter, top).unwrap();
                    assert_eq!(answers(&files), answers(&exact), "{dim} {top}");
                }
            }
        }
    }
}

#[test]
fn a_folder_of_something_else_is_no_gallery() {
    let folder = TempDir::new().unwrap();
    let said = |path: &Path, opening: Opening<'_>| {
        let address = Address::parse(&format!("lance://{}", path.display())).unwrap();
        address.open(opening).err().unwrap().to_string()
    };
    let missing = folder.path().join("missing");
    let text = said(&missing, Opening::AsItIs);
    assert!(text.starts_with("VR0808") && text.contains("no gallery of Lance files"), "{text}");
    assert!(!missing.exists(), "looking makes no folder");
    let local = folder.path().join("local");
    drop(Local::create(&local, model(DIM), Keep::default()).unwrap());
    assert!(said(&local, Opening::AsItIs).starts_with("VR0808"));
    let text = said(&local, Opening::OrCreate { model: &model(DIM), images: false });
    assert!(text.starts_with("VR0808") && text.contains("not empty"), "{text}");
    // A table of that name that somebody else made.
    let other = folder.path().join("other");
    drop(open(&other));
    Runtime::new().unwrap().block_on(async {
        let connection = lancedb::connect(other.to_str().unwrap()).execute().await.unwrap();
        let table = connection.open_table("entries").execute().await.unwrap();
        table.as_native().unwrap().replace_schema_metadata([("vireid".to_string(), "{}".to_string())]).await.unwrap();
    });
    let text = said(&other, Opening::AsItIs);
    assert!(text.starts_with("VR0808") && text.contains("no gallery of vireid"), "{text}");
}
