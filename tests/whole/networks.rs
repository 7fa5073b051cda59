//! Other networks in the place of the residual one: one setting, and every step from training to embeddings.

use std::sync::atomic::AtomicBool;

use vireid_compare::assert_close;
use vireid_core::Modality;
use vireid_data::readers::read_sysu;
use vireid_methods::{
    CheckpointKind, Outcome, Session, SessionOptions, TrainedNetwork, TrainingImages, parse_device, preset, registry,
};

use crate::program::{TINY, world};

fn overrides(name: &str, more: &[&str]) -> Vec<String> {
    let network = format!("backbone.name={name}");
    let settings = [network.as_str(), "backbone.weights=none", "stage2.epochs=0"];
    TINY.iter().chain(&settings).chain(more).map(ToString::to_string).collect()
}

#[test]
fn a_vision_transformer_is_trained_and_used_like_any_network() {
    // Of its 22 million weights alone four copies are more than a third of a GB.
    train_and_use("vit_small_16", &[], 384, 0.35e9..2e9);
}

#[test]
fn an_efficientnet_is_trained_and_used_like_any_network() {
    // Small weights, wide activations.
    train_and_use("efficientnet_lite0", &[], 1280, 0.1e9..1e9);
    train_and_use("efficientnet_lite0", &["backbone.precision=bf16", "backbone.pixels=half"], 1280, 0.1e9..1e9);
}

fn train_and_use(name: &str, more: &[&str], dim: usize, bytes: std::ops::Range<f64>) {
    let config = preset("mbccm_sysu_quick", &overrides(name, more)).unwrap();
    let images = TrainingImages::open(read_sysu(world()).unwrap(), &config.engine, false, |_, _| ()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let method = registry::build(&config).unwrap();
    let options = SessionOptions { config, out: out.clone(), resume: false, device: "cpu".into() };
    let mut session = Session::open(options, method, images.clone()).unwrap();
    let needs = session.memory_needs().unwrap();
    assert!(needs.len() == 1 && bytes.contains(&needs[0].needed), "{needs:?}");
    let outcome = session.train(&mut (), &AtomicBool::new(false)).unwrap();
    let Outcome::Finished(evaluations) = outcome else { panic!("nobody interrupted it") };
    let trained = TrainedNetwork::open(&out, CheckpointKind::Last, parse_device("cpu").unwrap()).unwrap();
    assert_eq!(trained.dim(), dim);
    let again = trained.evaluate(&images.test, |_| ()).unwrap();
    let maps = |scores: &[vireid_methods::Score]| scores.iter().map(|score| score.map.mean).collect::<Vec<f64>>();
    assert_close(&maps(&again), &maps(&evaluations.last().unwrap().scores), 1e-9);
    let rows = trained.embed(&images.test.images.infrared, Modality::Infrared, |_| ()).unwrap();
    assert_eq!((rows.rows(), rows.dim()), (images.test.images.infrared.len(), dim));
}

#[test]
fn what_only_residual_networks_have_is_refused() {
    let vit = "vit_small_16";
    for (name, set, says) in [
        (vit, "backbone.non_local=true", "backbone.non_local"),
        (vit, "backbone.precision=bf16", "backbone.precision"),
        (vit, "backbone.stride_in_1x1=true", "backbone.stride_in_1x1"),
        (vit, "backbone.weights=builtin:small", "backbone.weights"),
        (vit, "input.height=8", "no patch of 16"),
        ("efficientnet_lite0", "backbone.non_local=true", "backbone.non_local"),
        ("efficientnet_lite0", "backbone.weights=builtin:small", "backbone.weights"),
    ] {
        let config = preset("mbccm_sysu_quick", &overrides(name, &[set])).unwrap();
        let images = TrainingImages::listed(read_sysu(world()).unwrap(), &config.engine).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let method = registry::build(&config).unwrap();
        let out = folder.path().join("run");
        let options = SessionOptions { config, out: out.clone(), resume: false, device: "cpu".into() };
        let error = Session::open(options, method, images).err().unwrap().to_string();
        assert!(error.starts_with("VR0303") && error.contains(says), "{set}: {error}");
        assert!(!out.exists());
    }
}
