//! The program as its users run it: crops to a search, a manifest to a threshold, and what it says to bad input.

#![allow(clippy::unwrap_used)]

mod calls;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use tempfile::TempDir;
use vireid_core::Modality;
use vireid_data::readers::read_sysu;
use vireid_data::synthetic::{Dials, SysuLayout, WorldSize, WorldSpec, write_sysu};

/// Settings that make a run take seconds.
const TINY: [&str; 9] = [
    "stage1.epochs=1",
    "stage2.epochs=1",
    "stage1.iterations=3",
    "stage2.iterations=3",
    "sampler.clusters=4",
    "sampler.instances=3",
    "clustering.k1=8",
    "clustering.eps.visible=0.7",
    "clustering.eps.infrared=0.7",
];

fn vireid(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vireid")).args(arguments).env("NO_COLOR", "1").output().unwrap()
}

/// Standard output of a call that succeeds.
fn told(arguments: &[&str]) -> String {
    calls::told(&vireid(arguments), arguments)
}

/// Standard error of a call that fails.
fn refused(arguments: &[&str]) -> String {
    calls::refused(&vireid(arguments), 1, arguments)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Unlabelled crops in camera folders, a manifest of labelled ones, and a model trained on the crops.
struct Desk {
    folder: TempDir,
}

impl Desk {
    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn index(&self) -> PathBuf {
        self.at("gallery.npy")
    }
}

fn desk() -> &'static Desk {
    static DESK: OnceLock<Desk> = OnceLock::new();
    DESK.get_or_init(|| {
        let desk = Desk { folder: tempfile::tempdir().unwrap() };
        let world = desk.at("world");
        let dials = Dials { gap: 0.1, camera: 0.2, collision: 0.0, occlusion: 0.0, view: 0.1 };
        let size = WorldSize::Small { train: 10, test: 4, visible: 5, infrared: 6 };
        write_sysu(&world, 5, &WorldSpec { dials, size }, SysuLayout::Original, |_, _| ()).unwrap();
        let dataset = read_sysu(&world).unwrap();
        let mut manifest = "path,modality,camera,identity,split\n".to_string();
        for modality in Modality::ALL {
            for (number, sample) in dataset.train.get(modality).iter().enumerate() {
                let folder = desk.at("crops").join(modality.to_string()).join(format!("camera{}", sample.camera.0));
                fs::create_dir_all(&folder).unwrap();
                fs::copy(&sample.path, folder.join(format!("{number:04}.jpg"))).unwrap();
            }
            let test = dataset.test.images();
            for (samples, split) in [(dataset.train.get(modality).as_slice(), "train"), (test.get(modality), "test")] {
                for sample in samples {
                    let path = sample.path.strip_prefix(&desk.folder).unwrap();
                    let (camera, identity) = (sample.camera.0, sample.identity.unwrap().0);
                    manifest += &format!("{},{modality},{camera},{identity},{split}\n", path.display());
                }
            }
        }
        fs::write(desk.at("labelled.csv"), manifest).unwrap();
        train(&desk.at("crops"), &desk.at("model"));
        told(&[
            "extract",
            "--model",
            text(&desk.at("model")),
            "--data",
            text(&desk.at("crops")),
            "--out",
            text(&desk.index()),
        ]);
        desk
    })
}

fn training<'a>(data: &'a Path, out: &'a Path) -> Vec<&'a str> {
    let mut arguments = vec!["train", "--method", "mbccm", "--data", text(data), "--out", text(out)];
    TINY.iter().for_each(|setting| arguments.extend(["--set", setting]));
    arguments
}

fn train(data: &Path, out: &Path) -> String {
    told(&training(data, out))
}

/// A copy of a run directory that a test may change.
fn copy_of_run(from: &Path, to: &Path) {
    for folder in ["", "checkpoints"] {
        fs::create_dir_all(to.join(folder)).unwrap();
        for entry in fs::read_dir(from.join(folder)).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_file() {
                fs::copy(&entry, to.join(folder).join(entry.file_name().unwrap())).unwrap();
            }
        }
    }
}

#[test]
fn crops_without_labels_become_a_model_a_report_and_an_answer() {
    let desk = desk();
    let report = fs::read_to_string(desk.at("model").join("report.html")).unwrap();
    assert!(report.contains("no test set") && report.contains("clusters with a partner"));
    let mut pictures = report.split("data:image/png;base64,");
    let before = pictures.next().unwrap();
    let after: Vec<&str> = pictures.map(|picture| picture.split_once('"').unwrap().1).collect();
    assert!(!after.is_empty(), "the answers at least have a picture");
    assert!([&[before], &after[..]].concat().iter().all(|part| !part.contains("<script") && !part.contains("NaN")));
    assert!(report.contains("first right answer") && report.contains("unknown"), "nobody is known");
    let events = fs::read_to_string(desk.at("model").join("events.jsonl")).unwrap();
    assert!(events.contains("\"stability\":null") && !events.contains("\"ari\""), "no identity is known");
    let stable = events.lines().filter(|line| line.contains("\"stability\":0.") || line.contains("\"stability\":1."));
    assert_eq!(stable.count(), 1);

    let query = desk.at("crops/infrared/camera3/0000.jpg");
    let sheet = desk.at("sheet.png");
    let base = [
        "search",
        "--json",
        "--model",
        text(&desk.at("model")),
        "--index",
        text(&desk.index()),
        "--query",
        text(&query),
    ]
    .map(String::from);
    let with = |more: &[&str]| {
        let all: Vec<&str> = base.iter().map(String::as_str).chain(more.iter().copied()).collect();
        serde_json::from_str::<serde_json::Value>(&told(&all)).unwrap()
    };
    // The image itself is in the index.
    let all = with(&["--modality", "infrared", "--top", "3", "--sheet", text(&sheet)]);
    assert_eq!(all.as_array().unwrap().len(), 3);
    assert!(
        all[0]["path"].as_str().unwrap().ends_with("camera3/0000.jpg") && all[0]["similarity"].as_f64() > Some(0.999)
    );
    assert!(image::open(sheet).is_ok());
    let parquet = desk.at("gallery.parquet");
    let (model, crops) = (desk.at("model"), desk.at("crops"));
    told(&["extract", "--model", text(&model), "--data", text(&crops), "--out", text(&parquet)]);
    let shared = desk.at("shared.parquet");
    told(&["extract", "--model", text(&model), "--data", text(&crops), "--out", text(&shared), "--device", "cpu,cpu"]);
    assert_eq!(fs::read(&shared).unwrap(), fs::read(&parquet).unwrap(), "two devices embed as one does");
    let again = serde_json::from_str::<serde_json::Value>(&told(&[
        "search",
        "--json",
        "--model",
        text(&model),
        "--index",
        text(&parquet),
        "--query",
        text(&query),
        "--modality",
        "infrared",
        "--top",
        "3",
    ]))
    .unwrap();
    assert_eq!(again, all, "both forms of an index answer alike");
    let visible = with(&["--modality", "infrared", "--among", "visible", "--top", "5"]);
    assert!(visible.as_array().unwrap().iter().all(|answer| answer["modality"] == "visible"));
}

