//! What a store of a gallery is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use vireid_core::Modality;

use crate::facts::modality_name;
use crate::{Facts, Filter, GalleryError, Moment};

/// The network whose embeddings a store holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Model {
    /// Fingerprint of its parameters.
    pub weights: String,
    /// All other settings that an embedding depends on, by key.
    pub settings: BTreeMap<String, String>,
    /// Numbers of an embedding.
    pub dim: usize,
}

impl Model {
    /// Refuses embeddings of another network than that of a store, which is `self`.
    ///
    /// # Errors
    ///
    /// `VR0804` with the first setting that differs.
    pub fn check(&self, of_embeddings: &Model) -> Result<(), GalleryError> {
        let differs = |field: &str, found: String, expected: String| {
            Err(GalleryError::ForeignModel { field: field.into(), found, expected })
        };
        if self.weights != of_embeddings.weights {
            return differs("weights", self.weights.clone(), of_embeddings.weights.clone());
        }
        if self.dim != of_embeddings.dim {
            return differs("dimension", self.dim.to_string(), of_embeddings.dim.to_string());
        }
        let (ours, theirs) = (&self.settings, &of_embeddings.settings);
        match ours.keys().chain(theirs.keys()).find(|key| ours.get(*key) != theirs.get(*key)) {
            None => Ok(()),
            Some(key) => {
                let value = |of: &BTreeMap<String, String>| of.get(key).cloned().unwrap_or("not recorded".into());
                differs(key, value(ours), value(theirs))
            }
        }
    }
}

/// An entry that is to be added.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// What is known of it.
    pub facts: Facts,
    /// How it looks: of length 1, and of the store's number of values.
    pub embedding: Vec<f32>,
    /// The file of its image, where images are kept.
    pub image: Option<Vec<u8>>,
}

/// What to do with an entry whose id is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Existing {
    /// It is an error, and nothing is added.
    #[default]
    Refuse,
    /// The new one takes its place.
    Replace,
    /// The old one stays.
    Keep,
}

/// What became of an entry that was to be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// It is new.
    New,
    /// It took the place of an older one.
    Replaced,
    /// An older one stayed.
    Kept,
}

/// An entry as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// What is known of it.
    pub facts: Facts,
    /// How it looks.
    pub embedding: Vec<f32>,
    /// The person that it was put to, where the entries were grouped.
    pub person: Option<u64>,
    /// Whether its image is kept.
    pub has_image: bool,
}

/// An answer of a search.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// What is known of the entry.
    pub facts: Facts,
    /// Cosine between its embedding and that of the query.
    pub similarity: f32,
    /// The person that it was put to, where the entries were grouped.
    pub person: Option<u64>,
    /// Whether its image is kept.
    pub has_image: bool,
}

/// Entries in the order of a store, and where to go on.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The entries.
    pub entries: Vec<Kept>,
    /// What to ask for the next page with; `None` after the last.
    pub next: Option<String>,
}

/// How many entries there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Count {
    /// Of colour cameras.
    pub visible: u64,
    /// Of infrared cameras.
    pub infrared: u64,
}

/// What a person said of an answer: whether it shows the person who was searched for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// The entry that was searched with; `None` where it was an image from outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// Modality of the query.
    #[serde(with = "modality_name")]
    pub query_modality: Modality,
    /// The entry that was the answer.
    pub answer: String,
    /// Modality of the answer.
    #[serde(with = "modality_name")]
    pub answer_modality: Modality,
    /// Cosine between the two.
    pub similarity: f32,
    /// Whether they show one person.
    pub same: bool,
    /// When it was said.
    pub time: Moment,
}

/// What a store keeps besides entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keeps {
    /// Images.
    pub images: bool,
    /// What people said of answers.
    pub judgements: bool,
    /// The people that entries are put to.
    pub people: bool,
}

