//! Copies between stores, and the measure of how well a store searches.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use vireid_compare::assert_near;
use vireid_core::{Modality, Streams};
use vireid_gallery::{
    Added, Copied, Count, Existing, Facts, Filter, GalleryError, Hit, InMemory, Item, Judgement, Keeps, Kept, Model,
    Moment, Page, Store, copy, recall,
};

const DIM: usize = 8;

fn model() -> Model {
    Model { weights: "0123456789abcdef".into(), settings: BTreeMap::new(), dim: DIM }
}

fn filled(count: usize) -> InMemory {
    let store = InMemory::new(model());
    let mut stream = Streams::new(4).stream("filled", [0; 3]);
    let mut item = |n: usize| {
        let values: Vec<f32> = (0..DIM).map(|_| stream.normal(0.0, 1.0) as f32).collect();
        let length = values.iter().map(|value| value * value).sum::<f32>().sqrt();
        let image = n.is_multiple_of(3).then(|| n.to_le_bytes().to_vec());
        let embedding = values.iter().map(|value| value / length).collect();
        // Ids whose order is not that of age.
        Item { facts: Facts::new(format!("{}-{n}", n * 7919 % 101), Modality::ALL[n % 2]), embedding, image }
    };
    store.add((0..count).map(&mut item).collect(), Existing::Refuse).unwrap();
    store
}

fn all(store: &dyn Store) -> Vec<Kept> {
    store.page(None, &Filter::default(), usize::MAX).unwrap().entries
}

fn judgement(query: Option<&Kept>, answer: &Kept, milliseconds: i64) -> Judgement {
    Judgement {
        query: query.map(|entry| entry.facts.id.clone()),
        query_modality: Modality::Infrared,
        answer: answer.facts.id.clone(),
        answer_modality: answer.facts.modality,
        similarity: 0.5,
        same: true,
        time: Moment::from_milliseconds(milliseconds).unwrap(),
    }
}

fn going_on(_: &Copied) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// What is done to a store once.
type Once<'a> = std::sync::Mutex<Option<Box<dyn FnOnce(&InMemory) + Send + 'a>>>;

/// A store that does something of its own: forgets what it is told to when it is searched, keeps nothing but entries, or changes once its
/// first page was read.
struct Odd<'a> {
    store: &'a InMemory,
    blind_to: Vec<String>,
    keeps: bool,
    then: Once<'a>,
}

impl<'a> Odd<'a> {
    fn new(store: &'a InMemory) -> Self {
        Self { store, blind_to: Vec::new(), keeps: true, then: Once::default() }
    }
}

impl Store for Odd<'_> {
    fn model(&self) -> &Model {
        self.store.model()
    }
    fn keeps(&self) -> Keeps {
        Keeps { images: self.keeps, judgements: self.keeps, people: self.keeps }
    }
    fn count(&self) -> Result<Count, GalleryError> {
        self.store.count()
    }
    fn add(&self, items: Vec<Item>, existing: Existing) -> Result<Vec<Added>, GalleryError> {
        assert!(self.keeps || items.iter().all(|item| item.image.is_none()));
        self.store.add(items, existing)
    }
    fn get(&self, id: &str) -> Result<Option<Kept>, GalleryError> {
        self.store.get(id)
    }
    fn image(&self, id: &str) -> Result<Option<Vec<u8>>, GalleryError> {
        self.store.image(id)
    }
    fn search(&self, query: &[f32], filter: &Filter, top: usize) -> Result<Vec<Hit>, GalleryError> {
        let mut hits = self.store.search(query, filter, top + self.blind_to.len())?;
        hits.retain(|hit| !self.blind_to.contains(&hit.facts.id));
        hits.truncate(top);
        Ok(hits)
    }
    fn delete(&self, ids: &[String]) -> Result<u64, GalleryError> {
        self.store.delete(ids)
    }
    fn delete_matching(&self, filter: &Filter) -> Result<u64, GalleryError> {
        self.store.delete_matching(filter)
    }
    fn page(&self, after: Option<&str>, filter: &Filter, limit: usize) -> Result<Page, GalleryError> {
        let page = self.store.page(after, filter, limit);
        if let Some(then) = self.then.lock().unwrap().take() {
            then(self.store);
        }
        page
    }
    fn judge(&self, judgement: Judgement) -> Result<(), GalleryError> {
        assert!(self.keeps);
        self.store.judge(judgement)
    }
    fn judgements(&self) -> Result<Vec<Judgement>, GalleryError> {
        assert!(self.keeps);
        self.store.judgements()
    }
    fn assign(&self, people: &[(String, Option<u64>)]) -> Result<(), GalleryError> {
        assert!(self.keeps);
        self.store.assign(people)
    }
}

