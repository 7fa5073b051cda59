//! What goes over the wire as JSON.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;
use vireid_core::Modality;
use vireid_gallery::{Facts, Hit, Judgement as GalleryJudgement, Kept, Moment, Scalar};

use crate::Verdicts;

/// The kind of a camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Visible,
    Infrared,
}

impl From<Modality> for Kind {
    fn from(modality: Modality) -> Self {
        match modality {
            Modality::Visible => Kind::Visible,
            Modality::Infrared => Kind::Infrared,
        }
    }
}

impl From<Kind> for Modality {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Visible => Modality::Visible,
            Kind::Infrared => Modality::Infrared,
        }
    }
}

/// A value of metadata.
#[derive(ToSchema)]
#[schema(as = Value)]
#[serde(untagged)]
#[expect(dead_code, reason = "it says in the document what a Scalar is")]
pub enum ScalarSchema {
    Bool(bool),
    Number(f64),
    Text(String),
}

/// An entry of the gallery: a crop, or the crops of a track. What is not known of it is left out.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Entry {
    #[schema(example = "north-000123", max_length = 1024)]
    pub id: String,
    modality: Kind,
    /// Name of the camera.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    camera: Option<String>,
    /// When it was seen, in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    time: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<BTreeMap<String, ScalarSchema>>, nullable = false)]
    metadata: Option<BTreeMap<String, Scalar>>,
    /// How many crops of a track it is the mean of; left out for a single crop.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 2)]
    crops: Option<u32>,
    /// Mean of 1 - cosine between the crops of a track and their mean; left out where it is 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 0, maximum = 2)]
    spread: Option<f32>,
    /// The person that it was put to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 0)]
    person: Option<u64>,
    /// Whether its image is kept.
    has_image: bool,
}

impl Entry {
    pub fn new(facts: Facts, person: Option<u64>, has_image: bool) -> Self {
        let Facts { id, modality, camera, time, metadata, crops, spread } = facts;
        Self {
            id,
            modality: modality.into(),
            camera: (!camera.is_empty()).then_some(camera),
            time,
            metadata: (!metadata.is_empty()).then_some(metadata),
            crops: (crops != 1).then_some(crops),
            spread: (spread != 0.0).then_some(spread),
            person,
            has_image,
        }
    }
}

impl From<Kept> for Entry {
    fn from(kept: Kept) -> Self {
        Self::new(kept.facts, kept.person, kept.has_image)
    }
}

/// An answer of a search.
#[derive(Debug, Serialize, ToSchema)]
pub struct Answer {
    #[serde(flatten)]
    entry: Entry,
    /// Cosine between its embedding and the query's.
    #[schema(minimum = -1, maximum = 1)]
    similarity: f32,
    /// Distance by which it was ranked again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    distance: Option<f32>,
    /// That both show one person, if as many pairs do as do not. Only across modalities, where the network was calibrated.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 0, maximum = 1)]
    probability: Option<f64>,
    /// Whether the similarity reaches the threshold. Only across modalities, where the network was calibrated.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    verdict: Option<VerdictName>,
}

/// What a similarity means.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub enum VerdictName {
    #[serde(rename = "same person")]
    Same,
    #[serde(rename = "unknown")]
    Unknown,
}

impl Answer {
    pub fn new(hit: Hit, distance: Option<f32>, query: Modality, verdicts: Option<&dyn Verdicts>) -> Self {
        let meaning = verdicts.filter(|_| query != hit.facts.modality).map(|verdicts| verdicts.verdict(hit.similarity));
        Self {
            entry: Entry::new(hit.facts, hit.person, hit.has_image),
            // Rounding can take a cosine beyond what a client may send back.
            similarity: hit.similarity.clamp(-1.0, 1.0),
            distance,
            probability: meaning.map(|meaning| meaning.probability),
            verdict: meaning.map(|meaning| if meaning.same { VerdictName::Same } else { VerdictName::Unknown }),
        }
    }
}

/// What a person said of an answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct Judgement {
    /// The entry that was searched with; left out where it was an image from outside.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    query: Option<String>,
    query_modality: Kind,
    answer: String,
    answer_modality: Kind,
    /// Cosine between the two.
    similarity: f32,
    /// Whether they show one person.
    same: bool,
    #[schema(value_type = String, format = DateTime)]
    time: Moment,
}

impl From<GalleryJudgement> for Judgement {
    fn from(judgement: GalleryJudgement) -> Self {
        let GalleryJudgement { query, query_modality, answer, answer_modality, similarity, same, time } = judgement;
        let (query_modality, answer_modality) = (query_modality.into(), answer_modality.into());
        Self { query, query_modality, answer, answer_modality, similarity, same, time }
    }
}
