//! Reading Lance's tables.

use std::collections::HashMap;

use futures_util::TryStreamExt;
use lancedb::Table;
use lancedb::arrow::SendableRecordBatchStream;
use lancedb::arrow::arrow_array::RecordBatch;
use lancedb::arrow::arrow_array::cast::AsArray;
use lancedb::arrow::arrow_array::types::UInt64Type;
use lancedb::datafusion::prelude::Expr;
use lancedb::query::{ColumnOrdering, ExecutableQuery, QueryBase, Select};
use vireid_core::Modality;

use super::filter::{condition, is_behind, is_one_of};
use super::rows::{self, ENTRY};
use super::tables::Tables;
use crate::{Count, Filter, GalleryError, Kept, Page};

/// Ids that are asked for in one query.
const IDS: usize = 4096;
/// How often is read anew what could not be read while another wrote.
const TRIES: usize = 20;

/// All batches of an answer.
pub async fn collect(stream: SendableRecordBatchStream) -> Result<Vec<RecordBatch>, GalleryError> {
    Ok(stream.try_collect().await?)
}

/// Some columns of the rows that a condition admits.
pub async fn select(table: &Table, only: Option<Expr>, columns: &[&str]) -> Result<Vec<RecordBatch>, GalleryError> {
    let mut query = table.query().select(Select::columns(columns));
    if let Some(only) = only {
        query = query.only_if_expr(only);
    }
    collect(query.execute().await?).await
}

impl Tables {
    /// Reads, and does so anew if it failed while another wrote: files that it was about to read may be gone then.
    pub async fn steady<T, R>(&self, read: impl Fn() -> R) -> Result<T, GalleryError>
    where
        R: Future<Output = Result<T, GalleryError>>,
    {
        let mut tries = TRIES;
        loop {
            let before = (self.entries.version().await, self.judgements.version().await);
            let done = read().await;
            tries -= 1;
            if done.is_ok() || tries == 0 {
                return done;
            }
            let (Ok(entries), Ok(judgements)) = before else { return done };
            if (self.entries.version().await?, self.judgements.version().await?) == (entries, judgements) {
                return done;
            }
        }
    }

    pub async fn count(&self) -> Result<Count, GalleryError> {
        let of = |modality: Modality| async move {
            // Names of modalities are plain letters.
            let rows = self.entries.count_rows(Some(format!("modality = '{}'", modality.name()))).await?;
            Ok::<_, GalleryError>(rows as u64)
        };
        Ok(Count { visible: of(Modality::Visible).await?, infrared: of(Modality::Infrared).await? })
    }

    /// Which of some ids are there, each with its number.
    pub async fn there(&self, ids: &[String]) -> Result<HashMap<String, i64>, GalleryError> {
        let mut there = HashMap::new();
        for ids in ids.chunks(IDS) {
            for batch in select(&self.entries, Some(is_one_of("id", ids)), &["id", "number"]).await? {
                let numbers = rows::integers(&batch, "number")?;
                let found = rows::texts(&batch, "id")?.into_iter().map(String::from);
                there.extend(found.zip(numbers.into_iter().map(Option::unwrap_or_default)));
            }
        }
        Ok(there)
    }

    /// The ids of all entries that a filter admits.
    pub async fn admitted(&self, filter: &Filter) -> Result<Vec<String>, GalleryError> {
        let mut ids = Vec::new();
        for batch in select(&self.entries, condition(filter), &["id"]).await? {
            ids.extend(rows::texts(&batch, "id")?.into_iter().map(String::from));
        }
        Ok(ids)
    }

    pub async fn get(&self, id: &str) -> Result<Option<Kept>, GalleryError> {
        let only = is_one_of("id", &[id.to_string()]);
        for batch in select(&self.entries, Some(only), &ENTRY).await? {
            if let Some((_, kept)) = rows::entries(&batch)?.into_iter().next() {
                return Ok(Some(kept));
            }
        }
        Ok(None)
    }

    pub async fn image(&self, id: &str) -> Result<Option<Vec<u8>>, GalleryError> {
        let only = is_one_of("id", &[id.to_string()]);
        for batch in select(&self.entries, Some(only), &["image"]).await? {
            let images = rows::column(&batch, "image")?;
            let images = images.as_binary_opt::<i64>().ok_or_else(|| rows::changed("image"))?;
            if let Some(image) = images.iter().next() {
                return Ok(image.map(<[u8]>::to_vec));
            }
        }
        Ok(None)
    }

    /// Entries behind another, the oldest first, and what to ask for the next page with.
    pub async fn page(
        &self,
        after: Option<&(i64, String)>,
        filter: &Filter,
        limit: usize,
    ) -> Result<Page, GalleryError> {
        // Which they are is found out by their numbers first, for all embeddings would be read to put them in order.
        let seen = self.entries.query_snapshot().await?;
        let more = limit.min(seen.count_rows(None).await?) + 1;
        let by = ["number", "id"].map(|column| ColumnOrdering::asc_nulls_first(column.into())).to_vec();
        let mut query =
            seen.query().select(Select::columns(&["number", "id"])).order_by(Some(by)).limit(more).with_row_id();
        let behind = after.map(|(number, id)| is_behind(*number, id));
        if let Some(only) = condition(filter).into_iter().chain(behind).reduce(Expr::and) {
            query = query.only_if_expr(only);
        }
        let mut found = Vec::new();
        for batch in collect(query.execute().await?).await? {
            let row_ids = rows::column(&batch, "_rowid")?;
            let row_ids = row_ids.as_primitive_opt::<UInt64Type>();
            found.extend(row_ids.ok_or_else(|| rows::changed("_rowid"))?.values().iter().copied());
        }
        let is_last = found.len() <= limit;
        found.truncate(limit);
        if found.is_empty() {
            return Ok(Page { entries: Vec::new(), next: None });
        }
        let mut entries = Vec::new();
        let full = seen.take_row_ids(found).select(Select::columns(&ENTRY));
        for batch in collect(full.execute().await?).await? {
            entries.extend(rows::entries(&batch)?);
        }
        entries.sort_by(|a, b| (a.0, &a.1.facts.id).cmp(&(b.0, &b.1.facts.id)));
        let next = entries.last().filter(|_| !is_last).map(|(number, kept)| write_mark(*number, &kept.facts.id));
        Ok(Page { entries: entries.into_iter().map(|(_, kept)| kept).collect(), next })
    }
}

/// Where a page ended.
fn write_mark(number: i64, id: &str) -> String {
    format!("{number}:{id}")
}

/// # Errors
///
/// `VR0801` for what no page gave.
pub fn read_mark(mark: &str) -> Result<(i64, String), GalleryError> {
    let read = |mark: &str| -> Option<(i64, String)> {
        let (number, id) = mark.split_once(':')?;
        Some((number.parse().ok()?, id.to_string()))
    };
    read(mark).ok_or_else(|| GalleryError::BadEntry { what: "after", reason: "no page gave it".into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_names_the_last_entry() {
        assert_eq!(read_mark(&write_mark(-7, "a:b \u{fc}")).unwrap(), (-7, "a:b \u{fc}".to_string()));
        for wrong in ["", "7", "x:a", "no such page"] {
            assert!(read_mark(wrong).unwrap_err().to_string().starts_with("VR0801"), "{wrong}");
        }
    }
}
