//! A gallery in a folder of its own, for tests.

use std::sync::{Mutex, MutexGuard};

use tempfile::TempDir;
use vireid_gallery::{
    Added, Count, Existing, Filter, GalleryError, Hit, Item, Judgement, Keep, Kept, Local, Model, Page, Store,
};

/// A gallery that goes with its folder.
pub struct OnDisk {
    store: Mutex<Option<Local>>,
    model: Model,
    anew: bool,
    folder: TempDir,
}

impl OnDisk {
    /// With logs of some length; closed and opened before each call if it is to be opened anew.
    pub fn new(model: Model, log_bytes: u64, anew: bool) -> Self {
        // In memory where the system has a place for that: it is opened often, and nothing is unplugged.
        let folder = TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).unwrap();
        let local = Local::create(folder.path(), model.clone(), Keep { images: true, log_bytes }).unwrap();
        Self { store: Mutex::new(Some(local)), model, anew, folder }
    }

    /// Closes it and opens it.
    pub fn open_anew(&self) {
        let mut store: MutexGuard<'_, _> = self.store.lock().unwrap();
        drop(store.take());
        *store = Some(Local::open(self.folder.path(), Some(&self.model)).unwrap());
    }

    fn with<T>(&self, call: impl FnOnce(&Local) -> T) -> T {
        if self.anew {
            self.open_anew();
        }
        call(self.store.lock().unwrap().as_ref().unwrap())
    }
}

impl Store for OnDisk {
    fn model(&self) -> &Model {
        &self.model
    }

    fn count(&self) -> Result<Count, GalleryError> {
        self.with(Store::count)
    }

    fn add(&self, items: Vec<Item>, existing: Existing) -> Result<Vec<Added>, GalleryError> {
        self.with(|store| store.add(items, existing))
    }

    fn get(&self, id: &str) -> Result<Option<Kept>, GalleryError> {
        self.with(|store| store.get(id))
    }

    fn image(&self, id: &str) -> Result<Option<Vec<u8>>, GalleryError> {
        self.with(|store| store.image(id))
    }

    fn search(&self, query: &[f32], filter: &Filter, top: usize) -> Result<Vec<Hit>, GalleryError> {
        self.with(|store| store.search(query, filter, top))
    }

    fn delete(&self, ids: &[String]) -> Result<u64, GalleryError> {
        self.with(|store| store.delete(ids))
    }

    fn delete_matching(&self, filter: &Filter) -> Result<u64, GalleryError> {
        self.with(|store| store.delete_matching(filter))
    }

    fn page(&self, after: Option<&str>, filter: &Filter, limit: usize) -> Result<Page, GalleryError> {
        self.with(|store| store.page(after, filter, limit))
    }

    fn judge(&self, judgement: Judgement) -> Result<(), GalleryError> {
        self.with(|store| store.judge(judgement))
    }

    fn judgements(&self) -> Result<Vec<Judgement>, GalleryError> {
        self.with(Store::judgements)
    }

    fn assign(&self, people: &[(String, Option<u64>)]) -> Result<(), GalleryError> {
        self.with(|store| store.assign(people))
    }
}