#[test]
fn clusters_of_an_index_are_listed() {
    let desk = desk();
    let table = desk.at("clusters.csv");
    told(&["cluster", "--model", text(&desk.at("model")), "--index", text(&desk.index()), "--out", text(&table)]);
    let table = fs::read_to_string(table).unwrap();
    let images = fs::read_to_string(desk.index().with_extension("csv")).unwrap().lines().count();
    assert!(table.starts_with("path,modality,cluster,partners") && table.lines().count() == images);
}

#[test]
fn a_manifest_with_a_test_split_is_scored_and_calibrates() {
    let desk = desk();
    let (manifest, model) = (desk.at("labelled.csv"), desk.at("scored"));
    let table = train(&manifest, &model);
    assert!(table.contains("visible-to-infrared") && table.contains("infrared-to-visible"), "{table}");
    let (model, manifest) = (text(&model), text(&manifest));
    let scores = told(&["eval", "--json", "--model", model, "--data", manifest]);
    let scores: serde_json::Value = serde_json::from_str(&scores).unwrap();
    let results: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(Path::new(model).join("results.json")).unwrap()).unwrap();
    let last = results["evaluations"].as_array().unwrap().last().unwrap();
    assert_eq!(scores["scores"], last["scores"], "a network read back scores as it did in training");

    let answer = told(&["calibrate", "--model", model, "--data", manifest, "--far", "0.05"]);
    assert!(answer.contains("distribution-free"), "{answer}");
    let index = desk.at("scored.npy");
    told(&["extract", "--model", model, "--data", manifest, "--part", "test", "--out", text(&index)]);
    let row = fs::read_to_string(index.with_extension("csv")).unwrap();
    let query = row.lines().find(|line| line.contains(",infrared,")).unwrap().split(',').next().unwrap().to_string();
    let found = told(&[
        "search",
        "--model",
        model,
        "--index",
        text(&index),
        "--query",
        &query,
        "--modality",
        "infrared",
        "--among",
        "visible",
    ]);
    assert!(found.contains("same person") || found.contains("unknown"), "{found}");
    let best = told(&["eval", "--json", "--which", "best", "--model", model, "--data", manifest]);
    let best: serde_json::Value = serde_json::from_str(&best).unwrap();
    let evaluations = results["evaluations"].as_array().unwrap();
    let map = |scores: &serde_json::Value| scores["scores"][0]["map"]["mean"].as_f64().unwrap();
    let trained = evaluations.iter().filter(|evaluation| evaluation["epochs"].as_u64() > Some(0));
    assert_eq!(map(&best), trained.map(map).fold(f64::MIN, |a, b| if b > a { b } else { a }), "the best of the tests");
    let of_another = index.with_file_name("of-best.npy");
    told(&["extract", "--which", "best", "--model", model, "--part", "test", "--out", text(&of_another)]);
    assert_eq!(
        fs::read_to_string(of_another.with_extension("csv")).unwrap().lines().count(),
        row.lines().count(),
        "the run knows its data"
    );
    let few = refused(&["calibrate", "--model", model, "--data", manifest, "--far", "0.0000001"]);
    assert!(few.contains("VR0604"), "{few}");
    let unlabelled = refused(&["calibrate", "--model", model, "--data", text(&desk.at("crops"))]);
    assert!(unlabelled.contains("VR0604"), "{unlabelled}");

    let both = desk.at("both.html");
    told(&["report", text(&desk.at("model")), model, "--out", text(&both)]);
    let both = fs::read_to_string(both).unwrap();
    assert!(both.contains("model: visible") && both.contains("scored: visible"));
}

