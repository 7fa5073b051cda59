//! The gallery in a collection of Qdrant.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Value, json};
use vireid_core::Modality;

use super::filter::translate;
use super::points::{Point, entry, point_id};
use super::{Qdrant, engine};
use crate::engines::ranked::{candidates, rank};
use crate::in_memory::{check_embedding, check_items};
use crate::{Added, Count, Existing, Filter, GalleryError, Hit, Item, Judgement, Keeps, Kept, Model, Page, Store};

/// Numbers in the vectors of one request: a server takes 32 MiB of text as it comes.
const NUMBERS: usize = 1 << 20;

impl Qdrant {
    /// Which of some entries are there, by the ids of their points.
    fn there(&self, points: &[String]) -> Result<HashSet<String>, GalleryError> {
        let mut there = HashSet::new();
        for ids in points.chunks(4096) {
            let found =
                self.http.post("/points", &json!({ "ids": ids, "with_payload": false, "with_vector": false }))?;
            there.extend(list(&found)?.iter().filter_map(|point| point["id"].as_str().map(String::from)));
        }
        Ok(there)
    }

    fn upsert(&self, items: &[&Item]) -> Result<(), GalleryError> {
        let first = self.numbers(items.len());
        let numbered: Vec<(i64, &&Item)> = (first..).zip(items).collect();
        for part in numbered.chunks((NUMBERS / self.model.dim.max(1)).max(1)) {
            let points = part.iter().map(|(number, item)| Point::new(item, *number, &self.model.weights));
            let points: Vec<Point<'_>> = points.collect();
            self.http.put("/points?wait=true", &BTreeMap::from([("points", points)]))?;
        }
        Ok(())
    }

    fn filter(&self, filter: &Filter) -> Value {
        translate(filter, &self.model.weights)
    }

    fn number_of(&self, filter: &Filter) -> Result<u64, GalleryError> {
        let count = self.http.post("/points/count", &json!({ "filter": self.filter(filter), "exact": true }))?;
        count["count"].as_u64().ok_or_else(|| engine("a count without a number"))
    }
}

impl Store for Qdrant {
    fn model(&self) -> &Model {
        &self.model
    }

    fn keeps(&self) -> Keeps {
        Keeps { images: false, judgements: false, people: true }
    }

    fn count(&self) -> Result<Count, GalleryError> {
        let of = |modality| self.number_of(&Filter { modality: Some(modality), ..Filter::default() });
        Ok(Count { visible: of(Modality::Visible)?, infrared: of(Modality::Infrared)? })
    }

    fn add(&self, items: Vec<Item>, existing: Existing) -> Result<Vec<Added>, GalleryError> {
        check_items(&items, self.model.dim)?;
        if items.iter().any(|item| item.image.is_some()) {
            return Err(engine("keeps no images; add the entries without them"));
        }
        let points: Vec<String> = items.iter().map(|item| point_id(&item.facts.id)).collect();
        let there = self.there(&points)?;
        let become_of = |point: &String| match (there.contains(point), existing) {
            (false, _) => Added::New,
            (true, Existing::Keep) => Added::Kept,
            (true, _) => Added::Replaced,
        };
        let added: Vec<Added> = points.iter().map(become_of).collect();
        if existing == Existing::Refuse
            && let Some((item, _)) = items.iter().zip(&added).find(|(_, added)| **added != Added::New)
        {
            return Err(GalleryError::Exists { id: item.facts.id.clone() });
        }
        let written = items.iter().zip(&added).filter(|(_, added)| **added != Added::Kept).map(|(item, _)| item);
        self.upsert(&written.collect::<Vec<_>>())?;
        Ok(added)
    }

    fn get(&self, id: &str) -> Result<Option<Kept>, GalleryError> {
        let asked = json!({ "ids": [point_id(id)], "with_payload": true, "with_vector": true });
        let found = self.http.post("/points", &asked)?;
        list(&found)?.first().map(|point| entry(point).map(|(_, kept)| kept)).transpose()
    }

    fn image(&self, _: &str) -> Result<Option<Vec<u8>>, GalleryError> {
        Ok(None)
    }

    fn search(&self, query: &[f32], filter: &Filter, top: usize) -> Result<Vec<Hit>, GalleryError> {
        check_embedding(query, self.model.dim)?;
        let asked = json!({
            "query": query,
            "filter": self.filter(filter),
            "limit": candidates(top),
            "with_payload": true,
            "with_vector": true,
        });
        let found = self.http.post("/points/query", &asked)?;
        let found = list(&found["points"])?.iter().map(entry).collect::<Result<_, _>>()?;
        Ok(rank(query, found, top))
    }

    fn delete(&self, ids: &[String]) -> Result<u64, GalleryError> {
        let points: Vec<String> = ids.iter().map(|id| point_id(id)).collect();
        let there = self.there(&points)?;
        if !there.is_empty() {
            self.http.post("/points/delete?wait=true", &json!({ "points": there }))?;
        }
        Ok(there.len() as u64)
    }

