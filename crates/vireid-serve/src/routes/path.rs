//! The parts of paths that name entries and people.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;

use crate::failure::Failure;
use crate::fields::{Fields, Known};

/// The part of a path that names an entry.
pub struct Id(pub String);

/// The part of a path that numbers a person.
pub struct PersonNumber(pub u64);

/// That there is no query.
pub struct NoQuery;

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        path.map(|Path(id)| Self(id)).map_err(|_| Failure::bad("the path is not UTF-8"))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for PersonNumber {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let Id(text) = Id::from_request_parts(parts, state).await?;
        let of_digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse().ok().filter(|_| of_digits);
        number.map(Self).ok_or_else(|| Failure::bad("a person is a whole number"))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for NoQuery {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        Fields::of_query(parts.uri.query(), Known::NONE).map(|_| Self)
    }
}
