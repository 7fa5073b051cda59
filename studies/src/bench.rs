//! `cargo xtask bench train` and `bench load`: seconds of a training step, and of the way from JPEG files to embeddings,
//! beside PyTorch's for the same work where PyTorch is.
//!
//! Every measurement is a process of its own, so that its peak memory is its own; ours and the peer's alternate.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};
use vireid_backbone::{Backbone, EfficientNet, EfficientNetConfig, Precision, TwoStreamNet, TwoStreamNetConfig};
use vireid_core::{Embeddings, Modality, Stream, Streams};
use vireid_data::readers::read_sysu;
use vireid_data::synthetic::WorldSpec;
use vireid_data::{CacheBudget, Dataset, ImageList, ImageSize, ResizeFilter};
use vireid_methods::{Devices, extract, nearest_neighbours_on, parse_device, peak_memory_mib};

use crate::steps::{Steps, noise};

const PEER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../benches/peer/train.py");
const LOAD_PEER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../benches/peer/load.py");
const TRAIN: [&str; 9] = [
    "small-forward",
    "small-backward",
    "small-step",
    "lite0-forward",
    "lite0-backward",
    "lite0-step",
    "resnet50-forward",
    "resnet50-backward",
    "resnet50-step",
];

pub type Failure = Box<dyn std::error::Error>;

/// What one process measured: seconds and images of one run, and the process's peak memory.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Measurement {
    pub seconds: f64,
    pub images: usize,
    pub peak_mib: f64,
    /// Seconds of the first run, with whatever a device compiles and tries out before it computes.
    #[serde(default)]
    first_seconds: f64,
}

