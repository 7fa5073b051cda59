//! Ten thousand requests that nobody should send.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::Request;
use common::{BOUNDARY, Place, form_bytes, image_at};
use vireid_core::{Stream, Streams};
use vireid_serve::Settings;

const PATHS: [&str; 26] = [
    "/",
    "/page.js",
    "/health",
    "/metrics",
    "/api/v1/openapi.json",
    "/api/v1/gallery",
    "/api/v1/crops",
    "/api/v1/crops/a",
    "/api/v1/crops/a/image",
    "/api/v1/crops/a/similar",
    "/api/v1/crops/%00",
    "/api/v1/crops/%ff%fe",
    "/api/v1/crops/%zz",
    "/api/v1/crops/%2F..%2f",
    "/api/v1/tracklets",
    "/api/v1/search",
    "/api/v1/judgements",
    "/api/v1/people",
    "/api/v1/people/1",
    "/api/v1/people/99999999999999999999",
    "/api/v1/people/-1",
    "/api/v1/people/cluster",
    "/api/v1/people/merge",
    "/api/v1/people/split",
    "/api/v1/people/remove",
    "//api//v1/../crops",
];
const POSTS: [&str; 8] = [
    "/api/v1/crops",
    "/api/v1/tracklets",
    "/api/v1/search",
    "/api/v1/judgements",
    "/api/v1/people/cluster",
    "/api/v1/people/merge",
    "/api/v1/people/split",
    "/api/v1/people/remove",
];
const METHODS: [&str; 9] = ["GET", "POST", "DELETE", "PUT", "PATCH", "HEAD", "OPTIONS", "TRACE", "BREW"];
const NAMES: [&str; 20] = [
    "after", "limit", "among", "camera", "from", "until", "meta.", "meta.a", "all", "top", "rerank", "image",
    "modality", "id", "time", "metadata", "existing", "", "x", "%6cimit",
];
const VALUES: [&str; 34] = [
    "",
    "0",
    "1",
    "-1",
    "1000",
    "1001",
    "99999999999999999999999999",
    "1e308",
    "NaN",
    "inf",
    "true",
    "false",
    "visible",
    "infrared",
    "a",
    "2026-03-01T12:30:00Z",
    "2026-02-30T12:30:00Z",
    "9999-12-31T23:59:60Z",
    "20,6,0.3",
    "1,1,2",
    "1000,1000,0",
    "{}",
    "{\"a\":1}",
    "{\"a\":{\"b\":[]}}",
    "{\"a\":1e999}",
    "[[[[",
    "null",
    "replace",
    "keep",
    "\u{1f600}",
    "\u{0}",
    "\u{7f}\n",
    "'; drop table entries; --",
    "../../etc/passwd",
];
const ENCODED: [&str; 9] = ["%", "%f", "%00", "%ff", "%C3%28", "%ED%A0%80", "+", "%2525", "=&=&&;"];
const KEYS: [&str; 14] = [
    "query",
    "query_modality",
    "answer",
    "similarity",
    "same",
    "people",
    "entries",
    "k1",
    "k2",
    "eps",
    "min_samples",
    "x",
    "",
    "entries",
];
const JSON: [&str; 22] = [
    "null",
    "true",
    "0",
    "1",
    "-1",
    "0.5",
    "1e400",
    "-1e-400",
    "18446744073709551615",
    "18446744073709551616",
    "\"a\"",
    "\"\\ud800\"",
    "\"visible\"",
    "[]",
    "[1]",
    "[1,1]",
    "[\"a\"]",
    "[\"\\u0000\"]",
    "[[]]",
    "{}",
    "nul",
    "",
];

fn one<'a>(stream: &mut Stream, of: &[&'a str]) -> &'a str {
    of[stream.below(of.len())]
}

fn percent(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).into() } else { format!("%{byte:02x}") })
        .collect()
}

fn query(stream: &mut Stream) -> String {
    let pairs = (0..stream.below(4)).map(|_| {
        let value = if stream.chance(0.2) { one(stream, &ENCODED).to_owned() } else { percent(one(stream, &VALUES)) };
        format!("{}={value}", one(stream, &NAMES))
    });
    let pairs: Vec<String> = pairs.collect();
    if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
}

/// Bytes cut short, doubled, or with some of them changed; as a rule as they are.
fn spoilt(stream: &mut Stream, mut bytes: Vec<u8>) -> Vec<u8> {
    match stream.below(6) {
        0 => bytes.truncate(stream.below(bytes.len() + 1)),
        1 => bytes.extend_from_within(..),
        2 => {
            for _ in 0..8.min(bytes.len()) {
                let place = stream.below(bytes.len());
                bytes[place] = stream.below(256) as u8;
            }
        }
        _ => (),
    }
    bytes
}

