//! What every store does, tried on each that can run here.

#![allow(clippy::unwrap_used)]

mod on_disk_store;

use std::collections::BTreeMap;

use vireid_core::Modality;
use vireid_gallery::{Added, Existing, Facts, Filter, InMemory, Item, Judgement, Model, Moment, Scalar, Store};

use on_disk_store::OnDisk;

const DIM: usize = 4;

fn model() -> Model {
    Model { weights: "0123456789abcdef".into(), settings: BTreeMap::new(), dim: DIM }
}

/// A unit vector at an angle in the plane of the first two axes.
fn at(degrees: f32) -> Vec<f32> {
    let angle = degrees.to_radians();
    vec![angle.cos(), angle.sin(), 0.0, 0.0]
}

fn item(id: &str, modality: Modality, degrees: f32) -> Item {
    Item { facts: Facts::new(id, modality), embedding: at(degrees), image: None }
}

fn ids(store: &dyn Store, filter: &Filter, top: usize) -> Vec<String> {
    store.search(&at(0.0), filter, top).unwrap().into_iter().map(|hit| hit.facts.id).collect()
}

fn three(store: &dyn Store) {
    let items = vec![
        item("far", Modality::Visible, 80.0),
        item("near", Modality::Infrared, 10.0),
        item("middle", Modality::Visible, 40.0),
    ];
    assert_eq!(store.add(items, Existing::Refuse).unwrap(), [Added::New; 3]);
}

fn found_by_likeness_and_filter(store: &dyn Store) {
    assert!(ids(store, &Filter::default(), 5).is_empty());
    three(store);
    assert_eq!(ids(store, &Filter::default(), 5), ["near", "middle", "far"]);
    assert_eq!(ids(store, &Filter::default(), 1), ["near"]);
    let visible = Filter { modality: Some(Modality::Visible), ..Filter::default() };
    assert_eq!(ids(store, &visible, 5), ["middle", "far"]);
    let count = store.count().unwrap();
    assert_eq!((count.visible, count.infrared), (2, 1));
    assert!(store.search(&[1.0], &Filter::default(), 1).unwrap_err().to_string().starts_with("VR0801"));
}

fn equals_come_by_age(store: &dyn Store) {
    let items = ["c", "a", "b"].map(|id| item(id, Modality::Visible, 30.0)).to_vec();
    store.add(items, Existing::Refuse).unwrap();
    assert_eq!(ids(store, &Filter::default(), 2), ["c", "a"]);
}

fn all_or_none_is_added(store: &dyn Store) {
    three(store);
    let again = || vec![item("new", Modality::Visible, 5.0), item("near", Modality::Visible, 60.0)];
    let said = store.add(again(), Existing::Refuse).unwrap_err().to_string();
    assert!(said.starts_with("VR0802") && said.contains("'near'"), "{said}");
    assert!(store.get("new").unwrap().is_none());
    assert_eq!(store.add(again(), Existing::Keep).unwrap(), [Added::New, Added::Kept]);
    assert_eq!(store.get("near").unwrap().unwrap().facts.modality, Modality::Infrared);
    let replacing = vec![item("near", Modality::Visible, 60.0)];
    assert_eq!(store.add(replacing, Existing::Replace).unwrap(), [Added::Replaced]);
    assert_eq!(ids(store, &Filter::default(), 9), ["new", "middle", "near", "far"]);
    let twice = vec![item("x", Modality::Visible, 1.0), item("x", Modality::Visible, 2.0)];
    assert!(store.add(twice, Existing::Replace).unwrap_err().to_string().starts_with("VR0801"));
    let mut long = item("y", Modality::Visible, 1.0);
    long.embedding[0] = 3.0;
    assert!(store.add(vec![long], Existing::Refuse).unwrap_err().to_string().starts_with("VR0801"));
}

fn what_is_said_comes_back(store: &dyn Store) {
    let mut known = item("known", Modality::Infrared, 12.0);
    known.facts.camera = "north".into();
    known.facts.time = Some("2026-03-01T12:30:00.250Z".parse().unwrap());
    known.facts.metadata = [("floor".into(), Scalar::Number(2.0)), ("staff".into(), Scalar::Bool(true))].into();
    (known.facts.crops, known.facts.spread) = (7, 0.125);
    known.image = Some(b"an image".to_vec());
    let plain = item("plain", Modality::Infrared, 13.0);
    store.add(vec![known.clone(), plain], Existing::Refuse).unwrap();
    let kept = store.get("known").unwrap().unwrap();
    assert_eq!((&kept.facts, &kept.embedding, kept.has_image), (&known.facts, &known.embedding, true));
    assert_eq!(store.image("known").unwrap(), known.image);
    assert_eq!(store.image("plain").unwrap(), None);
    assert_eq!(store.image("nobody").unwrap(), None);
    let hit = store.search(&at(0.0), &Filter { cameras: vec!["north".into()], ..Filter::default() }, 3).unwrap();
    assert_eq!((hit.len(), &hit[0].facts, hit[0].has_image), (1, &known.facts, true));
}

