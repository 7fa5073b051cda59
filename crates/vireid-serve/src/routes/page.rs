//! The page's files.

use axum::Router;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::App;

const POLICY: &str = "default-src 'self'; img-src 'self' blob: data:; style-src 'self'; script-src 'self'; \
                      frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// The files of the page: path, kind, contents.
const FILES: [(&str, &str, &str); 11] = [
    ("/", "text/html; charset=utf-8", include_str!("../page/index.html")),
    ("/page.css", "text/css; charset=utf-8", include_str!("../page/page.css")),
    ("/page.js", SCRIPT, include_str!("../page/page.js")),
    ("/add.js", SCRIPT, include_str!("../page/add.js")),
    ("/cards.js", SCRIPT, include_str!("../page/cards.js")),
    ("/filter.js", SCRIPT, include_str!("../page/filter.js")),
    ("/images.js", SCRIPT, include_str!("../page/images.js")),
    ("/parts.js", SCRIPT, include_str!("../page/parts.js")),
    ("/people.js", SCRIPT, include_str!("../page/people.js")),
    ("/search.js", SCRIPT, include_str!("../page/search.js")),
    ("/service.js", SCRIPT, include_str!("../page/service.js")),
];
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Whether a path is one of the page's files, which are no secret.
pub fn is_of_page(path: &str) -> bool {
    FILES.iter().any(|(name, ..)| *name == path)
}

/// A router with the page's files.
pub fn add_page(mut router: Router<App>) -> Router<App> {
    for (path, kind, text) in FILES {
        router = router.route(path, get(async move || file(kind, text)));
    }
    router
}

fn file(kind: &'static str, text: &'static str) -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(kind)),
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (headers, text).into_response()
}
