//! `cargo xtask bench train` and `bench load`: seconds of a training step, and of the way from JPEG files to embeddings,
//! beside PyTorch's for the same work where PyTorch is.
//!
//! Every measurement is a process of its own, so that its peak memory is its own; ours and the peer's alternate.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use vireid_backbone::{Backbone, TwoStreamNet, TwoStreamNetConfig};
use vireid_core::{Modality, PerModality, Stream, Streams};
use vireid_data::readers::read_sysu;
use vireid_data::synthetic::WorldSpec;
use vireid_data::{CacheBudget, Dataset, ImageList, ImageSize, ResizeFilter};
use vireid_memory::normalize_rows;
use vireid_methods::mbccm::{MbccmSettings, MemoryBanks, stage2_step};
use vireid_methods::views::{StepEmbeddings, StepLabels};
use vireid_methods::{adam, extract, peak_memory_mib};

const PEER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../benches/peer/train.py");
const LOAD_PEER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../benches/peer/load.py");
const TRAIN: [&str; 6] =
    ["small-forward", "small-backward", "small-step", "resnet50-forward", "resnet50-backward", "resnet50-step"];
const VISIBLE_CLUSTERS: usize = 100;
const INFRARED_CLUSTERS: usize = 60;

type Failure = Box<dyn std::error::Error>;

/// What one process measured.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Measurement {
    seconds: f64,
    images: usize,
    peak_mib: f64,
}

/// One line of the report.
#[derive(Serialize)]
struct Line {
    work: &'static str,
    images: usize,
    seconds: f64,
    images_per_second: f64,
    peak_mib: f64,
    peer_seconds: Option<f64>,
    peer_peak_mib: Option<f64>,
    speed_relative_to_peer: Option<f64>,
}

/// Training steps: measures everything `rounds` times and keeps the best of each.
pub fn train(python: Option<&str>, rounds: usize, out: Option<&Path>) -> Result<(), Failure> {
    header();
    let mut lines = Vec::new();
    for work in TRAIN {
        let peer = python.map(|python| (python, vec![PEER.to_string(), work.to_string()]));
        lines.push(compare(work, &["bench", "one", work], peer, rounds)?);
    }
    let seconds = |work: &str| lines.iter().find(|line| line.work == work).map_or(f64::NAN, |line| line.seconds);
    for (network, images) in [("small", 120.0 / 64.0), ("resnet50", 9.0 / 8.0)] {
        let backbone = images * seconds(&format!("{network}-backward"));
        let share = 100.0 * (1.0 - backbone / seconds(&format!("{network}-step")));
        println!("{network}: about {share:.0} % of a step outside the backbone (optimiser, memories, losses)");
    }
    write(&lines, out)
}

/// From JPEG files to embeddings of the small network, nothing cached.
pub fn load(python: Option<&str>, rounds: usize, out: Option<&Path>) -> Result<(), Failure> {
    header();
    let root = Path::new("data/synthetic/world-0");
    vireid_examples::draw_world(root, 0, &WorldSpec::sysu())?;
    let peer = python.map(|python| (python, vec![LOAD_PEER.to_string(), root.display().to_string()]));
    let line = compare("jpeg-to-embedding", &["bench", "one", "small-load"], peer, rounds)?;
    write(&[line], out)
}

fn header() {
    println!(
        "{:<18} {:>7} {:>9} {:>9} {:>9} {:>10} {:>9} {:>7}",
        "work", "images", "s", "images/s", "MiB", "peer s", "peer MiB", "ratio"
    );
}

fn write(lines: &[Line], out: Option<&Path>) -> Result<(), Failure> {
    if let Some(out) = out {
        std::fs::write(out, serde_json::to_string_pretty(lines)? + "\n")?;
    }
    Ok(())
}

/// One line: our process and the peer's in turn, the best of each.
fn compare(
    work: &'static str,
    ours: &[&str],
    peer: Option<(&str, Vec<String>)>,
    rounds: usize,
) -> Result<Line, Failure> {
    let (mut our_runs, mut peer_runs) = (Vec::new(), Vec::new());
    for _ in 0..rounds.max(1) {
        our_runs.push(measure(Command::new(std::env::current_exe()?).args(ours))?);
        if let Some((python, arguments)) = &peer {
            peer_runs.push(measure(Command::new(python).args(arguments))?);
        }
    }
    let best = |all: Vec<Measurement>| all.into_iter().min_by(|a, b| a.seconds.total_cmp(&b.seconds));
    let (our, peer) = (best(our_runs).ok_or("nothing was measured")?, best(peer_runs));
    let line = Line {
        work,
        images: our.images,
        seconds: our.seconds,
        images_per_second: our.images as f64 / our.seconds,
        peak_mib: our.peak_mib,
        peer_seconds: peer.as_ref().map(|p| p.seconds),
        peer_peak_mib: peer.as_ref().map(|p| p.peak_mib),
        speed_relative_to_peer: peer.as_ref().map(|p| p.seconds / our.seconds),
    };
    let or_dash = |value: Option<f64>, digits: usize| value.map_or("-".into(), |v| format!("{v:.digits$}"));
    println!(
        "{:<18} {:>7} {:>9.4} {:>9.1} {:>9.0} {:>10} {:>9} {:>7}",
        line.work,
        line.images,
        line.seconds,
        line.images_per_second,
        line.peak_mib,
        or_dash(line.peer_seconds, 4),
        or_dash(line.peer_peak_mib, 0),
        or_dash(line.speed_relative_to_peer, 2)
    );
    Ok(line)
}

