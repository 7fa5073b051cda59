use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;

use super::files::{HEADER, Header, log_path, salt_of, snapshot_path, sync_folder, write_whole};
use super::frame::{self, Kind};
use super::scan::scan;
use super::state::State;

/// Logs that are not written to any more and of which more than half was erased.
pub(super) fn wasteful(state: &State) -> Vec<u32> {
    let mut left: HashMap<u32, u64> = HashMap::new();
    let rows = state.table.iter(0).map(|(chunk, row)| chunk.rows[row].log);
    for log in rows.chain(state.table.said.iter().map(|said| said.place.log)) {
        *left.entry(log).or_default() += 1;
    }
    let numbered = (1..).zip(&state.snapshots);
    let sealed = numbered.filter_map(|(number, snapshot)| Some((number, snapshot.as_ref()?.frames())));
    sealed.filter(|(number, frames)| 2 * left.get(number).copied().unwrap_or(0) < *frames).map(|(log, _)| log).collect()
}

/// Writes a log anew without what was erased, once all that is to be erased is. Its snapshot has to be made again.
pub(super) fn compact(folder: &Path, gallery: u32, log: u32) -> io::Result<()> {
    let (path, salt) = (log_path(folder, log), salt_of(gallery, log));
    let bytes = fs::read(&path)?;
    let no = || io::Error::from(io::ErrorKind::InvalidData);
    let header = Header::read(&bytes, salt).ok_or_else(no)?;
    let scanned = scan(&bytes, salt, HEADER, header.batch);
    if !scanned.faults.is_empty() {
        return Err(no());
    }
    let mut to = header.write(salt);
    // Whether anything of the batch is kept, which then needs its commit.
    let mut some = false;
    for frame in &scanned.frames {
        let kept = match frame.kind {
            // What a tombstone is of has been overwritten. `Settled` stays: it says so.
            Kind::Erased | Kind::Tombstone => continue,
            Kind::Commit => std::mem::take(&mut some),
            _ => {
                some = true;
                true
            }
        };
        if kept {
            frame::write(&mut to, salt, frame.kind, frame.batch, |to| to.extend(frame.payload)).ok_or_else(no)?;
        }
    }
    let snapshot = snapshot_path(folder, log);
    if snapshot.exists() {
        fs::remove_file(&snapshot)?;
        sync_folder(&snapshot)?;
    }
    write_whole(&path, &to)
}