#[test]
fn bad_input_gets_a_code_and_no_panic() {
    let desk = desk();
    let (model, index) = (desk.at("model"), desk.index());
    let (model, index, crops) = (text(&model), text(&index), desk.at("crops"));
    let empty = desk.at("empty");
    fs::create_dir_all(&empty).unwrap();
    let picture = desk.at("picture.csv");
    fs::write(&picture, [0xff, 0xd8, 0xff]).unwrap();
    let columns = desk.at("columns.csv");
    fs::write(&columns, "file,kind\na,b\n").unwrap();
    let twice = desk.at("twice.csv");
    fs::write(&twice, "path,modality,camera\na.jpg,visible,1\na.jpg,visible,1\n").unwrap();
    let visible_only = desk.at("visible-only.csv");
    fs::write(&visible_only, "path,modality,camera\na.jpg,visible,1\n").unwrap();
    let no_table = desk.at("picture.parquet");
    fs::write(&no_table, [0xff, 0xd8, 0xff, 0xe0, 0, 16, b'J', b'F', b'I', b'F']).unwrap();
    // Its first page says that it is no dictionary: the crate that reads it panics on this.
    let damaged_page = desk.at("damaged.parquet");
    told(&["extract", "--model", model, "--data", text(&crops), "--out", text(&damaged_page)]);
    let mut bytes = fs::read(&damaged_page).unwrap();
    assert_eq!(bytes[5], 4, "the kind of a dictionary page");
    bytes[5] = 2;
    fs::write(&damaged_page, bytes).unwrap();
    let one_sided = desk.at("one-sided");
    fs::create_dir_all(one_sided.join("visible")).unwrap();
    let note = desk.at("note.txt");
    fs::write(&note, "not an image").unwrap();
    let cut = desk.at("cut.npy");
    fs::copy(index, &cut).unwrap();
    fs::write(&cut, &fs::read(index).unwrap()[..200]).unwrap();
    let foreign = desk.at("foreign.npy");
    for part in ["npy", "csv", "json"] {
        let text = fs::read(Path::new(index).with_extension(part)).unwrap();
        fs::write(foreign.with_extension(part), text).unwrap();
    }
    let json = foreign.with_extension("json");
    let other = fs::read_to_string(&json).unwrap().replacen("\"model\": \"", "\"model\": \"x", 1);
    fs::write(json, other).unwrap();
    let query = crops.join("visible/camera1/0000.jpg");
    let (query, crops, cut, foreign) = (text(&query), text(&crops), text(&cut), text(&foreign));

    let (nowhere, x, y) = (desk.at("nowhere"), desk.at("x"), desk.at("y"));
    let (nowhere, x, y) = (text(&nowhere), text(&x), text(&y));
    let cases: &[(&[&str], &str)] = &[
        (&["train", "--data", nowhere, "--dataset", "folder"], "VR0101"),
        (&["train", "--data", text(&empty)], "VR0111"),
        (&["train", "--data", nowhere], "VR0101"),
        (&["train", "--data", text(&one_sided)], "VR0102"),
        (&["train", "--data", text(&picture)], "VR0103"),
        (&["train", "--data", text(&columns)], "VR0103"),
        (&["train", "--data", text(&twice)], "VR0103"),
        (&["train", "--data", text(&visible_only)], "VR0106"),
        (&["train", "--data", text(&no_table)], "VR0103"),
        (&["data", "check", "--data", text(&no_table)], "VR0103"),
        (&["calibrate", "--model", text(&empty), "--data", crops], "VR0510"),
        (&["cluster", "--model", model, "--index", cut, "--out", x], "VR0601"),
        (&["cluster", "--model", model, "--index", foreign, "--out", x], "VR0602"),
        (
            &["search", "--model", model, "--index", text(&no_table), "--query", query, "--modality", "visible"],
            "VR0601",
        ),
        (
            &["search", "--model", model, "--index", text(&damaged_page), "--query", query, "--modality", "visible"],
            "VR0601",
        ),
        (&["methods", "show", "magic"], "VR0503"),
        (&["train", "--data", crops, "--method", "magic"], "VR0503"),
        (&["train", "--data", crops, "--set", "stage1.epoch=3", "--out", x], "VR0501"),
        (&["train", "--data", crops, "--device", "abacus", "--out", y], "VR0504"),
        (&["eval", "--model", model, "--data", crops], "VR0502"),
        (&["eval", "--model", text(&empty), "--data", crops], "VR0510"),
        (&["extract", "--model", model, "--data", crops, "--out", "gallery.txt"], "VR0606"),
        (&["search", "--model", model, "--index", index, "--query", text(&note), "--modality", "visible"], "VR0603"),
        (&["search", "--model", model, "--index", cut, "--query", query, "--modality", "visible"], "VR0601"),
        (&["search", "--model", model, "--index", foreign, "--query", query, "--modality", "visible"], "VR0602"),
        (&["report", text(&empty)], "VR0510"),
        (&["explain", "VR9999"], "VR0606"),
        (&["lend", "--device", "cpu", "--listen", "nowhere"], "VR0606"),
        (&["eval", "--model", model, "--data", crops, "--device", "cpu,tpu"], "VR0504"),
        (&["config", "nothing"], "VR0503"),
    ];
    for (arguments, code) in cases {
        let said = refused(arguments);
        assert!(said.contains(code), "{arguments:?}: {said}");
    }
}

