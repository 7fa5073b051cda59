//! Writing to Lance's tables.

use lancedb::arrow::arrow_array::{RecordBatch, RecordBatchIterator, RecordBatchReader};

use super::filter::is_one_of;
use super::rows;
use super::tables::Tables;
use crate::GalleryError;

/// Ids that are deleted by one statement.
const IDS: usize = 4096;

impl Tables {
    /// Adds rows whose ids are not there, and if `replace` has the others take the place of those that are. How many were
    /// written.
    pub async fn write(&self, batch: RecordBatch, replace: bool) -> Result<u64, GalleryError> {
        let mut merge = self.entries.merge_insert(&["id"]);
        merge.when_not_matched_insert_all();
        if replace {
            merge.when_matched_update_all(None);
        }
        let done = merge.execute(one(batch)).await?;
        Ok(done.num_inserted_rows + done.num_updated_rows)
    }

    /// Forgets entries and what was said of them; how many there were.
    pub async fn forget(&self, ids: &[String]) -> Result<u64, GalleryError> {
        let mut deleted = 0;
        for ids in ids.chunks(IDS) {
            // First, so that none is left behind if this is cut short.
            self.forget_judgements(ids).await?;
            deleted += self.entries.delete(&is_one_of("id", ids)).await?.num_deleted_rows;
        }
        Ok(deleted)
    }

    /// Puts entries to people.
    pub async fn assign(&self, people: &[(String, Option<u64>)]) -> Result<(), GalleryError> {
        let mut merge = self.entries.merge_insert(&["id"]);
        merge.when_matched_update_all(None);
        merge.execute(one(rows::people_batch(people)?)).await?;
        Ok(())
    }
}

/// A batch as what the engine reads.
pub fn one(batch: RecordBatch) -> Box<dyn RecordBatchReader + Send> {
    let schema = batch.schema();
    Box::new(RecordBatchIterator::new([Ok(batch)], schema))
}