/// One piece of work in the report, ours and the peer's.
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
pub fn train(python: Option<&str>, rounds: usize, device: &str, out: Option<&Path>) -> Result<(), Failure> {
    header();
    let mut lines = Vec::new();
    for work in TRAIN {
        // PyTorch knows NVIDIA's devices; beside any other, its CPU would be no peer.
        let known = device == "cpu" || device.starts_with("cuda");
        let peer = python.filter(|_| known).map(|python| (python, [PEER, work, device].map(String::from).to_vec()));
        lines.push(compare(work, &["bench", "one", work, "--device", device], peer, rounds)?);
    }
    let seconds = |work: &str| lines.iter().find(|line| line.work == work).map_or(f64::NAN, |line| line.seconds);
    for (network, images) in [("small", 120.0 / 64.0), ("lite0", 96.0 / 64.0), ("resnet50", 9.0 / 8.0)] {
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
    vireid::draw_world(root, 0, &WorldSpec::sysu())?;
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

pub fn measure(command: &mut Command) -> Result<Measurement, Failure> {
    let output = command.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("{command:?} failed").into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// How a measurement differs from the benchmark's own.
pub struct Variation {
    /// Images per pass or step, instead of the benchmark's own number.
    pub images: Option<usize>,
    /// The number type that convolutions compute in.
    pub precision: Precision,
    /// Make this many steps and time none of them.
    pub steps: Option<usize>,
    /// Whether a step recomputes its activations instead of keeping them.
    pub checkpointing: bool,
}

/// Measurements in one process, each printed as a line of JSON as soon as it is done.
pub fn one(works: &str, device: &str, variation: &Variation, convolution: Option<&str>) -> Result<(), Failure> {
    let device = parse_device(device)?;
    if let Some(name) = convolution {
        choose_convolution(name)?;
    }
    if !variation.precision.is_supported(&device) {
        return Err("this device does not compute in bf16".into());
    }
    for work in works.split(',') {
        let measurement = measure_here(work, &device, variation)?;
        println!("{}", serde_json::to_string(&measurement)?);
    }
    Ok(())
}

#[cfg(feature = "gpu")]
fn choose_convolution(name: &str) -> Result<(), Failure> {
    vireid_kernels::set_convolution_algorithm(name.parse()?);
    Ok(())
}

#[cfg(not(feature = "gpu"))]
fn choose_convolution(_: &str) -> Result<(), Failure> {
    Err("this build has no graphics card's convolutions".into())
}

fn measure_here(work: &str, device: &Device, variation: &Variation) -> Result<Measurement, Failure> {
    let (network, kind) = work.split_once('-').ok_or("a work is <network>-<kind>")?;
    if work == "device-neighbours" {
        return device_neighbours(device);
    }
    let tracked = device.clone().autodiff();
    let mut stream = Streams::new(0).stream("bench", [0; 3]);
    if network == "lite0" {
        let net = EfficientNetConfig::lite0().with_precision(variation.precision).init(&tracked, &mut stream);
        let sizes = Sizes { batch: 64, slots: 32, image: [128, 64] };
        let pass = |net: &_, images| EfficientNet::forward_one(net, images, Modality::Visible).embedding;
        return measure_network(net, pass, kind, sizes, stream, device, variation);
    }
    let config = TwoStreamNetConfig::from_name(network).ok_or("there is no such network")?;
    let net = config.with_precision(variation.precision).init(&tracked, &mut stream);
    let sizes = match network {
        "small" => Sizes { batch: 64, slots: 40, image: [96, 48] },
        _ => Sizes { batch: 8, slots: 3, image: [288, 144] },
    };
    let pass = |net: &_, images| TwoStreamNet::forward_one(net, images, Modality::Visible);
    measure_network(net, pass, kind, sizes, stream, device, variation)
}

/// How much work there is unless something else is asked for.
struct Sizes {
    /// Images of a pass of one modality.
    batch: usize,
    /// Images of each modality in a step, which has visible ones in two views.
    slots: usize,
    image: [usize; 2],
}

/// `pass` is a training pass of visible images.
fn measure_network<B: Backbone>(
    net: B,
    pass: impl Fn(&B, Tensor<4>) -> Tensor<2>,
    kind: &str,
    Sizes { batch, slots, image: size }: Sizes,
    mut stream: Stream,
    device: &Device,
    variation: &Variation,
) -> Result<Measurement, Failure> {
    let &Variation { images, steps, checkpointing, .. } = variation;
    let (batch, slots) = (images.unwrap_or(batch), images.map_or(slots, |images| images / 3));
    let (images, (first_seconds, seconds)) = match kind {
        "forward" => {
            let (net, input) = (net.valid(), noise(batch, size, &mut stream, device));
            (batch, best_seconds(device, || drop(net.embed(input.clone(), Modality::Visible).into_data())))
        }
        "backward" => {
            let input = noise(batch, size, &mut stream, &device.clone().autodiff());
            let backward = || {
                let loss = pass(&net, input.clone()).powi_scalar(2).mean();
                drop(GradientsParams::from_grads(loss.backward(), &net));
            };
            (batch, best_seconds(device, backward))
        }
        "load" => {
            let images = files(Path::new("data/synthetic/world-0"))?;
            let (net, devices) = (net.valid(), Devices::from(device.clone()));
            (
                images.len(),
                best_seconds(device, || drop(extract(&net, &images, Modality::Visible, 64, false, &devices, |_| ()))),
            )
        }
        "step" => {
            let work = Steps::new(net, slots, size, &mut stream, device);
            let mut work = work.with_checkpointing(checkpointing);
            match steps {
                Some(count) => {
                    (0..count).for_each(|_| drop(work.step()));
                    device.sync()?;
                    (3 * slots, (f64::NAN, f64::NAN))
                }
                None => (3 * slots, best_seconds(device, || drop(work.step()))),
            }
        }
        _ => return Err("kinds are forward, backward, step and load".into()),
    };
    Ok(Measurement { seconds, images, peak_mib: peak_memory_mib().unwrap_or(f64::NAN), first_seconds })
}

/// Ranks neighbours of random embeddings, as many and as long as SYSU-MM01's visible training images give with ResNet-50.
fn device_neighbours(device: &Device) -> Result<Measurement, Failure> {
    const ROWS: usize = 22_258;
    const DIM: usize = 2048;
    let mut stream = Streams::new(0).stream("bench", [1, 0, 0]);
    let values = (0..ROWS * DIM).map(|_| stream.unit() as f32 - 0.5).collect();
    let embeddings = Embeddings::new(values, ROWS, DIM)?;
    let rank = || drop(nearest_neighbours_on(&embeddings, 30, device));
    let (first_seconds, seconds) = best_seconds(device, rank);
    Ok(Measurement { seconds, images: ROWS, peak_mib: peak_memory_mib().unwrap_or(f64::NAN), first_seconds })
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

/// Seconds of a first run, and of the fastest of several after it: at least three, and as many as fit in four seconds.
fn best_seconds(device: &Device, mut work: impl FnMut()) -> (f64, f64) {
    // A GPU takes its work down and answers at once; only after waiting for it has the time passed.
    let mut timed = || {
        let clock = Instant::now();
        work();
        let _ = device.sync();
        clock.elapsed().as_secs_f64()
    };
    let first = timed();
    let (start, mut best, mut runs) = (Instant::now(), f64::INFINITY, 0);
    while runs < 3 || start.elapsed().as_secs_f64() < 4.0 {
        best = best.min(timed());
        runs += 1;
    }
    (first, best)
}
