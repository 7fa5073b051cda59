//! Adding, listing, searching and forgetting.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Place, image_at, search_form};
use serde_json::{Value, json};
use vireid_serve::Settings;

fn place() -> Place {
    Place::new(Settings { keep_images: true, ..Settings::default() })
}

fn ids(reply: &common::Reply, key: &str) -> Vec<String> {
    let json = reply.json();
    json[key].as_array().unwrap().iter().map(|entry| entry["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_crop_comes_back_as_it_was_told() {
    let place = place();
    let image = image_at(10.0);
    let metadata = br#"{"door":"north","floor":2,"staff":true}"#;
    let parts: [(&str, &[u8]); 6] = [
        ("image", &image),
        ("modality", b"infrared"),
        ("id", "türe/1 ?".as_bytes()),
        ("camera", b"north"),
        ("time", b"2026-03-01T13:30:00+01:00"),
        ("metadata", metadata),
    ];
    let reply = place.post_form("/api/v1/crops", &parts);
    let entry = json!({
        "id": "türe/1 ?", "modality": "infrared", "camera": "north", "time": "2026-03-01T12:30:00.000Z",
        "metadata": {"door": "north", "floor": 2.0, "staff": true}, "has_image": true,
    });
    assert_eq!((reply.status.as_u16(), reply.json()), (201, json!({"entry": entry, "added": "new"})));
    let path = "/api/v1/crops/t%C3%BCre%2F1%20%3F";
    assert_eq!(place.get(path).json(), entry);
    let kept = place.get(&format!("{path}/image"));
    assert_eq!(
        (kept.header("content-type"), kept.header("cache-control"), &kept.body),
        ("image/png", "no-store", &image)
    );
    assert_eq!(place.get("/api/v1/crops").json(), json!({"entries": [entry]}));
    let gallery = place.get("/api/v1/gallery").json();
    let right = json!({
        "model": {"weights": "0123456789abcdef", "dim": 16}, "visible": 0, "infrared": 1, "calibrated": true,
        "threshold": 0.5, "keeps_images": true, "cameras": ["north"],
    });
    assert_eq!(gallery, right);
    assert_eq!(place.delete(path).json(), json!({"deleted": 1}));
    assert_eq!(place.get(path).error(), (404, "VR0803".into()));
    assert_eq!(place.get("/api/v1/gallery").json()["cameras"], json!([]));
}

#[test]
fn what_is_there_already_is_refused_replaced_or_kept() {
    let place = place();
    let add = |degrees: f32, existing: &[u8]| {
        let image = image_at(degrees);
        place.post_form(
            "/api/v1/crops",
            &[("image", &image), ("modality", b"visible"), ("id", b"a"), ("existing", existing)],
        )
    };
    let names = |reply: &common::Reply| (reply.status.as_u16(), reply.json()["added"].clone());
    assert_eq!(names(&add(0.0, b"refuse")), (201, json!("new")));
    assert_eq!(add(1.0, b"refuse").error(), (409, "VR0802".into()));
    assert_eq!(names(&add(2.0, b"keep")), (200, json!("kept")));
    assert_eq!(place.get("/api/v1/crops/a/image").body, image_at(0.0));
    assert_eq!(names(&add(3.0, b"replace")), (200, json!("replaced")));
    assert_eq!(place.get("/api/v1/crops/a/image").body, image_at(3.0));
    assert_eq!(add(4.0, b"maybe").error(), (400, "VR0901".into()));
}

#[test]
fn an_id_is_made_up_where_there_is_none_and_images_are_kept_only_if_asked() {
    let place = Place::new(Settings::default());
    let image = image_at(0.0);
    let made: Vec<String> = (0..2)
        .map(|_| {
            let json = place.post_form("/api/v1/crops", &[("image", &image), ("modality", b"visible")]).json();
            assert_eq!(json["entry"]["has_image"], json!(false));
            json["entry"]["id"].as_str().unwrap().to_owned()
        })
        .collect();
    assert!(made.iter().all(|id| id.len() == 26 && id.bytes().all(|byte| byte.is_ascii_alphanumeric())), "{made:?}");
    assert_ne!(made[0], made[1]);
    let gone = place.get(&format!("/api/v1/crops/{}/image", made[0]));
    assert_eq!(gone.error(), (404, "VR0803".into()));
}

#[test]
fn a_track_is_the_mean_of_its_crops() {
    let place = place();
    let images = [0.0, 30.0, 60.0].map(image_at);
    let parts: [(&str, &[u8]); 5] = [
        ("image", &images[0]),
        ("image", &images[1]),
        ("modality", b"infrared"),
        ("image", &images[2]),
        ("id", b"track"),
    ];
    let reply = place.post_form("/api/v1/tracklets", &parts);
    assert_eq!(reply.status, 201);
    let entry = &reply.json()["entry"];
    assert_eq!(entry["crops"], json!(3));
    let right = 2.0 / 3.0 * (1.0 - 30f64.to_radians().cos());
    assert!((entry["spread"].as_f64().unwrap() - right).abs() < 1e-5, "{entry}");
    assert_eq!(place.get("/api/v1/crops/track/image").body, images[1]);
    let found = place.send(search_form(30.0, "infrared")).json();
    assert!((found["answers"][0]["similarity"].as_f64().unwrap() - 1.0).abs() < 1e-5, "{found}");
    let bad = place.post_form("/api/v1/tracklets", &[("image", &images[0]), ("image", b"x"), ("modality", b"visible")]);
    assert_eq!(bad.error(), (422, "VR0910".into()));
    assert!(bad.text().contains("image 2 of 2"), "{}", bad.text());
    let opposite = [0.0, 180.0].map(image_at);
    let parts: [(&str, &[u8]); 3] = [("image", &opposite[0]), ("image", &opposite[1]), ("modality", b"visible")];
    assert_eq!(place.post_form("/api/v1/tracklets", &parts).error(), (422, "VR0910".into()));
}

#[test]
fn the_nearest_come_first_with_what_their_likeness_means() {
    let place = place();
    place.add("far", "infrared", 80.0);
    place.add("near", "infrared", 10.0);
    place.add("same-side", "visible", 20.0);
    let found = place.send(search_form(0.0, "visible"));
    assert_eq!(ids(&found, "answers"), ["near", "same-side", "far"]);
    let answers = found.json()["answers"].clone();
    let near = 10f64.to_radians().cos();
    assert!((answers[0]["similarity"].as_f64().unwrap() - near).abs() < 1e-6);
    assert!((answers[0]["probability"].as_f64().unwrap() - (near + 1.0) / 2.0).abs() < 1e-6);
    assert_eq!((&answers[0]["verdict"], &answers[2]["verdict"]), (&json!("same person"), &json!("unknown")));
    assert_eq!((&answers[1]["verdict"], &answers[1]["probability"]), (&Value::Null, &Value::Null));

    assert_eq!(ids(&place.get("/api/v1/crops/near/similar?top=1"), "answers"), ["same-side"]);
    assert_eq!(ids(&place.get("/api/v1/crops/near/similar?among=infrared"), "answers"), ["far"]);
    let ranked = place.get("/api/v1/crops/near/similar?rerank=2,1,0.3");
    assert_eq!(ids(&ranked, "answers"), ["same-side", "far"]);
    assert!(ranked.json()["answers"][0]["distance"].is_number());
    let image = image_at(0.0);
    let parts: [(&str, &[u8]); 5] =
        [("image", &image), ("modality", b"visible"), ("rerank", b"2,1,1"), ("top", b"2"), ("among", b"infrared")];
    // With a share of 1 it is the plain distance: squared, over the largest.
    let ranked = place.post_form("/api/v1/search", &parts);
    assert_eq!(ids(&ranked, "answers"), ["near", "far"]);
    let of = |degrees: f64| 2.0 - 2.0 * degrees.to_radians().cos();
    let distance = ranked.json()["answers"][0]["distance"].as_f64().unwrap();
    assert!((distance - of(10.0) / of(80.0)).abs() < 1e-5, "{distance}");
}

#[test]
fn pages_and_filters() {
    let place = place();
    for number in 0..5u8 {
        let (image, id) = (image_at(f32::from(number)), number.to_string());
        let (camera, floor) = (format!("camera {}", number % 2), format!("{{\"floor\":{number}}}"));
        let time = format!("2026-03-01T12:00:0{number}Z");
        let parts: [(&str, &[u8]); 6] = [
            ("image", &image),
            ("modality", b"visible"),
            ("id", id.as_bytes()),
            ("camera", camera.as_bytes()),
            ("metadata", floor.as_bytes()),
            ("time", time.as_bytes()),
        ];
        assert_eq!(place.post_form("/api/v1/crops", &parts).status, 201);
    }
    let list = |query: &str| ids(&place.get(&format!("/api/v1/crops?{query}")), "entries");
    assert_eq!(list("camera=camera+1"), ["1", "3"]);
    assert_eq!(list("camera=camera%201&camera=camera+0").len(), 5);
    assert_eq!(list("meta.floor=3"), ["3"]);
    assert_eq!(list("from=2026-03-01T12:00:01Z&until=2026-03-01T12:00:03Z"), ["1", "2"]);
    assert!(list("among=infrared").is_empty());
    let first = place.get("/api/v1/crops?limit=3").json();
    let next = first["next"].as_str().unwrap();
    let second = place.get(&format!("/api/v1/crops?limit=3&after={next}"));
    assert_eq!(ids(&second, "entries"), ["3", "4"]);
    assert_eq!(second.json()["next"], Value::Null);
    assert_eq!(place.get("/api/v1/crops?after=nothing").error(), (400, "VR0801".into()));

    assert_eq!(place.delete("/api/v1/crops").error(), (400, "VR0901".into()));
    assert_eq!(place.delete("/api/v1/crops?all=false").error(), (400, "VR0901".into()));
    assert_eq!(place.delete("/api/v1/crops?all=true&camera=x").error(), (400, "VR0901".into()));
    assert_eq!(place.delete("/api/v1/crops?camera=camera+1").json(), json!({"deleted": 2}));
    assert_eq!(place.get("/api/v1/gallery").json()["cameras"], json!(["camera 0"]));
    assert_eq!(place.delete("/api/v1/crops?all=true").json(), json!({"deleted": 3}));
}

#[test]
fn what_is_no_image_is_a_download() {
    use vireid_core::Modality;
    use vireid_gallery::{Existing, Facts, Item};
    let network = std::sync::Arc::new(common::Network::default());
    let service = common::service(network.clone(), Settings::default());
    let page = b"<script>alert(1)</script>".to_vec();
    let mut embedding = vec![0.0; common::stand_in::DIM];
    embedding[0] = 1.0;
    let item = Item { facts: Facts::new("a", Modality::Visible), embedding, image: Some(page) };
    service.store.add(vec![item], Existing::Refuse).unwrap();
    let reply = Place::of(service, network).get("/api/v1/crops/a/image");
    assert_eq!(reply.header("content-type"), "application/octet-stream");
    assert_eq!(reply.header("content-disposition"), "attachment");
    assert_eq!(reply.header("x-content-type-options"), "nosniff");
}
