//! Batches, back-pressure, time, and a network that fails.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::{Body, Bytes};
use common::{BOUNDARY, Mood, Place, call, form, image_at, search_form, until};
use futures_util::stream;
use serde_json::json;
use vireid_serve::Settings;

#[test]
fn requests_at_one_time_share_few_batches_of_one_modality() {
    let place = Place::new(Settings::default());
    place.network.set(Mood::Stuck);
    let first = place.begin(search_form(0.0, "visible"));
    until("the network has the first image", || place.network.calls.lock().unwrap().len() == 1);
    let others: Vec<_> = (0..40u8)
        .map(|number| place.begin(search_form(f32::from(number), if number % 2 == 0 { "visible" } else { "infrared" })))
        .collect();
    until("all wait", || place.metric("vireid_queue_images") == 40.0);
    place.network.set(Mood::Works);
    for begun in others.into_iter().chain([first]) {
        assert_eq!(place.finish(begun).status, 200);
    }
    let calls = place.network.calls.lock().unwrap().clone();
    let sizes: Vec<usize> = calls.iter().map(|(_, images)| *images).collect();
    assert_eq!(sizes.iter().sum::<usize>(), 41);
    // 20 images of each modality, 16 at once.
    assert_eq!(sizes.len(), 5, "{sizes:?}");
    assert!(sizes.iter().all(|images| *images <= 16), "{sizes:?}");
    assert_eq!(place.network.most_inside.load(Ordering::SeqCst), 1);
    assert_eq!(place.metric("vireid_batch_images_count"), 5.0);
    assert_eq!(place.metric("vireid_embeddings_total{modality=\"visible\"}"), 21.0);
    assert_eq!(place.metric("vireid_queue_images"), 0.0);
}

#[test]
fn a_full_queue_says_so_and_recovers() {
    let place = Place::new(Settings { queue: 3, ..Settings::default() });
    place.network.set(Mood::Stuck);
    let mut begun = vec![place.begin(search_form(0.0, "visible"))];
    until("the network has an image", || place.network.calls.lock().unwrap().len() == 1);
    for waiting in 1..=3 {
        begun.push(place.begin(search_form(0.0, "visible")));
        until("it waits", || place.metric("vireid_queue_images") == f64::from(waiting));
    }
    let refused = place.send(search_form(0.0, "visible"));
    assert_eq!((refused.error(), refused.header("retry-after")), ((503, "VR0906".into()), "1"));
    assert_eq!(place.metric("vireid_rejected_total{reason=\"queue\"}"), 1.0);
    // Who gives up makes room.
    begun.pop().unwrap().abort();
    let late = place.begin(search_form(0.0, "visible"));
    until("the queue is full again", || place.metric("vireid_queue_images") == 3.0);
    place.network.set(Mood::Works);
    for begun in begun.into_iter().chain([late]) {
        assert_eq!(place.finish(begun).status, 200);
    }
    assert_eq!(place.send(search_form(0.0, "visible")).status, 200);
}

#[test]
fn an_image_of_a_client_that_went_away_is_not_embedded() {
    let place = Place::new(Settings::default());
    place.network.set(Mood::Stuck);
    let first = place.begin(search_form(0.0, "visible"));
    until("the network has an image", || place.network.calls.lock().unwrap().len() == 1);
    let gone = place.begin(search_form(0.0, "visible"));
    until("it waits", || place.metric("vireid_queue_images") == 1.0);
    gone.abort();
    until("it is gone", || gone.is_finished());
    place.network.set(Mood::Works);
    assert_eq!(place.finish(first).status, 200);
    assert_eq!(place.send(search_form(0.0, "infrared")).status, 200);
    let sizes: Vec<usize> = place.network.calls.lock().unwrap().iter().map(|(_, images)| *images).collect();
    assert_eq!(sizes, [1, 1]);
}

#[test]
fn no_more_requests_at_once_than_allowed() {
    let place = Place::new(Settings { at_once: 1, ..Settings::default() });
    place.network.set(Mood::Stuck);
    let first = place.begin(search_form(0.0, "visible"));
    until("the first is under way", || place.network.calls.lock().unwrap().len() == 1);
    let refused = place.get("/api/v1/gallery");
    assert_eq!((refused.error(), refused.header("retry-after")), ((503, "VR0906".into()), "1"));
    assert_eq!(place.get("/health").status, 200);
    assert_eq!(place.metric("vireid_rejected_total{reason=\"requests\"}"), 1.0);
    place.network.set(Mood::Works);
    assert_eq!(place.finish(first).status, 200);
    assert_eq!(place.get("/api/v1/gallery").status, 200);
}

