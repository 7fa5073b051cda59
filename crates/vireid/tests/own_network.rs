//! A program that registers a network of its own has every verb for it.

#![allow(clippy::unwrap_used)]

use std::ffi::OsString;
use std::fs;
use std::process::ExitCode;

use burn::tensor::Device;
use vireid::program;
use vireid_backbone::{TwoStreamNet, TwoStreamNetConfig};
use vireid_core::Streams;
use vireid_data::ImageSize;
use vireid_data::synthetic::{Dials, SysuLayout, WorldSize, WorldSpec, write_sysu};
use vireid_methods::networks::{self, NetworkKind};
use vireid_methods::{BackboneSettings, MethodError};

struct Mine;

impl NetworkKind for Mine {
    type Network = TwoStreamNet;

    fn names(&self) -> Vec<String> {
        vec!["mine".into()]
    }

    fn init(
        &self,
        _: &BackboneSettings,
        _: ImageSize,
        streams: Streams,
        device: &Device,
    ) -> Result<TwoStreamNet, MethodError> {
        Ok(TwoStreamNetConfig::small().init(device, &mut streams.stream("init", [0; 3])))
    }
}

fn status(words: &[&str]) -> String {
    let words = std::iter::once("vireid").chain(words.iter().copied());
    format!("{:?}", program(words.map(OsString::from)))
}

#[test]
fn every_verb_takes_a_network_that_was_registered() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    let size = WorldSize::Small { train: 10, test: 4, visible: 4, infrared: 6 };
    let dials = Dials { gap: 0.5, camera: 0.3, collision: 0.0, occlusion: 0.0, view: 0.1 };
    write_sysu(folder.path().join("world").as_path(), 1, &WorldSpec { dials, size }, SysuLayout::Original, |_, _| ())
        .unwrap();
    let (world, run, index) = (at("world"), at("run"), at("index.npy"));
    let query = fs::read_dir(folder.path().join("world/cam3")).unwrap().next().unwrap().unwrap().path();
    let query = fs::read_dir(query).unwrap().next().unwrap().unwrap().path();
    let train = ["train", "--method", "mbccm", "--preset", "quick", "--data", &world, "--out", &run];
    let sets = [
        "backbone.name=mine",
        "stage1.epochs=1",
        "stage2.epochs=0",
        "stage1.iterations=2",
        "sampler.clusters=4",
        "sampler.instances=2",
        "clustering.k1=8",
        "clustering.eps.visible=0.7",
        "clustering.eps.infrared=0.7",
    ];
    let train: Vec<&str> = train.into_iter().chain(sets.iter().flat_map(|set| ["--set", set])).collect();
    let done = format!("{:?}", ExitCode::SUCCESS);
    // Before it is registered nobody knows it, and nothing is left behind.
    assert_ne!(status(&train), done);
    assert!(!folder.path().join("run").exists());
    networks::register(Mine);
    for words in [
        &train[..],
        &["eval", "--model", &run, "--data", &world],
        &["extract", "--model", &run, "--data", &world, "--out", &index],
        &["search", "--model", &run, "--index", &index, "--query", query.to_str().unwrap(), "--modality", "infrared"],
        &["cluster", "--model", &run, "--index", &index, "--out", &at("clusters.csv")],
        &["calibrate", "--model", &run, "--data", &world],
        &["report", &run],
    ] {
        assert_eq!(status(words), done, "{words:?}");
    }
}
