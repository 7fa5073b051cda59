//! What galleries in engines do beyond the contract of all stores. Each test needs a server, whose address a variable holds, and says
//! so where it is not set: `VIREID_TEST_POSTGRES=postgres://me@host/db`, `VIREID_TEST_QDRANT=qdrant://host:6333`,
//! `VIREID_TEST_S3=s3://bucket/prefix` for Lance files in a bucket. Those in a folder need none.

#![allow(clippy::unwrap_used)]
#![cfg(any(feature = "lance", feature = "postgres", feature = "qdrant"))]

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use tempfile::TempDir;
use vireid_core::{Modality, Stream, Streams};
use vireid_gallery::{
    Address, Existing, Facts, Filter, InMemory, Item, Kept, Model, Moment, Opening, Scalar, Store, copy, recall,
};

fn model(dim: usize) -> Model {
    let settings = [("height".to_string(), "256".to_string())].into();
    Model { weights: "0123456789abcdef".into(), settings, dim }
}

/// Addresses of galleries that there are not yet, and the folder of some until they are dropped.
struct Addresses {
    left: std::vec::IntoIter<Address>,
    _folder: TempDir,
}

impl Iterator for Addresses {
    type Item = Address;

    fn next(&mut self) -> Option<Address> {
        self.left.next()
    }
}

/// An address of a gallery that there is not yet, on each server that is known.
fn addresses(test: &str) -> Addresses {
    let name = format!("e{}_{test}", Moment::now().milliseconds());
    let folder = TempDir::new().unwrap();
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    if cfg!(feature = "lance") {
        found.push(Address::parse(&format!("lance://{}/\u{fc} %20 #{name}", folder.path().display())).unwrap());
    }
    let mut take = |has: bool, variable: &'static str, form: &dyn Fn(String) -> String| match std::env::var(variable) {
        Ok(address) if has => found.push(Address::parse(&form(address)).unwrap()),
        _ => missing.push(variable),
    };
    take(cfg!(feature = "postgres"), "VIREID_TEST_POSTGRES", &|address| {
        format!("{address}{}table={name}", if address.contains('?') { '&' } else { '?' })
    });
    take(cfg!(feature = "qdrant"), "VIREID_TEST_QDRANT", &|address| format!("{address}/{name}"));
    take(cfg!(feature = "lance"), "VIREID_TEST_S3", &|address| format!("{address}/{name}"));
    missing.iter().for_each(|variable| println!("not run where {variable} says: it is not set, or the feature is off"));
    Addresses { left: found.into_iter(), _folder: folder }
}

fn create(address: &Address, dim: usize) -> Box<dyn Store> {
    address.open(Opening::OrCreate { model: &model(dim), images: false }).unwrap()
}

fn embedding(stream: &mut Stream, dim: usize) -> Vec<f32> {
    let values: Vec<f32> = (0..dim).map(|_| stream.normal(0.0, 1.0) as f32).collect();
    let length = values.iter().map(|value| value * value).sum::<f32>().sqrt();
    values.iter().map(|value| value / length).collect()
}

fn pick<T: Clone>(stream: &mut Stream, of: &[T]) -> T {
    of[stream.below(of.len())].clone()
}

const CAMERAS: [&str; 4] = ["", "north", "o'brien \"x\" \\ {}", "\u{fc}\u{4e16}%_"];
const KEYS: [&str; 5] = ["floor", "a.b", "a[]", "\"quoted\"", "metadata"];

fn scalar(stream: &mut Stream) -> Scalar {
    let numbers = [0.0, -0.0, 2.0, 0.1, -1e300, 5e-324, 9_007_199_254_740_993.0];
    match stream.below(3) {
        0 => Scalar::Bool(stream.chance(0.5)),
        1 => Scalar::Number(pick(stream, &numbers)),
        _ => Scalar::Text(pick(stream, &["2", "true", "null", "", "0.1", "x'; --"]).into()),
    }
}

