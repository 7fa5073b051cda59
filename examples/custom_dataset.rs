//! Your own images in a layout that no reader knows: a network is trained on them and embeds them.
//!
//! ```text
//! cargo run --example custom_dataset --release
//! ```

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use vireid::{ProgressObserver, open_images};
use vireid_core::{Camera, Identity, Modality, PerModality};
use vireid_data::synthetic::{HEIGHT, WIDTH, World, WorldSpec};
use vireid_data::{Dataset, Names, Sample, TestSplit};
use vireid_methods::{
    CheckpointKind, MethodError, Session, SessionOptions, TrainedNetwork, parse_device, preset, registry,
};

/// People in training and in the test.
const PEOPLE: [usize; 2] = [24, 8];
/// Images of a person by each camera.
const IMAGES: usize = 6;

/// Draws people and keeps them under names of your own making: `night-4-7.png` is the fourth person's image 7.
fn draw(folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    fs::create_dir_all(folder)?;
    let world = World::sysu(3, PEOPLE.iter().sum(), WorldSpec::sysu().dials);
    for person in 0..PEOPLE.iter().sum() {
        for (name, camera) in [("day", 0), ("night", 2)] {
            for number in 0..IMAGES {
                let pixels = world.draw(person, camera, number)?;
                let path = folder.join(format!("{name}-{person}-{number}.png"));
                image::save_buffer(path, &pixels, WIDTH as u32, HEIGHT as u32, image::ExtendedColorType::Rgb8)?;
            }
        }
    }
    Ok(())
}

/// A data set is lists of samples. The identity may be `None`: training never reads it.
fn dataset(folder: &Path) -> Dataset {
    let samples = |name: &str, camera: u16, people: std::ops::Range<usize>| {
        let of = |person: usize| (0..IMAGES).map(move |number| (person, format!("{person}-{number}.png")));
        let sample = |(person, file): (usize, String)| Sample {
            path: folder.join(format!("{name}-{file}")),
            identity: Some(Identity(person as u32)),
            camera: Camera(camera),
        };
        people.flat_map(of).map(sample).collect::<Vec<Sample>>()
    };
    let (train, test) = (0..PEOPLE[0], PEOPLE[0]..PEOPLE[0] + PEOPLE[1]);
    Dataset {
        name: "drawn people under our own names".into(),
        synthetic: true,
        train: PerModality { visible: samples("day", 1, train.clone()), infrared: samples("night", 3, train) },
        test: TestSplit::own(PerModality {
            visible: samples("day", 1, test.clone()),
            infrared: samples("night", 3, test),
        }),
        names: Names::default(),
        notes: Vec::new(),
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = PathBuf::from("data/custom_dataset");
    draw(&folder)?;
    let settings = ["stage1.epochs=2", "stage2.epochs=2", "stage1.iterations=20", "stage2.iterations=20"];
    let config = preset("mbccm_sysu_quick", &settings.map(String::from))?;
    let images = open_images(dataset(&folder), &config, false)?;

    let out = PathBuf::from("runs/custom_dataset");
    let _ = fs::remove_dir_all(&out);
    let options = SessionOptions { config, out: out.clone(), resume: false, device: "cpu".into() };
    let method = registry::build(&options.config)?;
    let mut session = Session::open(options, method, images.clone())?;
    session.train(&mut ProgressObserver::new(), &AtomicBool::new(false))?;

    let trained = TrainedNetwork::open(&out, CheckpointKind::Last, parse_device("cpu")?)?;
    let embed = |modality: Modality| -> Result<_, MethodError> {
        trained.embed(images.test.images.get(modality), modality, |_| ())
    };
    let (visible, infrared) = (embed(Modality::Visible)?, embed(Modality::Infrared)?);
    let similarity: f32 = visible.row(0).iter().zip(infrared.row(0)).map(|(a, b)| a * b).sum();
    println!("one person by day and by night: similarity {similarity:.2} (synthetic)");
    Ok(())
}
