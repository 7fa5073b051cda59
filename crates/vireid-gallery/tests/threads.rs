//! Many threads at once, of rayon's pool too.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rayon::prelude::*;
use vireid_core::Modality;
use vireid_gallery::{Existing, Facts, Filter, Item, Keep, Local, Model, Store};

fn item(n: usize) -> Item {
    let angle = n as f32 * 0.001;
    Item {
        facts: Facts::new(format!("e{n}"), Modality::Visible),
        embedding: vec![angle.cos(), angle.sin()],
        image: None,
    }
}

#[test]
fn searches_and_additions_go_on_side_by_side() {
    let folder = tempfile::TempDir::new().unwrap();
    let model = Model { weights: "w".into(), settings: BTreeMap::new(), dim: 2 };
    let store = Local::create(folder.path(), model, Keep { images: false, log_bytes: 50_000 }).unwrap();
    store.add((0..5000).map(item).collect(), Existing::Refuse).unwrap();
    let done = AtomicBool::new(false);
    let added: usize = thread::scope(|scope| {
        let lanes: Vec<_> = (0..4)
            .map(|lane| {
                let (store, done) = (&store, &done);
                scope.spawn(move || {
                    let numbers = (5000 + lane..).step_by(4).take_while(|_| !done.load(Ordering::Relaxed));
                    numbers.map(|n| store.add(vec![item(n)], Existing::Refuse).unwrap().len()).sum::<usize>()
                })
            })
            .collect();
        let search = |n: usize| store.search(&item(n).embedding, &Filter::default(), 1).unwrap()[0].facts.id.clone();
        let expected: Vec<String> = (0..600).map(|n| format!("e{n}")).collect();
        assert_eq!((0..600).into_par_iter().map(search).collect::<Vec<_>>(), expected);
        assert_eq!((0..600).map(search).collect::<Vec<_>>(), expected);
        done.store(true, Ordering::Relaxed);
        lanes.into_iter().map(|lane| lane.join().unwrap()).sum()
    });
    assert_eq!(store.count().unwrap().visible, 5000 + added as u64);
    drop(store);
    assert_eq!(Local::open(folder.path(), None).unwrap().count().unwrap().visible, 5000 + added as u64);
}