    fn delete_matching(&self, filter: &Filter) -> Result<u64, GalleryError> {
        let number = self.number_of(filter)?;
        self.http.post("/points/delete?wait=true", &json!({ "filter": self.filter(filter) }))?;
        Ok(number)
    }

    fn page(&self, after: Option<&str>, filter: &Filter, limit: usize) -> Result<Page, GalleryError> {
        if limit == 0 {
            return Ok(Page { entries: Vec::new(), next: None });
        }
        let (number, seen) = after.map_or(Ok((0, Vec::new())), read_mark)?;
        let mut filter = self.filter(filter);
        if let Some(must) = filter["must"].as_array_mut() {
            must.push(json!({ "key": "number", "range": { "gte": number } }));
        }
        // Two programs can give one number. Those of the last page's last number that were on it are left out by name.
        filter["must_not"] = json!([{ "has_id": seen }]);
        let asked = json!({
            "filter": filter,
            "limit": limit.saturating_add(1),
            "order_by": { "key": "number", "direction": "asc" },
            "with_payload": true,
            "with_vector": true,
        });
        let found = self.http.post("/points/scroll", &asked)?;
        let mut entries = list(&found["points"])?.iter().map(entry).collect::<Result<Vec<_>, _>>()?;
        let is_last = entries.len() <= limit;
        entries.truncate(limit);
        let next = if is_last { None } else { Some(write_mark(&entries, number, seen)) };
        Ok(Page { entries: entries.into_iter().map(|(_, kept)| kept).collect(), next })
    }

    fn judge(&self, _: Judgement) -> Result<(), GalleryError> {
        Err(engine("keeps no judgements"))
    }

    fn judgements(&self) -> Result<Vec<Judgement>, GalleryError> {
        Err(engine("keeps no judgements"))
    }

    fn assign(&self, people: &[(String, Option<u64>)]) -> Result<(), GalleryError> {
        let points: Vec<String> = people.iter().map(|(id, _)| point_id(id)).collect();
        let there = self.there(&points)?;
        if let Some((id, _)) = people.iter().find(|(id, _)| !there.contains(&point_id(id))) {
            return Err(GalleryError::Unknown { id: id.clone() });
        }
        // The last word on an entry counts.
        let last: BTreeMap<&String, Option<u64>> =
            points.iter().zip(people.iter().map(|(_, person)| *person)).collect();
        let mut groups: BTreeMap<Option<u64>, Vec<&String>> = BTreeMap::new();
        for (point, person) in last {
            groups.entry(person).or_default().push(point);
        }
        let operation = |(person, points): (Option<u64>, Vec<&String>)| match person {
            Some(person) => json!({ "set_payload": { "payload": { "person": person }, "points": points } }),
            None => json!({ "delete_payload": { "keys": ["person"], "points": points } }),
        };
        let operations: Vec<Value> = groups.into_iter().map(operation).collect();
        if !operations.is_empty() {
            self.http.post("/points/batch?wait=true", &json!({ "operations": operations }))?;
        }
        Ok(())
    }
}

fn list(value: &Value) -> Result<&Vec<Value>, GalleryError> {
    value.as_array().ok_or_else(|| engine("an answer without a list of points"))
}

/// Where a page ended: its last number, and the points of that number that were on it or on those before.
fn write_mark(entries: &[(i64, Kept)], number: i64, seen: Vec<String>) -> String {
    let last = entries.last().map_or(number, |(number, _)| *number);
    let before = if last == number { seen } else { Vec::new() };
    let here = entries.iter().filter(|(number, _)| *number == last).map(|(_, kept)| point_id(&kept.facts.id));
    let points: Vec<String> = before.into_iter().chain(here).collect();
    format!("{last}:{}", points.join(","))
}

fn read_mark(mark: &str) -> Result<(i64, Vec<String>), GalleryError> {
    let bad = || GalleryError::BadEntry { what: "after", reason: "no page gave it".into() };
    let (number, points) = mark.split_once(':').ok_or_else(bad)?;
    let is_id = |point: &&str| point.len() == 36 && point.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    let ids: Vec<String> = points.split(',').filter(|point| !point.is_empty()).map(String::from).collect();
    if !points.split(',').filter(|point| !point.is_empty()).all(|point| is_id(&point)) {
        return Err(bad());
    }
    Ok((number.parse().map_err(|_| bad())?, ids))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Facts;

    #[test]
    fn a_mark_names_all_of_its_last_number() {
        let kept = |id: &str| {
            let facts = Facts::new(id, Modality::Visible);
            Kept { facts, embedding: Vec::new(), person: None, has_image: false }
        };
        let first = write_mark(&[(4, kept("a")), (7, kept("b"))], 0, Vec::new());
        assert_eq!(read_mark(&first).unwrap(), (7, vec![point_id("b")]));
        let (number, seen) = read_mark(&first).unwrap();
        let second = write_mark(&[(7, kept("c"))], number, seen);
        assert_eq!(read_mark(&second).unwrap(), (7, vec![point_id("b"), point_id("c")]));
        for wrong in ["", "7", "x:", "7:short", "no such page"] {
            assert!(read_mark(wrong).unwrap_err().to_string().starts_with("VR0801"), "{wrong}");
        }
    }
}
