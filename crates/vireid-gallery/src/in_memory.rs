//! A gallery in memory: what the others are tested by.

use std::collections::BTreeMap;
use std::collections::HashSet;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use vireid_core::Modality;

use crate::{Added, Count, Existing, Filter, GalleryError, Hit, Item, Judgement, Kept, Model, Page, Store};

/// A gallery that lives as long as the program: the plain meaning of [`Store`], by which the others are tested.
#[derive(Debug)]
pub struct InMemory {
    model: Model,
    state: RwLock<State>,
}

#[derive(Debug, Default)]
struct State {
    /// By age.
    entries: BTreeMap<u64, (Item, Option<u64>)>,
    next: u64,
    judgements: Vec<Judgement>,
}

impl State {
    fn number(&self, id: &str) -> Option<u64> {
        self.entries.iter().find(|(_, (item, _))| item.facts.id == id).map(|(number, _)| *number)
    }

    fn remove(&mut self, number: u64) {
        if let Some((item, _)) = self.entries.remove(&number) {
            let id = item.facts.id;
            self.judgements.retain(|judgement| judgement.answer != id && judgement.query.as_ref() != Some(&id));
        }
    }
}

impl InMemory {
    /// An empty gallery for embeddings of one network.
    pub fn new(model: Model) -> Self {
        Self { model, state: RwLock::default() }
    }

    // A panic in a test thread leaves nothing half done here.
    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Refuses what no store of a dimension can keep, and ids that are there twice.
///
/// # Errors
///
/// `VR0801`.
pub(crate) fn check_items(items: &[Item], dim: usize) -> Result<(), GalleryError> {
    let mut seen = HashSet::new();
    for item in items {
        item.facts.check()?;
        check_embedding(&item.embedding, dim)?;
        if !seen.insert(&item.facts.id) {
            let reason = format!("'{}' is there twice", item.facts.id);
            return Err(GalleryError::BadEntry { what: "id", reason });
        }
    }
    Ok(())
}

/// Refuses an embedding of another dimension, or not of length 1.
///
/// # Errors
///
/// `VR0801`.
pub(crate) fn check_embedding(embedding: &[f32], dim: usize) -> Result<(), GalleryError> {
    let bad = |reason: String| Err(GalleryError::BadEntry { what: "embedding", reason });
    if embedding.len() != dim {
        return bad(format!("{} numbers, not {dim}", embedding.len()));
    }
    let length = embedding.iter().map(|value| value * value).sum::<f32>().sqrt();
    // NaN is no length of 1 either.
    if (length - 1.0).abs() <= 1e-3 { Ok(()) } else { bad(format!("its length is {length:.3}, not 1")) }
}

/// The inner product of two rows, always summed in the same order.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

impl Store for InMemory {
    fn model(&self) -> &Model {
        &self.model
    }

    fn count(&self) -> Result<Count, GalleryError> {
        let mut count = Count::default();
        for (item, _) in self.read().entries.values() {
            match item.facts.modality {
                Modality::Visible => count.visible += 1,
                Modality::Infrared => count.infrared += 1,
            }
        }
        Ok(count)
    }

    fn add(&self, items: Vec<Item>, existing: Existing) -> Result<Vec<Added>, GalleryError> {
        check_items(&items, self.model.dim)?;
        let mut state = self.write();
        if existing == Existing::Refuse
            && let Some(item) = items.iter().find(|item| state.number(&item.facts.id).is_some())
        {
            return Err(GalleryError::Exists { id: item.facts.id.clone() });
        }
        let add = |item: Item| {
            let older = state.number(&item.facts.id);
            if let (Some(_), Existing::Keep) = (older, existing) {
                return Added::Kept;
            }
            older.inspect(|number| state.remove(*number));
            let number = state.next;
            state.next += 1;
            state.entries.insert(number, (item, None));
            if older.is_some() { Added::Replaced } else { Added::New }
        };
        Ok(items.into_iter().map(add).collect())
    }

