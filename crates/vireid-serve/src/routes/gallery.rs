//! What is in the gallery.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::path::NoQuery;
use crate::App;
use crate::failure::{Answered, json};

/// What is in the gallery, and what can be done with it.
#[derive(Serialize, ToSchema)]
pub struct GalleryBody {
    model: ModelBody,
    /// Entries of colour cameras.
    visible: u64,
    /// Entries of infrared cameras.
    infrared: u64,
    /// Whether answers across modalities have a probability and a verdict.
    calibrated: bool,
    /// The least similarity of "same person".
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    threshold: Option<f64>,
    /// Whether the images of new entries are kept.
    keeps_images: bool,
    /// Names of cameras, sorted.
    #[schema(max_items = 1000)]
    cameras: Vec<String>,
}

/// The network of the embeddings.
#[derive(Serialize, ToSchema)]
pub struct ModelBody {
    /// Fingerprint of its parameters.
    weights: String,
    /// Numbers of an embedding.
    dim: usize,
}

/// What is in the gallery.
#[utoipa::path(get, path = "/api/v1/gallery", tag = "gallery", responses((status = 200, body = GalleryBody)))]
pub async fn gallery(State(app): State<App>, _: NoQuery) -> Answered {
    let shared = app.clone();
    let (count, cameras) = app.read(move |store| Ok((store.count()?, shared.cameras.names(store)?))).await?;
    let model = app.store.model();
    let body = GalleryBody {
        model: ModelBody { weights: model.weights.clone(), dim: model.dim },
        visible: count.visible,
        infrared: count.infrared,
        calibrated: app.verdicts.is_some(),
        threshold: app.verdicts.as_ref().map(|verdicts| verdicts.threshold()),
        keeps_images: app.settings.keep_images,
        cameras,
    };
    Ok(json(StatusCode::OK, &body))
}
