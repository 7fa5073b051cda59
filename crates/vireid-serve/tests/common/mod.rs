//! A service to ask in tests, and what to ask it with.
#![allow(dead_code)]

pub mod stand_in;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tower::ServiceExt;
use vireid_core::Modality;
use vireid_gallery::{InMemory, Model};
use vireid_serve::{Embedded, Embedder, EmbedderFailed, Service, Settings, router};

pub use stand_in::image_at;

/// What the network of a test does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mood {
    #[default]
    Works,
    /// Waits until it works again.
    Stuck,
    Fails,
    Panics,
    /// Gives embeddings of the wrong length.
    Wrong,
    /// Gives an embedding too few.
    Forgets,
}

/// A network that does as it is told and remembers what it was asked.
#[derive(Default)]
pub struct Network {
    mood: Mutex<Mood>,
    changed: Condvar,
    /// Images of each call.
    pub calls: Mutex<Vec<(Modality, usize)>>,
    inside: AtomicUsize,
    pub most_inside: AtomicUsize,
}

impl Network {
    pub fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
        self.changed.notify_all();
    }
}

impl Embedder for Network {
    fn embed(&self, images: &[Vec<u8>], modality: Modality) -> Result<Vec<Embedded>, EmbedderFailed> {
        self.calls.lock().unwrap().push((modality, images.len()));
        let inside = self.inside.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_inside.fetch_max(inside, Ordering::SeqCst);
        let mood = *self.changed.wait_while(self.mood.lock().unwrap(), |mood| *mood == Mood::Stuck).unwrap();
        self.inside.fetch_sub(1, Ordering::SeqCst);
        let mut embedded: Vec<Embedded> = images.iter().map(|image| stand_in::embedding(image)).collect();
        match mood {
            Mood::Fails => return Err(EmbedderFailed("no memory on the device".into())),
            Mood::Panics => panic!("a shape is wrong"),
            Mood::Wrong => embedded = images.iter().map(|_| Ok(vec![1.0])).collect(),
            Mood::Forgets => drop(embedded.pop()),
            Mood::Works | Mood::Stuck => (),
        }
        Ok(embedded)
    }

    fn batch(&self) -> usize {
        16
    }
}

/// A service that is asked without a network.
pub struct Place {
    pub router: Router,
    pub network: Arc<Network>,
    pub runtime: Runtime,
}

pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The status and the code of an error, whose shape is checked.
    pub fn error(&self) -> (u16, String) {
        let json = self.json();
        let error = &json["error"];
        let code = error["code"].as_str().unwrap_or_else(|| panic!("{}: {json}", self.status)).to_owned();
        assert!(error["message"].as_str().unwrap().starts_with(&format!("{code}: ")), "{json}");
        assert_eq!(self.header("content-type"), "application/json");
        (self.status.as_u16(), code)
    }
}

pub fn in_memory() -> Arc<InMemory> {
    let model = Model { weights: "0123456789abcdef".into(), settings: BTreeMap::new(), dim: stand_in::DIM };
    Arc::new(InMemory::new(model))
}

pub fn service(network: Arc<Network>, settings: Settings) -> Service {
    let verdicts: Arc<dyn vireid_serve::Verdicts> = Arc::new(stand_in::Half);
    Service { store: in_memory(), embedder: network, verdicts: Some(verdicts), settings }
}

impl Place {
    pub fn new(settings: Settings) -> Self {
        let network = Arc::new(Network::default());
        Self::of(service(network.clone(), settings), network)
    }

    pub fn of(service: Service, network: Arc<Network>) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        Self { router: router(service).unwrap(), network, runtime }
    }

    /// Begins a request.
    pub fn begin(&self, request: Request<Body>) -> JoinHandle<Reply> {
        let router = self.router.clone();
        self.runtime.spawn(async move {
            let (parts, body) = router.oneshot(request).await.unwrap().into_parts();
            let body = to_bytes(body, usize::MAX).await.unwrap().to_vec();
            Reply { status: parts.status, headers: parts.headers, body }
        })
    }

    pub fn finish(&self, begun: JoinHandle<Reply>) -> Reply {
        self.runtime.block_on(begun).unwrap()
    }

    pub fn send(&self, request: Request<Body>) -> Reply {
        self.finish(self.begin(request))
    }

    pub fn get(&self, path: &str) -> Reply {
        self.send(call("GET", path).body(Body::empty()).unwrap())
    }

    pub fn delete(&self, path: &str) -> Reply {
        self.send(call("DELETE", path).body(Body::empty()).unwrap())
    }

    pub fn post_json(&self, path: &str, body: Value) -> Reply {
        let call = call("POST", path).header("content-type", "application/json");
        self.send(call.body(Body::from(body.to_string())).unwrap())
    }

    pub fn post_form(&self, path: &str, parts: &[(&str, &[u8])]) -> Reply {
        self.send(form(path, parts))
    }

    /// Adds a crop that the network sees at an angle.
    pub fn add(&self, id: &str, modality: &str, degrees: f32) {
        let image = image_at(degrees);
        let parts = [("image", &image[..]), ("modality", modality.as_bytes()), ("id", id.as_bytes())];
        let reply = self.post_form("/api/v1/crops", &parts);
        assert_eq!(reply.status, 201, "{}", reply.text());
    }

    /// A line of the metrics that begins with a name, as a number; 0 where there is none.
    pub fn metric(&self, name: &str) -> f64 {
        let text = self.get("/metrics").text();
        let line = text.lines().find(|line| line.split(' ').next() == Some(name));
        line.map_or(0.0, |line| line.split(' ').next_back().unwrap().parse().unwrap())
    }
}

pub fn call(method: &str, path: &str) -> axum::http::request::Builder {
    Request::builder().method(method).uri(path).header("host", "localhost:8080")
}

pub const BOUNDARY: &str = "a-boundary-that-is-nowhere-else";

pub fn form_bytes(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, value) in parts {
        let file = if *name == "image" { "; filename=\"a.png\"" } else { "" };
        body.extend(format!("--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{name}\"{file}\r\n\r\n").bytes());
        body.extend_from_slice(value);
        body.extend(b"\r\n");
    }
    body.extend(format!("--{BOUNDARY}--\r\n").bytes());
    body
}

pub fn form(path: &str, parts: &[(&str, &[u8])]) -> Request<Body> {
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    call("POST", path).header("content-type", kind).body(Body::from(form_bytes(parts))).unwrap()
}

pub fn search_form(degrees: f32, modality: &str) -> Request<Body> {
    form("/api/v1/search", &[("image", &image_at(degrees)), ("modality", modality.as_bytes())])
}

/// Waits for a condition; fails where it does not come about.
pub fn until(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
