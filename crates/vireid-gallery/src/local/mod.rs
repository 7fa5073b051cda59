//! The store on disk. A folder has `gallery.json`, `lock`, logs and snapshots of the logs. A log (`log-000001.vgl`, ...) is a
//! sequence of frames, each with a checksum; frames of one request make a batch, which counts once its last frame, the commit, is
//! whole. A log is only appended to, but for what is deleted, which is overwritten where it is. When it is long, another is begun.

mod check;
mod code;
mod compact;
mod erase;
mod event;
mod files;
mod frame;
mod group;
mod load;
mod manifest;
mod record;
mod recover;
mod request;
mod said;
mod scan;
mod search;
mod snapshot;
mod state;
mod table;
#[cfg(test)]
mod tests;
mod view;
mod writer;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread::JoinHandle;

pub use check::Health;
pub use load::Fault;
pub use manifest::Keep;

use crate::in_memory::{check_embedding, check_items};
use crate::{Added, Count, Existing, Filter, GalleryError, Hit, Item, Judgement, Keeps, Kept, Model, Page, Store};
use files::unwritable;
use manifest::Manifest;
use recover::recover;
use request::{Answer, Meant, Prepared, Request};
use writer::{Shared, read};

/// A gallery in a folder, which one process at a time has open. What was acknowledged survives a crash.
#[derive(Debug)]
pub struct Local {
    folder: PathBuf,
    model: Model,
    keep: Keep,
    shared: Shared,
    requests: Option<Sender<Request>>,
    writer: Option<JoinHandle<()>>,
    /// Held as long as the gallery is open.
    _lock: File,
}

impl Local {
    /// Makes a gallery in a folder that is empty or not there, and opens it.
    ///
    /// # Errors
    ///
    /// `VR0808` where the folder is not empty, can't be made or locked, or the model's embeddings are too long to be kept; `VR0805` while
    /// another process makes one there; `VR0806`.
    pub fn create(folder: impl AsRef<Path>, model: Model, keep: Keep) -> Result<Self, GalleryError> {
        let (manifest, lock) = Manifest::create(folder.as_ref(), model, keep)?;
        Self::start(folder.as_ref(), manifest, lock)
    }

    /// Opens a gallery, for embeddings of a network where one is named.
    ///
    /// # Errors
    ///
    /// `VR0808` where there is none, `VR0804` for another network's, `VR0805` while another process has it open, `VR0807` where it is
    /// damaged, `VR0806` where what a crash left can't be put in order.
    pub fn open(folder: impl AsRef<Path>, expected: Option<&Model>) -> Result<Self, GalleryError> {
        let folder = folder.as_ref();
        let (manifest, lock) = Manifest::open(folder)?;
        expected.map_or(Ok(()), |expected| manifest.model.check(expected))?;
        Self::start(folder, manifest, lock)
    }

    fn start(folder: &Path, manifest: Manifest, lock: File) -> Result<Self, GalleryError> {
        let Manifest { model, keep, salt, .. } = manifest;
        let writer = recover(folder, salt, model.dim, keep)?;
        let shared = Arc::clone(&writer.shared);
        let (requests, queue) = mpsc::channel();
        let thread = std::thread::Builder::new().name("vireid-gallery".into()).spawn(move || writer.run(&queue));
        let thread = thread.map_err(unwritable(folder))?;
        let (requests, writer) = (Some(requests), Some(thread));
        Ok(Self { folder: folder.into(), model, keep, shared, requests, writer, _lock: lock })
    }

    /// Opens a gallery, or makes one where there is none.
    ///
    /// # Errors
    ///
    /// Those of [`Local::create`] and [`Local::open`].
    pub fn open_or_create(folder: impl AsRef<Path>, model: Model, keep: Keep) -> Result<Self, GalleryError> {
        match Manifest::exists(folder.as_ref()) {
            true => Self::open(folder, Some(&model)),
            false => Self::create(folder, model, keep),
        }
    }

    /// Reads every byte of a gallery that nobody has open, and says what is damaged.
    ///
    /// # Errors
    ///
    /// `VR0808` where there is none, `VR0805` while it is open, `VR0807` where it can't be read at all.
    pub fn check(folder: impl AsRef<Path>) -> Result<Health, GalleryError> {
        check::check(folder.as_ref())
    }

    /// Drops what is damaged of a gallery that nobody has open. The faults that it returns are lost.
    ///
    /// # Errors
    ///
    /// Those of [`Local::check`], and `VR0806`.
    pub fn repair(folder: impl AsRef<Path>) -> Result<Health, GalleryError> {
        check::repair(folder.as_ref())
    }

