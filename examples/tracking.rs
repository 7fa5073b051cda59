//! People walk before a colour camera, and after a second without a picture before an infrared one beside it. Who is who is told by
//! motion alone, and by motion and what people look like.
//!
//! ```text
//! vireid import --weights builtin:small --out model
//! cargo run --example tracking --release --features trackforge -- --model model
//! ```
//!
//! Everything is drawn: the frames by `vireid_data::synthetic`, and detections are the people's true boxes, shaken, some missing.

use std::collections::HashMap;
use std::path::PathBuf;

use clap::Parser;
use image::{DynamicImage, Rgb, RgbImage, imageops};
use trackforge::trackers::deep_ocsort::DeepOcSort;
use trackforge::trackers::deepsort::{DeepSortTracker, Metric, NearestNeighborDistanceMetric};
use trackforge::trackers::ocsort::OcSort;
use trackforge::trackers::sort::Sort;
use trackforge::traits::AppearanceExtractor;
use trackforge::types::BoundingBox;
use vireid::tracking::Appearance;
use vireid_core::{Stream, Streams};
use vireid_data::synthetic::{Dials, HEIGHT, WIDTH, World};
use vireid_methods::{CheckpointKind, TrainedNetwork, parse_device};

/// Width and height of a frame, in pixels.
const FRAME: [u32; 2] = [720, 240];
/// Frames before each camera, and frames without a picture between them.
const SEEN: usize = 75;
const GAP: usize = 25;
/// Frames that a track outlives without being seen.
const MAX_AGE: usize = 60;
const MIN_HITS: usize = 3;

#[derive(Debug, Parser)]
struct Arguments {
    /// Run directory of a network
    #[arg(long)]
    model: PathBuf,
    /// How many people walk
    #[arg(long, default_value_t = 8)]
    people: usize,
    /// Seeds of worlds that are drawn, one after another
    #[arg(long, default_value_t = 5)]
    worlds: u64,
}

type Failure = Box<dyn std::error::Error>;
/// A tracker's answer to a frame: track and detection.
type Found = Vec<(u64, Option<usize>)>;

/// A picture, its people's boxes as a detector gives them, and whose they are.
struct Frame {
    picture: DynamicImage,
    boxes: Vec<BoundingBox>,
    people: Vec<usize>,
    is_infrared: bool,
}

/// Somebody on the way.
struct Walker {
    x: f64,
    y: f64,
    speed: f64,
}

impl Walker {
    fn new(stream: &mut Stream) -> Self {
        let x = stream.uniform(0.0, f64::from(FRAME[0]) - WIDTH as f64);
        let y = stream.uniform(0.0, f64::from(FRAME[1]) - HEIGHT as f64);
        Self { x, y, speed: pace(stream) }
    }

    /// A step; now and then somebody turns or changes pace.
    fn step(&mut self, stream: &mut Stream) {
        if stream.chance(0.04) {
            self.speed = pace(stream);
        }
        let end = f64::from(FRAME[0]) - WIDTH as f64;
        if !(0.0..=end).contains(&(self.x + self.speed)) {
            self.speed = -self.speed;
        }
        self.x = (self.x + self.speed).clamp(0.0, end);
    }
}

fn pace(stream: &mut Stream) -> f64 {
    let speed = stream.uniform(1.5, 5.0);
    if stream.chance(0.5) { speed } else { -speed }
}

/// The frames of a world.
fn frames(seed: u64, people: usize) -> Result<Vec<Frame>, Failure> {
    let dials = Dials { gap: 0.2, camera: 0.3, collision: 0.0, occlusion: 0.0, view: 0.2 };
    let world = World::regdb(1000 + seed, people, dials);
    let mut stream = Streams::new(seed).stream("walk", [0; 3]);
    let mut walkers: Vec<Walker> = (0..people).map(|_| Walker::new(&mut stream)).collect();
    let mut frames = Vec::new();
    for time in 0..2 * SEEN + GAP {
        walkers.iter_mut().for_each(|walker| walker.step(&mut stream));
        let is_infrared = time >= SEEN + GAP;
        let mut frame = Frame { picture: DynamicImage::new_rgb8(1, 1), boxes: vec![], people: vec![], is_infrared };
        if !(SEEN..SEEN + GAP).contains(&time) {
            let ground = if is_infrared { [96; 3] } else { [104, 96, 84] };
            let mut picture = RgbImage::from_pixel(FRAME[0], FRAME[1], Rgb(ground));
            // Who is lower in the picture is nearer, and hides the others.
            let mut order: Vec<usize> = (0..people).collect();
            order.sort_by(|&a, &b| walkers[a].y.total_cmp(&walkers[b].y));
            for &person in &order {
                let drawn = world.draw(person, usize::from(is_infrared), time)?;
                let drawn = RgbImage::from_raw(WIDTH as u32, HEIGHT as u32, drawn).ok_or("an image of another size")?;
                imageops::replace(&mut picture, &drawn, walkers[person].x as i64, walkers[person].y as i64);
            }
            for (place, &person) in order.iter().enumerate() {
                let is_hidden = order[place + 1..].iter().any(|&other| hides(&walkers[other], &walkers[person]));
                if is_hidden || stream.chance(0.03) {
                    continue;
                }
                let mut shaken = |value: f64| (value + stream.uniform(-2.0, 2.0)) as f32;
                let (x, y) = (shaken(walkers[person].x), shaken(walkers[person].y));
                frame.boxes.push(BoundingBox::new(x, y, WIDTH as f32, HEIGHT as f32));
                frame.people.push(person);
            }
            frame.picture = picture.into();
        }
        frames.push(frame);
    }
    Ok(frames)
}

