//! The interface's document: OpenAPI, made from the code.

mod errors;
mod forms;
mod queries;

use std::sync::OnceLock;

use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{OpenApi as Document, Server};
use utoipa::{Modify, OpenApi};

use crate::failure::{ErrorBody, ErrorDetails, Failure};
use crate::routes::{crops, deleting, gallery, judgements, listing, people, people_changes, search, status};
use crate::shapes::ScalarSchema;

use errors::Errors;
pub use forms::{CropForm, SearchForm, TrackletForm};
pub use queries::{AllQuery, FilterQuery, PageQuery, PeopleQuery, SimilarQuery};

/// The interface as OpenAPI.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "vireid",
        description = "A gallery of crops of people, searched across visible and infrared cameras. Every error has a code, \
                       which never changes its meaning. Where a filter is allowed, `meta.KEY=VALUE` is too: entries whose \
                       metadata have that value; a number, `true` and `false` are read as such."
    ),
    paths(
        status::health,
        status::metrics,
        status::document,
        gallery::gallery,
        crops::add_crop,
        crops::add_tracklet,
        listing::crops,
        listing::crop,
        listing::image,
        deleting::delete_crop,
        deleting::delete_crops,
        search::search,
        search::similar,
        judgements::judge,
        judgements::judgements,
        people::people,
        people::person,
        people_changes::cluster,
        people_changes::merge,
        people_changes::split,
        people_changes::remove,
    ),
    components(schemas(ErrorBody, ErrorDetails, ScalarSchema)),
    security(("token" = [])),
    modifiers(&Security, &Errors)
)]
struct Interface;

struct Security;

impl Modify for Security {
    fn modify(&self, document: &mut Document) {
        let token = HttpBuilder::new().scheme(HttpAuthScheme::Bearer);
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(token.build()));
        document.servers = Some(vec![Server::new("/")]);
    }
}

/// The document as JSON, of a service with a token or without.
pub fn document_text(has_token: bool) -> Result<&'static str, Failure> {
    static TEXTS: [OnceLock<Option<String>>; 2] = [OnceLock::new(), OnceLock::new()];
    let text = TEXTS[usize::from(has_token)].get_or_init(|| {
        let mut document = Interface::openapi();
        if !has_token {
            without_token(&mut document);
        }
        document.to_json().ok()
    });
    text.as_deref().ok_or_else(|| Failure::unforeseen("the document can't be written"))
}

fn without_token(document: &mut Document) {
    document.security = None;
    if let Some(components) = &mut document.components {
        components.security_schemes.clear();
    }
    for operation in errors::operations(document) {
        operation.security = None;
        operation.responses.responses.remove("401");
    }
}