/// An index shows the users' names, and its images are found from whichever folder somebody searches.
#[test]
fn an_index_is_searched_from_another_folder_and_shows_the_users_names() {
    let desk = desk();
    let here = |arguments: &[&str]| {
        let run = Command::new(env!("CARGO_BIN_EXE_vireid")).args(arguments).current_dir(desk.folder.path()).output();
        let output = run.unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let names = fs::read_to_string(desk.at("labelled.csv")).unwrap();
    let named = |line: &str| match line.split(',').collect::<Vec<_>>()[..] {
        [path, modality, camera, identity, split] if modality == "visible" || modality == "infrared" => {
            format!("{path},{modality},noto {camera},person {identity},{split}")
        }
        _ => line.to_string(),
    };
    fs::write(desk.at("people.csv"), names.lines().map(named).collect::<Vec<_>>().join("\n")).unwrap();
    for index in ["named.npy", "named.parquet"] {
        here(&["extract", "--model", "model", "--data", "people.csv", "--part", "test", "--out", index]);
        let (model, index, sheet) = (desk.at("model"), desk.at(index), desk.at("named.png"));
        let query = desk.at("crops/infrared/camera3/0000.jpg");
        let arguments = ["search", "--model", text(&model), "--index", text(&index), "--query", text(&query)];
        let answer = vireid(&[&arguments[..], &["--modality", "infrared", "--sheet", text(&sheet)]].concat());
        let (said, answer) = (String::from_utf8(answer.stderr).unwrap(), String::from_utf8(answer.stdout).unwrap());
        assert!(answer.contains("noto ") && !said.contains("grey"), "{answer}{said}");
        let sheet = image::open(sheet).unwrap().into_rgb8();
        // The first answer's picture, between its frames.
        let pixels = (90..130).flat_map(|x| (20..120).map(move |y| (x, y)));
        let grey = pixels.filter(|&(x, y)| sheet.get_pixel(x, y).0 == [200; 3]).count();
        assert!(grey < 2000, "{grey} of 4000 pixels are what stands for a missing image");
    }
    let table = fs::read_to_string(desk.at("named.csv")).unwrap();
    assert!(table.starts_with("path,modality,camera,identity") && table.contains(",noto 3,person "), "{table}");
}

/// The crops that the model trained on, under other names, with everybody known and for testing.
#[test]
fn a_model_that_is_judged_by_people_of_its_training_set_says_so() {
    let desk = desk();
    let labelled = fs::read_to_string(desk.at("labelled.csv")).unwrap();
    let swapped = labelled.replace(",train\n", ",?\n").replace(",test\n", ",train\n").replace(",?\n", ",test\n");
    fs::write(desk.at("swapped.csv"), swapped).unwrap();
    let (model, swapped, labelled) = (desk.at("model"), desk.at("swapped.csv"), desk.at("labelled.csv"));
    let (model, swapped, labelled) = (text(&model), text(&swapped), text(&labelled));
    let table = told(&["eval", "--quiet", "--model", model, "--data", swapped]);
    assert!(table.contains("10 of 10 people were in this network's training set"), "{table}");
    assert!(table.contains("queries"), "{table}");
    let new = told(&["eval", "--model", model, "--data", labelled]);
    assert!(!new.contains("training set"), "{new}");
    let json: serde_json::Value =
        serde_json::from_str(&told(&["eval", "--json", "--model", model, "--data", swapped])).unwrap();
    assert_eq!(json["seen_people"]["by_image"], 10);
    assert_eq!(json["scores"][0]["queries"]["counted"], json["scores"][0]["queries"]["of"]);
}

#[test]
fn a_report_of_a_damaged_run_names_the_file_and_draws_the_rest() {
    let desk = desk();
    let copy = desk.at("damaged-run");
    fs::create_dir_all(&copy).unwrap();
    for entry in fs::read_dir(desk.at("model")).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_file()) {
        fs::copy(entry.path(), copy.join(entry.file_name())).unwrap();
    }
    let evidence = fs::read(copy.join("evidence.json")).unwrap();
    fs::write(copy.join("evidence.json"), &evidence[..evidence.len() / 2]).unwrap();
    let page = desk.at("damaged.html");
    let said = refused(&["report", text(&copy), "--out", text(&page)]);
    assert!(said.contains("VR0610") && said.contains("evidence.json"), "{said}");
    let page = fs::read_to_string(page).unwrap();
    assert!(page.contains("evidence.json") && page.contains("Curves"));
}

/// Outputs replaced manifests, queries and runs without a word.
#[test]
fn no_verb_writes_over_what_it_reads_or_did_not_write() {
    let desk = desk();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let model = at("model");
    copy_of_run(&desk.at("model"), &model);
    let model = text(&model);
    let manifest = at("gallery.csv");
    let rows = fs::read_to_string(desk.at("labelled.csv")).unwrap();
    fs::write(&manifest, rows.replace("world/", &format!("{}/", text(&desk.at("world"))))).unwrap();
    for part in ["npy", "csv", "json"] {
        fs::copy(desk.index().with_extension(part), at("index.npy").with_extension(part)).unwrap();
    }
    let query = at("query.jpg");
    fs::copy(desk.at("crops/infrared/camera3/0000.jpg"), &query).unwrap();
    let note = at("note.txt");
    fs::write(&note, "mine").unwrap();
    fs::write(at("model/calibration.json"), "mine").unwrap();
    let (index, table, query, page) = (at("index.npy"), at("index.csv"), text(&query), at("model/config.toml"));
    let (gallery, manifest, index) = (at("gallery.npy"), text(&manifest), text(&index));
    let search = ["search", "--model", model, "--index", index, "--query", query, "--modality", "infrared", "--sheet"];
    let cases: [(Vec<&str>, &str, &Path); 7] = [
        (vec!["extract", "--model", model, "--data", manifest, "--out", text(&gallery)], "VR0625", Path::new(manifest)),
        (vec!["cluster", "--model", model, "--index", index, "--out", text(&table)], "VR0625", &table),
        (vec!["cluster", "--model", model, "--index", index, "--out", text(&note)], "VR0626", &note),
        ([&search[..], &[query]].concat(), "VR0625", Path::new(query)),
        ([&search[..], &[text(&note)]].concat(), "VR0626", &note),
        (vec!["report", model, "--out", text(&page)], "VR0626", &page),
        (vec!["calibrate", "--model", model, "--data", manifest, "--far", "0.05"], "VR0626", &page),
    ];
    for (arguments, code, file) in cases {
        let before = fs::read(file).unwrap();
        let said = refused(&arguments);
        assert!(said.contains(code) && said.contains("--force"), "{arguments:?}: {said}");
        assert_eq!(fs::read(file).unwrap(), before, "{arguments:?}");
    }
    let said = refused(&[&search[..], &[text(&at("sheet.png"))]].concat());
    assert!(said.contains("VR0627") && said.contains("vireid calibrate"), "{said}");
    fs::remove_file(at("model/calibration.json")).unwrap();
    // What a verb wrote it may write again, and everything when it is told to.
    let sheet = at("sheet.png");
    for _ in 0..2 {
        told(&[&search[..], &[text(&sheet)]].concat());
        told(&["report", model]);
    }
    told(&["cluster", "--model", model, "--index", index, "--out", text(&note), "--force"]);
    assert!(fs::read_to_string(&note).unwrap().starts_with("path,"));
    let drawn = refused(&["data", "synth", "--out", text(&desk.at("crops"))]);
    assert!(drawn.contains("VR0110"), "{drawn}");
    let mine = at("mine");
    fs::create_dir(&mine).unwrap();
    fs::write(mine.join("report.html"), "mine").unwrap();
    let crops = desk.at("crops");
    let started = refused(&training(&crops, &mine));
    assert!(started.contains("VR0517") && fs::read(mine.join("report.html")).unwrap() == b"mine", "{started}");
}