fn moment(stream: &mut Stream) -> Option<Moment> {
    let times = [-62_167_219_200_000, -1, 0, 1000, 2000, 1_700_000_000_123, 253_402_300_799_999];
    stream.chance(0.8).then(|| Moment::from_milliseconds(pick(stream, &times)).unwrap())
}

fn facts(stream: &mut Stream, id: String) -> Facts {
    let mut facts = Facts::new(id, pick(stream, &Modality::ALL));
    facts.camera = pick(stream, &CAMERAS).into();
    facts.time = moment(stream);
    facts.metadata = (0..stream.below(4)).map(|_| (pick(stream, &KEYS).into(), scalar(stream))).collect();
    facts.crops = pick(stream, &[1, 7, u32::MAX]);
    facts.spread = pick(stream, &[0.0, 0.1, 2.0]);
    facts
}

fn filter(stream: &mut Stream) -> Filter {
    let mut metadata: BTreeMap<String, Scalar> = BTreeMap::new();
    if stream.chance(0.5) {
        metadata.insert(pick(stream, &KEYS).into(), scalar(stream));
    }
    let cameras = match stream.below(3) {
        0 => vec![pick(stream, &CAMERAS).into(), "south".into()],
        _ => Vec::new(),
    };
    Filter {
        modality: stream.chance(0.3).then(|| pick(stream, &Modality::ALL)),
        cameras,
        from: moment(stream).filter(|_| stream.chance(0.3)),
        until: moment(stream).filter(|_| stream.chance(0.3)),
        metadata,
    }
}

fn items(stream: &mut Stream, count: usize, dim: usize) -> Vec<Item> {
    (0..count)
        .map(|n| Item { facts: facts(stream, format!("id {n}")), embedding: embedding(stream, dim), image: None })
        .collect()
}

fn all(store: &dyn Store) -> Vec<Kept> {
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = store.page(after.as_deref(), &Filter::default(), 7).unwrap();
        seen.extend(page.entries);
        after = page.next;
        if after.is_none() {
            return seen;
        }
    }
}

#[test]
fn filters_mean_what_they_say() {
    for address in addresses("filters") {
        let store = create(&address, 8);
        let mut stream = Streams::new(1).stream("filters", [0; 3]);
        let items = items(&mut stream, 120, 8);
        store.add(items.clone(), Existing::Refuse).unwrap();
        let kept: Vec<Facts> = all(&*store).into_iter().map(|entry| entry.facts).collect();
        assert_eq!(kept, items.iter().map(|item| item.facts.clone()).collect::<Vec<_>>());
        let mut admitted = 0;
        for _ in 0..150 {
            let filter = filter(&mut stream);
            let meant = items.iter().filter(|item| filter.admits(&item.facts)).map(|item| item.facts.id.clone());
            let meant: Vec<String> = meant.collect();
            admitted += usize::from(!meant.is_empty() && meant.len() < 120);
            let page = store.page(None, &filter, 200).unwrap();
            let paged: Vec<String> = page.entries.into_iter().map(|entry| entry.facts.id).collect();
            assert_eq!(paged, meant, "{address}: {filter:?}");
            let hits = store.search(&items[0].embedding, &filter, 200).unwrap();
            let mut found: Vec<String> = hits.into_iter().map(|hit| hit.facts.id).collect();
            found.sort_by_key(|id| meant.iter().position(|other| other == id));
            assert_eq!(found, meant, "{address}: {filter:?}");
        }
        assert!(admitted > 50, "only {admitted} filters tell entries apart");
        let none = Filter { metadata: [("floor".into(), Scalar::Number(f64::NAN))].into(), ..Filter::default() };
        assert_eq!(store.page(None, &none, 200).unwrap().entries.len(), 0);
        let north = Filter { cameras: vec!["north".into()], ..Filter::default() };
        let meant = items.iter().filter(|item| north.admits(&item.facts)).count();
        assert_eq!(store.delete_matching(&north).unwrap(), meant as u64);
        assert_eq!(all(&*store).len(), 120 - meant);
    }
}

