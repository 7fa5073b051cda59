//! A trained network leaves as ONNX and as weights, and comes back as the same network.

#![allow(clippy::unwrap_used)]

mod calls;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};
use std::sync::OnceLock;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use tempfile::TempDir;
use vireid_backbone::parameters::named_parameters;
use vireid_backbone::{Backbone, Features, TwoStreamNet, TwoStreamNetConfig, WeightFile, load_imagenet};
use vireid_core::{Modality, PerModality, Streams};
use vireid_data::ImageSize;
use vireid_data::synthetic::{Dials, SysuLayout, WorldSize, WorldSpec, write_sysu};
use vireid_methods::networks::{self, NetworkKind};
use vireid_methods::{BackboneSettings, CheckpointKind, MethodError, TrainedNetwork, parse_devices};

const TINY: [&str; 8] = [
    "stage1.epochs=1",
    "stage2.epochs=0",
    "stage1.iterations=2",
    "sampler.clusters=4",
    "sampler.instances=2",
    "clustering.k1=8",
    "clustering.eps.visible=0.7",
    "clustering.eps.infrared=0.7",
];

struct Desk {
    folder: TempDir,
}

impl Desk {
    fn at(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_string()
    }
}

/// A world, and the small network trained on it for two steps.
fn desk() -> &'static Desk {
    static DESK: OnceLock<Desk> = OnceLock::new();
    DESK.get_or_init(|| {
        let desk = Desk { folder: tempfile::tempdir().unwrap() };
        let size = WorldSize::Small { train: 10, test: 4, visible: 4, infrared: 6 };
        let dials = Dials { gap: 0.5, camera: 0.3, collision: 0.0, occlusion: 0.0, view: 0.1 };
        let world = PathBuf::from(desk.at("world"));
        write_sysu(&world, 1, &WorldSpec { dials, size }, SysuLayout::Original, |_, _| ()).unwrap();
        let run = desk.at("run");
        told(&training(&desk.at("world"), &run, &[]));
        desk
    })
}

fn training<'a>(world: &'a str, out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut words = vec!["train", "--method", "mbccm", "--preset", "quick", "--data", world, "--out", out];
    TINY.iter().chain(more).for_each(|set| words.extend(["--set", set]));
    words
}

fn vireid(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vireid")).args(words).env("NO_COLOR", "1").output().unwrap()
}

fn told(words: &[&str]) -> String {
    calls::told(&vireid(words), words)
}

/// The code of the error that a call ends with.
fn code(words: &[&str]) -> String {
    let errors = calls::refused(&vireid(words), 1, words);
    let message = errors.lines().find_map(|line| line.strip_prefix("error: ")).unwrap();
    message[..6].to_string()
}

fn small() -> TwoStreamNet {
    TwoStreamNetConfig::small().init(&Device::default(), &mut Streams::new(7).stream("init", [0; 3]))
}

fn loaded(file: &str) -> TwoStreamNet {
    load_imagenet(small(), &WeightFile::Path(file.into())).unwrap()
}

fn open(run: &str) -> TrainedNetwork {
    TrainedNetwork::open(Path::new(run), CheckpointKind::Last, parse_devices("cpu").unwrap()).unwrap()
}

#[test]
fn graphs_of_both_modalities_tell_what_they_are() {
    let desk = desk();
    let (run, out) = (desk.at("run"), desk.at("person.onnx"));
    let told = told(&["--json", "export", "--model", &run, "--out", &out]);
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["files"].as_array().unwrap().len(), 2);
    for (number, modality) in ["visible", "infrared"].into_iter().enumerate() {
        let bytes = fs::read(desk.at(&format!("person-{modality}.onnx"))).unwrap();
        assert_eq!(&bytes[4..10], b"vireid");
        let text = String::from_utf8_lossy(&bytes).into_owned();
        for fact in ["vireid.method", "mbccm", "vireid.data", "vireid.licence", "uint8 [batch, 96, 48, 3]", "stem_"] {
            assert!(text.contains(fact), "{fact}");
        }
        assert!(text.contains(&format!("network.stem_{modality}.conv.weight")));
        let difference = told["files"][number]["largest_difference"].as_f64();
        assert_eq!(difference.is_some(), cfg!(feature = "export-check"));
        assert!(difference.is_none_or(|difference| difference < 1e-4));
    }
    assert!(!Path::new(&out).exists());
    // Of data: a few images from all over them, in a build that can run a graph.
    let of_data = ["--json", "export", "--model", &run, "--out", &out, "--data", &desk.at("world")];
    if cfg!(feature = "export-check") {
        let told: serde_json::Value = serde_json::from_str(&self::told(&of_data)).unwrap();
        for number in 0..2 {
            assert_eq!(told["files"][number]["images"], 20);
            assert!(told["files"][number]["largest_difference"].as_f64().unwrap() < 1e-4);
        }
    } else {
        assert_eq!(code(&of_data), "VR0606");
    }
    // What was written here before may be written again, and is the same.
    let first = fs::read(desk.at("person-visible.onnx")).unwrap();
    self::told(&["export", "--model", &run, "--out", &out]);
    assert!(fs::read(desk.at("person-visible.onnx")).unwrap() == first);
}

