//! Galleries as the program's users have them: crops go in, are found, are forgotten; a service that is killed loses nothing.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod calls;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::Value;
use tempfile::TempDir;
use vireid_core::Modality;
use vireid_data::readers::read_sysu;
use vireid_data::synthetic::{Dials, SysuLayout, WorldSize, WorldSpec, write_sysu};
use vireid_gallery::{Judgement, Local, Moment, Store};

/// How many crops there are.
const CROPS: u64 = 135;

/// Crops of a small world, and an untrained network.
struct Desk {
    folder: TempDir,
}

impl Desk {
    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.at(name).to_str().unwrap().to_string()
    }
}

fn desk() -> &'static Desk {
    static DESK: OnceLock<Desk> = OnceLock::new();
    DESK.get_or_init(|| {
        let desk = Desk { folder: tempfile::tempdir().unwrap() };
        let world = desk.at("world");
        let dials = Dials { gap: 0.1, camera: 0.2, collision: 0.0, occlusion: 0.0, view: 0.1 };
        let size = WorldSize::Small { train: 8, test: 4, visible: 3, infrared: 3 };
        write_sysu(&world, 5, &WorldSpec { dials, size }, SysuLayout::Original, |_, _| ()).unwrap();
        let dataset = read_sysu(&world).unwrap();
        let mut count = 0;
        for modality in Modality::ALL {
            for (number, sample) in dataset.train.get(modality).iter().enumerate() {
                let folder = desk.at("crops").join(modality.to_string()).join(format!("camera{}", sample.camera.0));
                fs::create_dir_all(&folder).unwrap();
                fs::copy(&sample.path, folder.join(format!("{number:04}.jpg"))).unwrap();
                count += 1;
            }
        }
        assert_eq!(count, CROPS);
        let model = desk.text("model");
        let output = vireid(&["import", "--weights", "builtin:small", "--out", &model]);
        calls::told(&output, &["import"]);
        desk
    })
}

fn vireid(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vireid")).env("NO_COLOR", "1").args(arguments).output().unwrap()
}

/// What a call answers as JSON.
fn json(arguments: &[&str]) -> Value {
    let arguments = [&["--json"], arguments].concat();
    serde_json::from_str(&calls::told(&vireid(&arguments), &arguments)).unwrap()
}

fn refused(arguments: &[&str]) -> String {
    calls::refused(&vireid(arguments), 1, arguments)
}

/// A gallery of all crops, of a name of its own.
fn filled(name: &str, more: &[&str]) -> String {
    let (desk, gallery) = (desk(), desk().text(name));
    let (model, crops) = (desk.text("model"), desk.text("crops"));
    let added = json(&[&["gallery", "add", &gallery, "--model", &model, "--data", &crops], more].concat());
    assert_eq!((&added["new"], &added["kept"]), (&CROPS.into(), &0.into()), "{added}");
    gallery
}

fn count(gallery: &str) -> u64 {
    let info = json(&["gallery", "info", gallery]);
    info["visible"].as_u64().unwrap() + info["infrared"].as_u64().unwrap()
}

/// The query of a search and where it is among the crops.
fn query() -> (String, String) {
    let folder = desk().at("crops/infrared");
    let camera = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).min().unwrap();
    let path = fs::read_dir(&camera).unwrap().map(|entry| entry.unwrap().path()).min().unwrap();
    let id = path.strip_prefix(desk().at("crops")).unwrap().to_str().unwrap().to_string();
    (path.to_str().unwrap().to_string(), id)
}

#[test]
fn a_gallery_answers_as_an_index_of_the_same_crops() {
    let (desk, gallery) = (desk(), filled("as-an-index", &[]));
    let (model, crops, (query, id)) = (desk.text("model"), desk.text("crops"), query());
    let words = ["search", "--model", &model, "--query", &query, "--modality", "infrared", "--top", "7"];
    let search = |more: &[&str]| json(&[&words[..], more].concat());
    for filter in
        [&[][..], &["--among", "visible"], &["--camera", "camera1", "--camera", "camera3"], &["--rerank=8,3,0.3"]]
    {
        let of_gallery = search(&[&["--gallery", &gallery], filter].concat());
        let of_images = search(&[&["--data", &crops], filter].concat());
        let (found, expected) = (of_gallery.as_array().unwrap(), of_images.as_array().unwrap());
        assert_eq!((found.len(), expected.len()), (7, 7));
        for (found, expected) in found.iter().zip(expected) {
            // Batches of other images round differently, and so break ties.
            let [a, b] = [found, expected].map(|answer| answer["similarity"].as_f64().unwrap() as f32);
            vireid_compare::assert_near(a, b, 1e-5);
            assert_eq!(found["modality"], expected["modality"]);
        }
    }
    let nearest = &search(&["--gallery", &gallery])[0];
    assert_eq!((nearest["path"].as_str(), nearest["camera"].as_str()), (Some(&*id), id.split('/').nth(1)));
    let said = refused(&[&words[..], &["--data", &crops, "--from", "2026-01-01T00:00:00Z"]].concat());
    assert!(said.contains("VR0606") && said.contains("--gallery"), "{said}");
}