#[test]
fn answers_are_those_of_an_exact_store_to_the_bit() {
    for address in addresses("exact") {
        let (store, exact) = (create(&address, 64), InMemory::new(model(64)));
        let mut stream = Streams::new(2).stream("exact", [0; 3]);
        let items = items(&mut stream, 200, 64);
        store.add(items.clone(), Existing::Refuse).unwrap();
        exact.add(items.clone(), Existing::Refuse).unwrap();
        let answers = |store: &dyn Store, query: &[f32]| {
            let hits = store.search(query, &Filter::default(), 10).unwrap();
            hits.into_iter().map(|hit| (hit.facts.id, hit.similarity.to_bits())).collect::<Vec<_>>()
        };
        for item in items.iter().step_by(20) {
            assert_eq!(answers(&*store, &item.embedding), answers(&exact, &item.embedding), "{address}");
        }
    }
}

#[test]
fn long_embeddings_are_found_by_the_index_and_without_one() {
    for (n, dim) in [1999, 2048, 4096].into_iter().enumerate() {
        for address in addresses(&format!("long{n}")) {
            let store = create(&address, dim);
            let mut stream = Streams::new(3).stream("long", [0; 3]);
            let items = items(&mut stream, 60, dim);
            store.add(items.clone(), Existing::Refuse).unwrap();
            let hit = &store.search(&items[33].embedding, &Filter::default(), 3).unwrap()[0];
            assert_eq!(hit.facts.id, "id 33");
            assert_eq!(store.get("id 33").unwrap().unwrap().embedding, items[33].embedding);
        }
    }
}

#[test]
fn what_is_there_is_opened_and_another_network_is_refused() {
    for address in addresses("opening") {
        let said = |opening: Opening<'_>| address.open(opening).err().unwrap().to_string();
        assert!(said(Opening::AsItIs).starts_with("VR0808"));
        assert!(said(Opening::Of(&model(8))).starts_with("VR0808"));
        let store = create(&address, 8);
        let mut stream = Streams::new(4).stream("opening", [0; 3]);
        store.add(items(&mut stream, 3, 8), Existing::Refuse).unwrap();
        for opening in [Opening::AsItIs, Opening::Of(&model(8)), Opening::OrCreate { model: &model(8), images: false }]
        {
            let again = address.open(opening).unwrap();
            assert_eq!(again.model(), &model(8));
            assert_eq!(all(&*again), all(&*store));
        }
        let others = [
            (Model { weights: "another".into(), ..model(8) }, "weights"),
            (model(9), "dimension"),
            (Model { settings: BTreeMap::new(), ..model(8) }, "height"),
        ];
        for (other, field) in others {
            for opening in [Opening::Of(&other), Opening::OrCreate { model: &other, images: false }] {
                let said = said(opening);
                assert!(said.starts_with("VR0804") && said.contains(field), "{said}");
            }
        }
    }
}

#[test]
fn a_gallery_moves_there_and_back() {
    for address in addresses("moving") {
        let (from, there, back) = (InMemory::new(model(8)), create(&address, 8), InMemory::new(model(8)));
        let mut stream = Streams::new(5).stream("moving", [0; 3]);
        let mut items = items(&mut stream, 300, 8);
        let images = there.keeps().images;
        items.iter_mut().for_each(|item| item.image = Some(item.facts.id.clone().into_bytes()));
        from.add(items, Existing::Refuse).unwrap();
        from.assign(&[("id 7".into(), Some(3)), ("id 250".into(), Some(1 << 40))]).unwrap();
        let first = copy(&from, &*there, |_| ControlFlow::Break(())).unwrap();
        assert!(!first.finished && first.entries < 300);
        let second = copy(&from, &*there, |_| ControlFlow::Continue(())).unwrap();
        assert_eq!((second.finished, first.entries + second.entries, second.differing), (true, 300, 0));
        let counts = (first.images + second.images, first.images_left + second.images_left);
        assert_eq!(counts, if images { (300, 0) } else { (0, 300) });
        assert_eq!(first.people + second.people, 2);
        copy(&*there, &back, |_| ControlFlow::Continue(())).unwrap();
        let bare = |store: &dyn Store| {
            all(store).into_iter().map(|entry| (entry.facts, entry.embedding, entry.person)).collect::<Vec<_>>()
        };
        assert_eq!(bare(&back), bare(&from));
        assert_eq!(back.image("id 9").unwrap().is_some(), images);
    }
}

