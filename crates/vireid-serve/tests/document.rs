//! The document of the interface.
#![allow(clippy::unwrap_used)]

mod common;

use common::Place;
use serde_json::Value;
use vireid_gallery::MAX_ID;
use vireid_serve::{Settings, Token};

#[test]
fn it_has_every_call_with_its_errors_and_no_dangling_name() {
    let place = Place::new(Settings::default());
    let reply = place.get("/api/v1/openapi.json");
    assert_eq!(reply.header("content-type"), "application/json");
    let document = reply.json();
    let calls: Vec<(String, String, &Value)> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| {
            item.as_object().unwrap().iter().map(|(method, call)| (path.clone(), method.clone(), call))
        })
        .collect();
    assert_eq!(calls.len(), 21);
    for (path, method, call) in &calls {
        assert!(call["responses"]["503"]["content"]["application/json"].is_object(), "{method} {path}");
        let has_body = call["requestBody"].is_object();
        assert_eq!(call["responses"]["413"].is_object(), has_body, "{method} {path}");
    }
    let text = reply.text();
    for reference in text.split("\"$ref\":\"").skip(1) {
        let pointer = reference.split('"').next().unwrap().strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{pointer}");
    }
    for shape in ["Entry", "CropForm", "TrackletForm"] {
        let longest = &document["components"]["schemas"][shape]["properties"]["id"]["maxLength"];
        assert_eq!(longest.as_u64().unwrap(), MAX_ID as u64, "{shape}");
    }
    assert!(document["security"].is_null() && !text.contains("\"401\""), "no token, no scheme");
}

#[test]
fn with_a_token_it_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "0123456789abcdef").unwrap();
    let token = Some(Token::from_file(&path).unwrap());
    let place = Place::new(Settings { token, ..Settings::default() });
    let request = common::call("GET", "/api/v1/openapi.json").header("authorization", "Bearer 0123456789abcdef");
    let document = place.send(request.body(axum::body::Body::empty()).unwrap()).json();
    assert_eq!(document["components"]["securitySchemes"]["token"]["scheme"], "bearer");
    assert_eq!(document["security"], serde_json::json!([{"token": []}]));
    assert!(document["paths"]["/api/v1/gallery"]["get"]["responses"]["401"].is_object());
    assert!(document["paths"]["/health"]["get"]["responses"]["401"].is_null());
}
