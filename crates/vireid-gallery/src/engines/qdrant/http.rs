//! Requests to a Qdrant server.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use ureq::Agent;
use ureq::http::{Request, Response};

use super::engine;
use crate::{GalleryError, QdrantAddress};

/// Bytes of an answer that are taken at most.
const LONGEST: u64 = 4 << 30;

/// Requests to one collection of a server.
pub struct Http {
    agent: Agent,
    base: String,
    key: Option<String>,
    port: u16,
}

/// Said without the key.
impl std::fmt::Debug for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.base)
    }
}

impl Http {
    pub fn new(address: &QdrantAddress) -> Self {
        let config = Agent::config_builder().http_status_as_error(false).timeout_connect(Some(Duration::from_secs(10)));
        let scheme = if address.tls { "https" } else { "http" };
        let QdrantAddress { host, port, collection, .. } = address;
        Self {
            agent: config.build().into(),
            base: format!("{scheme}://{host}:{port}/collections/{collection}"),
            key: std::env::var("QDRANT_API_KEY").ok(),
            port: *port,
        }
    }

    /// The answer to a GET; `None` where there is nothing.
    pub fn find(&self, path: &str) -> Result<Option<Value>, GalleryError> {
        self.call::<()>("GET", path, None)
    }

    /// The answer to a POST.
    pub fn post(&self, path: &str, body: &impl Serialize) -> Result<Value, GalleryError> {
        self.call("POST", path, Some(body))?.ok_or_else(|| engine("the collection is gone"))
    }

    /// The answer to a PUT.
    pub fn put(&self, path: &str, body: &impl Serialize) -> Result<Value, GalleryError> {
        self.call("PUT", path, Some(body))?.ok_or_else(|| engine("the collection is gone"))
    }

    fn call<T: Serialize>(&self, method: &str, path: &str, body: Option<&T>) -> Result<Option<Value>, GalleryError> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        if let Some(key) = &self.key {
            request = request.header("api-key", key);
        }
        let text = body.map(serde_json::to_string).transpose().map_err(|error| engine(error.to_string()))?;
        let sent = match text {
            Some(text) => {
                let request = request.header("content-type", "application/json").body(text);
                request.map_err(ureq::Error::from).and_then(|request| self.agent.run(request))
            }
            None => request.body(()).map_err(ureq::Error::from).and_then(|request| self.agent.run(request)),
        };
        self.answer(sent.map_err(|error| engine(self.explain(&error)))?)
    }

    fn answer(&self, mut response: Response<ureq::Body>) -> Result<Option<Value>, GalleryError> {
        let status = response.status();
        let text = response.body_mut().with_config().limit(LONGEST).read_to_string();
        let text = text.map_err(|error| engine(self.explain(&error)))?;
        let answer = serde_json::from_str::<Value>(&text).ok();
        if status.as_u16() == 404 {
            return Ok(None);
        }
        match answer {
            Some(mut answer) if status.is_success() && answer.get("result").is_some() => {
                Ok(Some(answer["result"].take()))
            }
            Some(answer) if answer["status"]["error"].is_string() => {
                Err(engine(answer["status"]["error"].as_str().unwrap_or_default()))
            }
            _ => Err(engine(format!("answered {status} and nothing that Qdrant says{}", self.hint()))),
        }
    }

    fn explain(&self, error: &ureq::Error) -> String {
        format!("{}: {error}{}", self.base, self.hint())
    }

    fn hint(&self) -> &'static str {
        if self.port == 6334 { "; 6334 is its port of gRPC, the one of REST is 6333" } else { "" }
    }
}
