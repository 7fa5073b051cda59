//! Health and counts of the service.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::ToSchema;

use super::path::NoQuery;
use crate::App;
use crate::document::document_text;
use crate::failure::{Answered, json};

/// How long the number of entries may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// How the service is.
#[derive(Serialize, ToSchema)]
pub struct Health {
    status: HealthName,
    version: &'static str,
}

/// `read-only` after a write failed, until one succeeds.
#[derive(Serialize, ToSchema)]
pub enum HealthName {
    #[serde(rename = "ok")]
    Sound,
    #[serde(rename = "read-only")]
    ReadOnly,
}

/// Whether the service is up; needs no token.
#[utoipa::path(get, path = "/health", tag = "service", security(()), responses((status = 200, body = Health)))]
pub async fn health(State(app): State<App>, _: NoQuery) -> Answered {
    let status = if app.is_read_only() { HealthName::ReadOnly } else { HealthName::Sound };
    Ok(json(StatusCode::OK, &Health { status, version: env!("CARGO_PKG_VERSION") }))
}

/// What the service counts of itself, as Prometheus reads it.
#[utoipa::path(get, path = "/metrics", tag = "service",
    responses((status = 200, body = String, content_type = "text/plain; version=0.0.4; charset=utf-8")))]
pub async fn metrics(State(app): State<App>, _: NoQuery) -> Answered {
    // What is counted must be told above all while the store is busy.
    let entries = tokio::time::timeout(PATIENCE, app.read(|store| Ok(store.count()?))).await;
    let entries = entries.ok().and_then(Result::ok);
    let text = app.metrics.text(app.batcher.waiting(), entries);
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}

/// This document.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "service", responses((status = 200, body = Object)))]
pub async fn document(State(app): State<App>, _: NoQuery) -> Answered {
    let text = document_text(app.settings.token.is_some())?;
    Ok(([(CONTENT_TYPE, "application/json")], text).into_response())
}
