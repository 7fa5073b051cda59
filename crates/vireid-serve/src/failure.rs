//! Why a request was not done, as its client is told.

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use vireid_clustering::ClusteringError;
use vireid_core::Coded;
use vireid_gallery::GalleryError;

/// Why a request was not done: what its client is answered.
#[derive(Debug)]
pub struct Failure {
    pub status: StatusCode,
    code: String,
    message: String,
    hint: Option<&'static str>,
}

/// An error as JSON.
#[derive(Serialize, ToSchema)]
pub struct ErrorBody {
    error: ErrorDetails,
}

/// Its parts.
#[derive(Serialize, ToSchema)]
pub struct ErrorDetails {
    /// It never changes its meaning; `vireid explain CODE` says more.
    #[schema(pattern = "^VR[0-9]{4}$", example = "VR0901")]
    code: String,
    /// What happened, for a person to read; begins with the code.
    message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    hint: Option<&'static str>,
}

/// The code of what is refused now and not in a moment.
const BUSY: &str = "VR0906";

impl Failure {
    fn new(status: StatusCode, code: &str, what: impl AsRef<str>) -> Self {
        Self { status, code: code.into(), message: format!("{code}: {}", what.as_ref()), hint: None }
    }

    pub fn hint(self, hint: &'static str) -> Self {
        Self { hint: Some(hint), ..self }
    }

    pub fn bad(what: impl AsRef<str>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "VR0901", what)
    }

    pub fn no_token() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "VR0902", "the request has no token, or not the right one")
            .hint("send the header `Authorization: Bearer TOKEN`")
    }

    pub fn foreign_host() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "VR0903",
            "a service without a token answers only to localhost, 127.0.0.1 and [::1]",
        )
        .hint("call it by one of these names, or start it with a token")
    }

    pub fn forwarded() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "VR0903",
            "a service without a token answers to no proxy: it can't know whom that lets in",
        )
        .hint("start it with a token")
    }

    pub fn foreign_origin() -> Self {
        Self::new(StatusCode::FORBIDDEN, "VR0904", "the request comes from another site's page")
    }

    pub fn too_large(what: impl AsRef<str>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "VR0905", what)
    }

    pub fn busy(what: impl AsRef<str>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, BUSY, what).hint("try again in a moment")
    }

    /// Somebody else is at it, and when that ends is not known.
    pub fn under_way(what: impl AsRef<str>) -> Self {
        Self::new(StatusCode::CONFLICT, "VR0906", what).hint("try again when that is done")
    }

    pub fn too_slow(is_body: bool) -> Self {
        match is_body {
            true => Self::new(StatusCode::REQUEST_TIMEOUT, "VR0907", "the request's body did not arrive in time"),
            false => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "VR0907",
                "the request took too long; what it was to add, change or delete may have been done all the same",
            ),
        }
    }

    pub fn no_path() -> Self {
        Self::new(StatusCode::NOT_FOUND, "VR0908", "there is nothing at this path")
            .hint("GET /api/v1/openapi.json has all paths")
    }

    pub fn wrong_method() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "VR0909", "this path has no such method")
            .hint("the header `allow` has those it has")
    }

    pub fn bad_image(what: impl AsRef<str>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "VR0910", what).hint("send a JPEG, PNG, WebP, BMP or TIFF file")
    }

    pub fn unforeseen(what: impl AsRef<str>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "VR0911", what)
    }

    /// Something else than an entry is not there: a person, an image.
    pub fn missing(what: impl AsRef<str>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "VR0803", what)
    }
}

impl From<GalleryError> for Failure {
    fn from(error: GalleryError) -> Self {
        let status = match &error {
            GalleryError::BadEntry { .. } => StatusCode::BAD_REQUEST,
            GalleryError::Exists { .. } => StatusCode::CONFLICT,
            GalleryError::Unknown { .. } => StatusCode::NOT_FOUND,
            GalleryError::CantWrite { .. } => StatusCode::INSUFFICIENT_STORAGE,
            GalleryError::Engine { .. } => StatusCode::BAD_GATEWAY,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self { status, code: error.code(), message: error.to_string(), hint: None }
    }
}

impl From<ClusteringError> for Failure {
    fn from(error: ClusteringError) -> Self {
        match error {
            ClusteringError::Parameter { name, value, expected } => {
                Self::bad(format!("{name} = {value} is out of range: {expected}"))
            }
            other => Self::unforeseen(other.to_string()),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let Self { status, code, message, hint } = self;
        let busy = code == BUSY;
        let mut response = json(status, &ErrorBody { error: ErrorDetails { code, message, hint } });
        let headers = response.headers_mut();
        match status {
            StatusCode::UNAUTHORIZED => headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
            // What took too long may have been done all the same, and is not to be repeated without a look.
            StatusCode::SERVICE_UNAVAILABLE if busy => headers.insert(RETRY_AFTER, HeaderValue::from_static("1")),
            _ => None,
        };
        response
    }
}

/// What a handler answers.
pub type Answered = Result<Response, Failure>;

/// An answer of JSON.
pub fn json(status: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(bytes) => (status, [(CONTENT_TYPE, HeaderValue::from_static("application/json"))], bytes).into_response(),
        // No shape of this crate has keys that are not texts.
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
