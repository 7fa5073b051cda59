//! The calls of the interface.

pub mod crops;
pub mod deleting;
pub mod gallery;
pub mod judgements;
pub mod listing;
pub mod page;
mod path;
pub mod people;
pub mod people_changes;
pub mod search;
pub mod status;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};

use crate::failure::Failure;
use crate::guard::guard;
use crate::service::Shared;
use crate::{ServeError, Service};

/// The service as a [`Router`], for a server of your own. It must be called within a Tokio runtime with timers. It has its own
/// thread for the network, which ends with it.
///
/// # Errors
///
/// `VR0914` where that thread can't be started.
pub fn router(service: Service) -> Result<Router, ServeError> {
    let app = Shared::new(service)?;
    let router = page::add_page(Router::new())
        .route("/health", get(status::health))
        .route("/metrics", get(status::metrics))
        .route("/api/v1/openapi.json", get(status::document))
        .route("/api/v1/gallery", get(gallery::gallery))
        .route("/api/v1/crops", get(listing::crops).post(crops::add_crop).delete(deleting::delete_crops))
        .route("/api/v1/tracklets", post(crops::add_tracklet))
        .route("/api/v1/crops/{id}", get(listing::crop).delete(deleting::delete_crop))
        .route("/api/v1/crops/{id}/image", get(listing::image))
        .route("/api/v1/crops/{id}/similar", get(search::similar))
        .route("/api/v1/search", post(search::search))
        .route("/api/v1/judgements", get(judgements::judgements).post(judgements::judge))
        .route("/api/v1/people", get(people::people))
        .route("/api/v1/people/{person}", get(people::person))
        .route("/api/v1/people/cluster", post(people_changes::cluster))
        .route("/api/v1/people/merge", post(people_changes::merge))
        .route("/api/v1/people/split", post(people_changes::split))
        .route("/api/v1/people/remove", post(people_changes::remove))
        .fallback(async || Failure::no_path())
        .method_not_allowed_fallback(async || Failure::wrong_method())
        .layer(DefaultBodyLimit::max(app.settings.max_body))
        .layer(from_fn_with_state(app.clone(), guard))
        .with_state(app);
    Ok(router)
}
