//! What people said of answers, and where it is kept.

use std::collections::{HashMap, HashSet};

use super::record::Place;
use crate::Judgement;

/// What a person said, and where that is kept.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub judgement: Judgement,
    pub place: Place,
    /// Whether nothing was said of the same pair later.
    last: bool,
}

impl Said {
    fn names(&self, is_meant: impl Fn(&str) -> bool) -> bool {
        is_meant(&self.judgement.answer) || self.judgement.query.as_deref().is_some_and(is_meant)
    }
}

/// All that was said, the oldest first, as long as a frame tells of it.
#[derive(Debug, Default)]
pub(super) struct Sayings {
    all: Vec<Said>,
    /// The last ones of their pairs, by answer.
    last: HashMap<Box<str>, Vec<usize>>,
    places: HashSet<(u32, u64)>,
}

impl Sayings {
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// What counts.
    pub fn last(&self) -> impl Iterator<Item = &Judgement> {
        self.all.iter().filter(|said| said.last).map(|said| &said.judgement)
    }

    /// Where everything is kept.
    pub fn places(&self) -> impl Iterator<Item = Place> {
        self.all.iter().map(|said| said.place)
    }

    /// Whether something is kept there.
    pub fn is_at(&self, log: u32, offset: u64) -> bool {
        self.places.contains(&(log, offset))
    }

    /// Where is kept what was said of some entries.
    pub fn places_of(&self, is_meant: impl Fn(&str) -> bool) -> impl Iterator<Item = Place> {
        self.all.iter().filter(move |said| said.names(&is_meant)).map(|said| said.place)
    }

    /// Puts in what a person said.
    pub fn say(&mut self, judgement: Judgement, place: Place) {
        let Self { all, last, places } = self;
        let of_answer = last.entry(judgement.answer.as_str().into()).or_default();
        of_answer.retain(|at| {
            let said = &mut all[*at];
            said.last = !said.judgement.is_of_the_same(&judgement);
            said.last
        });
        of_answer.push(all.len());
        places.insert((place.log, place.offset));
        all.push(Said { judgement, place, last: true });
    }

    /// Takes out what was said of some entries, and what is kept at some places. Where it was kept.
    pub fn unsay(&mut self, is_meant: impl Fn(&str) -> bool, places: &[Place]) -> Vec<Place> {
        if self.all.is_empty() {
            return Vec::new();
        }
        // The whole place: after a log was written anew, something else may be where it was.
        let gone: HashSet<&Place> = places.iter().collect();
        let mut taken = Vec::new();
        self.all.retain(|said| {
            let stays = !gone.contains(&said.place) && !said.names(&is_meant);
            if !stays {
                taken.push(said.place);
            }
            stays
        });
        if !taken.is_empty() {
            self.last.clear();
            for (at, said) in self.all.iter().enumerate().filter(|(_, said)| said.last) {
                self.last.entry(said.judgement.answer.as_str().into()).or_default().push(at);
            }
            self.places = self.all.iter().map(|said| (said.place.log, said.place.offset)).collect();
        }
        taken
    }
}
