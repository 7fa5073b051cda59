//! The starting weights of the small network: the stand-in for ImageNet.
//!
//! Honest in that nothing of the worlds that methods are tested on is seen: other identities, other cameras, visible
//! images only, no infrared reflectance. Two phases: attributes of clothes and build with a softmax over identities;
//! then identities from two differently augmented views. Colours are left as they are but for one view in twenty: a start
//! that knows grey images well makes the modalities alike before any training, which ImageNet's weights do not.

use std::collections::HashMap;
use std::path::Path;

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;
use safetensors::tensor::{Dtype, TensorView};
use vireid_backbone::parameters::named_parameters;
use vireid_backbone::{Backbone, TwoStreamNet, TwoStreamNetConfig};
use vireid_core::{Modality, Stream, Streams};
use vireid_data::synthetic::{Bag, Dials, HEIGHT, HeadKind, Lower, Pattern, Person, Sleeve, Upper, WIDTH, World};
use vireid_data::transform::{Transform, apply, to_planar};
use vireid_data::{ImageSize, ResizeFilter, resize_rgb};
use vireid_losses::{batch_hard_triplet, cross_entropy, label_tensor};
use vireid_methods::adam;

use crate::supervised::{CosineClassifier, MARGIN, normalized};

const SEED: u64 = 77;
const IDENTITIES: usize = 500;
const CAMERAS: usize = 24;
const SIZE: ImageSize = ImageSize { height: 96, width: 48 };
const RATE: f64 = 2e-3;
const DECAY: f64 = 1e-4;
const SCALE: f64 = 16.0;

type Failure = Box<dyn std::error::Error>;

#[derive(Module, Debug)]
struct Model {
    network: TwoStreamNet,
    heads: Vec<Linear>,
    classifier: CosineClassifier,
}

/// The attributes that the first phase learns: number of classes and the class of a person.
fn attributes(person: &Person) -> [(usize, usize); 10] {
    fn class<T: PartialEq>(all: &[T], value: &T) -> (usize, usize) {
        (all.len(), all.iter().position(|other| other == value).unwrap_or(0))
    }
    let (upper, sleeve, pattern, upper_color) = person.upper();
    let (lower, lower_color) = person.lower();
    let build = if person.build() < 1.0 { 0 } else { 1 + usize::from(person.build() >= 1.08) };
    [
        class(HeadKind::ALL, &person.head_kind()),
        class(Upper::ALL, &upper),
        class(&[Sleeve::None, Sleeve::Short, Sleeve::Long], &sleeve),
        class(Pattern::ALL, &pattern),
        class(Lower::ALL, &lower),
        class(Bag::ALL, &person.bag()),
        (2, usize::from(person.wears_boots())),
        (3, build),
        (20, upper_color),
        (20, lower_color),
    ]
}

/// Heads from here on learn colours: only from images that kept theirs, at half weight.
const FIRST_COLOR_HEAD: usize = 8;

struct Photos {
    pixels: Vec<Vec<u8>>,
    owners: Vec<usize>,
}

fn photos(view: f64, occlusion: f64, per_identity: usize) -> Result<(World, Photos), Failure> {
    let mut stream = Streams::new(SEED).stream("pretrain.cameras", [0; 3]);
    let cameras: Vec<(Modality, bool)> = (0..CAMERAS).map(|_| (Modality::Visible, stream.chance(0.5))).collect();
    let dials = Dials { gap: 0.0, camera: 0.7, collision: 0.2, occlusion, view };
    let world = World::with_cameras(SEED, IDENTITIES, &cameras, dials);
    let mut jobs = Vec::new();
    for person in 0..IDENTITIES {
        jobs.extend(stream.distinct(CAMERAS, per_identity).into_iter().map(|camera| (person, camera)));
    }
    let from = ImageSize { height: HEIGHT, width: WIDTH };
    let pixels: Result<Vec<Vec<u8>>, String> = jobs
        .par_iter()
        .map(|&(person, camera)| {
            let drawn = world.draw(person, camera, 0).map_err(|error| error.to_string())?;
            resize_rgb(&drawn, from, SIZE, ResizeFilter::Lanczos).ok_or_else(|| "can't resize".to_string())
        })
        .collect();
    let owners = jobs.into_iter().map(|(person, _)| person).collect();
    Ok((world, Photos { pixels: pixels?, owners }))
}

/// How strongly the colours of a view are disturbed: probabilities of jitter, of plain grey, of a random projection.
#[derive(Clone, Copy)]
struct ColorChange {
    jitter: f64,
    grey: f64,
    projection: f64,
}