#[test]
fn a_copy_holds_all_in_the_same_order_and_a_second_one_adds_nothing() {
    let (from, to) = (filled(300), InMemory::new(model()));
    let entries = all(&from);
    from.assign(&[(entries[0].facts.id.clone(), Some(3)), (entries[299].facts.id.clone(), Some(3))]).unwrap();
    from.judge(judgement(Some(&entries[1]), &entries[2], 5)).unwrap();
    from.judge(judgement(None, &entries[2], 6)).unwrap();
    let copied = copy(&from, &to, going_on).unwrap();
    let whole = Copied { entries: 300, images: 100, people: 2, judgements: 2, finished: true, ..Copied::default() };
    assert_eq!(copied, whole);
    assert_eq!(all(&to), all(&from));
    assert_eq!(to.judgements().unwrap(), from.judgements().unwrap());
    let image = |store: &InMemory| store.image(&entries[3].facts.id).unwrap();
    assert!(image(&from).is_some() && image(&to) == image(&from));
    let again = copy(&from, &to, going_on).unwrap();
    assert_eq!(again, Copied { there: 300, finished: true, ..Copied::default() });
    assert_eq!(to.judgements().unwrap().len(), 2);
}

#[test]
fn a_copy_that_was_stopped_goes_on() {
    let (from, to) = (filled(300), InMemory::new(model()));
    let first = copy(&from, &to, |_| ControlFlow::Break(())).unwrap();
    assert!(!first.finished && (1..300).contains(&first.entries), "{first:?}");
    assert_eq!(all(&to).len() as u64, first.entries);
    // Stopped between the entries of a page and their people.
    let person = [(all(&from)[0].facts.id.clone(), Some(9))];
    from.assign(&person).unwrap();
    let second = copy(&from, &to, going_on).unwrap();
    assert!(second.finished);
    assert_eq!((second.there, second.entries + first.entries, second.people), (first.entries, 300, 1));
    assert_eq!(all(&to), all(&from));
}

#[test]
fn an_entry_that_is_there_otherwise_stays_and_is_counted() {
    let (from, to) = (filled(10), filled(0));
    let mut other = all(&from)[4].clone();
    other.facts.camera = "elsewhere".into();
    let mine = Item { facts: other.facts.clone(), embedding: other.embedding, image: None };
    to.add(vec![mine], Existing::Refuse).unwrap();
    let copied = copy(&from, &to, going_on).unwrap();
    assert_eq!((copied.entries, copied.there, copied.differing), (9, 1, 1));
    assert_eq!(to.get(&other.facts.id).unwrap().unwrap().facts, other.facts);
}

#[test]
fn what_is_deleted_while_it_is_copied_is_not_in_the_copy() {
    let (from, to) = (filled(300), InMemory::new(model()));
    let (first, last) = (all(&from)[2].facts.id.clone(), all(&from)[299].facts.id.clone());
    let lost = first.clone();
    let lose = move |store: &InMemory| assert_eq!(store.delete(&[lost]).unwrap(), 1);
    let losing = Odd { then: Once::new(Some(Box::new(lose))), ..Odd::new(&from) };
    let mut pages = 0;
    let copied = copy(&losing, &to, |_| {
        pages += 1;
        if pages == 1 {
            from.delete(std::slice::from_ref(&last)).unwrap();
        }
        ControlFlow::Continue(())
    });
    let copied = copied.unwrap();
    assert_eq!((copied.entries, copied.deleted), (298, 1));
    assert!(to.get(&first).unwrap().is_none() && to.get(&last).unwrap().is_none());
    assert_eq!(all(&to), all(&from));
}

#[test]
fn what_is_replaced_while_the_last_page_is_copied_is_in_the_copy() {
    let (from, to) = (filled(10), InMemory::new(model()));
    let mut newer = all(&from)[2].clone();
    newer.facts.camera = "elsewhere".into();
    let replace = |store: &InMemory| {
        let item = |facts: Facts| Item { facts, embedding: newer.embedding.clone(), image: None };
        let more = (0..200).map(|n| item(Facts::new(format!("more-{n}"), Modality::Visible)));
        store.add(more.chain([item(newer.facts.clone())]).collect(), Existing::Replace).unwrap();
    };
    let replacing = Odd { then: Once::new(Some(Box::new(replace))), ..Odd::new(&from) };
    let copied = copy(&replacing, &to, going_on).unwrap();
    assert_eq!((copied.entries, copied.deleted, copied.finished), (10, 0, true));
    assert_eq!(to.get(&newer.facts.id).unwrap().unwrap().facts, newer.facts);
}

