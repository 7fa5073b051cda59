//! A gallery in a collection of a Qdrant server, over its REST interface.

mod filter;
mod http;
mod points;
mod store;

use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use self::http::Http;
use crate::{GalleryError, Model, Moment, Opening, QdrantAddress};

/// A gallery in Qdrant. It keeps entries and their people, no images and no judgements.
///
/// Qdrant has no transactions. `add` looks first and writes then, in one request where it fits into one: two programs that add the
/// same id at one time do not hear of each other, and the later wins. What a delete takes out is never found again, but stays in the
/// server's files until its optimiser rewrites the segment.
#[derive(Debug)]
pub struct Qdrant {
    http: Http,
    model: Model,
    /// The last number that was given, in the order of age.
    last: Mutex<i64>,
}

/// The point that holds the network: it has no `model` in its payload, and so no search finds it.
const MODEL_POINT: &str = "00000000-0000-0000-0000-000000000000";

impl Qdrant {
    /// Opens the gallery at an address. A key is taken from `QDRANT_API_KEY`.
    ///
    /// # Errors
    ///
    /// `VR0809` where the server can't be reached or refuses, `VR0808` where there is no such collection or it is no gallery, `VR0804`
    /// where it is of another network.
    pub fn open(address: &QdrantAddress, opening: Opening<'_>) -> Result<Self, GalleryError> {
        let no_gallery = |reason: &str| GalleryError::NoGallery { address: address.to_string(), reason: reason.into() };
        let http = Http::new(address);
        let model = match (http.find("")?, opening) {
            (Some(_), _) => {
                let asked = json!({ "ids": [MODEL_POINT], "with_payload": true });
                let points = http.post("/points", &asked)?;
                let model = points[0]["payload"]["vireid"]["network"].clone();
                let model: Model =
                    serde_json::from_value(model).map_err(|_| no_gallery("the collection is no gallery of vireid"))?;
                opening.model().map_or(Ok(()), |expected| model.check(expected))?;
                model
            }
            (None, Opening::OrCreate { model, .. }) => {
                create(&http, model)?;
                model.clone()
            }
            (None, _) => return Err(no_gallery("the server has no such collection")),
        };
        Ok(Self { http, model, last: Mutex::new(0) })
    }

    /// The first of so many new numbers. They are microseconds of the clock, so that programs on several machines need not agree
    /// on them, and below 2^53, up to which Qdrant compares them exactly.
    fn numbers(&self, count: usize) -> i64 {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let first = (*last + 1).max(Moment::now().milliseconds() * 1000);
        *last = first + i64::try_from(count).unwrap_or(i64::MAX) - 1;
        first
    }
}

/// Makes the collection. The point that holds the network is last: what was left half done is no gallery yet.
fn create(http: &Http, model: &Model) -> Result<(), GalleryError> {
    // `Dot`: by `Cosine` the server would keep rescaled numbers.
    http.put("", &json!({ "vectors": { "size": model.dim, "distance": "Dot" } }))?;
    for (field, kind) in [
        ("model", "keyword"),
        ("number", "integer"),
        ("modality", "keyword"),
        ("camera", "keyword"),
        ("time_ms", "integer"),
        ("tags", "keyword"),
    ] {
        http.put("/index?wait=true", &json!({ "field_name": field, "field_schema": kind }))?;
    }
    let payload = json!({ "vireid": { "format": 1, "network": model } });
    let point = json!({ "id": MODEL_POINT, "vector": vec![0.0; model.dim], "payload": payload });
    http.put("/points?wait=true", &json!({ "points": [point] })).map(|_: Value| ())
}

fn engine(reason: impl Into<String>) -> GalleryError {
    GalleryError::Engine { engine: "qdrant", reason: reason.into() }
}