#[test]
fn weights_come_back_as_the_same_network() {
    let desk = desk();
    let (run, out) = (desk.at("run"), desk.at("own.safetensors"));
    told(&["export", "--model", &run, "--out", &out, "--names", "own"]);
    let trained = open(&run);
    let net = loaded(&out);
    assert!(named_parameters(&net) == trained.parameters());
    let size = trained.size();
    let images: Vec<Vec<u8>> =
        (0..2).map(|image| (0..3 * size.area()).map(|place| (place * 7 + image * 31) as u8).collect()).collect();
    let pixels: Vec<f32> = images
        .iter()
        .flat_map(|image| {
            let mut view = vireid_data::transform::to_planar(image);
            let mut stream = Streams::new(0).stream("none", [0; 3]);
            let normalise = [vireid_data::transform::Transform::Normalize];
            vireid_data::transform::apply(&normalise, &mut view, size, &mut stream);
            view
        })
        .collect();
    let shape = [2, 3, size.height, size.width];
    let input = Tensor::<4>::from_data(burn::tensor::TensorData::new(pixels, shape), &Device::default());
    for modality in Modality::ALL {
        let again: Vec<f32> = net.embed(input.clone(), modality).into_data().try_to_vec().unwrap();
        let expected = trained.embed_bytes(&images, modality, false).unwrap();
        vireid_compare::assert_close(&again, expected.as_slice(), 1e-6);
    }
    let first = fs::read(&out).unwrap();
    told(&["export", "--model", &run, "--out", &out, "--names", "own"]);
    assert!(fs::read(&out).unwrap() == first, "the same bytes for the same weights");
}

/// From a run to a file, to a run, to a file, to a run: nothing is lost or swapped on the way, whosever names the file has.
#[test]
fn what_leaves_and_comes_back_is_the_same() {
    let desk = desk();
    let (run, world) = (desk.at("run"), desk.at("world"));
    let trained = open(&run).parameters();
    // Two steps have told the first layers of the modalities apart, so that exchanged ones would show.
    let of = |name: &str| &trained.iter().find(|(own, ..)| own == name).unwrap().2;
    assert_ne!(of("stem_visible.conv.weight"), of("stem_infrared.conv.weight"));
    let scores = |model: &str| -> serde_json::Value {
        let told = told(&["--json", "eval", "--model", model, "--data", &world]);
        serde_json::from_str::<serde_json::Value>(&told).unwrap()["scores"].take()
    };
    for (outward, inward) in [("published", "usl-vi-reid"), ("own", "own")] {
        let mut model = run.clone();
        let mut files = Vec::new();
        for number in 0..2 {
            let [file, next] = ["safetensors", "run"].map(|ending| desk.at(&format!("{outward}-{number}.{ending}")));
            told(&["export", "--model", &model, "--out", &file, "--names", outward]);
            told(&["import", "--weights", &file, "--backbone", "small", "--as", inward, "--out", &next]);
            assert!(open(&next).parameters() == trained, "{outward} {number}");
            assert_eq!(scores(&next), scores(&run), "{outward} {number}");
            files.push(file);
            model = next;
        }
        let last = desk.at(&format!("{outward}-last.safetensors"));
        told(&["export", "--model", &model, "--out", &last, "--names", outward]);
        assert!(fs::read(&last).unwrap() == fs::read(&files[1]).unwrap(), "{outward}: the same bytes");
    }
}

#[test]
fn torchvisions_names_are_read_back_with_the_stem_of_the_modality() {
    let desk = desk();
    let (run, out) = (desk.at("run"), desk.at("torchvision.safetensors"));
    told(&["export", "--model", &run, "--out", &out, "--names", "torchvision", "--modality", "infrared"]);
    let (back, trained) = (named_parameters(&loaded(&out)), open(&run).parameters());
    for (name, _, values) in &back {
        let expected = name.replace("stem_visible", "stem_infrared");
        let of_run = trained.iter().find(|(name, ..)| *name == expected).unwrap();
        // torchvision has no neck.
        assert!(name.starts_with("neck.") || *values == of_run.2, "{name}");
    }
}

