//! What is asked of the thread that writes.

use std::sync::mpsc::SyncSender;

use super::code::{Code, code};
use crate::{Added, Existing, Facts, Filter, GalleryError, Item, Judgement};

/// Where an answer goes.
pub(super) type Answer<T> = SyncSender<Result<T, GalleryError>>;

/// What is asked of the one who writes.
pub(super) enum Request {
    /// Entries are to be added.
    Add(Vec<Prepared>, Existing, Answer<Vec<Added>>),
    /// Entries are to be forgotten; how many there were.
    Delete(Meant, Answer<u64>),
    /// A judgement is to be kept.
    Judge(Box<Judgement>, Answer<()>),
    /// Entries are to be put to people.
    Assign(Vec<(String, Option<u64>)>, Answer<()>),
}

/// Which entries.
pub(super) enum Meant {
    /// Those of ids.
    Ids(Vec<String>),
    /// Those that a filter admits.
    Filter(Box<Filter>),
}

/// An entry that is ready to be written.
pub(super) struct Prepared {
    pub facts: Facts,
    pub json: Vec<u8>,
    pub row: Vec<u8>,
    pub code: Code,
    pub image: Option<Vec<u8>>,
}

impl Prepared {
    /// Does what can be done before it is known whether the entry will be kept.
    pub fn new(item: Item, images: bool) -> Result<Self, GalleryError> {
        let Item { facts, embedding, image } = item;
        let image = image.filter(|_| images);
        if image.as_ref().is_some_and(|image| image.len() > i32::MAX as usize) {
            return Err(GalleryError::BadEntry { what: "image", reason: "it has 2 GiB or more".into() });
        }
        let json = serde_json::to_vec(&facts);
        let json = json.map_err(|error| GalleryError::BadEntry { what: "facts", reason: error.to_string() })?;
        let row = embedding.iter().flat_map(|value| value.to_le_bytes()).collect();
        Ok(Self { facts, json, row, code: code(&embedding), image })
    }
}
