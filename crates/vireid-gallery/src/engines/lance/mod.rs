//! A gallery in Lance files: a table of entries, whose schema says the network, and one of judgements.

mod filter;
mod gate;
mod judgements;
mod nearest;
mod read;
mod rows;
mod schema;
mod store;
mod tables;
mod tidy;
mod write;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::{Builder, Runtime};

use self::gate::{Gate, Pass};
use self::tables::Tables;
use crate::{GalleryError, LanceAddress, Model, Moment, Opening};

/// Stack of a thread that works on queries: plans of the engine are nested deeply.
const STACK: usize = 8 << 20;

/// A gallery in Lance files, in a folder or in a bucket of S3.
///
/// Every search goes through all entries that its filter admits: there is no index, and no answer is missed. Writers of one folder wait
/// for one another. Those of one bucket, which can't be locked, do their work anew where another was quicker, and give up after some
/// tries. What a delete takes out is written out of the files before the call is back, and older versions of them are removed.
///
/// It blocks, and must not be called from within an asynchronous task.
#[derive(Debug)]
pub struct Lance {
    tables: Arc<Tables>,
    model: Model,
    gate: Gate,
    /// The last number that was given, in the order of age.
    last: Mutex<i64>,
    /// Whether files may hold what was deleted: of a deletion that was cut short, by this program or an earlier one.
    unclean: AtomicBool,
    /// Until it is dropped.
    runtime: Option<Runtime>,
}

impl Lance {
    /// Opens the gallery at an address. Keys, region and endpoint of a bucket are those of the environment (`AWS_ACCESS_KEY_ID`, ...).
    ///
    /// # Errors
    ///
    /// `VR0808` where there is no gallery, or none can be made because of what is there; `VR0804` where it is of another network; `VR0809`
    /// where the files can't be read or the service of the bucket refuses.
    pub fn open(address: &LanceAddress, opening: Opening<'_>) -> Result<Self, GalleryError> {
        let runtime = Builder::new_multi_thread().worker_threads(2).thread_stack_size(STACK).enable_all().build();
        let runtime = runtime.map_err(|error| engine(error.to_string()))?;
        let gate = Gate::new(address);
        let (place, wanted) = (address.clone(), opening.model().cloned());
        let create = matches!(opening, Opening::OrCreate { .. });
        let pass = if create { Some(gate.enter_new(address)?) } else { None };
        let opened = async move { Tables::open(&place, wanted.filter(|_| create)).await };
        let (tables, model, last) = run_on(&runtime, opened)?;
        drop(pass);
        opening.model().map_or(Ok(()), |expected| model.check(expected))?;
        let (tables, last, unclean) = (Arc::new(tables), Mutex::new(last), AtomicBool::new(true));
        Ok(Self { tables, model, gate, last, unclean, runtime: Some(runtime) })
    }

    /// Does some work on the engine's threads. That it panics becomes an error.
    fn run<T, W>(&self, work: impl FnOnce(Arc<Tables>) -> W) -> Result<T, GalleryError>
    where
        T: Send + 'static,
        W: Future<Output = Result<T, GalleryError>> + Send + 'static,
    {
        let runtime = self.runtime.as_ref().ok_or_else(|| engine("it is closed"))?;
        run_on(runtime, work(Arc::clone(&self.tables)))
    }

    /// Waits until no other writer of this folder is at work.
    fn writing(&self) -> Result<Pass<'_>, GalleryError> {
        self.gate.enter()
    }

    /// The first of so many new numbers. They are microseconds of the clock, so that programs on several machines need not agree on
    /// them, but behind all that were there when the gallery was opened.
    fn numbers(&self, count: usize) -> i64 {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let first = (*last + 1).max(Moment::now().milliseconds() * 1000);
        *last = first + i64::try_from(count).unwrap_or(i64::MAX) - 1;
        first
    }

    /// Puts the files in order after a write: if `deleted`, or where that is owed from before, so that nothing of what is gone is left.
    fn put_in_order(&self, pass: &Pass<'_>, deleted: bool) -> Result<(), GalleryError> {
        // Owed until it is done, whatever happens.
        let must = self.unclean.swap(true, Ordering::Relaxed) | deleted;
        let alone = pass.is_alone();
        self.run(|tables| async move { tables.put_in_order(must, alone).await })?;
        self.unclean.store(false, Ordering::Relaxed);
        Ok(())
    }
}

impl Drop for Lance {
    fn drop(&mut self) {
        // Waits for nothing, so that it can be dropped anywhere: every call has waited for its own work.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn run_on<T, W>(runtime: &Runtime, work: W) -> Result<T, GalleryError>
where
    T: Send + 'static,
    W: Future<Output = Result<T, GalleryError>> + Send + 'static,
{
    runtime.block_on(runtime.spawn(work)).map_err(|error| engine(format!("its work was cut short: {error}")))?
}

fn engine(reason: impl Into<String>) -> GalleryError {
    GalleryError::Engine { engine: "lance", reason: reason.into() }
}

impl From<lancedb::Error> for GalleryError {
    fn from(error: lancedb::Error) -> Self {
        match error {
            // What it says, without the engine's name before it.
            lancedb::Error::Lance { source } => engine(source.to_string()),
            error => engine(error.to_string()),
        }
    }
}
