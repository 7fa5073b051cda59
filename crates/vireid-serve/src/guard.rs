//! What every request goes through, and what every answer has.

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use futures_util::future::{Either, select};

use crate::App;
use crate::failure::{Answered, Failure};
use crate::origin::{check_direct, check_host, check_origin};
use crate::routes::page::is_of_page;
use crate::scope::Scope;

/// What may take as long as it needs.
const LONG: &str = "/api/v1/people/cluster";

/// What every request goes through: who may ask, how much at once and for how long; and what every answer has.
pub async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let start = Instant::now();
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let method = known(request.method());
    let mut response = match admitted(&app, &route, request, next).await {
        Ok(response) => response,
        Err(failure) => failure.into_response(),
    };
    app.metrics.answered(&route, method, response.status().as_u16(), start.elapsed());
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    let nothing = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(nothing);
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// A method's name, of the few that there are: a client can make up others.
fn known(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "DELETE" => "DELETE",
        _ => "other",
    }
}

/// What is served without a token: nothing of the gallery is in it.
fn is_open(route: &str) -> bool {
    route == "/health" || is_of_page(route)
}

async fn admitted(app: &App, route: &str, mut request: Request, next: Next) -> Answered {
    let (headers, uri) = (request.headers(), request.uri());
    match &app.settings.token {
        None => {
            check_direct(headers)?;
            check_host(headers, uri)?;
        }
        Some(token) => {
            let guess = headers.get(AUTHORIZATION).map_or(&b""[..], HeaderValue::as_bytes);
            let is_bearer = guess.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer "));
            let is_right = is_bearer && token.is(guess[7..].trim_ascii());
            if !is_right && !is_open(route) {
                return Err(Failure::no_token());
            }
        }
    }
    check_origin(headers, uri)?;
    let busy = || {
        app.metrics.rejected("requests");
        Failure::busy("as many requests as the service takes on are under way")
    };
    // What is counted must be told above all when there is much to do.
    let _permit = match is_open(route) || route == "/metrics" {
        true => None,
        false => Some(app.requests.clone().try_acquire_owned().map_err(|_| busy())?),
    };
    let scope = Scope::default();
    request.extensions_mut().insert(scope.clone());
    let answer = Box::pin(AssertUnwindSafe(next.run(request)).catch_unwind());
    let limit = Box::pin(tokio::time::sleep(app.settings.timeout));
    let answer = match select(answer, limit).await {
        Either::Left((answer, _)) => answer,
        Either::Right((_, answer)) if route == LONG && !scope.is_reading() => answer.await,
        Either::Right(_) => {
            app.metrics.rejected("time");
            return Err(Failure::too_slow(scope.is_reading()));
        }
    };
    answer.map_err(|_| Failure::unforeseen("a fault of the program; please report it"))
}