    /// The gallery's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What it keeps, as it was settled when it was made.
    pub fn keep(&self) -> Keep {
        self.keep
    }

    fn ask<T>(&self, request: impl FnOnce(Answer<T>) -> Request) -> Result<T, GalleryError> {
        let (answer, answered) = mpsc::sync_channel(1);
        let sent = self.requests.as_ref().map(|requests| requests.send(request(answer)));
        let answer = sent.and_then(Result::ok).and_then(|()| answered.recv().ok());
        let gone = || GalleryError::CantWrite {
            path: self.folder.clone(),
            reason: "its writer has stopped; open it anew".into(),
        };
        answer.unwrap_or_else(|| Err(gone()))
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        drop(self.requests.take());
        // The lock goes after the last write.
        drop(self.writer.take().map(JoinHandle::join));
    }
}

impl Store for Local {
    fn model(&self) -> &Model {
        &self.model
    }

    fn keeps(&self) -> Keeps {
        Keeps { images: self.keep.images, judgements: true, people: true }
    }

    fn count(&self) -> Result<Count, GalleryError> {
        Ok(read(&self.shared).table.count())
    }

    fn add(&self, items: Vec<Item>, existing: Existing) -> Result<Vec<Added>, GalleryError> {
        check_items(&items, self.model.dim)?;
        let prepared = items.into_iter().map(|item| Prepared::new(item, self.keep.images));
        let prepared = prepared.collect::<Result<_, _>>()?;
        self.ask(|answer| Request::Add(prepared, existing, answer))
    }

    fn get(&self, id: &str) -> Result<Option<Kept>, GalleryError> {
        let state = read(&self.shared);
        let found = state.table.sequence(id).and_then(|sequence| state.table.find(sequence));
        found.map(|(chunk, row)| state.view().kept(&state.table.chunks[chunk], row)).transpose()
    }

    fn image(&self, id: &str) -> Result<Option<Vec<u8>>, GalleryError> {
        let state = read(&self.shared);
        let row = state.table.sequence(id).and_then(|sequence| state.table.row(sequence));
        row.map_or(Ok(None), |row| state.view().image(row))
    }

    fn search(&self, query: &[f32], filter: &Filter, top: usize) -> Result<Vec<Hit>, GalleryError> {
        check_embedding(query, self.model.dim)?;
        let (view, sieve) = {
            let state = read(&self.shared);
            (state.view(), state.table.sieve(filter))
        };
        let found = view.search(query, &sieve, top, false);
        if !matches!(found, Err(GalleryError::Damaged { .. })) {
            return found;
        }
        // What was deleted meanwhile can't be read. Now nothing is, until this is done; and no other thread may be needed for it.
        let state = read(&self.shared);
        state.view().search(query, &state.table.sieve(filter), top, true)
    }

    fn delete(&self, ids: &[String]) -> Result<u64, GalleryError> {
        self.ask(|answer| Request::Delete(Meant::Ids(ids.to_vec()), answer))
    }

    fn delete_matching(&self, filter: &Filter) -> Result<u64, GalleryError> {
        self.ask(|answer| Request::Delete(Meant::Filter(Box::new(filter.clone())), answer))
    }

    fn page(&self, after: Option<&str>, filter: &Filter, limit: usize) -> Result<Page, GalleryError> {
        let bad = |_| GalleryError::BadEntry { what: "after", reason: "no page gave it".into() };
        let from = after.map(|text| text.parse::<u64>().map_err(bad)).transpose()?.unwrap_or(0);
        if limit == 0 {
            return Ok(Page { entries: Vec::new(), next: None });
        }
        let state = read(&self.shared);
        let page = state.page(from, filter, limit);
        drop(state);
        let entries = page.entries();
        let page = match entries {
            // What was deleted meanwhile can't be read. Now nothing is, until this is done.
            Err(GalleryError::Damaged { .. }) => {
                let state = read(&self.shared);
                let page = state.page(from, filter, limit);
                Page { entries: page.entries()?, next: page.next }
            }
            entries => Page { entries: entries?, next: page.next },
        };
        Ok(page)
    }

    fn judge(&self, judgement: Judgement) -> Result<(), GalleryError> {
        self.ask(|answer| Request::Judge(Box::new(judgement), answer))
    }

    fn judgements(&self) -> Result<Vec<Judgement>, GalleryError> {
        Ok(read(&self.shared).table.said.last().cloned().collect())
    }

    fn assign(&self, people: &[(String, Option<u64>)]) -> Result<(), GalleryError> {
        self.ask(|answer| Request::Assign(people.to_vec(), answer))
    }
}
