//! What is served, and how.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Semaphore;
use vireid_gallery::{Filter, GalleryError, Kept, Store};

use crate::batching::Batcher;
use crate::cameras::Cameras;
use crate::failure::Failure;
use crate::memory::Memory;
use crate::metrics::Metrics;
use crate::{Embedder, ServeError, Settings, Verdicts};

/// What is served, and how.
#[derive(Clone)]
pub struct Service {
    /// Where the entries are.
    pub store: Arc<dyn Store>,
    /// What makes embeddings of images: of the network that the store's model names.
    pub embedder: Arc<dyn Embedder>,
    /// What similarities across modalities mean, where the network was calibrated.
    pub verdicts: Option<Arc<dyn Verdicts>>,
    /// What the service allows.
    pub settings: Settings,
}

/// Entries of a page when all are looked at.
const PAGE: usize = 500;
/// Calls at once that look at every entry.
pub const LONG_CALLS: usize = 2;

/// What all requests share.
pub struct Shared {
    pub store: Arc<dyn Store>,
    pub verdicts: Option<Arc<dyn Verdicts>>,
    pub settings: Settings,
    pub batcher: Batcher,
    pub metrics: Arc<Metrics>,
    pub memory: Memory,
    pub requests: Arc<Semaphore>,
    pub cameras: Cameras,
    /// Held while people are changed.
    pub people: Arc<tokio::sync::Mutex<()>>,
    /// Room for bodies while they are read.
    pub bodies: Memory,
    store_calls: Arc<Semaphore>,
    long_calls: Arc<Semaphore>,
    /// Whether the last write failed.
    is_read_only: AtomicBool,
}

pub type App = Arc<Shared>;

impl Shared {
    pub fn new(service: Service) -> Result<App, ServeError> {
        let Service { store, embedder, verdicts, settings } = service;
        let metrics = Arc::new(Metrics::default());
        let batcher = Batcher::start(embedder, store.model().dim, settings.queue, metrics.clone())?;
        let permits = |count: usize| Arc::new(Semaphore::new(count.clamp(1, Semaphore::MAX_PERMITS)));
        Ok(Arc::new(Self {
            store,
            verdicts,
            batcher,
            metrics,
            memory: Memory::new(settings.max_memory),
            bodies: Memory::new(settings.max_memory.max(settings.max_body)),
            long_calls: permits(LONG_CALLS),
            requests: permits(settings.at_once),
            cameras: Cameras::default(),
            people: Arc::default(),
            store_calls: permits(settings.store_calls),
            is_read_only: AtomicBool::new(false),
            settings,
        }))
    }

    pub fn is_read_only(&self) -> bool {
        self.is_read_only.load(Ordering::Relaxed)
    }

    /// Calls the store on a thread where that may take a while. The call goes on where its request is given up.
    pub async fn read<T: Send + 'static>(
        &self,
        call: impl FnOnce(&dyn Store) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        self.called(&self.store_calls, call).await
    }

    /// The same for a call that looks at every entry, of which few are made at once: the others go on beside them.
    pub async fn read_long<T: Send + 'static>(
        &self,
        call: impl FnOnce(&dyn Store) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        self.called(&self.long_calls, call).await
    }

    async fn called<T: Send + 'static>(
        &self,
        calls: &Arc<Semaphore>,
        call: impl FnOnce(&dyn Store) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let permit = calls.clone().acquire_owned().await;
        let permit = permit.map_err(|_| Failure::unforeseen("the service is being stopped"))?;
        let store = self.store.clone();
        let done = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            call(store.as_ref())
        });
        done.await.map_err(|_| Failure::unforeseen("a fault of the program; please report it"))?
    }

    /// The same for a call that writes.
    pub async fn write<T: Send + 'static>(
        &self,
        call: impl FnOnce(&dyn Store) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let done = self.read(call).await;
        self.written(done)
    }

    /// The same for a call that writes and looks at every entry.
    pub async fn write_long<T: Send + 'static>(
        &self,
        call: impl FnOnce(&dyn Store) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let done = self.read_long(call).await;
        self.written(done)
    }

    fn written<T>(&self, done: Result<T, Failure>) -> Result<T, Failure> {
        match &done {
            Ok(_) => self.is_read_only.store(false, Ordering::Relaxed),
            Err(failure) if failure.status == 507 => self.is_read_only.store(true, Ordering::Relaxed),
            Err(_) => (),
        }
        done
    }
}

/// Looks at every entry that a filter admits, in the order of the store.
pub fn every(store: &dyn Store, filter: &Filter, mut look: impl FnMut(Kept)) -> Result<(), GalleryError> {
    let mut after = None;
    loop {
        let page = store.page(after.as_deref(), filter, PAGE)?;
        page.entries.into_iter().for_each(&mut look);
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(()),
        }
    }
}