fn what_is_deleted_is_gone(store: &dyn Store) {
    three(store);
    let judgement = |query: Option<&str>, answer: &str| Judgement {
        query: query.map(String::from),
        query_modality: Modality::Infrared,
        answer: answer.into(),
        answer_modality: Modality::Visible,
        similarity: 0.5,
        same: true,
        time: Moment::now(),
    };
    store.judge(judgement(Some("near"), "far")).unwrap();
    store.judge(judgement(None, "middle")).unwrap();
    assert_eq!(store.delete(&["near".into(), "nobody".into()]).unwrap(), 1);
    assert!(store.get("near").unwrap().is_none());
    assert_eq!(ids(store, &Filter::default(), 9), ["middle", "far"]);
    let left: Vec<String> = store.judgements().unwrap().into_iter().map(|judgement| judgement.answer).collect();
    assert_eq!(left, ["middle"]);
    let mut dated = item("dated", Modality::Visible, 1.0);
    dated.facts.time = Moment::from_milliseconds(5000);
    store.add(vec![dated], Existing::Refuse).unwrap();
    let old = Filter { until: Moment::from_milliseconds(6000), ..Filter::default() };
    assert_eq!(store.delete_matching(&old).unwrap(), 1);
    assert_eq!(store.delete_matching(&Filter::default()).unwrap(), 2);
    assert_eq!(store.count().unwrap().visible, 0);
    three(store);
}

/// Ids of all pages of ten; what was seen first is deleted on the way, which moves nothing that was not seen.
fn all_pages(store: &dyn Store, filter: &Filter) -> Vec<String> {
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let page = store.page(after.as_deref(), filter, 10).unwrap();
        assert!(page.entries.len() <= 10);
        seen.extend(page.entries.into_iter().map(|entry| entry.facts.id));
        store.delete(&seen[..1]).unwrap();
        after = page.next;
        if after.is_none() {
            return seen;
        }
    }
}

fn pages_go_through_all(store: &dyn Store) {
    let names: Vec<String> = (0..25).map(|n| format!("n{n:02}")).collect();
    let items = names.iter().enumerate().map(|(n, id)| item(id, Modality::ALL[n % 2], n as f32)).collect();
    store.add(items, Existing::Refuse).unwrap();
    assert_eq!(all_pages(store, &Filter::default()), names);
    let infrared = Filter { modality: Some(Modality::Infrared), ..Filter::default() };
    let odd: Vec<String> = names.into_iter().skip(1).step_by(2).collect();
    assert_eq!(all_pages(store, &infrared), odd);
    assert!(store.page(Some("no such page"), &Filter::default(), 3).unwrap_err().to_string().starts_with("VR0801"));
}

fn people_and_judgements_are_kept(store: &dyn Store) {
    three(store);
    store.assign(&[("near".into(), Some(7)), ("far".into(), Some(7))]).unwrap();
    store.assign(&[("far".into(), None)]).unwrap();
    let person = |id: &str| store.get(id).unwrap().unwrap().person;
    assert_eq!([person("near"), person("far"), person("middle")], [Some(7), None, None]);
    assert_eq!(store.search(&at(0.0), &Filter::default(), 1).unwrap()[0].person, Some(7));
    let said = store.assign(&[("near".into(), None), ("nobody".into(), Some(1))]).unwrap_err().to_string();
    assert!(said.starts_with("VR0803"), "{said}");
    assert_eq!(person("near"), Some(7));
    let judgement = |same, answer: &str| Judgement {
        query: Some("near".into()),
        query_modality: Modality::Infrared,
        answer: answer.into(),
        answer_modality: Modality::Visible,
        similarity: 0.75,
        same,
        time: Moment::from_milliseconds(1).unwrap(),
    };
    store.judge(judgement(true, "far")).unwrap();
    store.judge(judgement(true, "middle")).unwrap();
    store.judge(judgement(false, "far")).unwrap();
    assert!(store.judge(judgement(false, "nobody")).unwrap_err().to_string().starts_with("VR0803"));
    assert_eq!(store.judgements().unwrap(), [judgement(true, "middle"), judgement(false, "far")]);
    // An image from outside is known again by its similarity.
    let outside = |same, similarity| Judgement { query: None, similarity, ..judgement(same, "far") };
    store.judge(outside(true, 0.5)).unwrap();
    store.judge(outside(true, 0.25)).unwrap();
    store.judge(outside(false, 0.5)).unwrap();
    assert_eq!(store.judgements().unwrap()[2..], [outside(true, 0.25), outside(false, 0.5)]);
}

