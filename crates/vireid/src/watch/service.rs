//! What takes crops in: a service over HTTP.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use ureq::http::StatusCode;
use vireid::ProgramError;
use vireid_gallery::Scalar;

use crate::watch::arrivals::Arrival;
use crate::watch::receiver::{Receiver, Taken, facts};

/// How long a service may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why a crop was not taken.
enum Refusal {
    /// For itself.
    Of(String),
    /// As any other would be now.
    Now(String),
    /// As any other would be, now and later.
    Always(String),
}

/// A service over HTTP that crops are sent to.
pub struct Service {
    address: String,
    token: Option<String>,
    agent: ureq::Agent,
    metadata: BTreeMap<String, Scalar>,
}

impl Service {
    /// The service at an address such as `http://127.0.0.1:8080`.
    pub fn new(address: &str, token: Option<String>, metadata: BTreeMap<String, Scalar>) -> Self {
        let mut config = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE));
        // No proxy leads to this machine itself.
        if ["http://127.", "http://localhost", "http://[::1]"].iter().any(|own| address.starts_with(own)) {
            config = config.proxy(None);
        }
        Self { address: address.trim_end_matches('/').into(), token, agent: config.build().into(), metadata }
    }

    fn authorization(&self) -> String {
        self.token.as_ref().map_or_else(String::new, |token| format!("Bearer {token}"))
    }

    /// Whether there is an entry of an id.
    fn has(&self, id: &str) -> Result<bool, Refusal> {
        let url = format!("{}/api/v1/crops/{}", self.address, encoded(id));
        let answer = self.agent.get(&url).header("Authorization", self.authorization()).call();
        let mut answer = answer.map_err(|error| Refusal::Now(format!("{}: {error}", self.address)))?;
        let said = json(&mut answer);
        match answer.status() {
            StatusCode::OK => Ok(true),
            // Another server has no such code.
            StatusCode::NOT_FOUND if said["error"]["code"] == "VR0803" => Ok(false),
            status => Err(self.refusal(&said, status)),
        }
    }

    /// What a refusal means: that of a wrong token or address is none that passes.
    fn refusal(&self, said: &Value, status: StatusCode) -> Refusal {
        let reason = message(said, status);
        match status {
            StatusCode::BAD_REQUEST
            | StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::UNPROCESSABLE_ENTITY
            | StatusCode::INTERNAL_SERVER_ERROR => Refusal::Of(reason),
            status if status.is_client_error() => Refusal::Always(format!("{}: {reason}", self.address)),
            _ => Refusal::Now(reason),
        }
    }

    fn send(&self, arrival: &Arrival) -> Result<Taken, Refusal> {
        if self.has(&arrival.id)? && !arrival.is_changed {
            return Ok(Taken::WasThere);
        }
        let file = std::fs::read(&arrival.path).map_err(|error| Refusal::Of(error.to_string()))?;
        let facts = facts(arrival, &self.metadata);
        let metadata = serde_json::to_string(&facts.metadata).unwrap_or_else(|_| "{}".into());
        let time = facts.time.map_or_else(String::new, |time| time.to_string());
        let fields = [
            ("id", facts.id.as_str()),
            ("modality", facts.modality.name()),
            ("camera", &facts.camera),
            ("time", &time),
            ("metadata", &metadata),
            ("existing", "replace"),
        ];
        let (kind, body) = multipart(&fields, &file);
        let url = format!("{}/api/v1/crops", self.address);
        let request = self.agent.post(&url).header("Authorization", self.authorization()).header("Content-Type", kind);
        let sent = request.send(&body[..]);
        let mut answer = sent.map_err(|error| Refusal::Now(format!("{}: {error}", self.address)))?;
        let said = json(&mut answer);
        match answer.status() {
            StatusCode::OK | StatusCode::CREATED => Ok(Taken::Added),
            status => Err(self.refusal(&said, status)),
        }
    }
}

impl Receiver for Service {
    fn take(&self, arrivals: &[Arrival]) -> Result<Vec<Taken>, ProgramError> {
        let mut taken = Vec::new();
        for arrival in arrivals {
            match self.send(arrival) {
                Ok(one) => taken.push(one),
                Err(Refusal::Of(reason)) => taken.push(Taken::Unusable(reason)),
                // The others would wait for it as long.
                Err(Refusal::Now(reason)) => {
                    taken.push(Taken::NotNow(reason));
                    break;
                }
                Err(Refusal::Always(reason)) => return Err(ProgramError::Usage(reason)),
            }
        }
        let left = arrivals.len() - taken.len();
        taken.extend(std::iter::repeat_n(Taken::NotNow(self.address.clone()), left));
        Ok(taken)
    }
}

/// The JSON of an answer; null where it is none.
fn json(answer: &mut ureq::http::Response<ureq::Body>) -> Value {
    let text = answer.body_mut().read_to_string().unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// What a service says of a request that it refused.
fn message(said: &Value, status: StatusCode) -> String {
    said["error"]["message"].as_str().map_or_else(|| format!("the service answers {status}"), String::from)
}

/// A name as a part of a path: all that is not a letter, a digit or one of `-._~` as a per cent sign and two digits.
fn encoded(name: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    name.bytes()
        .map(|byte| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// The content type and body of a form with one file.
fn multipart(fields: &[(&str, &str)], file: &[u8]) -> (String, Vec<u8>) {
    let holds = |boundary: &str| {
        let is_within = |bytes: &[u8]| bytes.windows(boundary.len()).any(|window| window == boundary.as_bytes());
        is_within(file) || fields.iter().any(|(_, value)| is_within(value.as_bytes()))
    };
    let mut boundary = "vireid-crop".to_string();
    while holds(&boundary) {
        boundary.push('-');
        boundary.push_str(&boundary.len().to_string());
    }
    let mut body = Vec::new();
    for (name, value) in fields {
        let part = format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        body.extend_from_slice(part.as_bytes());
    }
    let head = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"image\"; filename=\"crop\"\r\nContent-Type: application/octet-stream\r\n\r\n"
    );
    body.extend_from_slice(head.as_bytes());
    body.extend_from_slice(file);
    body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    (format!("multipart/form-data; boundary={boundary}"), body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_within_a_path() {
        assert_eq!(encoded("visible/door 1/ä.png"), "visible%2Fdoor%201%2F%C3%A4.png");
    }

    #[test]
    fn no_file_holds_the_boundary() {
        let (kind, body) = multipart(&[("id", "vireid-crop")], b"vireid-crop-11");
        let boundary = kind.rsplit_once('=').unwrap().1;
        let text = String::from_utf8(body).unwrap();
        assert_eq!(text.matches(boundary).count(), 3, "{text}");
        assert!(text.ends_with(&format!("--{boundary}--\r\n")));
    }
}
