//! A short run on several devices, which share every batch.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use vireid::draw_world;
use vireid_data::readers::read_sysu;
use vireid_data::synthetic::{WorldSize, WorldSpec};
use vireid_methods::events::{Event, Observer};
use vireid_methods::{Session, SessionOptions, TrainingImages, preset, registry};

type Failure = Box<dyn std::error::Error>;

const SETTINGS: [&str; 14] = [
    "backbone.bn_groups=2",
    "input.height=64",
    "input.width=32",
    "sampler.clusters=4",
    "sampler.instances=3",
    "clustering.k1=8",
    "clustering.eps.visible=0.7",
    "clustering.eps.infrared=0.7",
    "stage1.epochs=1",
    "stage1.iterations=6",
    "stage2.epochs=1",
    "stage2.iterations=1",
    "evaluation.trials=1",
    "evaluation.every=10",
];

/// The parts of the loss at each step of a run's first epoch, on a small synthetic world.
pub fn losses(devices: &str) -> Result<Vec<Vec<f64>>, Failure> {
    let spec =
        WorldSpec { size: WorldSize::Small { train: 10, test: 4, visible: 5, infrared: 6 }, ..WorldSpec::sysu() };
    let root = Path::new("data/synthetic/device-tests");
    draw_world(root, 5, &spec)?;
    let config = preset("mbccm_sysu_quick", &SETTINGS.map(String::from))?;
    let images = TrainingImages::open(read_sysu(root)?, &config.engine, false, |_, _| ())?;
    let out = std::env::temp_dir().join(format!(
        "vireid-shared-{}-{}",
        std::process::id(),
        devices.replace([':', ',', '/'], "-")
    ));
    let method = registry::build(&config)?;
    let options = SessionOptions { config, out: out.clone(), resume: false, device: devices.into() };
    let mut losses = Losses::default();
    Session::open(options, method, images)?.train(&mut losses, &AtomicBool::new(false))?;
    std::fs::remove_dir_all(&out)?;
    Ok(losses.0)
}

#[derive(Default)]
struct Losses(Vec<Vec<f64>>);

impl Observer for Losses {
    fn event(&mut self, event: &Event) {
        if let Event::Step { epoch: 0, losses, .. } = event {
            self.0.push(losses.iter().map(|(_, loss)| f64::from(*loss)).collect());
        }
    }
}
