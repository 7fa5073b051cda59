//! Who may ask, what is refused, and what every answer has.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::{Arc, Mutex};

use axum::body::Body;
use common::{Network, Place, call, form, image_at, in_memory};
use vireid_gallery::{Added, Count, Existing, Filter, GalleryError, Hit, Item, Judgement, Kept, Model, Page, Store};
use vireid_serve::{Service, Settings, Token};

const SECRET: &str = "a-secret-of-many-characters";

fn token() -> Token {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, SECRET).unwrap();
    Token::from_file(&path).unwrap()
}

#[test]
fn a_token_opens_all_and_is_never_shown() {
    let settings = Settings { token: Some(token()), ..Settings::default() };
    assert!(!format!("{settings:?}").contains(SECRET));
    let place = Place::new(settings);
    let with = |path: &str, value: &str| {
        // Another name than this computer's is allowed now.
        let request = axum::http::Request::get(path).header("host", "gallery.example");
        place.send(request.header("authorization", value).body(Body::empty()).unwrap())
    };
    let right = format!("Bearer {SECRET}");
    let guarded = ["/api/v1/gallery", "/metrics", "/api/v1/openapi.json", "/api/v1/nothing", "/nothing"];
    for path in guarded {
        let refused = place.get(path);
        assert_eq!((refused.error(), refused.header("www-authenticate")), ((401, "VR0902".into()), "Bearer"), "{path}");
    }
    let half = &right[..right.len() - 1];
    for wrong in ["", "Bearer", "Bearer ", half, &format!("{right}x"), &format!("Basic {SECRET}"), SECRET, "Bearer é"]
    {
        let refused = with("/api/v1/gallery", wrong);
        assert_eq!(refused.error(), (401, "VR0902".into()), "{wrong}");
    }
    for value in [right.clone(), format!("bearer {SECRET}")] {
        assert_eq!(with("/api/v1/gallery", &value).status, 200);
    }
    for path in ["/", "/page.js", "/page.css", "/health"] {
        assert_eq!(place.get(path).status, 200, "{path}");
    }
    for path in guarded {
        let reply = with(path, &right);
        assert!(!reply.text().contains(SECRET), "{path}");
        assert!(!format!("{:?}", reply.headers).contains(SECRET), "{path}");
    }
}

#[test]
fn without_a_token_only_this_computer_by_its_names() {
    let place = Place::new(Settings::default());
    let with = |name: &str, value: &str| {
        let request = axum::http::Request::get("/api/v1/gallery").header("host", "localhost:8080");
        let request = if name == "host" { axum::http::Request::get("/api/v1/gallery") } else { request };
        place.send(request.header(name, value).body(Body::empty()).unwrap())
    };
    assert_eq!(with("host", "[::1]:8080").status, 200);
    assert_eq!(with("host", "evil.example").error(), (403, "VR0903".into()));
    assert_eq!(with("origin", "http://localhost:8080").status, 200);
    assert_eq!(with("origin", "http://evil.example").error(), (403, "VR0904".into()));
    assert_eq!(with("origin", "null").error(), (403, "VR0904".into()));
    assert_eq!(with("sec-fetch-site", "same-origin").status, 200);
    assert_eq!(with("sec-fetch-site", "cross-site").error(), (403, "VR0904".into()));
}

