//! The statements that change a gallery in PostgreSQL.

use std::collections::HashSet;

use postgres::{Client, GenericClient, Transaction};

use super::filter::Condition;
use super::{Postgres, rows};
use crate::{GalleryError, Item, Kept};

impl Postgres {
    /// Starts a transaction that no other writer comes into.
    pub(super) fn writing<'a>(&self, client: &'a mut Client) -> Result<Transaction<'a>, GalleryError> {
        let mut transaction = client.transaction()?;
        // Numbers are given in the order in which they can be seen, so that pages miss none.
        transaction.batch_execute(&format!("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE", self.schema.table))?;
        Ok(transaction)
    }

    /// Which of some ids are there.
    pub(super) fn there(&self, client: &mut impl GenericClient, ids: &[&str]) -> Result<HashSet<String>, GalleryError> {
        let statement = format!("SELECT id FROM {} WHERE id = ANY($1)", self.schema.table);
        client.query(&statement, &[&ids])?.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    pub(super) fn insert(&self, transaction: &mut Transaction<'_>, items: &[&Item]) -> Result<(), GalleryError> {
        let statement = transaction.prepare(&format!(
            "INSERT INTO {} (id, modality, camera, time_ms, metadata, crops, spread, embedding, image)
             VALUES ($1, $2, $3, $4, $5::text::jsonb, $6, $7, $8::real[]::vector, $9)",
            self.schema.table
        ))?;
        for Item { facts, embedding, image } in items {
            let metadata = serde_json::to_string(&facts.metadata).map_err(|error| super::engine(error.to_string()))?;
            let time = facts.time.map(|time| time.milliseconds());
            let (modality, crops) = (facts.modality.name(), i64::from(facts.crops));
            transaction.execute(
                &statement,
                &[&facts.id, &modality, &facts.camera, &time, &metadata, &crops, &facts.spread, embedding, image],
            )?;
        }
        Ok(())
    }

    /// Forgets entries and what was said of them; how many there were.
    pub(super) fn forget(&self, transaction: &mut Transaction<'_>, ids: &[&str]) -> Result<u64, GalleryError> {
        let schema = &self.schema;
        let statement = format!("DELETE FROM {} WHERE query = ANY($1) OR answer = ANY($1)", schema.judgements);
        transaction.execute(&statement, &[&ids])?;
        Ok(transaction.execute(&format!("DELETE FROM {} WHERE id = ANY($1)", schema.table), &[&ids])?)
    }

    pub(super) fn nearest(
        &self,
        client: &mut Client,
        query: &[f32],
        condition: &Condition,
        limit: usize,
        by_index: bool,
    ) -> Result<Vec<(i64, Kept)>, GalleryError> {
        let mut transaction = client.transaction()?;
        let breadth = limit.clamp(40, 1000);
        // The planner does not see what it costs to fetch long embeddings, and would read all rows of a table of thousands. Where a
        // filter leaves few it may still go by the columns' indexes.
        let by_index_only = "hnsw.iterative_scan = relaxed_order; SET LOCAL enable_seqscan = off";
        let how = if by_index { by_index_only } else { "enable_indexscan = off" };
        transaction.batch_execute(&format!("SET LOCAL hnsw.ef_search = {breadth}; SET LOCAL {how}"))?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let statement = format!(
            "SELECT {} FROM {} WHERE {} ORDER BY {} LIMIT $2",
            rows::ENTRY,
            self.schema.table,
            condition.sql,
            self.schema.distance
        );
        let found = transaction.query(&statement, &condition.values(&[&query, &limit]))?;
        let found = found.iter().map(rows::entry).collect();
        transaction.commit()?;
        found
    }

    pub(super) fn refuse_unknown(&self, transaction: &mut Transaction<'_>, ids: &[&str]) -> Result<(), GalleryError> {
        let there = self.there(transaction, ids)?;
        match ids.iter().find(|id| !there.contains(**id)) {
            None => Ok(()),
            Some(id) => Err(GalleryError::Unknown { id: id.to_string() }),
        }
    }
}
