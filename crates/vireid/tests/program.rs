//! The program as its users run it: two folders of unlabelled crops to a search, a manifest to a calibrated threshold, and
//! what it says to bad input.

#![allow(clippy::unwrap_used)]

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
    let output = vireid(arguments);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// Standard error of a call that fails.
fn refused(arguments: &[&str]) -> String {
    let output = vireid(arguments);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {errors}");
    assert!(!errors.contains("panicked"), "{errors}");
    errors
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

fn train(data: &Path, out: &Path) -> String {
    let mut arguments = vec!["train", "--method", "mbccm", "--data", text(data), "--out", text(out)];
    TINY.iter().for_each(|setting| arguments.extend(["--set", setting]));
    told(&arguments)
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

/// Somebody stops a verb while it works: it ends at once without a panic, what it writes can be made again, and the model is whole.
#[cfg(unix)]
#[test]
fn interrupted_verbs_lose_nothing() {
    let desk = desk();
    let (model, crops, manifest) = (desk.at("model"), desk.at("crops"), desk.at("labelled.csv"));
    let (index, world) = (desk.at("interrupted.npy"), desk.at("interrupted-world"));
    let (clusters, gallery) = (desk.at("interrupted.csv"), desk.index());
    let (model, index) = (text(&model).to_string(), text(&index).to_string());
    let (crops, manifest) = (text(&crops).to_string(), text(&manifest).to_string());
    let verbs: [&[&str]; 6] = [
        &["extract", "--model", &model, "--data", &crops, "--out", &index],
        &["eval", "--model", &model, "--data", &manifest],
        &["calibrate", "--model", &model, "--data", &manifest, "--far", "0.05"],
        &["cluster", "--model", &model, "--index", text(&gallery), "--out", text(&clusters)],
        &["data", "check", "--data", &crops],
        &["data", "synth", "--full", "--out", text(&world)],
    ];
    for verb in verbs {
        for wait in [20, 250] {
            let child = Command::new(env!("CARGO_BIN_EXE_vireid"))
                .args(verb)
                .stdout(std::process::Stdio::piped())
                .stderr(std::process::Stdio::piped())
                .spawn()
                .unwrap();
            std::thread::sleep(std::time::Duration::from_millis(wait));
            // Not INT: a shell makes its background jobs, and so their children, ignore that. To a verb without a handler
            // both mean the same.
            Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
            let output = child.wait_with_output().unwrap();
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(!errors.contains("panicked"), "{verb:?}: {errors}");
        }
    }
    assert!(!world.join("synthetic.txt").exists(), "a world of 45,000 images takes longer");
    told(&["extract", "--model", &model, "--data", &crops, "--out", &index]);
    let whole = fs::read(desk.index()).unwrap();
    assert!(fs::read(index).unwrap() == whole, "the same embeddings as before anything was interrupted");
}

#[test]
fn what_needs_no_data() {
    let methods: serde_json::Value = serde_json::from_str(&told(&["methods", "--json"])).unwrap();
    assert_eq!(methods.as_array().unwrap().len(), 5);
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