#[test]
fn what_cannot_be_exported_is_told_with_a_code() {
    let desk = desk();
    let (run, world) = (desk.at("run"), desk.at("world"));
    let [graph, weights] = ["bad.onnx", "bad.safetensors"].map(|name| desk.at(name));
    let foreign = desk.at("mine.onnx");
    fs::write(&foreign, "mine").unwrap();
    let folder = desk.at("folder.onnx");
    fs::create_dir(&folder).unwrap();
    for (words, expected) in [
        (vec!["--model", &world, "--out", &graph], "VR0510"),
        (vec!["--model", "nowhere", "--out", &graph], "VR0510"),
        (vec!["--model", &run, "--out", &foreign, "--modality", "visible"], "VR0626"),
        (vec!["--model", &run, "--out", &folder, "--modality", "visible"], "VR0626"),
        (vec!["--model", &run, "--out", &desk.at("bad.txt")], "VR0606"),
        (vec!["--model", &run, "--out", &desk.at("bad.pth"), "--format", "torch"], "VR0606"),
        (vec!["--model", &run, "--out", &graph, "--names", "own"], "VR0606"),
        (vec!["--model", &run, "--out", &weights, "--raw"], "VR0606"),
        (vec!["--model", &run, "--out", &weights, "--names", "torchvision"], "VR0606"),
        (vec!["--model", &run, "--out", &weights, "--data", &world], "VR0606"),
        (vec!["--model", &run, "--out", &weights, "--names", "timm", "--modality", "visible"], "VR0307"),
    ] {
        assert_eq!(code(&[&["export"], &words[..]].concat()), expected, "{words:?}");
    }
    assert_eq!(fs::read_to_string(&foreign).unwrap(), "mine");
    assert!(!Path::new(&graph).exists() && !Path::new(&weights).exists());
    // Of two files neither is written where one can't be.
    fs::create_dir(desk.at("half-infrared.onnx")).unwrap();
    assert_eq!(code(&["export", "--model", &run, "--out", &desk.at("half.onnx"), "--force"]), "VR0605");
    assert!(!Path::new(&desk.at("half-visible.onnx")).exists());
    // A format that nobody knows is a wrong argument.
    assert_eq!(vireid(&["export", "--model", &run, "--out", &graph, "--format", "tflite"]).status.code(), Some(2));
}

/// A network that does not say how it is drawn.
#[derive(Module, Debug)]
struct Mute {
    inner: TwoStreamNet,
}

impl Backbone for Mute {
    fn dim(&self) -> usize {
        self.inner.dim()
    }

    fn forward(&self, visible: Tensor<4>, infrared: Tensor<4>) -> PerModality<Features> {
        self.inner.forward(visible, infrared)
    }

    fn in_training_mode(self) -> Self {
        Self { inner: self.inner.in_training_mode() }
    }

    fn embed(&self, images: Tensor<4>, modality: Modality) -> Tensor<2> {
        self.inner.embed(images, modality)
    }
}

struct MuteKind;

impl NetworkKind for MuteKind {
    type Network = Mute;

    fn names(&self) -> Vec<String> {
        vec!["mute".into()]
    }

    fn init(&self, _: &BackboneSettings, _: ImageSize, streams: Streams, device: &Device) -> Result<Mute, MethodError> {
        Ok(Mute { inner: TwoStreamNetConfig::small().init(device, &mut streams.stream("init", [0; 3])) })
    }
}

#[test]
fn a_network_of_ones_own_that_is_not_drawn_leaves_as_weights() {
    networks::register(MuteKind);
    let desk = desk();
    let (world, run) = (desk.at("world"), desk.at("mute"));
    let status = |words: &[&str]| {
        let words = std::iter::once("vireid").chain(words.iter().copied());
        format!("{:?}", vireid::program(words.map(OsString::from)))
    };
    let done = format!("{:?}", ExitCode::SUCCESS);
    assert_eq!(status(&training(&world, &run, &["backbone.name=mute"])), done);
    let (graph, weights) = (desk.at("mute.onnx"), desk.at("mute.safetensors"));
    assert_ne!(status(&["export", "--model", &run, "--out", &graph]), done);
    let error = open(&run).onnx(Modality::Visible, false).unwrap_err().to_string();
    assert!(error.starts_with("VR0530") && error.contains("safetensors"), "{error}");
    assert_eq!(status(&["export", "--model", &run, "--out", &weights]), done);
    assert!(Path::new(&weights).exists() && !Path::new(&desk.at("mute-visible.onnx")).exists());
}
