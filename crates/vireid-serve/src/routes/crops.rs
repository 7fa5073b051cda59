//! Adding crops and tracklets.

use std::collections::BTreeMap;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use vireid_gallery::{Added, Existing, Facts, GalleryError, Item, Kept, Scalar, Store};

use crate::App;
use crate::batching::WithEmbedding;
use crate::document::{CropForm, TrackletForm};
use crate::failure::{Answered, Failure, json};
use crate::fields::{Fields, Known};
use crate::form::Form;
use crate::shapes::Entry;
use crate::tracklet::{Tracklet, mean};

/// What became of an entry that was to be added.
#[derive(Serialize, ToSchema)]
pub struct AddedEntry {
    entry: Entry,
    added: AddedName,
}

/// Whether it is new.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AddedName {
    New,
    Replaced,
    Kept,
}

const ENTRY: Known =
    Known { names: &["image", "modality", "id", "camera", "time", "metadata", "existing"], filter: false };

/// Adds a crop.
#[utoipa::path(post, path = "/api/v1/crops", tag = "entries",
    request_body(content = CropForm, content_type = "multipart/form-data"),
    responses((status = 200, description = "An entry of the id was there: it was replaced, or kept.", body = AddedEntry),
        (status = 201, description = "The entry is new.", body = AddedEntry)))]
pub async fn add_crop(State(app): State<App>, request: Request) -> Answered {
    add(app, request, 1).await
}

/// Adds the crops of one track as one entry: their mean.
#[utoipa::path(post, path = "/api/v1/tracklets", tag = "entries",
    request_body(content = TrackletForm, content_type = "multipart/form-data"),
    responses((status = 200, description = "An entry of the id was there: it was replaced, or kept.", body = AddedEntry),
        (status = 201, description = "The entry is new.", body = AddedEntry)))]
pub async fn add_tracklet(State(app): State<App>, request: Request) -> Answered {
    let most = app.settings.max_parts.max(2);
    add(app, request, most).await
}

async fn add(app: App, request: Request, most: usize) -> Answered {
    let coming = app.batcher.expect();
    let form = Form::read(&app, request, ENTRY, most).await?;
    let (mut facts, existing) = (facts(&form.fields)?, existing(&form.fields)?);
    facts.check()?;
    // Before the work, and again with it: an image that will not be kept need not be embedded.
    let id = facts.id.clone();
    if let Some(kept) = app.read(move |store| Ok(store.get(&id)?)).await? {
        match existing {
            Existing::Refuse => return Err(GalleryError::Exists { id: facts.id }.into()),
            Existing::Keep => return Ok(answer(kept.into(), Added::Kept)),
            Existing::Replace => (),
        }
    }
    let embedded = app.batcher.embed(form.images, facts.modality, coming).await?;
    let keep_images = app.settings.keep_images;
    let shared = app.clone();
    let add = move |store: &dyn Store| {
        facts.crops = u32::try_from(embedded.len()).unwrap_or(u32::MAX);
        let (tracklet, image) = summed_up(embedded)?;
        let embedding = tracklet.embedding;
        facts.spread = tracklet.spread;
        let image = keep_images.then_some(image);
        let (id, camera, has_image) = (facts.id.clone(), facts.camera.clone(), image.is_some());
        let new = Entry::new(facts.clone(), None, has_image);
        let added = store.add(vec![Item { facts, embedding, image }], existing)?;
        let added = added.first().copied().unwrap_or(Added::New);
        if added == Added::Replaced {
            shared.cameras.forget();
        }
        shared.cameras.add(&camera);
        match added {
            Added::New => Ok((new, added)),
            // What else is known of it is the store's to say.
            _ => Ok((store.get(&id)?.map_or(new, Kept::into), added)),
        }
    };
    let (entry, added) = app.write(add).await?;
    Ok(answer(entry, added))
}

/// What the images of an entry have in common, and the one that shows it best.
fn summed_up(embedded: Vec<WithEmbedding>) -> Result<(Tracklet, Vec<u8>), Failure> {
    let (mut uploads, embeddings): (Vec<_>, Vec<_>) = embedded.into_iter().unzip();
    let tracklet =
        mean(&embeddings).ok_or_else(|| Failure::bad_image("the images have no mean: they are opposites"))?;
    let image = std::mem::take(&mut uploads[tracklet.nearest].bytes);
    Ok((tracklet, image))
}

fn answer(entry: Entry, added: Added) -> axum::response::Response {
    let (status, added) = match added {
        Added::New => (StatusCode::CREATED, AddedName::New),
        Added::Replaced => (StatusCode::OK, AddedName::Replaced),
        Added::Kept => (StatusCode::OK, AddedName::Kept),
    };
    json(status, &AddedEntry { entry, added })
}

fn facts(fields: &Fields) -> Result<Facts, Failure> {
    let modality = fields.modality("modality")?;
    let modality = modality.ok_or_else(|| Failure::bad("the field 'modality' is missing: visible or infrared"))?;
    let id = fields.one("id").map_or_else(random_id, |id| Ok(id.to_owned()))?;
    let mut facts = Facts::new(id, modality);
    facts.camera = fields.one("camera").unwrap_or_default().to_owned();
    facts.time = fields.read("time")?;
    if let Some(text) = fields.one("metadata") {
        let metadata: Result<BTreeMap<String, Scalar>, _> = serde_json::from_str(text);
        facts.metadata = metadata.map_err(|error| {
            Failure::bad(format!("metadata: {error}"))
                .hint("an object of JSON whose values are texts, numbers, true or false")
        })?;
    }
    Ok(facts)
}

fn existing(fields: &Fields) -> Result<Existing, Failure> {
    match fields.one("existing") {
        None | Some("refuse") => Ok(Existing::Refuse),
        Some("replace") => Ok(Existing::Replace),
        Some("keep") => Ok(Existing::Keep),
        Some(_) => Err(Failure::bad("existing is not refuse, replace or keep")),
    }
}

/// 26 characters that nobody has drawn before: 128 bits, five to a character.
fn random_id() -> Result<String, Failure> {
    const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| Failure::unforeseen(error.to_string()))?;
    let bits = u128::from_le_bytes(bytes);
    Ok((0..26).map(|place| char::from(ALPHABET[(bits >> (5 * place) & 31) as usize])).collect())
}