#[test]
fn what_a_store_does_not_keep_is_counted_and_left() {
    let (from, inner) = (filled(30), InMemory::new(model()));
    let entries = all(&from);
    from.assign(&[(entries[0].facts.id.clone(), Some(3))]).unwrap();
    from.judge(judgement(None, &entries[2], 6)).unwrap();
    let to = Odd { keeps: false, ..Odd::new(&inner) };
    let copied = copy(&from, &to, going_on).unwrap();
    assert_eq!((copied.images, copied.images_left, copied.people, copied.people_left), (0, 10, 0, 1));
    assert_eq!((copied.judgements, copied.judgements_left, copied.entries), (0, 1, 30));
    assert!(copy(&to, &InMemory::new(model()), going_on).unwrap().finished);
}

#[test]
fn another_network_is_refused() {
    let other = InMemory::new(Model { weights: "another".into(), ..model() });
    let said = copy(&filled(3), &other, going_on).unwrap_err().to_string();
    assert!(said.starts_with("VR0804"), "{said}");
    assert_eq!(all(&other).len(), 0);
    assert!(recall(&filled(3), &other, 3, 0, 1).unwrap_err().to_string().starts_with("VR0804"));
}

#[test]
fn an_exact_store_has_a_recall_of_one() {
    let store = filled(700);
    let measured = recall(&store, &store, 50, 1, 10).unwrap();
    assert_eq!((measured.mean, measured.lowest, measured.queries, measured.top), (1.0, 1.0, 50, 10));
    let few = recall(&filled(4), &filled(4), 50, 1, 10).unwrap();
    assert_eq!((few.mean, few.queries), (1.0, 4));
    assert_eq!(recall(&filled(0), &filled(0), 50, 1, 10).unwrap().queries, 0);
}

#[test]
fn what_a_store_does_not_find_lowers_its_recall() {
    let store = filled(600);
    // By hand: the neighbours of every entry, and how many of them the store does not see.
    let blind_to: Vec<String> = all(&store).iter().step_by(4).map(|entry| entry.facts.id.clone()).collect();
    let recalls: Vec<f64> = all(&store)
        .iter()
        .map(|entry| {
            let hits = store.search(&entry.embedding, &Filter::default(), 6).unwrap();
            let seen = |hit: &&Hit| hit.facts.id != entry.facts.id && !blind_to.contains(&hit.facts.id);
            hits.iter().filter(seen).count() as f64 / 5.0
        })
        .collect();
    let odd = Odd { blind_to, ..Odd::new(&store) };
    let measured = recall(&odd, &store, 600, 3, 5).unwrap();
    assert_near(measured.mean, recalls.iter().sum::<f64>() / 600.0, 1e-9);
    assert_near(measured.lowest, recalls.iter().copied().fold(1.0, f64::min), 1e-9);
    assert!((0.6..0.9).contains(&measured.mean), "{measured:?}");
    let part = |seed| recall(&odd, &store, 40, seed, 5).unwrap();
    assert_eq!(part(3), part(3));
    assert_ne!(part(3).mean, part(4).mean);
}

#[test]
fn equals_count_whichever_is_found() {
    let store = InMemory::new(model());
    let mut embedding = vec![0.0; DIM];
    embedding[0] = 1.0;
    let item = |n: usize| Item {
        facts: Facts::new(n.to_string(), Modality::Visible),
        embedding: embedding.clone(),
        image: None,
    };
    store.add((0..20).map(item).collect(), Existing::Refuse).unwrap();
    let odd = Odd { blind_to: (0..10).map(|n| n.to_string()).collect(), ..Odd::new(&store) };
    assert_near(recall(&odd, &store, 20, 0, 5).unwrap().mean, 1.0, 1e-9);
    // An answer that is not among the rows counts for nothing.
    let rows = InMemory::new(model());
    rows.add((10..15).map(item).collect(), Existing::Refuse).unwrap();
    let stale = Odd { blind_to: (12..15).map(|n| n.to_string()).collect(), ..Odd::new(&store) };
    assert!(recall(&stale, &rows, 5, 0, 4).unwrap().mean < 0.5);
}