/// Disturbs the colours of an image in [0, 1]; whether it lost its colour is returned.
fn disturb(image: &mut Vec<f32>, change: ColorChange, stream: &mut Stream) -> bool {
    if stream.chance(change.jitter) {
        let jitter = Transform::ColorJitter { brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.0 };
        apply(&[jitter], image, SIZE, stream);
    }
    let gamma = stream.log_normal(0.35) as f32;
    image.iter_mut().for_each(|x| *x = x.max(0.0).powf(gamma));
    let lost_color = if stream.chance(change.grey) {
        apply(&[Transform::Grey], image, SIZE, stream);
        true
    } else if stream.chance(change.projection) {
        project(image, stream);
        true
    } else {
        false
    };
    let (offset, gain) = (stream.uniform(0.0, 0.1) as f32, stream.uniform(0.5, 1.05) as f32);
    let noise = stream.uniform(0.0, 0.035);
    let area = SIZE.area();
    for position in 0..area {
        let common = stream.normal(0.0, noise) as f32;
        for channel in 0..3 {
            let x = &mut image[channel * area + position];
            *x = (offset + gain * *x + common).clamp(0.0, 1.0);
        }
    }
    lost_color
}

/// Grey by a random mix of the channels, stretched to [0, 1].
fn project(image: &mut [f32], stream: &mut Stream) {
    let weights = [0; 3].map(|_| stream.normal(0.0, 1.0) as f32);
    let area = SIZE.area();
    let mix: Vec<f32> = (0..area).map(|p| (0..3).map(|c| weights[c] * image[c * area + p]).sum()).collect();
    let (low, high) = mix.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(l, h), &x| (l.min(x), h.max(x)));
    let (gamma, gain) = (stream.log_normal(0.3) as f32, stream.uniform(0.6, 1.0) as f32);
    for (position, x) in mix.into_iter().enumerate() {
        let stretched = ((x - low) / (high - low).max(1e-6)).powf(gamma) * gain;
        (0..3).for_each(|channel| image[channel * area + position] = stretched);
    }
}

/// Augmented views of photos: pixels and whether each lost its colour.
fn views(photos: &Photos, picks: &[usize], change: ColorChange, erase: f64, key: [u64; 2]) -> (Vec<f32>, Vec<bool>) {
    let streams = Streams::new(SEED);
    let made: Vec<(Vec<f32>, bool)> = picks
        .par_iter()
        .enumerate()
        .map(|(slot, &pick)| {
            let mut stream = streams.stream("pretrain.augment", [key[0], key[1], slot as u64]);
            let mut image = to_planar(&photos.pixels[pick]);
            let lost = disturb(&mut image, change, &mut stream);
            let rest = [Transform::PadCrop(4), Transform::Flip(0.5), Transform::Normalize, Transform::Erase(erase)];
            apply(&rest, &mut image, SIZE, &mut stream);
            (image, lost)
        })
        .collect();
    let lost = made.iter().map(|(_, lost)| *lost).collect();
    (made.into_iter().flat_map(|(image, _)| image).collect(), lost)
}

fn input(pixels: Vec<f32>, device: &Device) -> Tensor<4> {
    let count = pixels.len() / (3 * SIZE.area());
    Tensor::from_data(TensorData::new(pixels, [count, 3, SIZE.height, SIZE.width]), device)
}

fn cosine(step: usize, steps: usize, warm_up: usize) -> f64 {
    let warm = ((step + 1) as f64 / warm_up.max(1) as f64).min(1.0);
    warm * RATE * 0.5 * (1.0 + (std::f64::consts::PI * step as f64 / steps as f64).cos())
}