fn measure(command: &mut Command) -> Result<Measurement, Failure> {
    let output = command.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("{command:?} failed").into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// One measurement, printed as JSON.
pub fn one(work: &str) -> Result<(), Failure> {
    let (network, kind) = work.split_once('-').ok_or("a work is <network>-<kind>")?;
    let config = TwoStreamNetConfig::from_name(network).ok_or("there is no such network")?;
    let (batch, slots, size) = if network == "small" { (64, 40, [96, 48]) } else { (8, 3, [288, 144]) };
    let device = Device::flex();
    let tracked = device.clone().autodiff();
    let mut stream = Streams::new(0).stream("bench", [0; 3]);
    let net = config.init(&tracked, &mut stream);
    let (images, seconds) = match kind {
        "forward" => {
            let (net, input) = (net.valid(), noise(batch, size, &mut stream, &device));
            (batch, best_seconds(|| drop(net.embed(input.clone(), Modality::Visible).into_data())))
        }
        "backward" => {
            let input = noise(batch, size, &mut stream, &tracked);
            let pass = || {
                let loss = net.forward_one(input.clone(), Modality::Visible).powi_scalar(2).mean();
                drop(GradientsParams::from_grads(loss.backward(), &net));
            };
            (batch, best_seconds(pass))
        }
        "load" => {
            let images = files(Path::new("data/synthetic/world-0"))?;
            let net = net.valid();
            (images.len(), best_seconds(|| drop(extract(&net, &images, Modality::Visible, 64, false, &device, |_| ()))))
        }
        "step" => (3 * slots, step_seconds(net, slots, size, &mut stream)),
        _ => return Err("kinds are forward, backward, step and load".into()),
    };
    let peak_mib = peak_memory_mib().unwrap_or(f64::NAN);
    println!("{}", serde_json::to_string(&Measurement { seconds, images, peak_mib })?);
    Ok(())
}

/// Every image of a synthetic world, with no room to keep one decoded.
fn files(root: &Path) -> Result<ImageList, Failure> {
    let Dataset { train, test, .. } = read_sysu(root)?;
    let test = test.images();
    let samples =
        [&train.visible, &train.infrared, test.visible, test.infrared].into_iter().flatten().cloned().collect();
    let size = ImageSize { height: 96, width: 48 };
    Ok(ImageList::new(samples, size, ResizeFilter::Lanczos, CacheBudget::new(0)))
}

/// A whole MBCCM stage-2 step: both modalities forward, losses, memories, backward, Adam.
fn step_seconds(net: TwoStreamNet, slots: usize, size: [usize; 2], stream: &mut Stream) -> f64 {
    let device = Device::flex();
    let tracked = device.clone().autodiff();
    let settings = MbccmSettings::released();
    let dim = net.dim();
    let mut rows = |count: usize| {
        let values: Vec<f32> = (0..count * dim).map(|_| stream.normal(0.0, 1.0) as f32).collect();
        normalize_rows(Tensor::from_data(TensorData::new(values, [count, dim]), &device))
    };
    let centroids = PerModality { visible: rows(VISIBLE_CLUSTERS), infrared: rows(INFRARED_CLUSTERS) };
    let mut banks = MemoryBanks::new(centroids, &settings);
    let visible: Vec<usize> = (0..slots).map(|slot| slot / 5).collect();
    let infrared: Vec<usize> = (0..slots).map(|slot| slot / 5 + 3).collect();
    let inputs = (noise(2 * slots, size, stream, &tracked), noise(slots, size, stream, &tracked));
    let mut optimizer = adam(5e-4);
    let mut network = Some(net);
    best_seconds(|| {
        let Some(net) = network.take() else { return };
        let features = net.forward(inputs.0.clone(), inputs.1.clone());
        let embeddings = StepEmbeddings::new(features, slots);
        let labels = StepLabels { visible: &visible, infrared: &infrared };
        let loss = stage2_step(&mut banks, &embeddings, labels, &settings);
        let gradients = GradientsParams::from_grads(loss.objective.backward(), &net);
        network = Some(optimizer.step(3.5e-4, net, gradients));
    })
}

fn noise(count: usize, [height, width]: [usize; 2], stream: &mut Stream, device: &Device) -> Tensor<4> {
    let values: Vec<f32> = (0..count * 3 * height * width).map(|_| stream.unit() as f32 - 0.5).collect();
    Tensor::from_data(TensorData::new(values, [count, 3, height, width]), device)
}

/// The fastest of several runs after one to warm up: at least three, and as many as fit in four seconds.
fn best_seconds(mut work: impl FnMut()) -> f64 {
    work();
    let (start, mut best, mut runs) = (Instant::now(), f64::INFINITY, 0);
    while runs < 3 || start.elapsed().as_secs_f64() < 4.0 {
        let clock = Instant::now();
        work();
        best = best.min(clock.elapsed().as_secs_f64());
        runs += 1;
    }
    best
}
