//! Bodies of JSON.

use axum::extract::Request;
use axum::http::header::CONTENT_TYPE;
use futures_util::StreamExt;
use serde::de::DeserializeOwned;

use crate::failure::Failure;
use crate::fields::{Fields, Known};
use crate::scope::Scope;

/// The longest body of JSON, in bytes.
const LONGEST: usize = 1 << 20;

/// Reads a body of JSON.
pub async fn json_body<T: DeserializeOwned>(request: Request) -> Result<T, Failure> {
    Fields::of_query(request.uri().query(), Known::NONE)?;
    // A page of another site can send JSON under another type without asking first.
    let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        return Err(Failure::bad("the body is not JSON").hint("send `content-type: application/json`"));
    }
    let scope = request.extensions().get::<Scope>().cloned().unwrap_or_default();
    let mut stream = request.into_body().into_data_stream();
    let mut bytes = Vec::new();
    while let Some(chunk) = scope.reading(stream.next()).await {
        let chunk = chunk.map_err(|_| Failure::bad("the body ended too early"))?;
        if bytes.len() + chunk.len() > LONGEST {
            return Err(Failure::too_large(format!("the request has more than {LONGEST} bytes")));
        }
        bytes.extend_from_slice(&chunk);
    }
    serde_json::from_slice(&bytes).map_err(|error| Failure::bad(format!("the body can't be read: {error}")))
}
