//! A gallery in Lance files: a table of entries, whose schema says the network, and one of judgements.

mod filter;
mod gate;
mod judgements;
mod lease;
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

use tokio::runtime::{Builder, Handle, Runtime};

use self::gate::{Gate, Kind, Pass};
use self::tables::{ENTRIES, Tables};
use crate::{GalleryError, LanceAddress, Model, Moment, Opening};

/// Stack of a thread that works on queries: plans of the engine are nested deeply.
const STACK: usize = 8 << 20;

/// A gallery in Lance files, in a folder or in a bucket of S3.
///
/// Every search goes through all entries that its filter admits: there is no index, and no answer is missed. Writers, of any
/// program, wait for one another; readers wait for nobody. What a delete takes out is written out of the files before the call is
/// back, and older versions of them are removed.
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
    /// Opens the gallery at an address. Keys, region and endpoint of a bucket are those of the environment (`AWS_ACCESS_KEY_ID`,
    /// ...).
    ///
    /// # Errors
    ///
    /// `VR0808` where there is no gallery, or none can be made because of what is there; `VR0804` where it is of another network;
    /// `VR0809` where the files can't be read or the service of the bucket refuses.
    pub fn open(address: &LanceAddress, opening: Opening<'_>) -> Result<Self, GalleryError> {
        let runtime = Builder::new_multi_thread().worker_threads(2).thread_stack_size(STACK).enable_all().build();
        let runtime = runtime.map_err(|error| engine(error.to_string()))?;
        let handle = runtime.handle().clone();
        let (place, model) = (address.clone(), opening.model().cloned());
        let create = matches!(opening, Opening::OrCreate { .. });
        let kind = match address {
            LanceAddress::Folder(folder) if create => {
                let no_gallery = |reason| GalleryError::NoGallery { address: address.to_string(), reason };
                gate::prepare(folder).map_err(no_gallery)?;
                Some(Kind::Folder(folder.clone()))
            }
            // Looked for first, for the engine makes the folder.
            LanceAddress::Folder(folder) if !folder.join(format!("{ENTRIES}.lance")).is_dir() => {
                return Err(tables::none(address));
            }
            LanceAddress::Folder(folder) => Some(Kind::Folder(folder.clone())),
            LanceAddress::Bucket(_) => None,
        };
        let connecting = async move {
            let connection = tables::connect_to(&place).await?;
            let kind = match kind {
                Some(kind) => kind,
                None => Kind::Bucket(tables::writer(&connection, &place, create).await?),
            };
            Ok((connection, kind))
        };
        let (connection, kind) = wait_for(&handle, connecting)?;
        let gate = Gate::new(kind, handle.clone());
        let pass = if create { Some(gate.enter()?) } else { None };
        let (place, wanted) = (address.clone(), model.filter(|_| create));
        let opened = async move { Tables::open(&connection, &place, wanted.as_ref()).await };
        let (tables, model, last) = wait_for(&handle, opened)?;
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
        wait_for(runtime.handle(), work(Arc::clone(&self.tables)))
    }

    /// Waits until no other writer is at work.
    fn writing(&self) -> Result<Pass<'_>, GalleryError> {
        self.gate.enter()
    }

    /// The first of so many new numbers. They are microseconds of the clock, so that programs on several machines need not agree
    /// on them, but behind all that were there when the gallery was opened.
    fn numbers(&self, count: usize) -> i64 {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let first = (*last + 1).max(Moment::now().milliseconds() * 1000);
        *last = first + i64::try_from(count).unwrap_or(i64::MAX) - 1;
        first
    }

    /// Puts the files in order after a write: if `deleted`, or where that is owed from before, so that nothing of what is gone is
    /// left.
    fn put_in_order(&self, _: &Pass<'_>, deleted: bool) -> Result<(), GalleryError> {
        // Owed until it is done, whatever happens.
        let must = self.unclean.swap(true, Ordering::Relaxed) | deleted;
        self.run(|tables| async move { tables.put_in_order(must).await })?;
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

/// Does some work on the engine's threads, and waits for it.
fn wait_for<T, W>(runtime: &Handle, work: W) -> Result<T, GalleryError>
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
            lancedb::Error::Lance { source } => engine(without_places(&source.to_string())),
            error => engine(without_places(&error.to_string())),
        }
    }
}

/// A message without the lines of the engine's source, which it names between commas.
fn without_places(said: &str) -> String {
    let is_place = |part: &&str| {
        let (file, line) = part.rsplit_once(".rs:").unwrap_or((part, "-"));
        !file.is_empty() && line.chars().all(|c| c.is_ascii_digit() || c == ':')
    };
    said.split(", ").filter(|part| !is_place(part)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_no_line_of_the_engine() {
        let said = "Not found: a, b/c.lance, /build/lance-io-14.0.2/src/local.rs:273:40";
        assert_eq!(without_places(said), "Not found: a, b/c.lance");
        assert_eq!(without_places("plain, and so on"), "plain, and so on");
    }
}