#[test]
fn recall_is_measured() {
    for address in addresses("recall") {
        let store = create(&address, 32);
        let mut stream = Streams::new(6).stream("recall", [0; 3]);
        store.add(items(&mut stream, 2000, 32), Existing::Refuse).unwrap();
        let measured = recall(&*store, &*store, 100, 7, 10).unwrap();
        println!("{address}: {measured:?}");
        assert_eq!((measured.queries, measured.top), (100, 10));
        assert!(measured.mean > 0.9, "{measured:?}");
        // There every entry is looked at.
        assert!(!matches!(address, Address::Lance(_)) || measured.lowest == 1.0, "{measured:?}");
    }
}

#[test]
fn many_threads_add_search_and_delete_at_once() {
    for address in addresses("threads") {
        let store = create(&address, 8);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let store = &store;
                scope.spawn(move || {
                    let mut stream = Streams::new(thread).stream("threads", [0; 3]);
                    for n in 0..10 {
                        let facts = Facts::new(format!("{thread}/{n}"), Modality::Visible);
                        let item = Item { facts, embedding: embedding(&mut stream, 8), image: None };
                        store.add(vec![item.clone()], Existing::Refuse).unwrap();
                        assert!(!store.search(&item.embedding, &Filter::default(), 1).unwrap().is_empty());
                        if n % 2 == 0 {
                            assert_eq!(store.delete(&[item.facts.id]).unwrap(), 1);
                        }
                    }
                });
            }
        });
        assert_eq!(store.count().unwrap().visible, 20);
        assert_eq!(all(&*store).len(), 20);
    }
}

#[test]
fn two_that_make_a_gallery_at_once_get_the_same() {
    for address in addresses("twice").filter(|address| !matches!(address, Address::Qdrant(_))) {
        std::thread::scope(|scope| {
            (0..4).for_each(|_| _ = scope.spawn(|| create(&address, 8)));
        });
        assert_eq!(create(&address, 8).count().unwrap().visible, 0);
    }
}

#[test]
fn of_two_that_add_an_id_at_once_one_is_refused() {
    for address in addresses("race").filter(|address| !matches!(address, Address::Qdrant(_))) {
        create(&address, 8);
        let added = |thread: u64| {
            let store = address.open(Opening::AsItIs).unwrap();
            let mut stream = Streams::new(thread).stream("race", [0; 3]);
            let mut added = Vec::new();
            for n in 0..12 {
                let two = ["shared", "own"].map(|name| {
                    let id = format!("{name} {n} {}", if name == "own" { thread } else { 0 });
                    Item { facts: Facts::new(id, Modality::Visible), embedding: embedding(&mut stream, 8), image: None }
                });
                match store.add(two.to_vec(), Existing::Refuse) {
                    Ok(_) => added.extend(two),
                    Err(error) => assert!(error.to_string().starts_with("VR0802"), "{error}"),
                }
                // So that files are put in order while others write.
                if n % 4 == 3
                    && let Some(gone) = added.pop()
                {
                    assert_eq!(store.delete(&[gone.facts.id]).unwrap(), 1);
                }
            }
            added
        };
        let threads: Vec<Vec<Item>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..3).map(|thread| scope.spawn(move || added(thread))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        // Each call was done wholly or not at all.
        let mut expected: Vec<(Facts, Vec<f32>)> =
            threads.concat().into_iter().map(|item| (item.facts, item.embedding)).collect();
        let store = address.open(Opening::AsItIs).unwrap();
        let mut kept: Vec<(Facts, Vec<f32>)> =
            all(&*store).into_iter().map(|kept| (kept.facts, kept.embedding)).collect();
        expected.sort_by(|a, b| a.0.id.cmp(&b.0.id));
        kept.sort_by(|a, b| a.0.id.cmp(&b.0.id));
        assert_eq!(kept, expected, "{address}");
        assert!(kept.iter().filter(|(facts, _)| facts.id.starts_with("shared")).count() <= 12, "{address}");
    }
}