    fn get(&self, id: &str) -> Result<Option<Kept>, GalleryError> {
        let state = self.read();
        Ok(state.number(id).map(|number| kept(&state.entries[&number])))
    }

    fn image(&self, id: &str) -> Result<Option<Vec<u8>>, GalleryError> {
        let state = self.read();
        Ok(state.number(id).and_then(|number| state.entries[&number].0.image.clone()))
    }

    fn search(&self, query: &[f32], filter: &Filter, top: usize) -> Result<Vec<Hit>, GalleryError> {
        check_embedding(query, self.model.dim)?;
        let state = self.read();
        let meant = state.entries.values().filter(|(item, _)| filter.admits(&item.facts));
        let mut hits: Vec<Hit> = meant
            .map(|(item, person)| Hit {
                facts: item.facts.clone(),
                similarity: dot(&item.embedding, query),
                person: *person,
                has_image: item.image.is_some(),
            })
            .collect();
        // Stable: equals stay in the order of their age.
        hits.sort_by(|a, b| b.similarity.total_cmp(&a.similarity));
        hits.truncate(top);
        Ok(hits)
    }

    fn delete(&self, ids: &[String]) -> Result<u64, GalleryError> {
        let mut state = self.write();
        let before = state.entries.len();
        for id in ids {
            state.number(id).inspect(|number| state.remove(*number));
        }
        Ok((before - state.entries.len()) as u64)
    }

    fn delete_matching(&self, filter: &Filter) -> Result<u64, GalleryError> {
        let mut state = self.write();
        let meant = state.entries.iter().filter(|(_, (item, _))| filter.admits(&item.facts));
        let numbers: Vec<u64> = meant.map(|(number, _)| *number).collect();
        numbers.iter().for_each(|number| state.remove(*number));
        Ok(numbers.len() as u64)
    }

    fn page(&self, after: Option<&str>, filter: &Filter, limit: usize) -> Result<Page, GalleryError> {
        let bad = |_| GalleryError::BadEntry { what: "after", reason: "no page gave it".into() };
        let from = after.map(|text| text.parse::<u64>().map_err(bad)).transpose()?.unwrap_or(0);
        if limit == 0 {
            return Ok(Page { entries: Vec::new(), next: None });
        }
        let state = self.read();
        let mut meant = state.entries.range(from..).filter(|(_, (item, _))| filter.admits(&item.facts));
        let entries = meant.by_ref().take(limit).map(|(_, entry)| kept(entry)).collect();
        Ok(Page { entries, next: meant.next().map(|(number, _)| number.to_string()) })
    }

    fn judge(&self, judgement: Judgement) -> Result<(), GalleryError> {
        let mut state = self.write();
        for id in judgement.query.iter().chain([&judgement.answer]) {
            state.number(id).ok_or_else(|| GalleryError::Unknown { id: id.clone() })?;
        }
        state.judgements.retain(|other| !other.is_of_the_same(&judgement));
        state.judgements.push(judgement);
        Ok(())
    }

    fn judgements(&self) -> Result<Vec<Judgement>, GalleryError> {
        Ok(self.read().judgements.clone())
    }

    fn assign(&self, people: &[(String, Option<u64>)]) -> Result<(), GalleryError> {
        let mut state = self.write();
        let number = |id: &String| state.number(id).ok_or_else(|| GalleryError::Unknown { id: id.clone() });
        let numbers: Vec<u64> = people.iter().map(|(id, _)| number(id)).collect::<Result<_, _>>()?;
        for (number, (_, person)) in numbers.iter().zip(people) {
            if let Some((_, of)) = state.entries.get_mut(number) {
                *of = *person;
            }
        }
        Ok(())
    }
}

fn kept((item, person): &(Item, Option<u64>)) -> Kept {
    let (facts, embedding) = (item.facts.clone(), item.embedding.clone());
    Kept { facts, embedding, person: *person, has_image: item.image.is_some() }
}
