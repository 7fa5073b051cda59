//! Finishing what a crash cut short.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use super::compact::{compact, wasteful};
use super::erase::drop_snapshot;
use super::files::{self, damaged, log_path, unwritable};
use super::load::{Fault, Loaded, load};
use super::manifest::Keep;
use super::snapshot;
use super::writer::Writer;
use crate::GalleryError;

/// Reads a gallery, finishes what a crash cut short, and writes logs anew of which most is gone.
pub(super) fn recover(folder: &Path, gallery: u32, dim: usize, keep: Keep) -> Result<Writer, GalleryError> {
    remove_unfinished(folder)?;
    let loaded = sound(load(folder, gallery, dim, false)?)?;
    let wasteful = wasteful(&loaded);
    let writer = finish(folder, gallery, keep, loaded)?;
    // The places of what is still to be overwritten are those of the logs as they are.
    let is_settled = writer.unsettled.is_empty() && !writer.settle && !writer.dirty;
    if wasteful.is_empty() || !is_settled {
        return Ok(writer);
    }
    drop(writer);
    for log in wasteful {
        // It is only larger than it need be.
        let _ = compact(folder, gallery, log);
    }
    finish(folder, gallery, keep, sound(load(folder, gallery, dim, false)?)?)
}

/// Files that were being written when a process died.
fn remove_unfinished(folder: &Path) -> Result<(), GalleryError> {
    let names = fs::read_dir(folder).map_err(files::unreadable(folder))?.filter_map(Result::ok);
    let ours = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with("log-") && name.ends_with(".new")
    };
    for path in names.map(|name| name.path()).filter(ours) {
        files::shred(&path).map_err(unwritable(&path))?;
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
pub(super) fn finish(folder: &Path, gallery: u32, keep: Keep, loaded: Loaded) -> Result<Writer, GalleryError> {
    let log = loaded.state.logs.len() as u32;
    if loaded.torn > 0 {
        loaded.state.log(log)?.file.cut(loaded.end).map_err(unwritable(&log_path(folder, log)))?;
    }
    let dim = loaded.state.dim;
    let mut writer = Writer {
        folder: folder.into(),
        gallery,
        shared: Arc::new(RwLock::new(loaded.state)),
        snapshots: loaded.snapshots,
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
    // What fails here is tried again with each deletion and at the next opening, and keeps nobody from what there is.
    let _ = writer.erase(&[]);
    if writer.settle || writer.dirty {
        let _ = writer.settle();
    }
    let missing: Vec<u32> = (1..log).filter(|log| writer.snapshots[*log as usize - 1].is_none()).collect();
    for log in missing {
        // Without it, opening takes longer.
        match snapshot::make(folder, gallery, log, dim) {
            Ok(index) => writer.take_snapshot(log, index),
            Err(_) => drop(drop_snapshot(folder, log)),
        }
    }
    Ok(writer)
}
