//! Many threads at once, of rayon's pool too.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rayon::prelude::*;
use vireid_core::Modality;
use vireid_gallery::{Existing, Facts, Filter, Item, Keep, Local, Model, Store};

/// Entries that are there at the start.
const FIRST: usize = 5000;

/// The first entries lie a thousandth of a radian apart; those that are added lie where none of these is, however many there are.
fn item(n: usize) -> Item {
    let angle = if n < FIRST { n as f32 * 0.001 } else { 5.5 };
    Item {
        facts: Facts::new(format!("e{n}"), Modality::Visible),
        embedding: vec![angle.cos(), angle.sin()],
        image: None,
    }
}

/// Ends the additions, also where a search was wrong.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn searches_and_additions_go_on_side_by_side() {
    let folder = tempfile::TempDir::new().unwrap();
    let model = Model { weights: "w".into(), settings: BTreeMap::new(), dim: 2 };
    let store = Local::create(folder.path(), model, Keep { images: false, log_bytes: 50_000 }).unwrap();
    store.add((0..FIRST).map(item).collect(), Existing::Refuse).unwrap();
    let done = AtomicBool::new(false);
    let added: usize = thread::scope(|scope| {
        let lanes: Vec<_> = (0..4)
            .map(|lane| {
                let (store, done) = (&store, &done);
                scope.spawn(move || {
                    let numbers = (FIRST + lane..).step_by(4).take_while(|_| !done.load(Ordering::Relaxed));
                    numbers.map(|n| store.add(vec![item(n)], Existing::Refuse).unwrap().len()).sum::<usize>()
                })
            })
            .collect();
        let ending = Ending(&done);
        let search = |n: usize| store.search(&item(n).embedding, &Filter::default(), 1).unwrap()[0].facts.id.clone();
        let expected: Vec<String> = (0..600).map(|n| format!("e{n}")).collect();
        assert_eq!((0..600).into_par_iter().map(search).collect::<Vec<_>>(), expected);
        assert_eq!((0..600).map(search).collect::<Vec<_>>(), expected);
        drop(ending);
        lanes.into_iter().map(|lane| lane.join().unwrap()).sum()
    });
    assert_eq!(store.count().unwrap().visible, (FIRST + added) as u64);
    drop(store);
    assert_eq!(Local::open(folder.path(), None).unwrap().count().unwrap().visible, (FIRST + added) as u64);
}
