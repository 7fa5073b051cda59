//! Memory stays flat over extraction and training steps. A test binary of its own: other tests would blur the figure.

// A test that meets an unexpected error should stop right there.
#![allow(clippy::unwrap_used)]

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use vireid_backbone::{Backbone, TwoStreamNetConfig};
use vireid_core::{Modality, PerModality, Streams};
use vireid_memory::normalize_rows;
use vireid_methods::adam;
use vireid_methods::mbccm::{MbccmSettings, MemoryBanks, stage2_step};
use vireid_methods::views::{StepEmbeddings, StepLabels};

const STEPS: usize = 200;
const WARM_UP: usize = 40;

/// Memory held now, in MiB.
fn resident_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

/// Growth over the steps, after a few to warm up.
fn growth(mut step: impl FnMut()) -> f64 {
    (0..WARM_UP).for_each(|_| step());
    let before = resident_mib();
    (0..STEPS).for_each(|_| step());
    resident_mib() - before
}

#[cfg(target_os = "linux")]
#[test]
fn memory_is_flat() {
    let device = Device::flex();
    let tracked = device.clone().autodiff();
    let mut network = Some(TwoStreamNetConfig::small().init(&tracked, &mut Streams::new(0).stream("init", [0; 3])));

    let inference = network.as_ref().unwrap().valid();
    let images = Tensor::<4>::ones([16, 3, 48, 24], &device);
    let extraction = growth(|| drop(inference.embed(images.clone(), Modality::Visible).into_data()));
    assert!(extraction < 8.0, "{STEPS} extraction steps hold {extraction:.1} MiB more");

    let settings = MbccmSettings::released();
    let rows = |shift: f32| normalize_rows(Tensor::<2>::ones([4, 128], &device) * shift);
    let mut banks = MemoryBanks::new(PerModality { visible: rows(1.0), infrared: rows(-1.0) }, &settings);
    let mut optimizer = adam(5e-4);
    let visible = Tensor::<4>::ones([16, 3, 48, 24], &tracked);
    let infrared = Tensor::<4>::ones([8, 3, 48, 24], &tracked) * 0.5;
    let training = growth(|| {
        let net = network.take().unwrap();
        let embeddings = StepEmbeddings::new(net.forward(visible.clone(), infrared.clone()), 8);
        let labels = StepLabels { visible: &[0, 0, 1, 1, 2, 2, 3, 3], infrared: &[0, 0, 1, 1, 2, 2, 3, 3] };
        let loss = stage2_step(&mut banks, &embeddings, labels, &settings);
        let gradients = GradientsParams::from_grads(loss.objective.backward(), &net);
        network = Some(optimizer.step(1e-6, net, gradients));
    });
    assert!(training < 8.0, "{STEPS} training steps hold {training:.1} MiB more");
}
