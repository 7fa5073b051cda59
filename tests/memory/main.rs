//! Memory stays flat over extraction and training steps, and a step takes what a plan reckons. A test binary of its own: other tests would blur the figure.

// A test that meets an unexpected error should stop right there.
#![allow(clippy::unwrap_used)]

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use vireid_backbone::{Backbone, Precision, TwoStreamNetConfig};
use vireid_compare::is_near;
use vireid_core::{Modality, PerModality, Streams};
use vireid_memory::normalize_rows;
use vireid_methods::mbccm::{MbccmSettings, MemoryBanks, stage2_step};
use vireid_methods::views::{StepEmbeddings, StepLabels};
use vireid_methods::{RunConfig, activation_bytes, adam};

const STEPS: usize = 200;
const WARM_UP: usize = 40;

/// Memory held now, in MiB.
fn resident_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

/// The largest memory held since the last [`forget_peak`], in MiB.
fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

fn forget_peak() {
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
}

/// Peak of a training step of `images` images, half of them infrared.
fn peak_of_step(name: &str, precision: Precision, images: usize, [height, width]: [usize; 2]) -> f64 {
    let tracked = Device::flex().autodiff();
    let config = TwoStreamNetConfig::from_name(name).unwrap().with_precision(precision);
    let network = config.init(&tracked, &mut Streams::new(0).stream("init", [0; 3]));
    let blank = || Tensor::<4>::zeros([images / 2, 3, height, width], &tracked);
    let mut optimizer = adam(5e-4);
    forget_peak();
    let features = network.forward(blank(), blank());
    let loss = features.visible.embedding.powi_scalar(2).mean() + features.infrared.embedding.powi_scalar(2).mean();
    let gradients = GradientsParams::from_grads(loss.backward(), &network);
    drop(optimizer.step(1e-9, network, gradients));
    peak_mib()
}

/// What `train --plan` reckons of a step's memory, against the peaks of small steps: how much more a step of more images holds.
fn the_reckoned_memory_is_that_of_steps() {
    let cases = [
        ("small", Precision::F32, [96, 48], [64, 320]),
        ("resnet18", Precision::F32, [288, 144], [4, 20]),
        ("resnet50", Precision::F32, [288, 144], [2, 10]),
        ("resnet50", Precision::Bf16, [288, 144], [2, 10]),
    ];
    for (name, precision, size, [few, many]) in cases {
        let overrides = [
            format!("backbone.name={name}"),
            format!("backbone.precision={}", if precision == Precision::F32 { "f32" } else { "bf16" }),
            format!("input.height={}", size[0]),
            format!("input.width={}", size[1]),
        ];
        let config = RunConfig::from_preset("mbccm_sysu_paper", &overrides).unwrap();
        // The first pass also makes what later ones find: threads, kept blocks of memory.
        peak_of_step(name, precision, few, size);
        let measured = peak_of_step(name, precision, many, size) - peak_of_step(name, precision, few, size);
        let reckoned = activation_bytes(&config, "cpu", many - few).unwrap() / f64::from(1 << 20);
        println!(
            "{name} {precision:?}: {} more images hold {measured:.0} MiB more, reckoned {reckoned:.0}",
            many - few
        );
        assert!(is_near(measured / reckoned, 1.0, 0.3), "{name} {precision:?}: {measured:.0} MiB, not {reckoned:.0}");
    }
}

/// Growth over the steps, after a few to warm up.
fn growth(mut step: impl FnMut()) -> f64 {
    (0..WARM_UP).for_each(|_| step());
    let before = resident_mib();
    (0..STEPS).for_each(|_| step());
    resident_mib() - before
}

/// One test: two at a time would see each other's memory.
#[cfg(target_os = "linux")]
#[test]
fn memory() {
    memory_is_flat();
    the_reckoned_memory_is_that_of_steps();
}

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
