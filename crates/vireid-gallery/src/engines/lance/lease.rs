//! The right to write to a gallery in a bucket.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use lancedb::Table;
use lancedb::arrow::arrow_array::{Int64Array, RecordBatch, StringArray};
use lancedb::arrow::arrow_schema::{DataType, Field, Schema};
use lancedb::table::optimize::{Duration as Age, OptimizeAction};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::read::select;
use super::rows;
use crate::GalleryError;

/// How often a writer shows that it is alive, and how long one shows nothing that is taken for dead.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    beat: Duration,
    dead: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self { beat: Duration::from_secs(15), dead: Duration::from_secs(180) }
    }
}

/// How long to wait before looking again, at first and at most.
const WAIT: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));
/// How often in a row the row can't be read or changed before that is an error.
const FAILURES: usize = 5;
/// Versions of the table after which those of more than an hour ago are removed.
const VERSIONS: u64 = 64;

/// The right to write to a gallery in a bucket, which no file system locks: a table of one row says who has it. Lance sees to it
/// that of two programs that change the row at once the later looks at it again, so that only one finds it free.
pub struct Lease {
    table: Table,
    owner: String,
    stop: oneshot::Sender<()>,
    beating: JoinHandle<()>,
}

/// The table as it is made: nobody has the right.
pub fn free() -> Result<RecordBatch, GalleryError> {
    let fields = vec![Field::new("owner", DataType::Utf8, false), Field::new("beat", DataType::Int64, false)];
    let columns = (Arc::new(StringArray::from(vec![""])), Arc::new(Int64Array::from(vec![0])));
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), vec![columns.0, columns.1])?)
}

impl Lease {
    /// Waits until nobody else has the right, or has it without showing that it is alive.
    ///
    /// # Errors
    ///
    /// `VR0809`.
    pub async fn take(table: &Table, times: Times) -> Result<Self, GalleryError> {
        let random = || RandomState::new().build_hasher().finish();
        let owner = format!("{:016x}{:016x}", random(), random());
        let (mut watch, mut wait, mut failed) = (Watch { seen: None, since: Instant::now() }, WAIT.0, 0);
        loop {
            match watch.try_for(table, &owner, times.dead).await {
                Ok(true) => break,
                Ok(false) => failed = 0,
                // Others were quicker, again and again.
                Err(_) if failed < FAILURES => failed += 1,
                Err(error) => return Err(error),
            }
            sleep(wait).await;
            wait = (wait * 2).min(WAIT.1);
        }
        if table.version().await? % VERSIONS == 0 {
            let (older_than, keep) = (Some(Age::hours(1)), Some(false));
            let prune =
                OptimizeAction::Prune { older_than, delete_unverified: keep, error_if_tagged_old_versions: keep };
            table.optimize(prune).await?;
        }
        let (stop, stopped) = oneshot::channel();
        let beating = tokio::spawn(beat(table.clone(), owner.clone(), times.beat, stopped));
        Ok(Self { table: table.clone(), owner, stop, beating })
    }

    /// Lets go of the right. If that fails it is another's after a while.
    pub async fn let_go(self) {
        let Self { table, owner, stop, beating } = self;
        _ = stop.send(());
        _ = beating.await;
        _ = pass_on(&table, &format!("owner = '{owner}'"), "").await;
    }
}

/// What the holder showed last, and since when.
struct Watch {
    seen: Option<(String, i64)>,
    since: Instant,
}

impl Watch {
    /// Takes the right for somebody if nobody has it, or who has it is dead; whether it was taken.
    async fn try_for(&mut self, table: &Table, owner: &str, dead: Duration) -> Result<bool, GalleryError> {
        if pass_on(table, "owner = ''", owner).await? {
            return Ok(true);
        }
        let now = holder(table).await?;
        if self.seen.as_ref() != Some(&now) {
            (self.seen, self.since) = (Some(now), Instant::now());
            return Ok(false);
        }
        let unchanged = format!("owner = '{}' AND beat = {}", now.0.replace('\'', "''"), now.1);
        Ok(self.since.elapsed() > dead && pass_on(table, &unchanged, owner).await?)
    }
}