/// Training needs both modalities; a gallery is what it is.
#[test]
fn a_gallery_of_one_modality_is_checked_embedded_clustered_and_searched() {
    let desk = desk();
    let model = desk.at("model");
    let one_sided = desk.at("infrared-crops");
    for camera in ["camera3", "camera6"] {
        let (from, to) = (desk.at("crops/infrared").join(camera), one_sided.join("infrared").join(camera));
        fs::create_dir_all(&to).unwrap();
        for entry in fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()) {
            fs::copy(&entry, to.join(entry.file_name().unwrap())).unwrap();
        }
    }
    let test_only = desk.at("test-only.csv");
    let labelled = fs::read_to_string(desk.at("labelled.csv")).unwrap();
    let of_test = |line: &&str| line.starts_with("path,") || line.contains(",visible,") && line.ends_with(",test");
    let lines: Vec<&str> = labelled.lines().filter(of_test).collect();
    fs::write(&test_only, lines.join("\n") + "\n").unwrap();
    let infrared = fs::read_to_string(desk.index().with_extension("csv")).unwrap().matches(",infrared,").count();
    for (data, rows) in [(&one_sided, infrared), (&test_only, lines.len() - 1)] {
        let check: serde_json::Value =
            serde_json::from_str(&told(&["data", "check", "--json", "--data", text(data)])).unwrap();
        let counts = check["parts"].as_array().unwrap().iter().map(|part| part["images"].as_u64().unwrap());
        assert_eq!(counts.sum::<u64>() as usize, rows);
        let index = data.with_extension("index.npy");
        told(&["extract", "--model", text(&model), "--data", text(data), "--out", text(&index)]);
        let table = fs::read_to_string(index.with_extension("csv")).unwrap();
        assert_eq!(table.lines().count() - 1, rows, "no row vanishes");
        let clusters = data.with_extension("clusters.csv");
        let set = ["clustering.min_samples=2", "clustering.eps.visible=0.7", "clustering.eps.infrared=0.7"];
        let mut arguments = vec!["cluster", "--model", text(&model), "--index", text(&index), "--out", text(&clusters)];
        set.iter().for_each(|set| arguments.extend(["--set", set]));
        told(&arguments);
        assert_eq!(fs::read_to_string(&clusters).unwrap().lines().count() - 1, rows);
        assert!(refused(&["train", "--data", text(data)]).contains("VR010"));
        let said = refused(&["eval", "--model", text(&model), "--data", text(data)]);
        assert!(said.contains("VR0502"), "{said}");
    }
    let said = refused(&["eval", "--model", text(&model), "--data", text(&test_only)]);
    assert!(said.contains("visible images only"), "{said}");
    // One that can't be used is in nobody's way who doesn't ask for it.
    let both = desk.at("with-a-note");
    for (modality, name) in [("infrared", "note.jpg"), ("visible", "good.jpg")] {
        fs::create_dir_all(both.join(modality)).unwrap();
        fs::write(both.join(modality).join(name), "not an image").unwrap();
    }
    fs::copy(desk.at("crops/visible/camera1/0000.jpg"), both.join("visible/good.jpg")).unwrap();
    let index = both.with_extension("npy");
    let extract = ["extract", "--json", "--model", text(&model), "--data", text(&both), "--out", text(&index)];
    let said = refused(&extract);
    assert!(said.contains("VR0105") && said.contains("note.jpg") && said.contains("--skip-corrupt"), "{said}");
    assert!(!index.exists());
    for more in [&["--modality", "visible"][..], &["--skip-corrupt"]] {
        let made: serde_json::Value = serde_json::from_str(&told(&[&extract[..], more].concat())).unwrap();
        assert_eq!(made["images"], 1, "{more:?}");
    }
    let index = desk.index();
    let other = ["cluster", "--model", text(&model), "--index", text(&index), "--out", "x.csv", "--set", "seed=1"];
    assert!(refused(&other).contains("VR0606"));
}

/// It asked for the data again, and opened the default world where nobody named them.
#[test]
fn a_run_is_gone_on_with_by_its_folder_alone() {
    let desk = desk();
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("a run");
    copy_of_run(&desk.at("model"), &run);
    let before = fs::read(run.join("results.json")).unwrap();
    let elsewhere = Command::new(env!("CARGO_BIN_EXE_vireid"))
        .args(["train", "--quiet", "--resume", "--out", text(&run)])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(elsewhere.status.success(), "{}", String::from_utf8_lossy(&elsewhere.stderr));
    assert!(elsewhere.stderr.is_empty(), "{}", String::from_utf8_lossy(&elsewhere.stderr));
    assert_eq!(fs::read(run.join("results.json")).unwrap(), before);
    let moved = desk.at("world");
    let said = refused(&["train", "--resume", "--out", text(&run), "--data", text(&moved)]);
    assert!(said.contains("VR0508"), "other data are still refused: {said}");
    let said = refused(&["eval", "--which", "best", "--model", text(&run)]);
    assert!(said.contains("VR0507") && said.contains("without a test set"), "{said}");
}

/// The corrected command was refused because the wrong one had left a run.
#[test]
fn a_start_that_fails_is_not_in_the_way_of_the_next() {
    let desk = desk();
    let (crops, out) = (desk.at("crops"), desk.at("corrected"));
    let wrong = |set: &'static str| refused(&[&training(&crops, &out)[..], &["--set", set]].concat());
    assert!(wrong("backbone.weights=none.pth").contains("VR0301"));
    assert!(!out.exists(), "nothing is left");
    assert!(wrong("clustering.min_samples=500").contains("VR0505"));
    train(&crops, &out);
    let said = refused(&training(&crops, &out));
    assert!(said.contains("VR0510") && said.contains("--resume"), "{said}");
}

