//! The store on disk does what the one in memory does, to the bit, whatever is asked of it and in whichever order. The library's own tests
//! have this too, with chunks and tombstones of a few entries.

#![allow(clippy::unwrap_used)]

mod on_disk_store;

use std::collections::BTreeMap;

use on_disk_store::OnDisk;
use proptest::prelude::*;
use vireid_core::Modality;
use vireid_gallery::{Existing, Facts, Filter, InMemory, Item, Judgement, Model, Moment, Scalar, Store};

#[derive(Debug, Clone)]
enum Step {
    Add(Vec<(u8, Vec<f32>, u8)>, Existing),
    Delete(Vec<u8>),
    DeleteMatching(Filter),
    Judge(Option<u8>, u8),
    Assign(Vec<(u8, Option<u64>)>),
    Search(Vec<f32>, Filter, usize),
    Page(Filter, usize),
    OpenAnew,
}

fn unit(mut row: Vec<f32>) -> Vec<f32> {
    let length = row.iter().map(|value| value * value).sum::<f32>().sqrt();
    if length > 1e-2 {
        row.iter_mut().for_each(|value| *value /= length);
    } else {
        row.fill(0.0);
        row[0] = 1.0;
    }
    row
}

/// Rows of all kinds: anywhere, so close to each other that only the last bits tell them apart, and equal.
fn row(dim: usize) -> impl Strategy<Value = Vec<f32>> {
    let near = prop::collection::vec(-1e-6f32..1e-6, dim).prop_map(|row| row.iter().map(|value| 1.0 + value).collect());
    let any = prop::collection::vec(-1.0f32..1.0, dim);
    prop_oneof![3 => any, 2 => near, 1 => Just(vec![1.0; dim])].prop_map(unit)
}

fn filter() -> impl Strategy<Value = Filter> {
    let modality = prop::option::weighted(0.3, prop::sample::select(Modality::ALL.to_vec()));
    let cameras = prop::collection::vec((0..4u8).prop_map(|n| format!("c{n}")), 0..2);
    let time = || prop::option::weighted(0.2, (0i64..8).prop_map(|n| Moment::from_milliseconds(n).unwrap()));
    let metadata = prop::option::weighted(0.2, (0..3u8).prop_map(|n| ("n".into(), Scalar::Number(f64::from(n)))));
    (modality, cameras, time(), time(), metadata).prop_map(|(modality, cameras, from, until, metadata)| Filter {
        modality,
        cameras,
        from,
        until,
        metadata: metadata.into_iter().collect(),
    })
}

fn step(dim: usize) -> impl Strategy<Value = Step> {
    let existing = prop::sample::select(vec![Existing::Refuse, Existing::Replace, Existing::Keep]);
    let items = prop::collection::vec((0..40u8, row(dim), any::<u8>()), 0..6);
    prop_oneof![
        5 => (items, existing).prop_map(|(items, existing)| Step::Add(items, existing)),
        1 => prop::collection::vec(0..40u8, 0..3).prop_map(Step::Delete),
        1 => filter().prop_map(Step::DeleteMatching),
        2 => (prop::option::of(0..40u8), 0..40u8).prop_map(|(query, answer)| Step::Judge(query, answer)),
        1 => prop::collection::vec((0..40u8, prop::option::of(any::<u64>())), 0..3).prop_map(Step::Assign),
        3 => (row(dim), filter(), 0usize..12).prop_map(|(query, filter, top)| Step::Search(query, filter, top)),
        1 => (filter(), 0usize..9).prop_map(|(filter, limit)| Step::Page(filter, limit)),
        1 => Just(Step::OpenAnew),
    ]
}

fn id(n: u8) -> String {
    format!("id {n} \u{e9}\"")
}

fn item((n, embedding, kind): (u8, Vec<f32>, u8)) -> Item {
    let mut facts = Facts::new(id(n), Modality::ALL[usize::from(kind % 2)]);
    facts.camera = format!("c{}", kind % 3);
    facts.time = (kind % 5 > 0).then(|| Moment::from_milliseconds(i64::from(kind % 8)).unwrap());
    facts.spread = f32::from(kind) * 0.003;
    if kind % 7 > 3 {
        facts.metadata = [("n".into(), Scalar::Number(f64::from(kind % 3)))].into();
    }
    let image = (kind % 4 == 0).then(|| vec![kind; usize::from(kind)]);
    Item { facts, embedding, image }
}