#[test]
fn what_is_there_is_not_embedded_again_and_what_is_deleted_can_come_back() {
    let (desk, gallery) = (desk(), filled("again", &["--file-times", "--meta", "floor=2"]));
    let (model, crops) = (desk.text("model"), desk.text("crops"));
    let add = ["gallery", "add", &gallery, "--model", &model, "--data", &crops];
    let again = json(&add);
    assert_eq!((&again["new"], &again["kept"]), (&0.into(), &CROPS.into()));
    let delete = |more: &[&str]| json(&[&["gallery", "delete", &gallery], more].concat())["deleted"].as_u64().unwrap();
    let (_, id) = query();
    assert_eq!(delete(&["--id", &id, "--id", "nobody"]), 1);
    assert_eq!(delete(&["--meta", "floor=3"]), 0);
    assert_eq!(delete(&["--until", "2001-01-01T00:00:00Z"]), 0);
    let visible = delete(&["--among", "visible", "--meta", "floor=2", "--from", "2001-01-01T00:00:00Z"]);
    assert_eq!(count(&gallery), CROPS - 1 - visible);
    let said = refused(&["gallery", "delete", &gallery]);
    assert!(said.contains("VR0606") && said.contains("--all"), "{said}");
    assert_eq!(json(&add)["new"], 1 + visible);
    let check = json(&["gallery", "check", &gallery]);
    assert!(check["erased_bytes"].as_u64() > Some(0) && check["damaged"].as_array().unwrap().is_empty(), "{check}");
    assert_eq!(delete(&["--all"]), CROPS);
    assert_eq!(count(&gallery), 0);
}

#[test]
fn copies_hold_the_same_and_exact_searches_find_all() {
    let (desk, gallery) = (desk(), filled("original", &["--keep-images"]));
    let copy = desk.text("copy");
    let copied = json(&["gallery", "copy", &gallery, &copy]);
    assert_eq!((&copied["entries"], &copied["images"]), (&CROPS.into(), &CROPS.into()), "{copied}");
    assert_eq!(json(&["gallery", "copy", &gallery, &copy])["there"], CROPS);
    let recall = json(&["gallery", "recall", &copy, "--sample", "20"]);
    assert_eq!((&recall["mean"], &recall["queries"]), (&1.0.into(), &20.into()), "{recall}");
    let (_, id) = query();
    let image = Local::open(&copy, None).unwrap().image(&id).unwrap().unwrap();
    assert_eq!(image, fs::read(desk.at("crops").join(id)).unwrap());
}

#[test]
fn another_network_and_another_process_are_refused() {
    let (desk, gallery) = (desk(), filled("guarded", &[]));
    let (crops, other) = (desk.text("crops"), desk.text("other"));
    let words = ["import", "--weights", "none", "--backbone", "small", "--seed", "1", "--out", &other];
    calls::told(&vireid(&words), &words);
    let said = refused(&["gallery", "add", &gallery, "--model", &other, "--data", &crops]);
    assert!(said.contains("VR0804") && said.contains("weights"), "{said}");
    let images =
        refused(&["gallery", "add", &gallery, "--model", &desk.text("model"), "--data", &crops, "--keep-images"]);
    assert!(images.contains("VR0606") && images.contains("keeps no images"), "{images}");
    let said = refused(&["gallery", "info", &desk.text("no-such-gallery")]);
    assert!(said.contains("VR0808"), "{said}");
    let service = Service::start(&gallery);
    let said = refused(&["gallery", "info", &gallery]);
    assert!(said.contains("VR0805"), "{said}");
    drop(service);
    assert_eq!(count(&gallery), CROPS);
}

