//! Networks that were trained elsewhere, and untrained ones, as the program's users have them: from a file to an answer.

#![allow(clippy::unwrap_used)]

mod calls;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use burn::tensor::Device;
use tempfile::TempDir;
use vireid_backbone::TwoStreamNetConfig;
use vireid_backbone::parameters::named_parameters;
use vireid_core::{Modality, Streams};
use vireid_data::readers::read_sysu;
use vireid_data::synthetic::{Dials, SysuLayout, WorldSize, WorldSpec, write_sysu};
use vireid_methods::{CheckpointKind, TrainedNetwork, parse_device, preset, registry};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// A small world in SYSU-MM01's layout, crops of it, and a folder of its own for each test.
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
        let size = WorldSize::Small { train: 6, test: 4, visible: 3, infrared: 3 };
        write_sysu(&world, 5, &WorldSpec { dials, size }, SysuLayout::Original, |_, _| ()).unwrap();
        let dataset = read_sysu(&world).unwrap();
        for modality in Modality::ALL {
            for (number, sample) in dataset.train.get(modality).iter().enumerate() {
                let folder = desk.at("crops").join(modality.to_string()).join(format!("camera{}", sample.camera.0));
                fs::create_dir_all(&folder).unwrap();
                fs::copy(&sample.path, folder.join(format!("{number:04}.jpg"))).unwrap();
            }
        }
        desk
    })
}

fn vireid(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vireid"));
    // Nothing of the machine's own cache takes part.
    command.env("NO_COLOR", "1").env("XDG_CACHE_HOME", desk().at("cache"));
    command.args(arguments).output().unwrap()
}

fn told(arguments: &[&str]) -> String {
    calls::told(&vireid(arguments), arguments)
}

fn refused(arguments: &[&str]) -> String {
    calls::refused(&vireid(arguments), 1, arguments)
}

/// An image of the crops.
fn query(modality: &str) -> String {
    let cameras = fs::read_dir(desk().at("crops").join(modality)).unwrap().map(|entry| entry.unwrap().path());
    let camera = cameras.min().unwrap();
    let image = fs::read_dir(camera).unwrap().map(|entry| entry.unwrap().path()).min().unwrap();
    image.to_str().unwrap().to_string()
}

