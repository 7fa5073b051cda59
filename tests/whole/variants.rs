//! The readings of DMIC and ECUL that other sources give train too, and a stop within an epoch or between two changes no
//! byte of what they find.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use vireid_data::readers::read_sysu;
use vireid_methods::events::{Event, Observer};
use vireid_methods::{Outcome, RunConfig, Session, SessionOptions, TrainingImages};

use crate::program::{copy_folder, tiny_settings, world};

/// Watches a run, and leaves at the start of every epoch a copy of the run directory as a kill would leave it.
struct Watch<'a> {
    out: &'a Path,
    copies: Option<&'a Path>,
    /// The epoch to stop in, after some steps.
    stop: Option<usize>,
    interrupt: &'a AtomicBool,
    seen: Seen,
}

#[derive(Default)]
struct Seen {
    losses: Vec<(&'static str, f32)>,
    figures: Vec<(&'static str, f64)>,
}

impl Observer for Watch<'_> {
    fn event(&mut self, event: &Event) {
        match event {
            Event::Clusters(report) => {
                self.seen.figures.extend(report.figures.iter().copied());
                if let Some(copies) = self.copies {
                    copy_folder(self.out, &copies.join(report.epoch.to_string()));
                }
            }
            Event::Step { epoch, losses, .. } => {
                self.seen.losses.extend(losses.iter().copied());
                if Some(*epoch) == self.stop {
                    self.interrupt.store(true, Ordering::Relaxed);
                }
            }
            _ => (),
        }
    }
}

/// Trains in `out`, from the start or on, to the end or into the epoch `stop`; and what was seen.
fn train(config: &RunConfig, out: &Path, copies: Option<&Path>, stop: Option<usize>, resume: bool) -> Seen {
    let images = TrainingImages::open(read_sysu(world()).unwrap(), &config.engine, false, |_, _| ()).unwrap();
    let options = SessionOptions { config: config.clone(), out: out.into(), resume, device: "cpu".into() };
    let mut session = Session::open(options, vireid_methods::registry::build(config).unwrap(), images).unwrap();
    let interrupt = AtomicBool::new(false);
    let mut watch = Watch { out, copies, stop, interrupt: &interrupt, seen: Seen::default() };
    let outcome = session.train(&mut watch, &interrupt).unwrap();
    assert_eq!(matches!(outcome, Outcome::Interrupted(_)), stop.is_some());
    watch.seen
}

fn check(preset: &str, sets: &[&str], parts: &[&str], figures: &[&str]) {
    // At half the size no image finds one of the other modality.
    let size = ["input.height=96", "input.width=48"];
    let own = ["stage1.epochs=2", "stage1.iterations=12", "stage2.iterations=12", "evaluation.every=10"];
    let mut all: Vec<String> = tiny_settings(preset).map(String::from).collect();
    all.extend(own.iter().chain(&size).chain(sets).map(ToString::to_string));
    let config = vireid_methods::preset(preset, &all).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let results = |out: &Path| std::fs::read(out.join("results.json")).unwrap();

    let (whole, copies) = (path("whole"), path("copies"));
    let seen = train(&config, &whole, Some(&copies), None, false);
    assert!(seen.losses.iter().all(|(_, loss)| loss.is_finite()), "{preset}: {:?}", seen.losses);
    for part in parts {
        assert!(seen.losses.iter().any(|(name, loss)| name == part && *loss > 0.0), "{preset}: {part} is always 0");
    }
    for figure in figures {
        assert!(seen.figures.iter().any(|(name, _)| name == figure), "{preset}: {:?}", seen.figures);
    }
    let expected = results(&whole);
    // Between the epochs of a stage, at a stage's start, and in the second.
    for epoch in ["1", "2", "3"] {
        let out = copies.join(epoch);
        train(&config, &out, None, None, true);
        assert!(results(&out) == expected, "{preset}, killed before epoch {epoch}");
    }
    let out = path("stopped");
    train(&config, &out, None, Some(1), false);
    train(&config, &out, None, Some(3), true);
    train(&config, &out, None, None, true);
    assert!(results(&out) == expected, "{preset}, stopped within two epochs");
}

const JOINT: [&str; 4] = ["instance", "joint_visible", "joint_infrared", "joint_instance"];

#[test]
fn dmic_with_pieces() {
    let grow = |key: &str, from: f64| format!("settings.dnc.{key}=[{{ from = {from:?}, factor = 1.5, over = 2 }}]");
    let counts = [grow("k1_phase1", 8.0), grow("k1_phase2", 8.0), grow("joint_k1", 10.0), grow("joint_k2", 10.0)];
    let mut sets = vec!["settings.dnc.eps_phase1=[{ from = 0.6, factor = 0.9, over = 2 }]"];
    sets.push(
        "settings.dnc.eps_phase2=[{ from = 0.7, factor = 0.97, over = 1 }, { from = 0.68, factor = 1.02, over = 1 }]",
    );
    sets.extend(counts.iter().map(String::as_str));
    check("dmic_sysu_quick", &sets, &JOINT, &["k1", "joint k1"]);
}

#[test]
fn dmic_with_even_moves() {
    // A radius at which the tiny world's people are joined over the modalities.
    let radius = ["settings.dnc.eps_phase2.from=0.7", "settings.dnc.eps_phase2.to=0.7"];
    let counts = ["settings.joint_k1=10", "settings.dnc.joint_k2.from=4", "settings.dnc.joint_k2.to=6"];
    let sets = [&radius[..], &counts].concat();
    check("dmic_sysu_quick+even", &sets, &JOINT, &[]);
    check("dmic_sysu_quick+in_batch+even", &sets, &JOINT, &[]);
}

/// With the memory of instances too, which it may have as well.
#[test]
fn ecul_by_the_later_method() {
    let sets = [
        "settings.emcc.joint_k1=10",
        "settings.emcc.joint_k2=10",
        "settings.emcc.joint_eps=0.7",
        "settings.tsmem.switch_epoch=2",
        "settings.instance=lasting_memory",
        "settings.instance_weight=0.1",
    ];
    check("ecul_sysu_quick+counts", &sets, &JOINT[1..], &[]);
}
