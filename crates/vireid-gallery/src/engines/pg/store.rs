//! The gallery in PostgreSQL's tables.

use postgres::types::ToSql;
use vireid_core::Modality;

use super::filter::Condition;
use super::{Postgres, rows};
use crate::engines::ranked::{candidates, rank};
use crate::in_memory::{check_embedding, check_items};
use crate::{Added, Count, Existing, Filter, GalleryError, Hit, Item, Judgement, Kept, Model, Page, Store};

impl Store for Postgres {
    fn model(&self) -> &Model {
        &self.model
    }

    fn count(&self) -> Result<Count, GalleryError> {
        let statement = format!("SELECT modality, count(*) FROM {} GROUP BY modality", self.schema.table);
        let mut count = Count::default();
        for row in self.with(|client| Ok(client.query(&statement, &[])?))? {
            let number = row.try_get::<_, i64>(1)?.cast_unsigned();
            match row.try_get::<_, &str>(0)? {
                name if name == Modality::Visible.name() => count.visible = number,
                _ => count.infrared = number,
            }
        }
        Ok(count)
    }

    fn add(&self, items: Vec<Item>, existing: Existing) -> Result<Vec<Added>, GalleryError> {
        check_items(&items, self.model.dim)?;
        let ids: Vec<&str> = items.iter().map(|item| item.facts.id.as_str()).collect();
        self.with(|client| {
            let mut transaction = self.writing(client)?;
            let there = self.there(&mut transaction, &ids)?;
            let older: Vec<bool> = ids.iter().map(|id| there.contains(*id)).collect();
            let first = ids.iter().zip(&older).find(|(_, older)| **older);
            match (existing, first) {
                (Existing::Refuse, Some((id, _))) => return Err(GalleryError::Exists { id: id.to_string() }),
                (Existing::Replace, Some(_)) => {
                    let replaced: Vec<&str> = there.iter().map(String::as_str).collect();
                    self.forget(&mut transaction, &replaced)?;
                }
                _ => (),
            }
            let stays = |older: bool| older && existing == Existing::Keep;
            let new = items.iter().zip(&older).filter(|(_, older)| !stays(**older)).map(|(item, _)| item);
            self.insert(&mut transaction, &new.collect::<Vec<_>>())?;
            transaction.commit()?;
            let added = |older: bool| match (older, existing) {
                (false, _) => Added::New,
                (true, Existing::Keep) => Added::Kept,
                (true, _) => Added::Replaced,
            };
            Ok(older.iter().map(|older| added(*older)).collect())
        })
    }

    fn get(&self, id: &str) -> Result<Option<Kept>, GalleryError> {
        let statement = format!("SELECT {} FROM {} WHERE id = $1", rows::ENTRY, self.schema.table);
        let row = self.with(|client| Ok(client.query_opt(&statement, &[&id])?))?;
        row.map(|row| rows::entry(&row).map(|(_, kept)| kept)).transpose()
    }

    fn image(&self, id: &str) -> Result<Option<Vec<u8>>, GalleryError> {
        let statement = format!("SELECT image FROM {} WHERE id = $1", self.schema.table);
        let row = self.with(|client| Ok(client.query_opt(&statement, &[&id])?))?;
        row.map_or(Ok(None), |row| Ok(row.try_get(0)?))
    }

    fn search(&self, query: &[f32], filter: &Filter, top: usize) -> Result<Vec<Hit>, GalleryError> {
        check_embedding(query, self.model.dim)?;
        let condition = Condition::new(filter, 3)?;
        let limit = candidates(top);
        self.with(|client| {
            let mut found = self.nearest(client, query, &condition, limit, true)?;
            // The index may give up before enough rows pass a filter; then every row is looked at.
            if found.len() < top {
                found = self.nearest(client, query, &condition, limit, false)?;
            }
            Ok(rank(query, found, top))
        })
    }

    fn delete(&self, ids: &[String]) -> Result<u64, GalleryError> {
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        self.with(|client| {
            let mut transaction = self.writing(client)?;
            let deleted = self.forget(&mut transaction, &ids)?;
            transaction.commit()?;
            Ok(deleted)
        })
    }

