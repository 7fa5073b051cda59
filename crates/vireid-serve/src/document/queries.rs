//! What queries have, for the document alone: they are read field by field.
#![expect(dead_code, reason = "only their parameters are used")]

use utoipa::IntoParams;

use crate::shapes::Kind;

/// Where a page begins and how long it is.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// `next` of the page before.
    #[param(nullable = false)]
    after: Option<String>,
    /// Entries of the page; 100 where it is left out.
    #[param(nullable = false, minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// Where a page begins and how long it is.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PeopleQuery {
    /// `next` of the page before: the last person on it.
    #[param(nullable = false, minimum = 0)]
    after: Option<u64>,
    /// People of the page; 100 where it is left out.
    #[param(nullable = false, minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// Which entries are meant: those to which all that is said applies.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FilterQuery {
    /// Of this modality.
    #[param(nullable = false, inline)]
    among: Option<Kind>,
    /// Of one of these cameras: `camera=a&camera=b`.
    #[param(nullable = false, style = Form, explode = true, max_items = 100)]
    camera: Option<Vec<String>>,
    /// Seen at this time or later.
    #[param(nullable = false, format = DateTime)]
    from: Option<String>,
    /// Seen before this time.
    #[param(nullable = false, format = DateTime)]
    until: Option<String>,
}

/// That every entry is meant.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AllQuery {
    /// `true`, in the place of a filter.
    #[param(nullable = false)]
    all: Option<bool>,
}

/// How a search answers.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SimilarQuery {
    /// How many answers; 10 where it is left out.
    #[param(nullable = false, minimum = 1, maximum = 1000)]
    top: Option<usize>,
    /// Ranks again by k-reciprocal neighbours: `k1,k2,lambda`.
    #[param(
        nullable = false,
        pattern = "^([1-9][0-9]{0,2}|1000),([1-9][0-9]{0,2}|1000),(0(\\.[0-9]{1,6})?|1)$",
        example = "20,6,0.3"
    )]
    rerank: Option<String>,
}