/// Whether a detector would not find who is behind.
fn hides(before: &Walker, behind: &Walker) -> bool {
    let shared = |a: f64, b: f64, length: usize| (1.0 - (a - b).abs() / length as f64).max(0.0);
    shared(before.x, behind.x, WIDTH) * shared(before.y, behind.y, HEIGHT) > 0.5
}

/// How often a person had another track than before, and how many people had after the cameras' change.
#[derive(Default)]
struct Switches {
    all: usize,
    at_change: usize,
    people: usize,
}

impl Switches {
    fn count(
        &mut self,
        frames: &[Frame],
        mut track: impl FnMut(&Frame) -> Result<Found, Failure>,
    ) -> Result<(), Failure> {
        let mut last: HashMap<usize, (u64, bool)> = HashMap::new();
        for frame in frames {
            for (id, detection) in track(frame)? {
                let Some(&person) = detection.and_then(|detection| frame.people.get(detection)) else { continue };
                if let Some((before, was_infrared)) = last.insert(person, (id, frame.is_infrared)) {
                    let is_change = was_infrared != frame.is_infrared;
                    self.people += usize::from(is_change);
                    self.all += usize::from(before != id);
                    self.at_change += usize::from(is_change && before != id);
                }
            }
        }
        Ok(())
    }
}

/// Boxes as the trackers of motion take them.
fn plain(frame: &Frame) -> Vec<([f32; 4], f32, i64)> {
    frame.boxes.iter().map(|b| ([b.x, b.y, b.width, b.height], 0.9, 0)).collect()
}

/// Boxes as the trackers of motion and appearance take them.
fn detections(frame: &Frame) -> Vec<(BoundingBox, f32, i64)> {
    frame.boxes.iter().map(|of_person| (*of_person, 0.9, 0)).collect()
}

/// `DeepSort` of trackforge 0.5.1 compares with a gallery that it never fills, so that embeddings change nothing. Its parts are
/// public: here the gallery is filled after each frame.
fn deep_sort(tracker: &mut DeepSortTracker, appearance: &mut Appearance, frame: &Frame) -> Result<Found, Failure> {
    tracker.predict();
    let embeddings = appearance.extract(&frame.picture, &frame.boxes)?;
    tracker.update(&detections(frame), &embeddings);
    let (mut seen, mut active, mut found) = (Vec::new(), Vec::new(), Vec::new());
    for track in tracker.tracks.iter_mut().filter(|track| track.is_confirmed()) {
        active.push(track.track_id);
        seen.extend(std::mem::take(&mut track.features).into_iter().map(|feature| (track.track_id, feature)));
        if track.time_since_update == 0 {
            found.push((track.track_id, track.det_ind));
        }
    }
    tracker.metric.partial_fit(&seen, &active);
    Ok(found)
}

fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    let open = || TrainedNetwork::open(&arguments.model, CheckpointKind::Last, parse_device("cpu")?);
    let mut counted = [(); 4].map(|()| Switches::default());
    let titles = ["SORT", "OC-SORT", "Deep OC-SORT with the network", "DeepSORT with the network"];
    for seed in 0..arguments.worlds {
        let frames = frames(seed, arguments.people)?;
        let mut sort = Sort::new(MAX_AGE, MIN_HITS, 0.3);
        counted[0].count(&frames, |frame| {
            Ok(sort.update(plain(frame)).into_iter().map(|track| (track.track_id, track.det_ind)).collect())
        })?;
        let mut ocsort = OcSort::new(MAX_AGE, MIN_HITS, 0.3, 3, 0.2);
        counted[1].count(&frames, |frame| {
            Ok(ocsort.update(plain(frame)).into_iter().map(|track| (track.track_id, track.det_ind)).collect())
        })?;
        let mut deep =
            DeepOcSort::new(Appearance::of_mixed_frames(open()?), MAX_AGE, MIN_HITS, 0.3, 3, 0.2, 0.5, 1.0, 100);
        counted[2].count(&frames, |frame| {
            let tracks = deep.update(&frame.picture, detections(frame))?;
            Ok(tracks.into_iter().map(|track| (track.track_id, track.det_ind)).collect())
        })?;
        let metric = NearestNeighborDistanceMetric::new(Metric::Cosine, 1.0, Some(100));
        let mut tracker = DeepSortTracker::new(metric, MAX_AGE, MIN_HITS, 0.7);
        let mut appearance = Appearance::of_mixed_frames(open()?);
        counted[3].count(&frames, |frame| deep_sort(&mut tracker, &mut appearance, frame))?;
    }
    println!("{} worlds of {} people (synthetic)", arguments.worlds, arguments.people);
    for (title, Switches { all, at_change, people }) in titles.iter().zip(&counted) {
        println!("{title}: {all} identity switches, {at_change} of {people} people when the camera changed");
    }
    Ok(())
}
