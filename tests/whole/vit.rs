//! A vision transformer in the place of the residual network: one setting, and every step from training to embeddings.

use std::sync::atomic::AtomicBool;

use vireid_compare::assert_close;
use vireid_core::Modality;
use vireid_data::readers::read_sysu;
use vireid_methods::{
    CheckpointKind, Outcome, Session, SessionOptions, TrainedNetwork, TrainingImages, parse_device, preset, registry,
};

use crate::program::{TINY, world};

fn overrides(more: &[&str]) -> Vec<String> {
    let vit = ["backbone.name=vit_small_16", "backbone.weights=none", "stage2.epochs=0"];
    TINY.iter().chain(&vit).chain(more).map(ToString::to_string).collect()
}

#[test]
fn a_vision_transformer_is_trained_and_used_like_any_network() {
    let config = preset("mbccm_sysu_quick", &overrides(&[])).unwrap();
    let images = TrainingImages::open(read_sysu(world()).unwrap(), &config.engine, false, |_, _| ()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let method = registry::build(&config).unwrap();
    let options = SessionOptions { config, out: out.clone(), resume: false, device: "cpu".into() };
    let mut session = Session::open(options, method, images.clone()).unwrap();
    // Of its 22 million weights alone four copies are more than a third of a GB.
    let needs = session.memory_needs().unwrap();
    assert!(needs.len() == 1 && (0.35e9..2e9).contains(&needs[0].needed), "{needs:?}");
    let outcome = session.train(&mut (), &AtomicBool::new(false)).unwrap();
    let Outcome::Finished(evaluations) = outcome else { panic!("nobody interrupted it") };
    let trained = TrainedNetwork::open(&out, CheckpointKind::Last, parse_device("cpu").unwrap()).unwrap();
    assert_eq!(trained.dim(), 384);
    let again = trained.evaluate(&images.test, |_| ()).unwrap();
    let maps = |scores: &[vireid_methods::Score]| scores.iter().map(|score| score.map.mean).collect::<Vec<f64>>();
    assert_close(&maps(&again), &maps(&evaluations.last().unwrap().scores), 1e-9);
    let rows = trained.embed(&images.test.images.infrared, Modality::Infrared, |_| ()).unwrap();
    assert_eq!((rows.rows(), rows.dim()), (images.test.images.infrared.len(), 384));
}

#[test]
fn what_only_residual_networks_have_is_refused() {
    for (set, says) in [
        ("backbone.non_local=true", "backbone.non_local"),
        ("backbone.precision=bf16", "backbone.precision"),
        ("backbone.stride_in_1x1=true", "backbone.stride_in_1x1"),
        ("backbone.weights=builtin:small", "backbone.weights"),
        ("input.height=8", "no patch of 16"),
    ] {
        let config = preset("mbccm_sysu_quick", &overrides(&[set])).unwrap();
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