/// All tests, for a store that an expression makes anew.
macro_rules! contract {
    ($name:ident, $store:expr) => {
        contract!($name, $store; found_by_likeness_and_filter, equals_come_by_age, all_or_none_is_added, what_is_said_comes_back,
            what_is_deleted_is_gone, pages_go_through_all, people_and_judgements_are_kept);
    };
    ($name:ident, $store:expr; $($test:ident),*) => {
        mod $name {
            use super::*;

            $(
                #[test]
                fn $test() {
                    super::$test(&$store);
                }
            )*
        }
    };
}

contract!(in_memory, InMemory::new(model()));
contract!(on_disk, OnDisk::new(model(), 1 << 20, false));
contract!(on_disk_opened_anew_for_each_call, OnDisk::new(model(), 1 << 20, true));
contract!(on_disk_with_a_log_for_each_call, OnDisk::new(model(), 1, true));

/// Where galleries of an engine can be made: an address, and a folder that is removed after the test.
#[cfg(any(feature = "lance", feature = "postgres", feature = "qdrant"))]
type Server = Option<(String, Option<tempfile::TempDir>)>;

/// The address that a variable holds: `VIREID_TEST_POSTGRES=postgres://me@host/db cargo test --features postgres`. Without the
/// variable the test says that it did not run.
#[cfg(any(feature = "lance", feature = "postgres", feature = "qdrant"))]
fn server(variable: &str) -> Server {
    let address = std::env::var(variable).ok();
    if address.is_none() {
        println!("not run: {variable} is not set");
    }
    address.map(|address| (address, None))
}

/// All tests, or some, for a gallery of an engine.
#[cfg(any(feature = "lance", feature = "postgres", feature = "qdrant"))]
macro_rules! engine_contract {
    ($name:ident, $server:expr, $place:expr) => {
        engine_contract!($name, $server, $place; found_by_likeness_and_filter, equals_come_by_age, all_or_none_is_added,
            what_is_said_comes_back, what_is_deleted_is_gone, pages_go_through_all, people_and_judgements_are_kept);
    };
    ($name:ident, $server:expr, $place:expr; $($test:ident),* $(,)?) => {
        mod $name {
            use super::*;
            use vireid_gallery::{Address, Opening};

            $(
                #[test]
                fn $test() {
                    let server: Server = $server;
                    let Some((address, _folder)) = server else { return };
                    let place: fn(&str, &str) -> String = $place;
                    let place = place(&address, &format!("{}_{}", stringify!($test), Moment::now().milliseconds()));
                    let opening = Opening::OrCreate { model: &model(), images: false };
                    let store = Address::parse(&place).unwrap().open(opening).unwrap();
                    super::$test(&*store);
                }
            )*
        }
    };
}

#[cfg(feature = "postgres")]
engine_contract!(postgres, server("VIREID_TEST_POSTGRES"), |address, name| {
    let join = if address.contains('?') { '&' } else { '?' };
    // A name has 40 bytes at most, and its end tells two runs apart.
    format!("{address}{join}table=t{}", &name[name.len().saturating_sub(39)..])
});

// Without what needs images and judgements: `engines.rs` has the rest of it.
#[cfg(feature = "qdrant")]
engine_contract!(qdrant, server("VIREID_TEST_QDRANT"), |address, name| format!("{address}/{name}");
    found_by_likeness_and_filter, equals_come_by_age, all_or_none_is_added, pages_go_through_all);

#[cfg(feature = "lance")]
engine_contract!(
    lance,
    {
        let folder = tempfile::TempDir::new().unwrap();
        Some((format!("lance://{}", folder.path().display()), Some(folder)))
    },
    |address, name| format!("{address}/{name}")
);

#[cfg(feature = "lance")]
engine_contract!(lance_in_a_bucket, server("VIREID_TEST_S3"), |address, name| format!("{address}/{name}"));