    fn delete_matching(&self, filter: &Filter) -> Result<u64, GalleryError> {
        let condition = Condition::new(filter, 1)?;
        self.with(|client| {
            let mut transaction = self.writing(client)?;
            let statement = format!("SELECT id FROM {} WHERE {}", self.schema.table, condition.sql);
            let found = transaction.query(&statement, &condition.values(&[]))?;
            let ids = found.iter().map(|row| row.try_get(0)).collect::<Result<Vec<&str>, _>>()?;
            let deleted = self.forget(&mut transaction, &ids)?;
            transaction.commit()?;
            Ok(deleted)
        })
    }

    fn page(&self, after: Option<&str>, filter: &Filter, limit: usize) -> Result<Page, GalleryError> {
        if limit == 0 {
            return Ok(Page { entries: Vec::new(), next: None });
        }
        let bad = |_| GalleryError::BadEntry { what: "after", reason: "no page gave it".into() };
        let after = after.map_or(Ok(0), |text| text.parse::<i64>()).map_err(bad)?;
        let condition = Condition::new(filter, 3)?;
        let more = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
        let statement = format!(
            "SELECT {} FROM {} WHERE number > $1 AND {} ORDER BY number LIMIT $2",
            rows::ENTRY,
            self.schema.table,
            condition.sql
        );
        let found = self.with(|client| Ok(client.query(&statement, &condition.values(&[&after, &more]))?))?;
        let mut entries: Vec<(i64, Kept)> = found.iter().map(rows::entry).collect::<Result<_, _>>()?;
        let is_last = entries.len() <= limit;
        entries.truncate(limit);
        let next = if is_last { None } else { entries.last().map(|(number, _)| number.to_string()) };
        Ok(Page { entries: entries.into_iter().map(|(_, kept)| kept).collect(), next })
    }

    fn judge(&self, judgement: Judgement) -> Result<(), GalleryError> {
        let Judgement { query, query_modality, answer, answer_modality, similarity, same, time } = judgement;
        self.with(|client| {
            let mut transaction = self.writing(client)?;
            let named: Vec<&str> = query.iter().chain([&answer]).map(String::as_str).collect();
            self.refuse_unknown(&mut transaction, &named)?;
            let table = &self.schema.judgements;
            let (by, of, time) = (query_modality.name(), answer_modality.name(), time.milliseconds());
            // See `Judgement::is_of_the_same`.
            let of_the_same = "answer = $2 AND (query = $1 OR $1 IS NULL AND query IS NULL AND query_modality = $3 AND similarity = $4)";
            let statement = format!("DELETE FROM {table} WHERE {of_the_same}");
            transaction.execute(&statement, &[&query, &answer, &by, &similarity])?;
            let statement = format!("INSERT INTO {table} ({}) VALUES ($1, $2, $3, $4, $5, $6, $7)", rows::JUDGEMENT);
            let values: [&(dyn ToSql + Sync); 7] = [&query, &by, &answer, &of, &similarity, &same, &time];
            transaction.execute(&statement, &values)?;
            Ok(transaction.commit()?)
        })
    }

    fn judgements(&self) -> Result<Vec<Judgement>, GalleryError> {
        let statement = format!("SELECT {} FROM {} ORDER BY number", rows::JUDGEMENT, self.schema.judgements);
        self.with(|client| client.query(&statement, &[])?.iter().map(rows::judgement).collect())
    }

    fn assign(&self, people: &[(String, Option<u64>)]) -> Result<(), GalleryError> {
        let ids: Vec<&str> = people.iter().map(|(id, _)| id.as_str()).collect();
        let numbers: Vec<Option<i64>> = people.iter().map(|(_, person)| person.map(u64::cast_signed)).collect();
        self.with(|client| {
            let mut transaction = self.writing(client)?;
            self.refuse_unknown(&mut transaction, &ids)?;
            let statement = format!("UPDATE {} SET person = $2 WHERE id = $1", self.schema.table);
            let statement = transaction.prepare(&statement)?;
            for (id, person) in ids.iter().zip(&numbers) {
                transaction.execute(&statement, &[id, person])?;
            }
            Ok(transaction.commit()?)
        })
    }
}