#[test]
fn images_in_memory_are_limited() {
    let place = Place::new(Settings { max_memory: 4096, ..Settings::default() });
    let image = [common::stand_in::PNG, &[0; 5000]].concat();
    let refused = place.post_form("/api/v1/search", &[("image", &image), ("modality", b"visible")]);
    assert_eq!(refused.error(), (503, "VR0906".into()));
    assert_eq!(place.send(search_form(0.0, "visible")).status, 200);
}

#[test]
fn work_that_takes_too_long_is_given_up() {
    let place = Place::new(Settings { timeout: Duration::from_millis(200), ..Settings::default() });
    place.network.set(Mood::Stuck);
    let reply = place.send(search_form(0.0, "visible"));
    assert_eq!((reply.error(), reply.header("retry-after")), ((503, "VR0907".into()), ""));
    place.network.set(Mood::Works);
    until("it answers again", || place.send(search_form(0.0, "visible")).status == 200);
}

#[test]
fn a_body_that_does_not_arrive_is_not_waited_for() {
    let place = Place::new(Settings { timeout: Duration::from_millis(200), ..Settings::default() });
    let start = Bytes::from(format!("--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"image\"\r\n\r\nx"));
    let never = || {
        Body::from_stream(stream::unfold(Some(start.clone()), |chunk| async {
            match chunk {
                Some(chunk) => Some((Ok::<_, std::io::Error>(chunk), None)),
                None => std::future::pending().await,
            }
        }))
    };
    for (path, kind) in [
        ("/api/v1/crops", format!("multipart/form-data; boundary={BOUNDARY}")),
        ("/api/v1/people/cluster", "application/json".into()),
    ] {
        let reply = place.send(call("POST", path).header("content-type", kind).body(never()).unwrap());
        assert_eq!(reply.error(), (408, "VR0907".into()), "{path}");
    }
}

#[test]
fn a_network_that_fails_is_an_answer_and_not_the_end() {
    let place = Place::new(Settings::default());
    for (mood, words) in [
        (Mood::Fails, "no memory on the device"),
        (Mood::Panics, "a shape is wrong"),
        (Mood::Wrong, "not 16 finite numbers"),
        (Mood::Forgets, "0 embeddings of 1 images"),
    ] {
        place.network.set(mood);
        let reply = place.send(search_form(0.0, "visible"));
        assert_eq!(reply.error(), (500, "VR0911".into()), "{mood:?}");
        assert!(reply.text().contains(words), "{}", reply.text());
        place.network.set(Mood::Works);
        assert_eq!(place.send(search_form(0.0, "visible")).status, 200, "{mood:?}");
    }
    assert_eq!(place.metric("vireid_embedder_failures_total"), 3.0);
}

#[test]
fn what_is_too_large_is_refused() {
    let place = Place::new(Settings { max_part: 1000, max_parts: 3, max_body: 5000, ..Settings::default() });
    let image = image_at(0.0);
    let send = |path: &str, parts: &[(&str, &[u8])]| place.send(form(path, parts));
    let large = (413, "VR0905".to_owned());
    assert_eq!(send("/api/v1/search", &[("image", &[0; 1001]), ("modality", b"visible")]).error(), large);
    assert_eq!(send("/api/v1/search", &[("image", &[0; 1000]), ("modality", b"visible")]).error().0, 422);
    let four: Vec<(&str, &[u8])> = (0..4).map(|_| ("image", &image[..])).collect();
    assert_eq!(send("/api/v1/tracklets", &four).error(), large);
    assert_eq!(send("/api/v1/crops", &[("image", &image), ("camera", &[b'x'; 6000])]).error(), large);
    let fields: Vec<String> = (0..129).map(|number| format!("meta.{number}")).collect();
    let fields: Vec<(&str, &[u8])> = fields.iter().map(|name| (name.as_str(), &b"1"[..])).collect();
    let many = Place::new(Settings::default()).post_form("/api/v1/search", &fields);
    assert_eq!(many.error(), large);
    let json = place.post_json("/api/v1/people/remove", json!({"entries": ["x".repeat(1 << 20)]}));
    assert_eq!(json.error(), large);
    // A part whose header never ends.
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    let endless = format!("--{BOUNDARY}\r\nx: {}", "y".repeat(10_000));
    let reply =
        place.send(call("POST", "/api/v1/search").header("content-type", kind).body(Body::from(endless)).unwrap());
    assert_eq!(reply.error(), large);
    let place = Place::new(Settings { max_rerank: 1, ..Settings::default() });
    place.add("a", "visible", 0.0);
    place.add("b", "visible", 1.0);
    assert_eq!(place.get("/api/v1/crops/a/similar?rerank=2,1,0.3").status, 200);
    place.add("c", "visible", 2.0);
    assert_eq!(place.get("/api/v1/crops/a/similar?rerank=2,1,0.3").error(), (400, "VR0901".into()));
}