#[test]
fn every_answer_is_closed_to_other_sites() {
    let place = Place::new(Settings::default());
    for path in ["/", "/health", "/metrics", "/api/v1/gallery", "/api/v1/openapi.json", "/nothing"] {
        let reply = place.get(path);
        assert_eq!(reply.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(reply.header("referrer-policy"), "no-referrer", "{path}");
        assert!(reply.header("content-security-policy").contains("frame-ancestors 'none'"), "{path}");
        let right = if path == "/" { "no-cache" } else { "no-store" };
        assert_eq!(reply.header("cache-control"), right, "{path}");
    }
    let page = place.get("/");
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert!(page.header("content-security-policy").contains("script-src 'self'"));
    assert_eq!(place.get("/page.js").header("content-type"), "text/javascript; charset=utf-8");
    assert_eq!(place.get("/page.css").header("content-type"), "text/css; charset=utf-8");
}

#[test]
fn what_can_not_be_read_is_refused_with_a_code() {
    let place = Place::new(Settings::default());
    let image = image_at(0.0);
    let refused = |path: &str, parts: &[(&str, &[u8])]| place.send(form(path, parts)).error();
    let bad = (400, "VR0901".to_owned());
    let whole: [(&str, &[u8]); 2] = [("image", &image), ("modality", b"visible")];
    let and = |more: (&'static str, &'static [u8])| [whole[0], whole[1], more];
    assert_eq!(refused("/api/v1/crops", &whole[..1]), bad);
    assert_eq!(refused("/api/v1/crops", &whole[1..]), bad);
    assert_eq!(refused("/api/v1/crops?x=1", &whole), bad);
    for more in [
        ("colour", &b"red"[..]),
        ("modality", b"visible"),
        ("image", b"x"),
        ("time", b"yesterday"),
        ("metadata", b"[1]"),
        ("metadata", br#"{"a":null}"#),
        ("metadata", br#"{"a":1e999}"#),
        ("camera", b"\xff"),
        ("meta.a", b"1"),
    ] {
        assert_eq!(refused("/api/v1/crops", &and(more)), bad, "{more:?}");
    }
    assert_eq!(refused("/api/v1/crops", &and(("id", b""))), (400, "VR0801".into()));
    assert_eq!(refused("/api/v1/crops", &and(("id", b"a\0b"))), (400, "VR0801".into()));
    for more in [("top", &b"0"[..]), ("rerank", b"1"), ("id", b"a"), ("meta.a", b"\n"), ("until", b"x")] {
        assert_eq!(refused("/api/v1/search", &and(more)), bad, "{more:?}");
    }
    assert_eq!(refused("/api/v1/search", &[("image", b"no image"), ("modality", b"visible")]), (422, "VR0910".into()));
    for path in ["/api/v1/crops?limit=0", "/api/v1/crops?x=1", "/api/v1/gallery?x", "/api/v1/crops/%ff", "/metrics?a=b"]
    {
        assert_eq!(place.get(path).error(), bad, "{path}");
    }
    assert_eq!(place.get("/api/v2/gallery").error(), (404, "VR0908".into()));
    assert_eq!(place.get("/api/v1/crops/").error(), (404, "VR0908".into()));
    let wrong = place.delete("/api/v1/gallery");
    assert_eq!((wrong.error(), wrong.header("allow")), ((405, "VR0909".into()), "GET,HEAD"));
    let send = |kind: &str, body: &str| {
        let request = call("POST", "/api/v1/people/merge").header("content-type", kind);
        place.send(request.body(Body::from(body.to_owned())).unwrap()).error()
    };
    for body in
        ["", "{", "[]", "null", r#"{"people":"1"}"#, r#"{"people":[-1]}"#, r#"{"people":[1],"people":[2]}"#, "{}"]
    {
        assert_eq!(send("application/json", body), bad, "{body}");
    }
    assert_eq!(send("text/plain", r#"{"people":[1]}"#), bad);
    let request = call("POST", "/api/v1/search").header("content-type", "text/plain");
    assert_eq!(place.send(request.body(Body::empty()).unwrap()).error(), bad);
}

/// A store that does nothing but fail.
struct Failing {
    model: Model,
    error: Mutex<fn() -> GalleryError>,
    inner: Arc<dyn Store>,
}

impl Failing {
    fn fail<T>(&self) -> Result<T, GalleryError> {
        Err(self.error.lock().unwrap()())
    }
}

impl Store for Failing {
    fn model(&self) -> &Model {
        &self.model
    }
    fn count(&self) -> Result<Count, GalleryError> {
        self.fail()
    }
    fn add(&self, _: Vec<Item>, _: Existing) -> Result<Vec<Added>, GalleryError> {
        self.fail()
    }
    fn get(&self, id: &str) -> Result<Option<Kept>, GalleryError> {
        self.inner.get(id)
    }
    fn image(&self, _: &str) -> Result<Option<Vec<u8>>, GalleryError> {
        panic!("a fault of the store")
    }
    fn search(&self, _: &[f32], _: &Filter, _: usize) -> Result<Vec<Hit>, GalleryError> {
        self.fail()
    }
    fn delete(&self, ids: &[String]) -> Result<u64, GalleryError> {
        self.inner.delete(ids)
    }
    fn delete_matching(&self, filter: &Filter) -> Result<u64, GalleryError> {
        self.inner.delete_matching(filter)
    }
    fn page(&self, _: Option<&str>, _: &Filter, _: usize) -> Result<Page, GalleryError> {
        self.fail()
    }
    fn judge(&self, _: Judgement) -> Result<(), GalleryError> {
        self.fail()
    }
    fn judgements(&self) -> Result<Vec<Judgement>, GalleryError> {
        self.fail()
    }
    fn assign(&self, _: &[(String, Option<u64>)]) -> Result<(), GalleryError> {
        self.fail()
    }
}

#[test]
fn what_the_gallery_says_has_its_status() {
    let (inner, network) = (in_memory(), Arc::new(Network::default()));
    let engine: fn() -> GalleryError = || GalleryError::Engine { engine: "qdrant", reason: "it is away".into() };
    let store = Arc::new(Failing { model: inner.model().clone(), error: Mutex::new(engine), inner });
    let settings = Settings::default();
    let service = Service { store: store.clone(), embedder: network.clone(), verdicts: None, settings };
    let place = Place::of(service, network);
    let image = image_at(0.0);
    let parts: [(&str, &[u8]); 2] = [("image", &image), ("modality", b"visible")];
    for (error, right) in [
        (engine, (502, "VR0809")),
        (|| GalleryError::CantWrite { path: "a".into(), reason: "full".into() }, (507, "VR0806")),
        (|| GalleryError::Damaged { path: "a".into(), reason: "cut".into() }, (500, "VR0807")),
        (|| GalleryError::ForeignModel { field: "a".into(), found: "b".into(), expected: "c".into() }, (500, "VR0804")),
    ] {
        *store.error.lock().unwrap() = error;
        let right = (right.0, right.1.to_owned());
        assert_eq!(place.post_form("/api/v1/crops", &parts).error(), right);
        assert_eq!(place.post_form("/api/v1/search", &parts).error(), right);
        for path in ["/api/v1/gallery", "/api/v1/crops", "/api/v1/people", "/api/v1/judgements"] {
            assert_eq!(place.get(path).error(), right, "{path}");
        }
        let health = place.get("/health").json();
        assert_eq!(health["version"], env!("CARGO_PKG_VERSION"));
        // Nothing was written since.
        let is_full = matches!(right.0, 507 | 500);
        assert_eq!(health["status"], if is_full { "read-only" } else { "ok" }, "{right:?}");
    }
    assert_eq!(place.get("/api/v1/crops/a/image").error(), (500, "VR0911".into()));
    assert_eq!(place.delete("/api/v1/crops?all=true").status, 200);
    assert_eq!(place.get("/health").json()["status"], "ok");
    assert!(!place.get("/metrics").text().contains("vireid_entries"));
}