/// A verb is killed in the middle of the first file that it writes: what it writes can be made again, and the model is whole.
/// The system sends the signal: a file may not grow beyond a block.
#[cfg(unix)]
#[test]
fn verbs_killed_while_they_write_lose_nothing() {
    use std::os::unix::process::ExitStatusExt;
    let desk = desk();
    let (model, crops, gallery) = (desk.at("model"), desk.at("crops"), desk.index());
    let (index, table, clusters) = (desk.at("killed.npy"), desk.at("killed.parquet"), desk.at("killed.csv"));
    let world = desk.at("killed-world");
    let verbs: [&[&str]; 4] = [
        &["extract", "--model", text(&model), "--data", text(&crops), "--out", text(&index)],
        &["extract", "--model", text(&model), "--data", text(&crops), "--out", text(&table)],
        &["cluster", "--model", text(&model), "--index", text(&gallery), "--out", text(&clusters)],
        &["data", "synth", "--out", text(&world)],
    ];
    for verb in verbs {
        let limited = ["-c", "ulimit -c 0 && ulimit -f 1 && exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_vireid")];
        let output = Command::new("sh").args(limited).args(verb).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.signal().is_some(), "{verb:?}: {:?} {errors}", output.status);
        assert!(!errors.contains("panicked"), "{verb:?}: {errors}");
    }
    assert!(!world.join("synthetic.txt").exists(), "half a world does not call itself one");
    told(&["extract", "--model", text(&model), "--data", text(&crops), "--out", text(&index)]);
    assert!(
        fs::read(index).unwrap() == fs::read(gallery).unwrap(),
        "the same embeddings as before anything was killed"
    );
}

/// Reading it would wait for ever.
#[cfg(unix)]
#[test]
fn a_pipe_among_crops_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("visible/door/p.jpg");
    fs::create_dir_all(pipe.parent().unwrap()).unwrap();
    fs::copy(desk().at("crops/visible/camera1/0000.jpg"), pipe.with_file_name("a.jpg")).unwrap();
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let shown = told(&["data", "check", "--data", text(folder.path())]);
    assert!(shown.contains("neither a file nor a folder") && shown.contains("p.jpg"), "{shown}");
    let listed = folder.path().join("list.csv");
    fs::write(&listed, "path,modality,camera\nvisible/door/p.jpg,visible,1\n").unwrap();
    let shown = told(&["data", "check", "--data", text(&listed)]);
    assert!(shown.contains("it is not a file"), "{shown}");
}

/// What is printed into a full disk was lost without a word, or ended in a panic; a reader that leaves is no error.
#[cfg(target_os = "linux")]
#[test]
fn an_output_that_cannot_be_written_is_an_error() {
    for arguments in [&["config", "mbccm_sysu_paper"][..], &["config"], &["explain"], &["methods"], &["man"]] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_vireid")).args(arguments).stdout(full).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && errors.contains("VR0605"), "{arguments:?}: {errors}");
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let status = Command::new(env!("CARGO_BIN_EXE_vireid")).args(arguments).stdout(writer).status().unwrap();
        assert!(status.success(), "{arguments:?}");
    }
}

#[test]
fn what_needs_no_data() {
    for arguments in
        [&["config", "--json"][..], &["config", "mbccm_sysu_quick", "--json"], &["explain", "VR0107", "--json"]]
    {
        serde_json::from_str::<serde_json::Value>(&told(arguments)).unwrap();
    }
    let said = refused(&["train", "--method", "mbcm"]);
    assert!(said.contains("VR0503: there is no method 'mbcm'; there are: mbccm"), "{said}");
    let methods: serde_json::Value = serde_json::from_str(&told(&["methods", "--json"])).unwrap();
    assert_eq!(methods.as_array().unwrap().len(), vireid_methods::registry::methods().count());
    assert!(told(&["methods", "diff", "mbccm", "mult"]).contains("stage"));
    assert!(told(&["config"]).contains("mbccm_sysu_quick"));
    assert!(told(&["config", "mbccm_sysu_quick"]).contains("# Neighbours ranked per image"));
    assert!(told(&["config", "mbccm_sysu_quick", "--set", "seed=7"]).contains("seed = 7"));
    assert!(told(&["devices", "--quiet"]).contains("cpu"));
    assert!(told(&["completions", "bash"]).contains("_vireid"));
    assert!(told(&["man"]).contains(".TH vireid"));
    assert!(told(&["explain", "vr0107"]).contains("clustering.eps"));
    assert_eq!(vireid(&["train", "--modality"]).status.code(), Some(2));
}

#[test]
fn a_data_set_is_drawn_checked_and_planned() {
    let desk = desk();
    let check: serde_json::Value =
        serde_json::from_str(&told(&["data", "check", "--json", "--data", text(&desk.at("world"))])).unwrap();
    assert_eq!(check["synthetic"], true);
    assert!(check["parts"].as_array().unwrap().iter().all(|part| part["published"].is_null()));
    let crops = text(&desk.at("crops")).to_string();
    assert!(told(&["data", "check", "--data", &crops]).contains("fingerprint"));
    let plan = told(&["train", "--data", &crops, "--plan", "--out", text(&desk.at("planned"))]);
    assert!(plan.contains("measured just now") && !desk.at("planned").exists(), "{plan}");
}

/// A plan ran steps of full size first, and was ended for memory before it had said a word.
#[cfg(unix)]
#[test]
fn a_plan_of_a_run_that_no_machine_holds_takes_little_and_warns() {
    let desk = desk();
    let limited = ["-c", "ulimit -v 8000000 && exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_vireid")];
    let crops = desk.at("crops");
    let paper = ["train", "--plan", "--data", text(&crops), "--preset", "mbccm_sysu_paper"];
    let large = ["--set", "backbone.weights=none", "--set", "sampler.clusters=20000"];
    let output = Command::new("sh").args(limited).args(paper).args(large).output().unwrap();
    let plan = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{plan}{}", String::from_utf8_lossy(&output.stderr));
    for words in ["assumed: ", "main memory: about", "warning: VR0520: the run needs about"] {
        assert!(plan.contains(words), "'{words}' is missing in: {plan}");
    }
}

#[test]
fn training_warns_of_too_little_memory_before_the_first_step() {
    let desk = desk();
    let (crops, out) = (desk.at("crops"), desk.at("too-large"));
    let run = ["train", "--data", text(&crops), "--out", text(&out), "--set", "sampler.allow_few_clusters=false"];
    let said = refused(&[&run[..], &["--set", "sampler.clusters=10000"]].concat());
    let warning = said.find("warning: VR0520").unwrap_or_else(|| panic!("no warning in: {said}"));
    assert!(said.find("error: VR0").is_some_and(|error| warning < error), "{said}");
}