impl Judgement {
    /// Whether another is of the same query and answer. An image from outside has no name: it is known again by its modality and by
    /// its similarity to the answer, to the bit.
    pub fn is_of_the_same(&self, other: &Judgement) -> bool {
        let is_same_query = match (&self.query, &other.query) {
            (None, None) => {
                let of = |judgement: &Judgement| (judgement.query_modality, judgement.similarity.to_bits());
                of(self) == of(other)
            }
            (query, other) => query == other,
        };
        is_same_query && self.answer == other.answer
    }
}

/// A gallery, wherever it is kept. All calls can be made at once from several threads, and block until they are done.
pub trait Store: Send + Sync {
    /// The network whose embeddings are in it.
    fn model(&self) -> &Model;

    /// What it keeps besides entries: everything, unless it says otherwise. What it does not keep is `VR0809`.
    fn keeps(&self) -> Keeps {
        Keeps { images: true, judgements: true, people: true }
    }

    /// How many entries there are.
    ///
    /// # Errors
    ///
    /// `VR0809` when an engine fails.
    fn count(&self) -> Result<Count, GalleryError>;

    /// Adds entries, all or none; they are safe when the call is back. What became of each, in order.
    ///
    /// # Errors
    ///
    /// `VR0801` for an entry that can't be kept, an embedding that is not of the store's length or not of length 1, or an id
    /// that is in the call twice; `VR0802` where an id is there and `existing` is [`Existing::Refuse`]; `VR0806`, `VR0809`.
    fn add(&self, items: Vec<Item>, existing: Existing) -> Result<Vec<Added>, GalleryError>;

    /// The entry of an id; `None` where there is none.
    ///
    /// # Errors
    ///
    /// `VR0807`, `VR0809`.
    fn get(&self, id: &str) -> Result<Option<Kept>, GalleryError>;

    /// The file of an entry's image; `None` where there is no such entry or its image was not kept.
    ///
    /// # Errors
    ///
    /// `VR0807`, `VR0809`.
    fn image(&self, id: &str) -> Result<Option<Vec<u8>>, GalleryError>;

    /// The `top` entries that a filter admits and that are most similar to a query of length 1, the best first; equals by age,
    /// the oldest first.
    ///
    /// # Errors
    ///
    /// `VR0801` for a query of another length; `VR0807`, `VR0809`.
    fn search(&self, query: &[f32], filter: &Filter, top: usize) -> Result<Vec<Hit>, GalleryError>;

    /// Forgets entries by id, and all that was said of them; how many there were. What is gone is gone from the disk as well
    /// when the call is back, as far as a program can see to that.
    ///
    /// # Errors
    ///
    /// `VR0806`, `VR0809`.
    fn delete(&self, ids: &[String]) -> Result<u64, GalleryError>;

    /// Forgets every entry that a filter admits; how many there were.
    ///
    /// # Errors
    ///
    /// `VR0806`, `VR0809`.
    fn delete_matching(&self, filter: &Filter) -> Result<u64, GalleryError>;

    /// Entries in the order of the store, at most `limit`, after those of an earlier page. An entry that is there through all
    /// pages is on exactly one of them. A limit of 0 is for an empty page with none after it.
    ///
    /// # Errors
    ///
    /// `VR0801` for an `after` that no page gave; `VR0807`, `VR0809`.
    fn page(&self, after: Option<&str>, filter: &Filter, limit: usize) -> Result<Page, GalleryError>;

    /// Keeps what a person said of an answer. A later judgement on the same two takes the place of the earlier: see
    /// [`Judgement::is_of_the_same`].
    ///
    /// # Errors
    ///
    /// `VR0803` where an entry is not there; `VR0806`; `VR0809` where the engine keeps none.
    fn judge(&self, judgement: Judgement) -> Result<(), GalleryError>;

    /// All judgements, the oldest first.
    ///
    /// # Errors
    ///
    /// `VR0809` where the engine keeps none.
    fn judgements(&self) -> Result<Vec<Judgement>, GalleryError>;

    /// Puts entries to people, or to none.
    ///
    /// # Errors
    ///
    /// `VR0803` where an entry is not there, and nothing changes; `VR0806`; `VR0809` where the engine keeps none.
    fn assign(&self, people: &[(String, Option<u64>)]) -> Result<(), GalleryError>;
}