/// Trains and writes the weights. `share` shortens both phases, for trials.
pub fn run(out: &Path, share: f64) -> Result<(), Failure> {
    let device = Device::flex().autodiff();
    device.seed(SEED);
    let network = TwoStreamNetConfig::small().init(&device, &mut Streams::new(SEED).stream("init", [0; 3]));
    let dim = network.dim();
    let (world, photos_a) = photos(1.0, 0.15, 7)?;
    let of_people: Vec<[(usize, usize); 10]> = world.people().iter().map(attributes).collect();
    let heads = of_people[0].iter().map(|&(classes, _)| LinearConfig::new(dim, classes).init(&device)).collect();
    let classifier = CosineClassifier::new(IDENTITIES, dim, &device);
    let mut model = Model { network, heads, classifier };
    let mut stream = Streams::new(SEED).stream("pretrain.sampler", [0; 3]);
    let steps = |full: usize| ((full as f64 * share) as usize).max(1);

    let mut optimizer: ModuleOptimizer = adam(DECAY);
    let phase = steps(700);
    let change = ColorChange { jitter: 0.3, grey: 0.0, projection: 0.0 };
    for step in 0..phase {
        let picks = stream.distinct(photos_a.pixels.len(), 64);
        let people: Vec<usize> = picks.iter().map(|&pick| photos_a.owners[pick]).collect();
        let (pixels, lost) = views(&photos_a, &picks, change, 0.2, [0, step as u64]);
        let features = model.network.forward_one(input(pixels, &device), Modality::Visible);
        let mut loss = cross_entropy(
            model.classifier.forward(normalized(features.clone()), SCALE),
            label_tensor(&people, &device),
        )
        .mul_scalar(0.4);
        let colored: Vec<usize> = (0..picks.len()).filter(|&slot| !lost[slot]).collect();
        for (number, head) in model.heads.iter().enumerate() {
            let labels: Vec<usize> = people.iter().map(|&person| of_people[person][number].1).collect();
            if number < FIRST_COLOR_HEAD {
                loss = loss + cross_entropy(head.forward(features.clone()), label_tensor(&labels, &device));
            } else if !colored.is_empty() {
                let labels: Vec<usize> = colored.iter().map(|&slot| labels[slot]).collect();
                let rows = features.clone().select(0, label_tensor(&colored, &device));
                let term = cross_entropy(head.forward(rows), label_tensor(&labels, &device));
                loss = loss + term.mul_scalar(0.5);
            }
        }
        report("attributes", step, phase, &loss);
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = optimizer.step(cosine(step, phase, 1), model, gradients);
    }

    let (_, photos_b) = photos(0.7, 0.10, 8)?;
    let mut of_person: HashMap<usize, Vec<usize>> = HashMap::new();
    for (position, &owner) in photos_b.owners.iter().enumerate() {
        of_person.entry(owner).or_default().push(position);
    }
    let mut optimizer: ModuleOptimizer = adam(DECAY);
    let phase = steps(520);
    for step in 0..phase {
        let mut picks = Vec::new();
        for person in stream.distinct(IDENTITIES, 12) {
            let own = &of_person[&person];
            picks.extend(stream.distinct(own.len(), 4).into_iter().map(|pick| own[pick]));
        }
        let people: Vec<usize> = picks.iter().map(|&pick| photos_b.owners[pick]).collect();
        let plain = ColorChange { jitter: 0.3, grey: 0.0, projection: 0.0 };
        let strong = ColorChange { jitter: 0.5, grey: 0.05, projection: 0.0 };
        let (mut pixels, _) = views(&photos_b, &picks, plain, 0.3, [1, step as u64]);
        pixels.extend(views(&photos_b, &picks, strong, 0.3, [2, step as u64]).0);
        let labels = label_tensor(&[people.clone(), people].concat(), &device);
        let unit = normalized(model.network.forward_one(input(pixels, &device), Modality::Visible));
        let loss = cross_entropy(model.classifier.forward(unit.clone(), SCALE), labels.clone())
            + batch_hard_triplet(unit, labels, MARGIN);
        report("identities", step, phase, &loss);
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = optimizer.step(cosine(step, phase, 30), model, gradients);
    }
    save(&model.network.valid(), out)
}

fn report(phase: &str, step: usize, steps: usize, loss: &Tensor<1>) {
    if step.is_multiple_of(20) || step + 1 == steps {
        eprintln!("{phase} {step}/{steps}: loss {:.3}", loss.clone().inner().into_scalar::<f32>());
    }
}

/// A number that differs between recipes: of this file's text.
fn recipe() -> String {
    let text = include_str!("pretrain.rs").bytes();
    let hash = text.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}")
}

/// Writes the weights; the infrared stem, which has seen nothing, starts as a copy of the visible one.
fn save(network: &TwoStreamNet, out: &Path) -> Result<(), Failure> {
    let parameters = named_parameters(network);
    let visible: HashMap<&str, &Vec<f32>> =
        parameters.iter().filter_map(|(n, _, v)| Some((n.strip_prefix("stem_visible.")?, v))).collect();
    let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = parameters
        .iter()
        .map(|(name, shape, values)| {
            let copied = name.strip_prefix("stem_infrared.").and_then(|leaf| visible.get(leaf).copied());
            let bytes = copied.unwrap_or(values).iter().flat_map(|x| x.to_le_bytes()).collect();
            (name.clone(), shape.clone(), bytes)
        })
        .collect();
    let views: Result<Vec<_>, _> = tensors
        .iter()
        .map(|(name, shape, bytes)| Ok((name, TensorView::new(Dtype::F32, shape.clone(), bytes)?)))
        .collect();
    let views: Vec<_> = views.map_err(|error: safetensors::SafeTensorError| error.to_string())?;
    let metadata = HashMap::from([("recipe".to_string(), recipe())]);
    std::fs::write(out, safetensors::serialize(views, Some(metadata))?)?;
    eprintln!("wrote {}", out.display());
    Ok(())
}