/// What lies in a folder and is not what it seems is said by `data check`.
#[test]
fn a_check_says_what_is_left_out_there_twice_or_collapsed() {
    let folder = tempfile::tempdir().unwrap();
    let (root, desk) = (folder.path(), desk());
    let crop = fs::read(desk.at("crops/visible/camera1/0000.jpg")).unwrap();
    for file in ["visible/door/a.jpg", "visible/door/copy.jfif", "visible/hall/monday/b.jpg", "visible/.hidden/c.jpg"] {
        let path = root.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, &crop).unwrap();
    }
    fs::write(root.join("visible/door/cut.jpg"), [&crop[..crop.len() / 2], b"\xff\xd9"].concat()).unwrap();
    fs::create_dir_all(root.join("infrared")).unwrap();
    let thermal = image::ImageBuffer::from_fn(16, 32, |x, y| image::Luma([29_000 + (16 * y + x) as u16]));
    image::DynamicImage::from(thermal).save(root.join("infrared/t.png")).unwrap();
    let check: serde_json::Value =
        serde_json::from_str(&told(&["data", "check", "--json", "--data", text(root)])).unwrap();
    assert_eq!((&check["parts"][0]["images"], &check["parts"][0]["cameras"]), (&3.into(), &2.into()));
    assert!(check["unusable"][0].as_str().unwrap().contains("cut.jpg"));
    assert_eq!(check["fingerprint"].as_str().unwrap().len(), 64);
    let notes = check["notes"].to_string();
    for word in ["hidden", "below", "hall", "same contents", "copy.jfif", "29000 to 29511", "input.range"] {
        assert!(notes.contains(word), "{word}: {notes}");
    }
    let shown = told(&["data", "check", "--data", text(root)]);
    assert!(shown.contains("note: left out (hidden)"), "{shown}");
    // Whoever did not ask is told as well.
    let (model, index) = (desk.at("model"), root.join("index.npy"));
    let extract = ["extract", "--skip-corrupt", "--model", text(&model), "--data", text(root), "--out", text(&index)];
    let said = vireid(&extract).stderr;
    assert!(String::from_utf8_lossy(&said).contains("note: left out (hidden)"));
}

/// A note of a hundred files would push the table off the screen; who asks for JSON gets all of them.
#[test]
fn notes_are_whole_in_json_and_short_on_the_screen() {
    let folder = tempfile::tempdir().unwrap();
    let crop = desk().at("crops/visible/camera1/0000.jpg");
    for name in (0..12).map(|number| format!("copy-{number:02}.jpg")) {
        fs::create_dir_all(folder.path().join("visible")).unwrap();
        fs::copy(&crop, folder.path().join("visible").join(&name)).unwrap();
        fs::copy(&crop, folder.path().join("visible").join(format!(".{name}"))).unwrap();
    }
    let check = ["data", "check", "--data", text(folder.path())];
    let json: serde_json::Value = serde_json::from_str(&told(&[&check[..], &["--json"]].concat())).unwrap();
    let (json, shown) = (json["notes"].to_string(), told(&check));
    assert!(json.matches("/.copy-").count() == 12 && json.matches("/copy-").count() == 12, "{json}");
    assert!(shown.matches("/.copy-").count() == 10 && shown.contains("\n  and 2 more\n"), "{shown}");
}

/// It read every training image after the test images had been embedded, and ended there where one was missing.
#[test]
fn extract_reads_no_image_that_it_does_not_embed() {
    let desk = desk();
    let labelled = fs::read_to_string(desk.at("labelled.csv")).unwrap();
    let first = labelled.lines().find(|line| line.ends_with(",train")).unwrap();
    let gone = labelled.replace(first.split(',').next().unwrap(), "gone.jpg");
    fs::write(desk.at("one-gone.csv"), gone).unwrap();
    let model = desk.at("model");
    let data = |manifest: &str| {
        let index = desk.at(manifest).with_extension("test.npy");
        let data = desk.at(manifest);
        let part = ["--part", "test", "--modality", "infrared"];
        let extract = ["extract", "--model", text(&model), "--data", text(&data), "--out", text(&index)];
        told(&[&extract[..], &part].concat());
        let origin = fs::read_to_string(index.with_extension("json")).unwrap();
        serde_json::from_str::<serde_json::Value>(&origin).unwrap()["data"].to_string()
    };
    assert_eq!(data("one-gone.csv"), data("labelled.csv"), "the fingerprint is of what was embedded");
}

