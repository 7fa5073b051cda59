//! Deleting entries.

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use vireid_gallery::{GalleryError, Store};

use super::path::{Id, NoQuery};
use crate::App;
use crate::document::{AllQuery, FilterQuery};
use crate::failure::{Answered, Failure, json};
use crate::fields::{Fields, Known};

/// What was deleted.
#[derive(Serialize, ToSchema)]
pub struct Deleted {
    /// How many entries.
    deleted: u64,
}

const DELETING: Known = Known { names: &["all"], filter: true };

/// Forgets an entry and all that was said of it.
#[utoipa::path(delete, path = "/api/v1/crops/{id}", tag = "entries", params(("id" = String, Path, min_length = 1)),
    responses((status = 200, body = Deleted)))]
pub async fn delete_crop(State(app): State<App>, Id(id): Id, _: NoQuery) -> Answered {
    let shared = app.clone();
    let delete = move |store: &dyn Store| {
        let deleted = store.delete(std::slice::from_ref(&id))?;
        shared.cameras.forget();
        if deleted == 0 { Err(GalleryError::Unknown { id }.into()) } else { Ok(deleted) }
    };
    let deleted = app.write(delete).await?;
    Ok(json(StatusCode::OK, &Deleted { deleted }))
}

/// Forgets all entries that a filter admits. `all=true` in its place means every entry.
#[utoipa::path(delete, path = "/api/v1/crops", tag = "entries", params(AllQuery, FilterQuery),
    responses((status = 200, body = Deleted)))]
pub async fn delete_crops(State(app): State<App>, RawQuery(query): RawQuery) -> Answered {
    let fields = Fields::of_query(query.as_deref(), DELETING)?;
    let filter = fields.filter()?;
    match (fields.one("all"), filter.is_empty()) {
        (Some("true"), true) | (None, false) => (),
        (Some("true"), false) => return Err(Failure::bad("all=true and a filter contradict each other")),
        (Some(_), _) => return Err(Failure::bad("all can only be true")),
        (None, true) => {
            return Err(Failure::bad("which entries?").hint("give a filter, or all=true to empty the gallery"));
        }
    }
    let shared = app.clone();
    let delete = move |store: &dyn Store| {
        let deleted = store.delete_matching(&filter)?;
        shared.cameras.forget();
        Ok(deleted)
    };
    let deleted = app.write(delete).await?;
    Ok(json(StatusCode::OK, &Deleted { deleted }))
}
