//! Reading the frames of a file, damage or not.

use super::frame::{self, Frame, HEAD, Head, Kind};

/// Bytes that are no sound frame: where they begin and end.
pub(super) type Fault = (u64, u64);

/// All that can be read of a file of frames.
#[derive(Debug)]
pub(super) struct Scan<'a> {
    /// The sound frames, in order.
    pub frames: Vec<Frame<'a>>,
    /// What lies between them and behind the last.
    pub faults: Vec<Fault>,
}

/// Reads frames from `start` on, and goes on behind damage. Batches are numbered from `batch` on and never fall.
pub(super) fn scan(bytes: &[u8], salt: u32, start: usize, mut batch: u64) -> Scan<'_> {
    let (mut frames, mut faults) = (Vec::new(), Vec::new());
    let mut at = start;
    while at < bytes.len() {
        let sound = |offset: usize| frame::read(bytes, salt, offset).filter(|frame| frame.batch >= batch);
        let found = sound(at).or_else(|| resume(bytes, batch, at, sound));
        let Some(frame) = found else { break };
        if frame.offset > at as u64 {
            faults.push((at as u64, frame.offset));
        }
        at = frame.end() as usize;
        batch = frame.batch;
        frames.push(frame);
    }
    if at < bytes.len() {
        faults.push((at as u64, bytes.len() as u64));
    }
    Scan { frames, faults }
}

/// The first sound frame behind a damaged one.
fn resume<'a>(bytes: &'a [u8], batch: u64, at: usize, sound: impl Fn(usize) -> Option<Frame<'a>>) -> Option<Frame<'a>> {
    let skipped = Head::of(&bytes[at..]).and_then(|head| at.checked_add(HEAD + head.length as usize));
    // A batch takes a frame at least: numbers beyond these are no batch's, and no checksum is reckoned for their sake.
    let last = batch.saturating_add(((bytes.len() - at) / HEAD) as u64 + 1);
    let plausible = |offset: &usize| {
        let head = Head::of(&bytes[*offset..]);
        head.is_some_and(|head| {
            (batch..=last).contains(&head.batch) && head.length as usize <= bytes.len() - offset - HEAD
        })
    };
    let whole = skipped.filter(|offset| *offset <= bytes.len()).and_then(&sound);
    whole.or_else(|| (at + 1..bytes.len().saturating_sub(HEAD - 1)).filter(plausible).find_map(sound))
}

/// How far the last log goes, and what is damaged in it.
#[derive(Debug, PartialEq)]
pub(super) struct Extent {
    /// The end of the last whole batch.
    pub end: u64,
    /// The last whole batch.
    pub batch: u64,
    /// Damage to what was acknowledged.
    pub faults: Vec<Fault>,
}

impl Scan<'_> {
    /// The batch that a frame would have to be of that is written over damage: one that is open before it, or that goes on or begins behind.
    pub fn batch_at(&self, offset: u64, first: u64) -> u64 {
        let behind = self.frames.partition_point(|frame| frame.offset < offset);
        let before = behind.checked_sub(1).map(|before| &self.frames[before]);
        let next = self.frames.get(behind).map(|frame| frame.batch);
        match before {
            Some(before) if before.kind != Kind::Commit => before.batch,
            before => next.unwrap_or_else(|| before.map_or(first, |before| before.batch + 1)),
        }
    }

    /// What was acknowledged. A log that is still written to ends with whatever a crash left of one batch: what lies behind the last whole
    /// batch is no damage, unless there is a frame of the batch after next, which nobody wrote before the next was safe.
    pub fn extent(&self, start: u64, before: u64, sealed: bool) -> Extent {
        let (mut end, mut batch, mut faults) = (start, before, Vec::new());
        let mut damage = self.faults.iter().peekable();
        let mut open: Option<&Frame<'_>> = None;
        let newest = self.frames.last().map_or(0, |frame| frame.batch);
        let mut pending: Vec<Fault> = Vec::new();
        for frame in &self.frames {
            while let Some(fault) = damage.next_if(|fault| fault.0 < frame.offset) {
                pending.push(*fault);
            }
            // A commit was lost, and the damage that took it is pending.
            if let Some(older) = open.filter(|older| older.batch < frame.batch)
                && pending.is_empty()
            {
                pending.push((older.offset, frame.offset));
            }
            open = Some(frame);
            if frame.kind == Kind::Commit && (pending.is_empty() || sealed || newest > batch + 1) {
                faults.append(&mut pending);
                (end, batch, open) = (frame.end(), frame.batch, None);
            }
        }
        pending.extend(damage);
        if sealed && pending.is_empty() {
            pending.extend(open.map(|frame| (frame.offset, frame.end())));
        }
        if sealed || newest > batch + 1 {
            faults.append(&mut pending);
        }
        Extent { end, batch, faults }
    }
}