#[test]
fn readers_see_nothing_of_the_files_being_put_in_order() {
    for address in addresses("readers") {
        let (store, mut stream) = (create(&address, 8), Streams::new(9).stream("readers", [0; 3]));
        let items = items(&mut stream, 60, 8);
        store.add(items.clone(), Existing::Refuse).unwrap();
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let other = address.open(Opening::AsItIs).unwrap();
                let mut reads = 0;
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    let last = other.search(&items[59].embedding, &Filter::default(), 1).unwrap();
                    assert_eq!(last[0].facts.id, "id 59");
                    assert!(other.page(None, &Filter::default(), 100).unwrap().entries.len() >= 30);
                    assert!(other.get("id 58").unwrap().is_some());
                    reads += 1;
                }
                reads
            });
            for n in 0..30 {
                assert_eq!(store.delete(&[format!("id {n}")]).unwrap(), 1);
            }
            done.store(true, std::sync::atomic::Ordering::Relaxed);
            assert!(reader.join().unwrap() > 0);
        });
    }
}

/// What the contract's tests of images and judgements are for stores that keep none.
#[test]
fn what_is_not_kept_is_said() {
    for address in addresses("kept") {
        let store = create(&address, 8);
        if store.keeps().images {
            continue;
        }
        let mut stream = Streams::new(8).stream("kept", [0; 3]);
        let mut two = items(&mut stream, 2, 8);
        store.add(two.clone(), Existing::Refuse).unwrap();
        store.assign(&[("id 0".into(), Some(u64::MAX)), ("id 1".into(), Some(2)), ("id 1".into(), None)]).unwrap();
        let people: Vec<Option<u64>> = all(&*store).iter().map(|entry| entry.person).collect();
        assert_eq!(people, [Some(u64::MAX), None]);
        let said = store.assign(&[("id 0".into(), None), ("nobody".into(), None)]).unwrap_err().to_string();
        assert!(said.starts_with("VR0803"), "{said}");
        two[0].facts.id = "new".into();
        two[0].image = Some(vec![1]);
        let said = store.add(two, Existing::Replace).unwrap_err().to_string();
        assert!(said.starts_with("VR0809") && said.contains("images"), "{said}");
        assert!(store.get("new").unwrap().is_none());
        assert!(store.judgements().unwrap_err().to_string().starts_with("VR0809"));
        assert_eq!(store.delete(&["id 0".into(), "id 0".into(), "nobody".into()]).unwrap(), 1);
        assert_eq!(all(&*store).len(), 1);
    }
}

#[test]
fn a_server_that_is_not_there_is_said_to_be_so() {
    let mut tried = Vec::new();
    if cfg!(feature = "postgres") {
        tried.push("postgres://me:hunter2@127.0.0.1:1/db");
    }
    if cfg!(feature = "qdrant") {
        tried.push("qdrant://127.0.0.1:1/people");
    }
    for address in tried {
        let said = Address::parse(address).unwrap().open(Opening::AsItIs).err().unwrap().to_string();
        assert!(said.starts_with("VR0809") && !said.contains("hunter2"), "{said}");
    }
}
