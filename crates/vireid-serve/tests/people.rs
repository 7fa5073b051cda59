//! Judgements, and people: grouped, merged, split and let go.
#![allow(clippy::unwrap_used)]

mod common;

use common::Place;
use serde_json::{Value, json};
use vireid_serve::Settings;

#[test]
fn a_judgement_takes_what_it_can_from_the_gallery() {
    let place = Place::new(Settings::default());
    place.add("a", "visible", 0.0);
    place.add("b", "infrared", 60.0);
    let said = place.post_json("/api/v1/judgements", json!({"query": "a", "answer": "b", "same": true}));
    assert_eq!(said.status, 201);
    let said = said.json();
    assert_eq!((&said["query_modality"], &said["answer_modality"]), (&json!("visible"), &json!("infrared")));
    assert!((said["similarity"].as_f64().unwrap() - 0.5).abs() < 1e-6);
    let outside = json!({"query_modality": "visible", "similarity": 0.25, "answer": "b", "same": false});
    let outside = place.post_json("/api/v1/judgements", outside).json();
    assert_eq!((outside["similarity"].as_f64(), &outside["query"]), (Some(0.25), &Value::Null));
    assert_eq!(place.get("/api/v1/judgements").json(), json!({"judgements": [said, outside]}));
    let refused = |body: Value| place.post_json("/api/v1/judgements", body).error();
    assert_eq!(refused(json!({"answer": "b", "same": true})), (400, "VR0901".into()));
    assert_eq!(refused(json!({"query": "nobody", "answer": "b", "same": true})), (404, "VR0803".into()));
    assert_eq!(refused(json!({"query": "a", "answer": "nobody", "same": true})), (404, "VR0803".into()));
    let beyond = json!({"query_modality": "visible", "similarity": 2, "answer": "b", "same": true});
    assert_eq!(refused(beyond), (400, "VR0901".into()));
}

/// Two people, seen by both kinds of camera.
fn grouped() -> Place {
    let place = Place::new(Settings::default());
    for number in 0..12u8 {
        let modality = if number % 2 == 0 { "visible" } else { "infrared" };
        let (person, degrees) = if number < 8 { ("p", 0.0) } else { ("q", 90.0) };
        place.add(&format!("{person}{number}"), modality, degrees + f32::from(number) / 4.0);
    }
    let body = json!({"k1": 8, "k2": 2, "eps": 0.6, "min_samples": 2});
    assert_eq!(place.post_json("/api/v1/people/cluster", body).json(), json!({"people": 2, "unassigned": 0}));
    place
}

fn sizes(place: &Place) -> Vec<(u64, u64)> {
    let json = place.get("/api/v1/people").json();
    let people = json["people"].as_array().unwrap();
    people.iter().map(|many| (many["person"].as_u64().unwrap(), many["crops"].as_u64().unwrap())).collect()
}

#[test]
fn the_gallery_is_grouped_over_both_modalities() {
    let place = grouped();
    assert_eq!(sizes(&place), [(1, 8), (2, 4)]);
    let second = place.get("/api/v1/people/2").json();
    let ids: Vec<&str> =
        second["entries"].as_array().unwrap().iter().map(|entry| entry["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["q8", "q9", "q10", "q11"]);
    assert_eq!(second["entries"][0]["person"], json!(2));
    let page = place.get("/api/v1/people?limit=1").json();
    assert_eq!((page["people"][0]["person"].as_u64(), &page["next"]), (Some(1), &json!("1")));
    let page = place.get("/api/v1/people?limit=1&after=1").json();
    assert_eq!((page["people"][0]["person"].as_u64(), &page["next"]), (Some(2), &Value::Null));
    assert_eq!(place.get("/api/v1/people?after=99").error(), (400, "VR0901".into()));
    assert_eq!(place.get("/api/v1/people/99").error(), (404, "VR0803".into()));
    assert_eq!(place.get("/api/v1/people/somebody").error(), (400, "VR0901".into()));
}

#[test]
fn people_are_split_merged_and_let_go() {
    let place = grouped();
    let split = place.post_json("/api/v1/people/split", json!({"entries": ["p0", "p1", "p0"]}));
    assert_eq!(split.json(), json!({"person": 3, "crops": 2}));
    assert_eq!(sizes(&place), [(1, 6), (2, 4), (3, 2)]);
    let merged = place.post_json("/api/v1/people/merge", json!({"people": [2, 3]}));
    assert_eq!(merged.json(), json!({"person": 2, "crops": 6}));
    assert_eq!(sizes(&place), [(1, 6), (2, 6)]);
    let removed = place.post_json("/api/v1/people/remove", json!({"entries": ["q8"]}));
    assert_eq!(removed.json(), json!({"removed": 1}));
    assert_eq!(place.get("/api/v1/people").json()["unassigned"], json!(1));
    let refused = |verb: &str, body: Value| place.post_json(&format!("/api/v1/people/{verb}"), body).error();
    assert_eq!(refused("merge", json!({"people": [1, 9]})), (404, "VR0803".into()));
    assert_eq!(refused("merge", json!({"people": []})), (400, "VR0901".into()));
    assert_eq!(refused("split", json!({"entries": ["p0", "nobody"]})), (404, "VR0803".into()));
    assert_eq!(refused("remove", json!({"entries": ["nobody"]})), (404, "VR0803".into()));
    assert_eq!(refused("cluster", json!({"eps": 1.5})), (400, "VR0901".into()));
    assert_eq!(refused("cluster", json!({"k1": 0})), (400, "VR0901".into()));
    assert_eq!(refused("cluster", json!({"k9": 1})), (400, "VR0901".into()));
    assert_eq!(sizes(&place), [(1, 6), (2, 5)]);
}

#[test]
fn an_empty_gallery_has_nobody() {
    let place = Place::new(Settings::default());
    assert_eq!(place.post_json("/api/v1/people/cluster", json!({})).json(), json!({"people": 0, "unassigned": 0}));
    assert_eq!(place.get("/api/v1/people").json(), json!({"people": [], "unassigned": 0}));
}
