//! A tiny world and the program that trains on it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;
use vireid_data::synthetic::{Dials, SysuLayout, WorldSize, WorldSpec, write_sysu};

/// Settings that make a run take seconds: 3 epochs of 4 steps, on images of a quarter of the pixels.
pub const TINY: [&str; 12] = [
    "stage1.epochs=1",
    "stage2.epochs=2",
    "stage1.iterations=4",
    "stage2.iterations=4",
    "sampler.clusters=4",
    "sampler.instances=3",
    "clustering.k1=8",
    "clustering.eps.visible=0.7",
    "clustering.eps.infrared=0.7",
    "evaluation.trials=3",
    "input.height=48",
    "input.width=24",
];

/// A world of ten training people, drawn once per test process.
pub fn world() -> &'static Path {
    static WORLD: OnceLock<TempDir> = OnceLock::new();
    let folder = WORLD.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let dials = Dials { gap: 0.1, camera: 0.3, collision: 0.0, occlusion: 0.0, view: 0.3 };
        let size = WorldSize::Small { train: 10, test: 4, visible: 5, infrared: 6 };
        write_sysu(folder.path(), 5, &WorldSpec { dials, size }, SysuLayout::Original, |_, _| ()).unwrap();
        folder
    });
    folder.path()
}

/// A copy of the world that a test may damage.
pub fn damaged(damage: impl FnOnce(&Path)) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    copy_folder(world(), copy.path());
    damage(copy.path());
    copy
}

pub fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_folder(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

/// A run of the program in a folder of its own.
pub struct Run {
    /// Holds the run directory.
    pub folder: TempDir,
    /// The data set it trains on.
    pub data: PathBuf,
}

impl Run {
    pub fn on(data: &Path) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), data: data.into() }
    }

    pub fn out(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trainer"));
        command.arg("--data").arg(&self.data).arg("--out").arg(self.out()).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// A tiny run that is stopped at a moment.
    #[cfg(unix)]
    pub fn train_until(&self, more: &[&str], stop: Stop<'_>) {
        stop.check(self.command(&tiny(more)));
    }

    /// Goes on, and is stopped at a moment.
    #[cfg(unix)]
    pub fn resume_until(&self, stop: Stop<'_>) {
        stop.check(self.command(&["--resume"]));
    }

    /// A whole tiny run.
    pub fn train(&self, more: &[&str]) -> Output {
        self.command(&tiny(more)).output().unwrap()
    }

    /// A whole tiny run that computes on so many threads.
    pub fn train_on_threads(&self, threads: usize) -> Output {
        self.command(&tiny(&[])).env("RAYON_NUM_THREADS", threads.to_string()).output().unwrap()
    }

    /// Goes on to the end.
    pub fn resume(&self) -> Output {
        self.resume_with(&[])
    }

    /// The same with arguments that a run does not remember.
    pub fn resume_with(&self, more: &[&str]) -> Output {
        self.command(&[&["--resume"], more].concat()).output().unwrap()
    }

    /// The same by the run directory alone.
    pub fn resume_by_folder(&self) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trainer"));
        command.arg("--resume").arg("--out").arg(self.out()).stdin(Stdio::null()).output().unwrap()
    }

    /// The results, and the last checkpoint: all that a finished run leaves.
    pub fn ending(&self) -> [Vec<u8>; 2] {
        [self.results(), std::fs::read(self.out().join("checkpoints/last.safetensors")).unwrap()]
    }

    pub fn results(&self) -> Vec<u8> {
        std::fs::read(self.out().join("results.json")).unwrap()
    }
}

/// A signal, and the event at which a run gets it: a part of the event's line in the log.
#[derive(Debug, Clone, Copy)]
pub struct Stop<'a> {
    pub signal: &'a str,
    pub moment: &'a str,
}

impl Stop<'_> {
    /// Runs a command that ends by the signal.
    #[cfg(unix)]
    fn check(self, mut command: Command) {
        use std::os::unix::process::ExitStatusExt;
        let output = command.env("TRAINER_SIGNAL", self.signal).env("TRAINER_MOMENT", self.moment).output().unwrap();
        let said = stderr(&output);
        match self.signal {
            "KILL" => assert_eq!(output.status.signal(), Some(9), "{self:?}: {said}"),
            "INT" => {
                assert_eq!(output.status.code(), Some(130), "{self:?}: {said}");
                assert!(said.contains("to go on, run this again with only"), "{self:?}: {said}");
            }
            other => unreachable!("{other}"),
        }
        assert!(!said.contains("panicked"), "{self:?}: {said}");
    }
}

fn tiny<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let preset = more.iter().find(|word| word.contains('_')).copied().unwrap_or_default();
    tiny_settings(preset).flat_map(|set| ["--set", set]).chain(more.iter().copied()).collect()
}

/// Those of [`TINY`] that a preset's method reads: DMIC has no fixed radius.
pub fn tiny_settings(preset: &str) -> impl Iterator<Item = &'static str> {
    let has_radius = !preset.starts_with("dmic");
    TINY.into_iter().filter(move |set| has_radius || !set.starts_with("clustering.eps"))
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The program failed with this code, a message that contains the words, and no panic.
pub fn check_error(output: &Output, code: &str, words: &[&str]) {
    let text = stderr(output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains(&format!("error: {code}")), "{code} is missing in: {text}");
    for word in words {
        assert!(text.contains(word), "'{word}' is missing in: {text}");
    }
    assert!(!text.contains("panicked"), "{text}");
}