#[test]
fn a_watched_folder_goes_into_a_gallery_once() {
    let (desk, gallery) = (desk(), desk().text("watched"));
    let (model, folder) = (desk.text("model"), desk.at("arriving"));
    let night = folder.join("infrared/night");
    fs::create_dir_all(&night).unwrap();
    let (image, _) = query();
    fs::copy(&image, night.join("1.jpg")).unwrap();
    fs::write(night.join("2.jpg"), "no image").unwrap();
    let folder = folder.to_str().unwrap();
    let watch = || json(&["watch", folder, "--model", &model, "--gallery", &gallery, "--once", "--every", "0.05"]);
    let first = watch();
    assert_eq!((&first["added"], &first["unusable"]), (&1.into(), &1.into()), "{first}");
    fs::copy(&image, night.join("2.jpg")).unwrap();
    let second = watch();
    assert_eq!((&second["added"], &second["were_there"], &second["unusable"]), (&1.into(), &1.into(), &0.into()));
    let kept = Local::open(&gallery, None).unwrap().get("infrared/night/2.jpg").unwrap().unwrap();
    let modified = fs::metadata(night.join("2.jpg")).unwrap().modified().unwrap();
    assert_eq!((kept.facts.camera.as_str(), kept.facts.time), ("night", Some(Moment::from(modified))));
}

#[test]
fn a_service_that_is_killed_answers_the_same_when_it_is_back() {
    let (desk, gallery) = (desk(), desk().text("served"));
    let mut service = Service::start(&gallery);
    let crops = desk.text("crops");
    let watched = json(&["watch", &crops, "--service", &service.address, "--once", "--every", "0.05"]);
    assert_eq!(watched["added"], CROPS, "{watched}");
    let (_, id) = query();
    let similar = format!("/api/v1/crops/{}/similar?top=9&among=visible", id.replace('/', "%2F"));
    let before = service.get(&similar);
    assert_eq!(before["answers"].as_array().unwrap().len(), 9, "{before}");
    service.child.kill().unwrap();
    service.child.wait().unwrap();
    let service = Service::start(&gallery);
    assert_eq!(service.get(&similar), before);
    assert_eq!(
        service.get("/api/v1/gallery")["visible"].as_u64().unwrap()
            + service.get("/api/v1/gallery")["infrared"].as_u64().unwrap(),
        CROPS
    );
}

#[test]
fn a_threshold_is_learnt_from_what_people_said() {
    let (desk, gallery) = (desk(), filled("judged", &[]));
    {
        let store = Local::open(&gallery, None).unwrap();
        let answers = store.page(None, &Default::default(), 1).unwrap().entries.remove(0).facts;
        for number in 0..60 {
            let judgement = Judgement {
                query: None,
                query_modality: Modality::Infrared,
                answer: answers.id.clone(),
                answer_modality: answers.modality,
                similarity: 0.01 * number as f32,
                same: number >= 40,
                time: Moment::now(),
            };
            store.judge(judgement).unwrap();
        }
    }
    // The same network, in a folder of its own: other tests have no calibration.
    let model = desk.text("judged-model");
    let words = ["import", "--weights", "builtin:small", "--out", &model];
    calls::told(&vireid(&words), &words);
    let learnt = json(&["calibrate", "--model", &model, "--gallery", &gallery, "--far", "0.05"]);
    assert_eq!((&learnt["same"], &learnt["different"]), (&20.into(), &40.into()), "{learnt}");
    // Just above the 39th of 40.
    assert_eq!(learnt["threshold"], f64::from(0.01 * 38.0f32).next_up());
}

#[test]
fn an_address_that_others_can_reach_needs_a_token() {
    let (desk, gallery) = (desk(), desk().text("open"));
    let said = refused(&["serve", "--model", &desk.text("model"), "--gallery", &gallery, "--listen", "0.0.0.0:0"]);
    assert!(said.contains("VR0912"), "{said}");
    assert!(!desk.at("open").exists(), "nothing was made");
}

/// A running service; it is killed at the end.
struct Service {
    child: Child,
    address: String,
}

impl Service {
    fn start(gallery: &str) -> Self {
        let mut serve = Command::new(env!("CARGO_BIN_EXE_vireid"));
        serve.args(["serve", "--listen", "127.0.0.1:0", "--model", &desk().text("model"), "--gallery", gallery]);
        let mut child = serve.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        let line = lines.find(|line| line.contains("http://")).expect("the service did not start");
        std::thread::spawn(move || lines.for_each(drop));
        let address = line[line.find("http://").unwrap()..].split_whitespace().next().unwrap();
        Self { child, address: address.trim_end_matches('/').into() }
    }

    /// The JSON that it answers with.
    fn get(&self, path: &str) -> Value {
        let host = self.address.trim_start_matches("http://");
        let mut stream = TcpStream::connect(host).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        serde_json::from_str(&text[text.find('{').unwrap()..=text.rfind('}').unwrap()]).unwrap()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
