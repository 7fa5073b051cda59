//! Worlds that differ in what people's own crops differ in: how many people, images of each, cameras, and how hard they are
//! to tell apart. Each is on disk as crops of your own with a manifest, so that a study trains as a user does.

use std::fs;
use std::path::{Path, PathBuf};

use image::codecs::jpeg::JpegEncoder;
use rayon::prelude::*;
use vireid_core::Modality;
use vireid_data::synthetic::{Dials, HEIGHT, WIDTH, World, WorldSpec};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// People of the test part of every world, who are in no training part.
const TEST_PEOPLE: usize = 30;
/// Test images of a person per camera.
const TEST_IMAGES: usize = 3;

/// One of the worlds.
#[derive(Debug, Clone, Copy)]
pub struct UnlikeWorld {
    pub name: &'static str,
    /// Seed of its people and cameras.
    pub seed: u64,
    /// People of the training part.
    pub people: usize,
    /// Cameras of either modality; one of each stand side by side, as RegDB's.
    pub cameras: [usize; 2],
    /// Training images of a person per visible and per infrared camera.
    pub images: [usize; 2],
    /// The dials that differ from those of the default worlds.
    pub harder: &'static [(&'static str, f64)],
}

const fn world(
    name: &'static str,
    seed: u64,
    people: usize,
    cameras: [usize; 2],
    images: [usize; 2],
    harder: &'static [(&'static str, f64)],
) -> UnlikeWorld {
    UnlikeWorld { name, seed, people, cameras, images, harder }
}

/// 30 to 300 people, 2 to 20 images of each per camera, 1 to 8 cameras of a modality, apart and side by side.
pub const WORLDS: [UnlikeWorld; 12] = [
    world("pair-30", 101, 30, [1, 1], [10, 10], &[]),
    world("few-people", 102, 30, [4, 2], [4, 6], &[]),
    world("three-infrared", 103, 60, [2, 1], [3, 3], &[]),
    world("usual", 104, 80, [4, 2], [6, 12], &[]),
    world("many-images", 105, 60, [1, 1], [20, 20], &[("camera", 0.5)]),
    world("two-each", 106, 150, [3, 3], [2, 2], &[]),
    world("pair-200", 107, 200, [1, 1], [10, 10], &[]),
    world("many-people", 108, 300, [2, 2], [3, 3], &[]),
    world("strong-cameras", 109, 100, [4, 2], [4, 6], &[("camera", 0.8)]),
    world("wide-gap", 110, 100, [3, 1], [5, 10], &[("gap", 0.4), ("collision", 0.2)]),
    world("eight-cameras", 111, 80, [8, 8], [2, 2], &[]),
    world("all-sides", 112, 80, [2, 2], [8, 8], &[("view", 0.4), ("occlusion", 0.2)]),
];

/// Draws the world below `root` where it is not there yet; its manifest.
pub fn draw(world: &UnlikeWorld, root: &Path) -> Result<PathBuf, Failure> {
    let folder = root.join(world.name);
    let manifest = folder.join("manifest.csv");
    if manifest.is_file() {
        return Ok(manifest);
    }
    let is_pair = world.cameras == [1, 1];
    let mut spec = if is_pair { WorldSpec::regdb() } else { WorldSpec::sysu() };
    for (dial, value) in world.harder {
        spec.set(&format!("{dial}={value}"))?;
    }
    let cameras: Vec<(Modality, bool)> = Modality::ALL
        .into_iter()
        .zip(world.cameras)
        .flat_map(|(modality, count)| (0..count).map(move |number| (modality, number % 2 == 0)))
        .collect();
    let people = world.people + TEST_PEOPLE;
    let drawn = drawn_world(world.seed, people, is_pair, &cameras, spec.dials);
    let mut jobs = Vec::new();
    let mut rows = String::from("path,modality,camera,identity,split\n");
    for person in 0..people {
        let (split, of_test) = if person < world.people { ("train", false) } else { ("test", true) };
        for (camera, &(modality, _)) in cameras.iter().enumerate() {
            let of_train = world.images[usize::from(modality == Modality::Infrared)];
            for instance in 0..if of_test { TEST_IMAGES } else { of_train } {
                let file = format!("{modality}/camera{camera}/{person:04}-{instance:02}.jpg");
                rows += &format!("{file},{modality},camera{camera},{person:04},{split}\n");
                jobs.push((folder.join(file), person, camera, instance));
            }
        }
    }
    for (camera, (modality, _)) in cameras.iter().enumerate() {
        fs::create_dir_all(folder.join(format!("{modality}/camera{camera}")))?;
    }
    jobs.par_iter().try_for_each(|(path, person, camera, instance)| -> Result<(), Failure> {
        let pixels = drawn.draw(*person, *camera, *instance)?;
        let mut jpeg = Vec::new();
        let colours = image::ExtendedColorType::Rgb8;
        JpegEncoder::new_with_quality(&mut jpeg, 95).encode(&pixels, WIDTH as u32, HEIGHT as u32, colours)?;
        Ok(fs::write(path, jpeg)?)
    })?;
    // Last: a folder with a manifest is whole.
    fs::write(&manifest, rows)?;
    Ok(manifest)
}

fn drawn_world(seed: u64, people: usize, is_pair: bool, cameras: &[(Modality, bool)], dials: Dials) -> World {
    if is_pair { World::regdb(seed, people, dials) } else { World::with_cameras(seed, people, cameras, dials) }
}
