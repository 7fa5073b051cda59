//! Entries, page by page, and their images.

use axum::extract::{RawQuery, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::ToSchema;
use vireid_gallery::GalleryError;

use super::path::{Id, NoQuery};
use crate::App;
use crate::document::{FilterQuery, PageQuery};
use crate::failure::{Answered, Failure, json};
use crate::fields::{Fields, Known};
use crate::image_kind::image_kind;
use crate::shapes::Entry;

/// A page of entries.
#[derive(Serialize, ToSchema)]
pub struct Listing {
    entries: Vec<Entry>,
    /// What to give as `after` for the next page; left out on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next: Option<String>,
}

const LISTING: Known = Known { names: &["after", "limit"], filter: true };

/// Entries that a filter admits, in the order of the store.
#[utoipa::path(get, path = "/api/v1/crops", tag = "entries", params(PageQuery, FilterQuery),
    responses((status = 200, body = Listing)))]
pub async fn crops(State(app): State<App>, RawQuery(query): RawQuery) -> Answered {
    let fields = Fields::of_query(query.as_deref(), LISTING)?;
    let (filter, limit) = (fields.filter()?, fields.number("limit", 1..=1000)?.unwrap_or(100));
    let after = fields.one("after").map(str::to_owned);
    let page = app.read(move |store| Ok(store.page(after.as_deref(), &filter, limit)?)).await?;
    let entries = page.entries.into_iter().map(Entry::from).collect();
    Ok(json(StatusCode::OK, &Listing { entries, next: page.next }))
}

/// One entry.
#[utoipa::path(get, path = "/api/v1/crops/{id}", tag = "entries", params(("id" = String, Path, min_length = 1)),
    responses((status = 200, body = Entry)))]
pub async fn crop(State(app): State<App>, Id(id): Id, _: NoQuery) -> Answered {
    let found = app.read(move |store| store.get(&id)?.ok_or_else(|| GalleryError::Unknown { id }.into())).await?;
    Ok(json(StatusCode::OK, &Entry::from(found)))
}

/// The file of an entry's image.
#[utoipa::path(get, path = "/api/v1/crops/{id}/image", tag = "entries", params(("id" = String, Path, min_length = 1)),
    responses((status = 200, content(
        (String = "image/jpeg"), (String = "image/png"), (String = "image/webp"), (String = "image/bmp"),
        (String = "image/tiff"), (String = "application/octet-stream")))))]
pub async fn image(State(app): State<App>, Id(id): Id, _: NoQuery) -> Answered {
    let bytes = app
        .read(move |store| match store.image(&id)? {
            Some(bytes) => Ok(bytes),
            None if store.get(&id)?.is_some() => Err(Failure::missing(format!("no image of '{id}' is kept"))),
            None => Err(GalleryError::Unknown { id }.into()),
        })
        .await?;
    let kind = image_kind(&bytes);
    let content_type = HeaderValue::from_static(kind.unwrap_or("application/octet-stream"));
    let mut response = ([(CONTENT_TYPE, content_type)], bytes).into_response();
    if kind.is_none() {
        response.headers_mut().insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    }
    Ok(response)
}
