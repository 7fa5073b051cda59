//! The document of the interface.

mod common;

use common::Place;
use serde_json::Value;
use vireid_serve::Settings;

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
    assert_eq!(document["components"]["securitySchemes"]["token"]["scheme"], "bearer");
}
