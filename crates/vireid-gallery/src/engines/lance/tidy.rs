//! Writing files anew, so that nothing deleted is left in them.

use lancedb::Table;
use lancedb::table::optimize::{CompactionOptions, Duration, OptimizeAction};

use super::engine;
use super::tables::Tables;
use crate::{GalleryError, Moment};

/// Rows of a file. Each deletion writes the files anew that had what was deleted; and so small they are.
const ROWS: usize = 4096;
/// Rows that are read at a time to be written anew: an image may be with each.
const BATCH: usize = 256;
/// Pieces of a table, one for each call that added to it, from which on they are joined.
const PIECES: usize = 64;
/// How often it is tried.
const TRIES: usize = 3;

/// The key of a table's settings that is written to have a version behind the one that says what was deleted.
const ORDERED: &str = "vireid.put_in_order";

impl Tables {
    /// Puts the files in order where they are in many pieces, and in any case if `must`: then nothing of what was deleted or
    /// replaced is left in them. No other program may be writing.
    ///
    /// # Errors
    ///
    /// `VR0809`.
    pub async fn put_in_order(&self, must: bool) -> Result<(), GalleryError> {
        for table in [&self.entries, &self.judgements] {
            if must || pieces(table).await? > PIECES {
                let mut tries = TRIES;
                while let Err(error) = write_anew(table).await {
                    tries -= 1;
                    if tries == 0 {
                        let what = "what was deleted is gone from the gallery, but may still be in its files";
                        return Err(engine(format!("{what}; the next deletion tries again ({error})")));
                    }
                }
            }
        }
        Ok(())
    }
}

async fn pieces(table: &Table) -> Result<usize, GalleryError> {
    match table.as_native() {
        Some(table) => Ok(table.count_fragments().await?),
        None => Ok(0),
    }
}

/// Writes those files anew in which rows were deleted or which are small, and removes those of all older versions.
async fn write_anew(table: &Table) -> lancedb::Result<()> {
    let options = CompactionOptions {
        target_rows_per_fragment: ROWS,
        materialize_deletions: true,
        materialize_deletions_threshold: 0.0,
        batch_size: Some(BATCH),
        ..CompactionOptions::default()
    };
    table.optimize(OptimizeAction::Compact { options, remap_options: None }).await?;
    // Of the last version more is kept than its rows: what was done, and so which ids were deleted.
    if let Some(table) = table.as_native() {
        table.update_config([(ORDERED.to_string(), Moment::now().to_string())]).await?;
    }
    let prune = OptimizeAction::Prune {
        older_than: Some(Duration::zero()),
        // What no version has is of a write that was cut short, for nobody else is writing.
        delete_unverified: Some(true),
        // Else all that is in the version of a tag would be kept without a word.
        error_if_tagged_old_versions: Some(true),
    };
    table.optimize(prune).await?;
    Ok(())
}