/// A ResNet-18 of torchvision's names, drawn from a seed.
fn torchvision_file(path: &Path) {
    use safetensors::Dtype;
    use safetensors::tensor::TensorView;
    let net = TwoStreamNetConfig::resnet18().init(&Device::default(), &mut Streams::new(9).stream("init", [0; 3]));
    let mut tensors: BTreeMap<String, (Vec<usize>, Vec<u8>)> = BTreeMap::new();
    for (name, shape, values) in named_parameters(&net) {
        if name.starts_with("stem_infrared") || name.starts_with("neck") {
            continue;
        }
        let mut name = name.replace("stem_visible.conv", "conv1").replace("stem_visible.bn", "bn1");
        for stage in 0..4 {
            name = name.replace(&format!("layers.{stage}.blocks"), &format!("layer{}", stage + 1));
        }
        let name = name.replace("downsample.conv", "downsample.0").replace("downsample.bn", "downsample.1");
        tensors.insert(name, (shape, values.iter().flat_map(|value| value.to_le_bytes()).collect()));
    }
    tensors.insert("fc.weight".into(), (vec![1], vec![0; 4]));
    let views = tensors.iter().map(|(n, (shape, b))| (n, TensorView::new(Dtype::F32, shape.clone(), b).unwrap()));
    fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

fn hash(model: &Path) -> String {
    TrainedNetwork::open(model, CheckpointKind::Last, parse_device("cpu").unwrap()).unwrap().hash().to_string()
}

/// Two commands from a file to an answer, and every other verb with the same folder.
#[test]
fn from_a_file_of_weights_to_an_answer_in_two_commands() {
    let desk = desk();
    let (file, model) = (desk.text("resnet18.safetensors"), desk.text("imported"));
    torchvision_file(Path::new(&file));
    let said = told(&["import", "--weights", &file, "--size", "64x32", "--out", &model]);
    assert!(said.contains("resnet18 for images of 64 x 32, read as torchvision: 105 parameters"), "{said}");
    assert!(said.contains("left out: fc.weight") && said.contains("the neck is the identity"), "{said}");
    let (crops, world, query) = (desk.text("crops"), desk.text("world"), query("infrared"));
    let search = ["search", "--json", "--model", &model, "--query", &query, "--modality", "infrared"];
    let answers = told(&[&search[..], &["--data", &crops, "--top", "3"]].concat());
    let answers: serde_json::Value = serde_json::from_str(&answers).unwrap();
    assert_eq!((answers.as_array().unwrap().len(), answers[0]["path"].as_str()), (3, Some(query.as_str())));
    assert!(answers[0]["similarity"].as_f64().unwrap() > 0.999);

    let index = desk.text("imported.npy");
    told(&["extract", "--model", &model, "--data", &crops, "--out", &index]);
    let with_index = told(&[&search[..], &["--index", &index, "--top", "3"]].concat());
    assert_eq!(serde_json::from_str::<serde_json::Value>(&with_index).unwrap(), answers);
    assert!(told(&["eval", "--model", &model, "--data", &world]).contains("mAP"));
    let warned = String::from_utf8(vireid(&["eval", "--model", &model, "--data", &world]).stderr).unwrap();
    assert!(warned.contains("the network was imported"), "{warned}");
    told(&["calibrate", "--model", &model, "--data", &world, "--far", "0.1"]);

    // Its checkpoint is a file of weights too, of the same bytes.
    let checkpoint = desk.text("imported/checkpoints/last.safetensors");
    let again = desk.text("again");
    let said = told(&["import", "--weights", &checkpoint, "--as", "own", "--size", "64x32", "--out", &again]);
    assert!(said.contains("resnet18") && said.contains("read as own"), "{said}");
    assert_eq!(hash(Path::new(&again)), hash(Path::new(&model)));

    // It is no run to go on with, nor is it written over.
    let said = refused(&["train", "--resume", "--out", &model, "--data", &crops]);
    assert!(said.contains("VR0510") && said.contains("--start"), "{said}");
    assert!(refused(&["import", "--weights", &file, "--out", &model]).contains("VR0510"));
    // Without a word on what is searched.
    assert_eq!(vireid(&search).status.code(), Some(2));
}

/// Without an epoch the starting network is what a run keeps.
#[test]
fn training_starts_from_an_imported_network() {
    let desk = desk();
    let (model, out, crops) = (desk.text("untrained"), desk.text("started"), desk.text("crops"));
    let said = told(&["import", "--weights", "none", "--backbone", "small", "--seed", "3", "--out", &model]);
    assert!(said.contains("small for images of 96 x 48, untrained"), "{said}");
    let none = ["--set", "stage1.epochs=0", "--set", "stage2.epochs=0"];
    told(&[&["train", "--method", "mbccm", "--data", &crops, "--start", &model, "--out", &out], &none[..]].concat());
    assert_eq!(hash(Path::new(&out)), hash(Path::new(&model)));
    let builtin = told(&["import", "--weights", "builtin:small", "--out", &desk.text("builtin")]);
    assert!(builtin.contains("small for images of 96 x 48, read as own"), "{builtin}");
    let other = desk.text("untrained-4");
    told(&["import", "--weights", "none", "--backbone", "small", "--seed", "4", "--out", &other]);
    assert_ne!(hash(Path::new(&other)), hash(Path::new(&model)));
    let said = refused(&["train", "--data", &crops, "--start", &desk.text("nowhere"), "--out", &desk.text("x")]);
    assert!(said.contains("VR0510") && said.contains("there is no run in"), "{said}");
}

/// Of every method: its stages may all be left out, and the run that has none is used and gone on with like any other.
#[test]
fn every_method_runs_without_an_epoch() {
    let desk = desk();
    let world = desk.text("world");
    for method in registry::methods() {
        let out = desk.text(&format!("no-epoch-{method}"));
        let stages = preset(&format!("{method}_sysu_quick"), &[]).unwrap().engine.stages.len();
        let none: Vec<String> = (1..=stages).map(|stage| format!("stage{stage}.epochs=0")).collect();
        let mut arguments = vec!["train", "--method", method, "--preset", "quick", "--data", &world, "--out", &out];
        none.iter().for_each(|setting| arguments.extend(["--set", setting]));
        assert!(told(&arguments).contains("untrained"), "{method}");
        assert!(desk.at(&format!("no-epoch-{method}/report.html")).is_file(), "{method}");
        let first = hash(Path::new(&out));
        told(&["train", "--resume", "--out", &out]);
        assert_eq!(hash(Path::new(&out)), first, "{method}");
        told(&["eval", "--model", &out]);
    }
}

/// A file of PyTorch's whose pickle runs a command where it is trusted.
fn malicious() -> Vec<u8> {
    let pickle = b"\x80\x02ccollections\nOrderedDict\nq\x00)Rq\x01X\x01\x00\x00\x00xq\x02cposix\nsystem\nq\x03X\x19\x00\x00\x00touch pickle_was_executedq\x04\x85q\x05Rq\x06s.";
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, content) in [("data.pkl", &pickle[..]), ("version", b"3\n"), ("byteorder", b"little")] {
        archive.start_file(format!("archive/{name}"), stored).unwrap();
        archive.write_all(content).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

#[test]
fn what_is_no_file_of_weights_is_refused_with_the_way_out() {
    let desk = desk();
    let (out, file) = (desk.text("refused"), desk.text("bad.pth"));
    let import = |more: &[&str]| {
        let said = refused(&[&["import", "--out", &out, "--backbone", "resnet18"], more].concat());
        assert!(!Path::new(&out).exists(), "{said}");
        said
    };
    let malicious = malicious();
    let damaged: [(&[u8], &str); 6] = [
        (b"", "empty"),
        (b"<!DOCTYPE html>\n<html>404</html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 3\n", "git lfs pull"),
        (b"PK\x03\x04 and no more", "cut short"),
        (b"not weights", "VR0301"),
        (&malicious, "there are no weights in it"),
    ];
    for (content, says) in damaged {
        fs::write(&file, content).unwrap();
        let said = import(&["--weights", &file]);
        assert!(said.contains("error: VR030") && said.contains(says), "{says}: {said}");
    }
    assert!(!Path::new("pickle_was_executed").exists());
    assert!(import(&["--weights", &desk.text("crops")]).contains("it is a folder"));
    assert!(import(&["--weights", &desk.text("nowhere.pth")]).contains("there is no such file"));
    // Known, and not here yet.
    for name in ["resnet50-0676ba61.pth", "resnet50"] {
        let said = import(&["--weights", name]);
        assert!(said.contains("VR0301") && said.contains("hint: vireid weights get resnet50:"), "{said}");
    }

    let weights = desk.text("of-18.safetensors");
    torchvision_file(Path::new(&weights));
    let said = refused(&["import", "--weights", &weights, "--backbone", "resnet50", "--out", &out]);
    assert!(said.contains("VR0302") && said.contains("the file is of a resnet18"), "{said}");
    let said = import(&["--weights", &weights, "--as", "usl-vi-reid"]);
    assert!(said.contains("VR0302") && said.contains("as torchvision 105") && said.contains("unused: "), "{said}");
    let said = import(&["--weights", &weights, "--set", "clustering.eps=1"]);
    assert!(said.contains("VR0501"), "{said}");
    assert_eq!(vireid(&["import", "--weights", "none", "--as", "keras", "--out", &out]).status.code(), Some(2));
    assert!(refused(&["import", "--weights", "none", "--out", &out]).contains("--backbone must name a network"));
    fs::write(&file, b"").unwrap();
    let mut cut = fs::read(&weights).unwrap();
    cut.truncate(cut.len() / 2);
    fs::write(&file, cut).unwrap();
    assert!(import(&["--weights", &file]).contains("VR0301"));
}

#[test]
fn weights_are_listed_and_taken_from_a_file() {
    let desk = desk();
    let listed: serde_json::Value = serde_json::from_str(&told(&["weights", "list", "--json"])).unwrap();
    let first = &listed[0];
    assert_eq!((first["name"].as_str(), first["path"].is_null()), (Some("resnet50"), true));
    assert_eq!(first["sha256"].as_str().unwrap().len(), 64);
    assert!(told(&["weights", "list"]).contains("resnet50-2017"));
    let said = refused(&["weights", "get", "resnet51"]);
    assert!(said.contains("VR0631") && said.contains("resnet18"), "{said}");
    let brought = desk.text("brought.pth");
    fs::write(&brought, b"another file").unwrap();
    let said = refused(&["weights", "get", "resnet50", "--from", &brought]);
    assert!(said.contains("VR0633") && said.contains("12 bytes"), "{said}");
    // Training on photographs with the published settings says the one command.
    let world = desk.text("world");
    let out = desk.text("paper");
    let said = refused(&["train", "--preset", "mbccm_sysu_paper", "--data", &world, "--out", &out]);
    assert!(said.contains("VR0301") && said.contains("hint: vireid weights get resnet50:"), "{said}");
    assert!(!Path::new(&out).exists());
}

/// Answers and scores by k-reciprocal neighbours, beside those by the cosine.
#[test]
fn answers_and_scores_are_re_ranked_where_that_is_asked_for() {
    let desk = desk();
    let (model, world, crops) = (desk.text("re-ranked"), desk.text("world"), desk.text("crops"));
    told(&["import", "--weights", "builtin:small", "--out", &model]);
    let index = desk.text("re-ranked.npy");
    told(&["extract", "--model", &model, "--data", &crops, "--out", &index]);
    let query = fs::read_dir(desk.at("crops/infrared/camera3")).unwrap().next().unwrap().unwrap().path();
    let search = |more: &[&str]| -> Vec<serde_json::Value> {
        let query = query.to_str().unwrap();
        let all =
            ["search", "--json", "--model", &model, "--index", &index, "--query", query, "--modality", "infrared"];
        serde_json::from_str(&told(&[&all[..], &["--among", "visible", "--top", "7"], more].concat())).unwrap()
    };
    let number = |answer: &serde_json::Value, key: &str| answer[key].as_f64();
    let plain = search(&[]);
    assert!(plain.iter().all(|answer| number(answer, "distance").is_none()));
    let re_ranked = search(&["--rerank=4,2,0.3"]);
    let distances: Vec<f64> = re_ranked.iter().map(|answer| number(answer, "distance").unwrap()).collect();
    assert!(distances.len() == 7 && distances.is_sorted(), "{distances:?}");
    let similarities = |answers: &[serde_json::Value]| -> Vec<f64> {
        answers.iter().map(|answer| number(answer, "similarity").unwrap()).collect()
    };
    assert!(similarities(&plain).is_sorted_by(|a, b| a >= b));
    assert!(!similarities(&re_ranked).is_sorted_by(|a, b| a >= b), "neighbours change the order");
    // With nothing but the plain distance the order is the cosine's.
    assert_eq!(similarities(&search(&["--rerank=4,2,1"])), similarities(&plain));

    let scores = |more: &[&str]| -> serde_json::Value {
        serde_json::from_str(&told(&[&["--json", "eval", "--model", &model, "--data", &world], more].concat())).unwrap()
    };
    let (plain, alike, re_ranked) = (scores(&[]), scores(&["--rerank=20,6,1"]), scores(&["--rerank"]));
    assert_eq!(re_ranked["moment"], "trained, re-ranked 20,6,0.3");
    assert_eq!(plain["scores"], alike["scores"]);
    assert_ne!(plain["scores"], re_ranked["scores"]);
    let misused = vireid(&["eval", "--model", &model, "--data", &world, "--rerank=0,6,0.3"]);
    let said = String::from_utf8(misused.stderr).unwrap();
    assert!(misused.status.code() == Some(2) && said.contains("at least 1"), "{said}");
}