/// What a store answers, as text: an error by its message.
fn answer(store: &dyn Store, step: Step) -> String {
    match step {
        Step::Add(items, existing) => format!("{:?}", store.add(items.into_iter().map(item).collect(), existing)),
        Step::Delete(ids) => format!("{:?}", store.delete(&ids.into_iter().map(id).collect::<Vec<_>>())),
        Step::DeleteMatching(filter) => format!("{:?}", store.delete_matching(&filter)),
        Step::Judge(query, answer) => {
            let judgement = Judgement {
                query: query.map(id),
                query_modality: Modality::Visible,
                answer: id(answer),
                answer_modality: Modality::Infrared,
                similarity: 0.1,
                same: answer % 2 == 0,
                time: Moment::from_milliseconds(i64::from(answer)).unwrap(),
            };
            format!("{:?}", store.judge(judgement))
        }
        Step::Assign(people) => {
            format!("{:?}", store.assign(&people.into_iter().map(|(n, person)| (id(n), person)).collect::<Vec<_>>()))
        }
        Step::OpenAnew => String::new(),
        // Floats are written so that no two differ in the bits and not in the text.
        Step::Search(query, filter, top) => format!("{:?}", store.search(&query, &filter, top)),
        Step::Page(filter, limit) => {
            let (mut after, mut pages) = (None, String::new());
            loop {
                let page = store.page(after.as_deref(), &filter, limit).unwrap();
                pages += &format!("{:?}", page.entries);
                after = page.next;
                if after.is_none() {
                    break pages;
                }
            }
        }
    }
}

fn everything(store: &dyn Store) -> String {
    let images: Vec<_> = (0..40).map(|n| store.image(&id(n)).unwrap()).collect();
    let page = store.page(None, &Filter::default(), 1000).unwrap().entries;
    format!("{:?} {:?} {:?} {images:?}", store.count().unwrap(), store.judgements().unwrap(), page)
}

fn same(dim: usize, log_bytes: u64, anew: bool, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let model = Model { weights: "w".into(), settings: BTreeMap::new(), dim };
    let (plain, disk) = (InMemory::new(model.clone()), OnDisk::new(model, log_bytes, anew));
    for step in steps {
        if let Step::OpenAnew = step {
            disk.open_anew();
        }
        let expected = answer(&plain, step.clone());
        prop_assert_eq!(answer(&disk, step.clone()), expected, "{:?}", step);
    }
    for _ in 0..3 {
        prop_assert_eq!(everything(&disk), everything(&plain));
        disk.open_anew();
    }
    Ok(())
}

fn steps(most: usize) -> impl Strategy<Value = (usize, Vec<Step>)> {
    (1usize..40).prop_flat_map(move |dim| (Just(dim), prop::collection::vec(step(dim), 1..most)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn in_one_log((dim, steps) in steps(60)) {
        same(dim, 1 << 30, false, steps)?;
    }

    #[test]
    fn in_many_logs((dim, steps) in steps(60)) {
        same(dim, 2000, false, steps)?;
    }

    #[test]
    fn in_more_logs_than_requests((dim, steps) in steps(60)) {
        same(dim, 300, false, steps)?;
    }

    #[test]
    fn in_many_logs_that_are_opened_anew((dim, steps) in steps(30)) {
        same(dim, 1000, true, steps)?;
    }
}

#[cfg(feature = "lance")]
proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn in_lance_files((dim, steps) in steps(25)) {
        use vireid_gallery::{Lance, LanceAddress, Opening};

        let folder = tempfile::TempDir::new().unwrap();
        let address = LanceAddress::Folder(folder.path().join("people"));
        let model = Model { weights: "w".into(), settings: BTreeMap::new(), dim };
        let open = || Lance::open(&address, Opening::OrCreate { model: &model, images: true }).unwrap();
        let (plain, mut files) = (InMemory::new(model.clone()), open());
        for step in steps {
            if let Step::OpenAnew = step {
                drop(files);
                files = open();
            }
            prop_assert_eq!(answer(&files, step.clone()), answer(&plain, step.clone()), "{:?}", step);
        }
        prop_assert_eq!(everything(&files), everything(&plain));
    }
}