fn multipart(stream: &mut Stream) -> Vec<u8> {
    let image = image_at(stream.below(360) as f32);
    let mut parts: Vec<(&str, &[u8])> = Vec::new();
    if stream.chance(0.8) {
        parts.push(("image", if stream.chance(0.8) { &image } else { b"no image" }));
    }
    if stream.chance(0.8) {
        parts.push(("modality", b"visible"));
    }
    if stream.chance(0.3) {
        parts.push(("id", b"a"));
    }
    for _ in 0..stream.below(3) {
        parts.push((one(stream, &NAMES), one(stream, &VALUES).as_bytes()));
    }
    form_bytes(&parts)
}

fn json(stream: &mut Stream) -> Vec<u8> {
    if stream.chance(0.1) {
        return ["[", "{\"a\":", "\"", "1"][stream.below(4)].repeat(1 + stream.below(500)).into_bytes();
    }
    let pairs: Vec<String> =
        (0..stream.below(5)).map(|_| format!("\"{}\":{}", one(stream, &KEYS), one(stream, &JSON))).collect();
    format!("{{{}}}", pairs.join(",")).into_bytes()
}

fn request(stream: &mut Stream) -> Request<Body> {
    let path = format!("{}{}", one(stream, &PATHS), query(stream));
    // Most are of the methods that there are.
    let method = if stream.chance(0.85) { METHODS[stream.below(3)] } else { one(stream, &METHODS) };
    // So that not most end at a method that a path has not.
    let path = match method {
        "POST" if stream.chance(0.8) => one(stream, &POSTS).to_owned(),
        "DELETE" if stream.chance(0.8) => format!("/api/v1/crops{}", query(stream)),
        _ => path,
    };
    let mut request = Request::builder().method(method).uri(&path);
    for _ in 0..if stream.chance(0.97) { 1 } else { stream.below(3) } {
        request = request.header("host", if stream.chance(0.97) { "localhost" } else { "evil.example" });
    }
    let (kind, body) = match stream.below(5) {
        0 | 1 => (format!("multipart/form-data; boundary={BOUNDARY}"), multipart(stream)),
        2 | 3 => ("application/json".to_owned(), json(stream)),
        _ => (
            one(stream, &["multipart/form-data", "multipart/form-data; boundary=", "text/plain", "a/b; é", ""]).into(),
            json(stream),
        ),
    };
    request = request.header("content-type", kind.as_bytes());
    if stream.chance(0.1) {
        let name =
            one(stream, &["origin", "sec-fetch-site", "authorization", "content-length", "x-forwarded-host", "range"]);
        request = request.header(name, percent(one(stream, &VALUES)));
    }
    let body = spoilt(stream, body);
    request.body(Body::from(body)).unwrap_or_else(|error| panic!("{method} {path}: {error}"))
}

#[test]
fn each_is_answered_and_none_is_a_fault() {
    let place = Place::new(Settings { keep_images: true, ..Settings::default() });
    place.add("a", "visible", 0.0);
    place.add("b", "infrared", 30.0);
    let mut stream = Streams::new(9).stream("bad requests", [0; 3]);
    let mut seen: BTreeMap<u16, usize> = BTreeMap::new();
    for number in 0..10_000 {
        if number % 100 == 0 {
            // What was deleted is there again, so that there is something to get at.
            let image = image_at(1.0);
            place.post_form(
                "/api/v1/crops",
                &[("image", &image), ("modality", b"visible"), ("id", b"a"), ("existing", b"keep")],
            );
        }
        let request = request(&mut stream);
        let what = format!("{number}: {} {} {:?}", request.method(), request.uri(), request.headers());
        let is_head = request.method() == "HEAD";
        let reply = place.send(request);
        let status = reply.status.as_u16();
        *seen.entry(status).or_default() += 1;
        assert!((200..300).contains(&status) || (400..500).contains(&status), "{what}: {status} {}", reply.text());
        if status >= 400 && !is_head {
            let (_, code) = reply.error();
            assert!(code.starts_with("VR08") || code.starts_with("VR09"), "{what}: {code}");
        }
    }
    // They get as far as each of these.
    for status in [200, 201, 400, 403, 404, 405, 409, 422] {
        assert!(seen.contains_key(&status), "{status}: {seen:?}");
    }
}
