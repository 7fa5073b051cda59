//! Writing logs anew of which most was erased.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;

use super::erase::drop_snapshot;
use super::files::{HEADER, Header, log_path, salt_of, write_whole};
use super::frame::{self, HEAD, Kind};
use super::load::Loaded;
use super::scan::scan;

/// Logs that are not written to any more and of which more than half was overwritten.
pub(super) fn wasteful(loaded: &Loaded) -> Vec<u32> {
    let mut alive: HashMap<u32, u64> = HashMap::new();
    let head = HEAD as u64;
    let table = &loaded.state.table;
    for (chunk, number) in table.iter(0) {
        let row = &chunk.rows[number];
        let entry = head + (12 + chunk.json(number).len() + 4 * loaded.state.dim) as u64;
        let image = row.image.map_or(0, |_| head + u64::from(row.image_length));
        *alive.entry(row.log).or_default() += entry + image;
    }
    for place in table.said.places() {
        *alive.entry(place.log).or_default() += head + u64::from(place.length);
    }
    let sealed = (1..).zip(&loaded.sizes).take(loaded.sizes.len().saturating_sub(1));
    let wasted = sealed.filter(|(number, size)| {
        let kept = HEADER as u64 + size.others + alive.get(number).copied().unwrap_or(0);
        2 * size.erased.unwrap_or_else(|| size.length.saturating_sub(kept)) > size.length
    });
    wasted.map(|(number, _)| number).collect()
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
    drop_snapshot(folder, log)?;
    write_whole(&path, &to)
}
