//! The store on disk. A folder has `gallery.json`, `lock`, logs and snapshots of the logs. A log (`log-000001.vgl`, ...) is a
//! sequence of frames, each with a checksum; frames of one request make a batch, which counts once its last frame, the commit, is
//! whole. A log is only appended to, but for what is deleted, which is overwritten where it is. When it is long, another is begun.

mod check;
mod code;
mod compact;
mod files;
mod frame;
mod group;
mod load;
mod manifest;
mod record;
mod request;
mod scan;
mod search;
mod snapshot;
mod state;
mod table;
mod view;
mod writer;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, RwLock};
use std::thread::JoinHandle;

pub use check::Health;
pub use load::Fault;
pub use manifest::Keep;

use crate::in_memory::{check_embedding, check_items};
use crate::{Added, Count, Existing, Filter, GalleryError, Hit, Item, Judgement, Keeps, Kept, Model, Page, Store};
use files::{damaged, log_path, unwritable};
use load::{Loaded, load};
use manifest::Manifest;
use request::{Answer, Meant, Prepared, Request};
use writer::{Shared, Writer, read, take_snapshot};

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
    /// `VR0808` where the folder is not empty, can't be made, or the model's embeddings are too long to be kept; `VR0806`.
    pub fn create(folder: impl AsRef<Path>, model: Model, keep: Keep) -> Result<Self, GalleryError> {
        Manifest::create(folder.as_ref(), model, keep)?;
        Self::open(folder, None)
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
        let Manifest { model, keep, salt, .. } = manifest;
        expected.map_or(Ok(()), |expected| model.check(expected))?;
        remove_unfinished(folder)?;
        let loaded = sound(load(folder, salt, model.dim, false)?)?;
        let mut writer = recover(folder, salt, keep, loaded)?;
        let wasteful = compact::wasteful(&read(&writer.shared));
        if !wasteful.is_empty() {
            for log in wasteful {
                // It is only larger than it need be.
                let _ = compact::compact(folder, salt, log);
            }
            writer = recover(folder, salt, keep, sound(load(folder, salt, model.dim, false)?)?)?;
        }
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

/// Files that were being written when a process died.
fn remove_unfinished(folder: &Path) -> Result<(), GalleryError> {
    let names = fs::read_dir(folder).map_err(files::unreadable(folder))?.filter_map(Result::ok);
    let ours = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with("log-") && name.ends_with(".new")
    };
    for path in names.map(|name| name.path()).filter(ours) {
        fs::remove_file(&path).map_err(unwritable(&path))?;
    }
    Ok(())
}

/// Refuses a damaged gallery.
fn sound(loaded: Loaded) -> Result<Loaded, GalleryError> {
    match loaded.faults.first() {
        None => Ok(loaded),
        Some(Fault { path, offset, bytes }) => {
            let reason =
                format!("{bytes} bytes from byte {offset} on are damaged; `vireid gallery check --repair` drops them");
            Err(damaged(path, reason))
        }
    }
}

/// Finishes what a crash cut short, and makes missing snapshots.
fn recover(folder: &Path, gallery: u32, keep: Keep, loaded: Loaded) -> Result<Writer, GalleryError> {
    let log = loaded.state.logs.len() as u32;
    if loaded.torn > 0 {
        let file = &loaded.state.log(log)?.file;
        file.cut(loaded.end).and_then(|()| file.sync()).map_err(unwritable(&log_path(folder, log)))?;
    }
    let (sealed, dim) = (loaded.state.logs.len() - 1, loaded.state.dim);
    let without = |number: &u32| loaded.state.snapshot(*number).is_none();
    let missing: Vec<u32> = (1..=sealed as u32).filter(without).collect();
    let mut writer = Writer {
        folder: folder.into(),
        gallery,
        shared: Arc::new(RwLock::new(loaded.state)),
        log_bytes: keep.log_bytes,
        log,
        end: loaded.end,
        batch: loaded.batch,
        sequence: loaded.sequence,
        unsettled: loaded.unsettled,
        settle: false,
        dirty: !loaded.closed,
        broken: None,
        making: None,
    };
    writer.erase(Vec::new())?;
    if writer.settle || writer.dirty {
        writer.settle()?;
    }
    for log in missing {
        // Without it, opening takes longer.
        if let Ok(index) = snapshot::make(folder, gallery, log, dim) {
            take_snapshot(folder, &writer.shared, gallery, log, index);
        }
    }
    Ok(writer)
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
        let state = read(&self.shared);
        let (view, sieve) = (state.view(), state.table.sieve(filter));
        let mut meant = state.table.iter(from).filter(|(chunk, row)| sieve.admits(chunk, *row));
        let entries = meant.by_ref().take(limit).map(|(chunk, row)| view.kept(chunk, row)).collect::<Result<_, _>>()?;
        Ok(Page { entries, next: meant.next().map(|(chunk, row)| chunk.rows[row].sequence.to_string()) })
    }

    fn judge(&self, judgement: Judgement) -> Result<(), GalleryError> {
        self.ask(|answer| Request::Judge(Box::new(judgement), answer))
    }

    fn judgements(&self) -> Result<Vec<Judgement>, GalleryError> {
        let said = &read(&self.shared).table.said;
        Ok(said.iter().filter(|said| said.last).map(|said| said.judgement.clone()).collect())
    }

    fn assign(&self, people: &[(String, Option<u64>)]) -> Result<(), GalleryError> {
        self.ask(|answer| Request::Assign(people.to_vec(), answer))
    }
}