#[cfg(unix)]
#[test]
fn names_that_are_no_text_are_refused_before_anything_is_embedded() {
    use std::os::unix::ffi::OsStrExt;
    let desk = desk();
    let folder = tempfile::tempdir().unwrap();
    let no_text = folder.path().join(std::ffi::OsStr::from_bytes(b"caf\xe9"));
    fs::create_dir_all(no_text.join("crops/visible")).unwrap();
    fs::create_dir_all(folder.path().join("crops/visible")).unwrap();
    let crop = desk.at("crops/visible/camera1/0000.jpg");
    fs::copy(&crop, no_text.join("crops/visible/good.jpg")).unwrap();
    fs::copy(&crop, folder.path().join("crops/visible/good.jpg")).unwrap();
    fs::copy(&crop, folder.path().join("crops/visible").join(std::ffi::OsStr::from_bytes(b"\xe9.jpg"))).unwrap();
    fs::write(folder.path().join("crops/visible/note.jpg"), "not an image").unwrap();
    let (model, index) = (desk.at("model"), folder.path().join("index.npy"));
    let extract = |from: &Path, more: &[&str]| {
        let arguments = ["extract", "--json", "--model", text(&model), "--data", "crops", "--out", text(&index)];
        Command::new(env!("CARGO_BIN_EXE_vireid")).args(arguments).args(more).current_dir(from).output().unwrap()
    };
    // The second has a name; the folder that it would be named from has none.
    for (from, images) in [(folder.path(), "1 of 3"), (no_text.as_path(), "1 of 1")] {
        let output = extract(from, &[]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("VR0105") && said.contains(images) && said.contains("UTF-8"), "{said}");
        assert!(!said.contains("note.jpg") && !index.exists(), "no image was looked into: {said}");
    }
    let output = extract(folder.path(), &["--skip-corrupt"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("2 images that can't be used left out"), "{said}");
    assert_eq!(fs::read_to_string(index.with_extension("csv")).unwrap().lines().count(), 2);
}

/// There are infrared images in the list: that there is none said nothing of what is wrong with them.
#[test]
fn a_modality_without_an_image_that_can_be_used_is_told_by_its_images() {
    let desk = desk();
    let crop = desk.at("crops/visible/camera1/0000.jpg");
    let (manifest, out) = (desk.at("all-gone.csv"), desk.at("all-gone"));
    let rows =
        format!("path,modality,camera\n{},visible,1\ngone-1.jpg,infrared,2\ngone-2.jpg,infrared,2\n", text(&crop));
    fs::write(&manifest, rows).unwrap();
    let train = training(&manifest, &out);
    assert!(refused(&train).contains("VR0105"));
    let refused = refused(&[&train[..], &["--skip-corrupt"]].concat());
    let checked = told(&["data", "check", "--data", text(&manifest)]);
    for said in [refused, checked] {
        assert!(said.contains("VR0112: none of the 2 infrared") && !said.contains("VR0106"), "{said}");
        assert!(said.contains("gone-1.jpg") && said.contains("gone-2.jpg"), "{said}");
    }
}

/// Thermal images of 16 bits are flat grey in the full range.
#[test]
fn a_network_in_use_reads_images_in_the_range_that_it_was_trained_on() {
    let desk = desk();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let ranged = at("model");
    copy_of_run(&desk.at("model"), &ranged);
    let config = fs::read_to_string(ranged.join("config.toml")).unwrap();
    fs::write(ranged.join("config.toml"), config.replace("[input]\n", "[input]\nrange = \"image\"\n")).unwrap();
    let mut manifest = "path,modality,camera,identity,split\n".to_string();
    for (person, turned) in [("ann", false), ("bob", true)] {
        let shade = |x: u32, y: u32| if turned { 32 * x } else { 16 * y };
        let thermal = image::ImageBuffer::from_fn(16, 32, |x, y| image::Luma([29_000 + shade(x, y) as u16]));
        for modality in Modality::ALL {
            let name = format!("{person}-{modality}.png");
            image::DynamicImage::from(thermal.clone()).save(at(&name)).unwrap();
            manifest += &format!("{name},{modality},{modality},{person},test\n");
        }
    }
    let (data, plain) = (at("thermal.csv"), desk.at("model"));
    fs::write(&data, manifest).unwrap();
    let extracted = |model: &Path, name: &str| {
        let index = at(name);
        told(&["extract", "--model", text(model), "--data", text(&data), "--out", text(&index)]);
        index
    };
    let (index, flat) = (extracted(&ranged, "ranged.npy"), extracted(&plain, "plain.npy"));
    assert_ne!(fs::read(&index).unwrap(), fs::read(&flat).unwrap());

    let query = at("bob-infrared.png");
    let network = ["search", "--json", "--model", text(&ranged), "--query", text(&query), "--modality", "infrared"];
    let found: serde_json::Value =
        serde_json::from_str(&told(&[&network[..], &["--index", text(&index)]].concat())).unwrap();
    assert!(found[0]["path"].as_str().unwrap().ends_with("bob-infrared.png"), "{found}");
    assert!(found[0]["similarity"].as_f64() > Some(0.9999), "{found}");
    let said = refused(&[&network[..], &["--index", text(&flat)]].concat());
    assert!(said.contains("VR0612") && said.contains("input.range"), "{said}");

    let said = |model: &Path| {
        let output = vireid(&["eval", "--model", text(model), "--data", text(&data)]);
        assert!(output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(said(&plain).contains("grey levels are left"), "{}", said(&plain));
    assert!(!said(&ranged).contains("grey levels are left"), "{}", said(&ranged));
}

/// What a call writes to a terminal on standard error.
#[cfg(unix)]
fn drawn(arguments: &[&str]) -> String {
    use std::io::Read;

    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&screen).and_then(|()| unlockpt(&screen)).unwrap();
    let name = ptsname(&screen, Vec::new()).unwrap();
    let keyboard = fs::OpenOptions::new().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_vireid"));
    command.args(arguments).stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null()).stderr(keyboard);
    let mut child = command.spawn().unwrap();
    // Else this end of the terminal would never see its other end closed.
    drop(command);
    let (mut screen, mut text) = (fs::File::from(screen), Vec::new());
    let mut part = [0; 4096];
    // A terminal whose other end is closed is an error on Linux and an end elsewhere.
    while let Ok(length @ 1..) = screen.read(&mut part) {
        text.extend_from_slice(&part[..length]);
    }
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(child.wait().unwrap().success(), "{arguments:?}: {text}");
    text
}

#[cfg(unix)]
#[test]
fn a_quiet_program_draws_nothing() {
    let desk = desk();
    let (crops, model, labelled) = (desk.at("crops"), desk.at("model"), desk.at("labelled.csv"));
    let verbs = |name: &str| -> Vec<Vec<String>> {
        let (run, index, synth) = (desk.at(&format!("{name}-run")), desk.at(&format!("{name}.npy")), desk.at(name));
        let calls: [&[&str]; 5] = [
            &["data", "synth", "--out", text(&synth)],
            &["data", "check", "--data", text(&crops)],
            &training(&crops, &run),
            &["extract", "--model", text(&model), "--data", text(&crops), "--out", text(&index)],
            &["eval", "--model", text(&model), "--data", text(&labelled)],
        ];
        calls.map(|call| call.iter().map(ToString::to_string).collect()).to_vec()
    };
    for (call, quiet) in verbs("seen").iter().zip(verbs("unseen")) {
        let words: Vec<&str> = call.iter().map(String::as_str).collect();
        assert!(drawn(&words).contains("\u{1b}["), "{words:?} draws nothing, so this test could not fail");
        let words: Vec<&str> = quiet.iter().map(String::as_str).chain(["--quiet"]).collect();
        assert_eq!(drawn(&words), "", "{words:?}");
    }
}