async fn beat(table: Table, owner: String, every: Duration, mut stopped: oneshot::Receiver<()>) {
    while timeout(every, &mut stopped).await.is_err() {
        // One that fails is made up for by the next.
        let alive = table.update().only_if(format!("owner = '{owner}'")).column("beat", "beat + 1");
        _ = alive.execute().await;
    }
}

/// Gives the right to somebody, or to nobody, if the row is as it is said to be; whether it was.
async fn pass_on(table: &Table, only_if: &str, to: &str) -> Result<bool, GalleryError> {
    let changed = table.update().only_if(only_if).column("owner", format!("'{to}'")).column("beat", "beat + 1");
    Ok(changed.execute().await?.rows_updated > 0)
}

/// Who has the right, and what it showed last.
async fn holder(table: &Table) -> Result<(String, i64), GalleryError> {
    for batch in select(table, None, &["owner", "beat"]).await? {
        if let (Some(owner), Some(Some(beat))) =
            (rows::texts(&batch, "owner")?.first(), rows::integers(&batch, "beat")?.first())
        {
            return Ok((owner.to_string(), *beat));
        }
    }
    Err(rows::changed("writer"))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tempfile::TempDir;
    use tokio::runtime::Runtime;

    use super::*;

    const QUICK: Times = Times { beat: Duration::from_millis(50), dead: Duration::from_millis(1000) };

    async fn table(folder: &TempDir, create: bool) -> Table {
        let connecting = lancedb::connect(folder.path().to_str().unwrap()).read_consistency_interval(Duration::ZERO);
        let connection = connecting.execute().await.unwrap();
        if create {
            return connection.create_table("writer", free().unwrap()).execute().await.unwrap();
        }
        connection.open_table("writer").execute().await.unwrap()
    }

    #[test]
    fn one_has_it_at_a_time() {
        let (folder, runtime) = (TempDir::new().unwrap(), Runtime::new().unwrap());
        let (inside, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        runtime.block_on(async {
            drop(table(&folder, true).await);
            let mut writers = Vec::new();
            for _ in 0..4 {
                // Each by a connection of its own, as programs have.
                let (table, inside, done) = (table(&folder, false).await, Arc::clone(&inside), Arc::clone(&done));
                writers.push(tokio::spawn(async move {
                    for _ in 0..6 {
                        let lease = Lease::take(&table, Times::default()).await.unwrap();
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        sleep(Duration::from_millis(5)).await;
                        inside.fetch_sub(1, Ordering::SeqCst);
                        done.fetch_add(1, Ordering::SeqCst);
                        lease.let_go().await;
                    }
                }));
            }
            for writer in writers {
                writer.await.unwrap();
            }
        });
        assert_eq!(done.load(Ordering::SeqCst), 24);
    }

    #[test]
    fn that_of_the_dead_is_taken_and_that_of_the_living_is_not() {
        let (folder, runtime) = (TempDir::new().unwrap(), Runtime::new().unwrap());
        runtime.block_on(async {
            let (first, second) = (table(&folder, true).await, table(&folder, false).await);
            let alive = Lease::take(&first, QUICK).await.unwrap();
            assert!(timeout(QUICK.dead * 3, Lease::take(&second, QUICK)).await.is_err());
            alive.let_go().await;
            assert!(pass_on(&first, "owner = ''", "dead").await.unwrap());
            let begun = Instant::now();
            let taken = Lease::take(&second, QUICK).await.unwrap();
            assert!(begun.elapsed() > QUICK.dead);
            assert_eq!(holder(&first).await.unwrap().0, taken.owner);
            taken.let_go().await;
            assert_eq!(holder(&first).await.unwrap().0, "");
        });
    }
}
