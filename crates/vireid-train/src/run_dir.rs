//! Run directories: their files, their lock, their log.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::checkpoint::write_atomically;
use crate::event_history::GoesOn;
use crate::events::{Event, Observer};
use crate::{CheckpointKind, MethodError, RunConfig, TrainingRecord, settings_hash};

const CONFIG: &str = "config.toml";
const ENVIRONMENT: &str = "environment.json";
const LOCK: &str = "lock";
/// What a run and the programs around it write once it has begun, besides the checkpoints.
const FILES: [&str; 10] = [
    TrainingRecord::FILE,
    EVENTS,
    REPEATED_EVENTS,
    "results.json",
    "cost.json",
    "data.json",
    "evidence.json",
    "ranked.png",
    "pairs.png",
    "report.html",
];

/// The folder of a run: `config.toml`, `environment.json`, `training_set.json`, `events.jsonl`, `checkpoints/`,
/// `results.json`.
#[derive(Debug, Clone)]
pub struct RunDir {
    root: PathBuf,
}

/// Keeps other processes out of a run directory while it is held. Dropping it unlocks; so does the end of the process,
/// however it comes.
///
/// The file stays: were it deleted, a process that had opened it before could lock it, and another a new one of its name.
#[derive(Debug)]
pub struct RunLock {
    /// The locked file. Closing it unlocks.
    _file: File,
}

impl RunDir {
    /// Starts a new run in a folder that is [vacant](Self::vacant). The lock is let go of at once.
    ///
    /// # Errors
    ///
    /// `VR0510`, `VR0516` and `VR0517` when it is not vacant, `VR0509` when the file system refuses.
    pub fn create(root: &Path, config: &RunConfig, environment: &impl Serialize) -> Result<Self, MethodError> {
        let run = Self::vacant(root)?;
        run.start(config, environment)?;
        Ok(run)
    }

    /// The folder of a run to be [started](Self::start), which may not exist yet. It holds no run, or one that failed or
    /// was stopped before its first checkpoint; and no file of others that a run would write over. Nothing is written.
    ///
    /// # Errors
    ///
    /// `VR0510` when there is a run already, `VR0516` when another process is about to make one, `VR0517` when a file is in
    /// the way.
    pub fn vacant(root: &Path) -> Result<Self, MethodError> {
        let run = Self { root: root.into() };
        let checkpoints = [CheckpointKind::Last, CheckpointKind::Best].map(|kind| run.checkpoint(kind));
        if run.config_path().exists() {
            // What can't be read may be anything.
            let is_run = Self::open(root).is_ok();
            let has_come_far = checkpoints.iter().any(|path| path.exists()) || root.join("results.json").exists();
            if !is_run || has_come_far {
                return Err(MethodError::RunExists { root: root.into() });
            }
            let lock = root.join(LOCK);
            if lock.exists() {
                drop(run.lock()?);
            }
            return Ok(run);
        }
        let mut in_the_way = FILES.iter().map(|name| root.join(name)).chain(checkpoints);
        // A process that was killed between the two files it begins with leaves the first.
        let environment = root.join(ENVIRONMENT);
        let is_foreign = environment.exists() && run.data_manifest().is_err();
        match is_foreign.then_some(environment).or_else(|| in_the_way.find(|path| path.exists())) {
            Some(path) => Err(MethodError::ForeignFile { path }),
            None => Ok(run),
        }
    }

    /// Makes the folder and the files that a run begins with, `config.toml` last: a folder with that file is a run.
    /// What an earlier start without a checkpoint has left is deleted. `environment` is written as `environment.json`.
    ///
    /// # Errors
    ///
    /// `VR0509` when the file system refuses, `VR0516` when another process is training there.
    pub fn start(&self, config: &RunConfig, environment: &impl Serialize) -> Result<RunLock, MethodError> {
        let checkpoints = self.root.join("checkpoints");
        fs::create_dir_all(&checkpoints).map_err(MethodError::io("can't make folder", &checkpoints))?;
        let lock = self.lock()?;
        for path in FILES.map(|name| self.root.join(name)).iter().filter(|path| path.exists()) {
            fs::remove_file(path).map_err(MethodError::io("can't delete", path))?;
        }
        self.write_json(ENVIRONMENT, environment)?;
        // Last: a folder with this file is a run.
        write_atomically(&self.config_path(), config.to_toml().as_bytes())?;
        Ok(lock)
    }

    /// Keeps other processes out of the folder while the lock is held. Some network drives know no locks; there it does
    /// nothing.
    ///
    /// # Errors
    ///
    /// `VR0516` when another process holds it, `VR0509` when the file system refuses.
    pub fn lock(&self) -> Result<RunLock, MethodError> {
        let path = self.root.join(LOCK);
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let file = file.map_err(MethodError::io("can't open", &path))?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => Err(MethodError::RunInUse { root: self.root.clone() }),
            // Some network drives know no locks.
            Ok(()) | Err(TryLockError::Error(_)) => Ok(RunLock { _file: file }),
        }
    }

    /// Opens an existing run and reads its configuration.
    ///
    /// # Errors
    ///
    /// `VR0510` when there is none, or when its configuration can't be used.
    pub fn open(root: &Path) -> Result<(Self, RunConfig), MethodError> {
        let run = Self { root: root.into() };
        let path = run.config_path();
        if !path.is_file() {
            return Err(MethodError::NoRun { root: root.into(), missing: path });
        }
        let damaged = |reason: String| MethodError::RunDir(format!("{} can't be used: {reason}", path.display()));
        let text = fs::read_to_string(&path).map_err(|error| damaged(error.to_string()))?;
        let config = RunConfig::from_toml(&text, &[]).map_err(|error| damaged(error.to_string()))?;
        Ok((run, config))
    }

    /// Opens an existing run to go on with it.
    ///
    /// # Errors
    ///
    /// Those of [`open`](Self::open); `VR0510` when its configuration is not `config`, or has been changed since the run began.
    pub fn open_unchanged(root: &Path, config: &RunConfig) -> Result<Self, MethodError> {
        let (run, found) = Self::open(root)?;
        let path = run.config_path();
        let text = fs::read_to_string(&path).map_err(MethodError::io("can't read", &path))?;
        if run.environment("config_hash").is_some_and(|began| !settings_hash::is_of_text(&began, &text)) {
            let message = format!(
                "{} was changed after the run began, and a run goes on with the settings that it began with; put the file back, \
                 or start a new run",
                path.display()
            );
            return Err(MethodError::RunDir(message));
        }
        if found != *config {
            let message =
                format!("the settings to go on with are not those of {}; read them with RunDir::open", path.display());
            return Err(MethodError::RunDir(message));
        }
        Ok(run)
    }

    /// The run's folder, as it was given.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The path of a checkpoint, whether it exists or not.
    pub fn checkpoint(&self, kind: CheckpointKind) -> PathBuf {
        self.root.join("checkpoints").join(kind.file_name())
    }

    /// The fingerprint of the data that the run was started with: of the images' contents, 64 hexadecimal digits, or,
    /// in runs of earlier versions, of names and lengths, 16 digits.
    ///
    /// # Errors
    ///
    /// `VR0510` when `environment.json` can't be read.
    pub fn data_manifest(&self) -> Result<String, MethodError> {
        let message = || format!("{} is missing or damaged; start a new run", self.root.join(ENVIRONMENT).display());
        self.environment("data_manifest").ok_or_else(|| MethodError::RunDir(message()))
    }

    /// The name of the data that the run was started with.
    pub(crate) fn data_name(&self) -> Option<String> {
        self.environment("data")
    }

    fn environment(&self, key: &str) -> Option<String> {
        let environment: serde_json::Value = self.read_json(ENVIRONMENT)?;
        Some(environment.get(key)?.as_str()?.to_string())
    }

    /// Writes a JSON file into the run's folder: whole, or not at all.
    ///
    /// # Errors
    ///
    /// `VR0509` when the file system refuses, `VR0510` when the value can't be written as JSON.
    pub fn write_json(&self, name: &str, value: &impl Serialize) -> Result<(), MethodError> {
        let text =
            serde_json::to_string_pretty(value).map_err(|error| MethodError::RunDir(format!("{name}: {error}")))?;
        write_atomically(&self.root.join(name), (text + "\n").as_bytes())
    }

    /// Reads a JSON file of the run's folder. `None` where it is missing or not of that kind.
    pub fn read_json<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_str(&fs::read_to_string(self.root.join(name)).ok()?).ok()
    }

    /// An observer that appends every event to `events.jsonl`.
    ///
    /// # Errors
    ///
    /// `VR0509` when the file can't be opened.
    pub(crate) fn event_log(&self) -> Result<EventLog, MethodError> {
        let path = self.root.join(EVENTS);
        let file = OpenOptions::new().create(true).append(true).open(&path);
        Ok(EventLog { file: file.map_err(MethodError::io("can't open", &path))? })
    }

    /// Moves the events that a run will do again from `events.jsonl` to `events.repeated.jsonl`, and with them a last
    /// line that was cut short, so that nothing stands in the log twice and nothing is lost. Returns how many lines
    /// were moved.
    ///
    /// # Errors
    ///
    /// `VR0509` when the file system refuses.
    pub(crate) fn rewind_events(&self, to: &GoesOn) -> Result<usize, MethodError> {
        let path = self.root.join(EVENTS);
        let log = match fs::read(&path) {
            Ok(log) => log,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
            Err(error) => return Err(MethodError::io("can't read", &path)(error)),
        };
        let is_whole = |line: &[u8]| line.ends_with(b"\n");
        let repeats = |line: &[u8]| serde_json::from_slice(line).is_ok_and(|event| to.repeats(&event));
        let (kept, moved): (Vec<&[u8]>, Vec<&[u8]>) =
            log.split_inclusive(|byte| *byte == b'\n').partition(|line| is_whole(line) && !repeats(line));
        if moved.is_empty() {
            return Ok(0);
        }
        let aside = self.root.join(REPEATED_EVENTS);
        let mut bytes = moved.concat();
        if !is_whole(&bytes) {
            bytes.push(b'\n');
        }
        // First to safety, then out of the log: killed in between, a line stands in both.
        let append = || -> std::io::Result<()> {
            let mut file = OpenOptions::new().create(true).append(true).open(&aside)?;
            file.write_all(&bytes)?;
            file.sync_all()
        };
        append().map_err(MethodError::io("can't write", &aside))?;
        write_atomically(&path, &kept.concat())?;
        Ok(moved.len())
    }

    /// Which images and people the run was trained on.
    ///
    /// # Errors
    ///
    /// `VR0510` when that can't be told: an older version began the run, or the file is damaged.
    pub fn training_record(&self) -> Result<TrainingRecord, MethodError> {
        let path = self.root.join(TrainingRecord::FILE);
        let cant_tell = |reason: String| {
            MethodError::RunDir(format!("whether people were trained on can't be told: {} {reason}", path.display()))
        };
        let text = fs::read_to_string(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound if self.environment("imported_from").is_some() => {
                cant_tell("is not there, since the network was imported".into())
            }
            std::io::ErrorKind::NotFound => cant_tell("is not there, as in runs of older versions".into()),
            _ => cant_tell(format!("can't be read: {error}")),
        })?;
        let record: TrainingRecord =
            serde_json::from_str(&text).map_err(|error| cant_tell(format!("is damaged: {error}")))?;
        match record.is_of_another_version() {
            true => Err(cant_tell("has fingerprints of images as older versions made them".into())),
            false => Ok(record),
        }
    }

    fn config_path(&self) -> PathBuf {
        self.root.join(CONFIG)
    }
}

/// The log of a run, a JSON object per line.
const EVENTS: &str = "events.jsonl";
/// Lines of the log that tell what a run did again later.
const REPEATED_EVENTS: &str = "events.repeated.jsonl";

/// Appends events to a file, one JSON object a line. A log that can't be written does not stop training: the checkpoint
/// will report a full disk.
#[derive(Debug)]
pub(crate) struct EventLog {
    file: File,
}

impl Observer for EventLog {
    fn event(&mut self, event: &Event) {
        if let Ok(line) = serde_json::to_string(event) {
            let _ = writeln!(self.file, "{line}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Position;

    fn config() -> RunConfig {
        crate::testing::config(&[])
    }

    fn environment() -> serde_json::Value {
        serde_json::json!({ "data_manifest": "d" })
    }

    /// A start that failed was in the way of the corrected one.
    #[test]
    fn a_run_without_a_checkpoint_may_be_started_over() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("run");
        let run = RunDir::create(&root, &config(), &environment()).unwrap();
        fs::write(root.join("events.jsonl"), "of the first start\n").unwrap();
        RunDir::create(&root, &config(), &environment()).unwrap();
        assert!(!root.join("events.jsonl").exists());
        fs::write(run.checkpoint(CheckpointKind::Last), "weights").unwrap();
        let refused = RunDir::create(&root, &config(), &environment()).unwrap_err().to_string();
        assert!(refused.starts_with("VR0510") && refused.contains("holds a run already"), "{refused}");
        // Somebody deleted the checkpoints and kept the scores.
        fs::remove_file(run.checkpoint(CheckpointKind::Last)).unwrap();
        fs::write(root.join("results.json"), "{}").unwrap();
        assert!(RunDir::vacant(&root).is_err());
    }

    #[test]
    fn a_run_that_a_process_is_at_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::vacant(folder.path()).unwrap();
        let lock = run.start(&config(), &environment()).unwrap();
        for refused in [RunDir::vacant(folder.path()).map(drop), run.lock().map(drop)] {
            assert!(refused.unwrap_err().to_string().starts_with("VR0516"));
        }
        drop(lock);
        assert!(RunDir::vacant(folder.path()).is_ok());
    }

    /// Two processes held the lock: one of a file that was deleted after it had opened it, one of the next.
    #[test]
    fn there_is_one_lock_however_it_is_given_back() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir { root: folder.path().into() };
        let first = run.lock().unwrap();
        let opened = File::open(folder.path().join(LOCK)).unwrap();
        drop(first);
        opened.try_lock().unwrap();
        let refused = run.lock().unwrap_err().to_string();
        assert!(refused.starts_with("VR0516"), "{refused}");
        drop(opened);
        assert!(run.lock().is_ok());
    }

    /// What `environment.json` holds of the settings: their hash today, and in version 0.1, whose hash was the text's.
    #[test]
    fn a_run_goes_on_with_the_hash_of_either_version() {
        let (config, other) = (config(), crate::testing::config(&["seed=7"]));
        let old = format!("{:016x}", crate::system::fnv1a(config.to_toml().bytes()));
        assert_ne!(old, config.hash());
        for hash in [old, config.hash()] {
            let folder = tempfile::tempdir().unwrap();
            let environment = serde_json::json!({ "data_manifest": "d", "config_hash": hash });
            RunDir::create(folder.path(), &config, &environment).unwrap();
            RunDir::open_unchanged(folder.path(), &config).unwrap();
            fs::write(folder.path().join(CONFIG), other.to_toml()).unwrap();
            let refused = RunDir::open_unchanged(folder.path(), &other).unwrap_err().to_string();
            assert!(refused.contains("was changed after the run began"), "{refused}");
        }
    }

    /// A run wrote over whatever had the names of its files.
    #[test]
    fn files_of_others_are_not_written_over() {
        for name in FILES.into_iter().chain([ENVIRONMENT, CONFIG, "checkpoints/best.safetensors"]) {
            let folder = tempfile::tempdir().unwrap();
            fs::create_dir(folder.path().join("checkpoints")).unwrap();
            fs::write(folder.path().join(name), "mine").unwrap();
            let refused = RunDir::create(folder.path(), &config(), &environment()).unwrap_err().to_string();
            assert!(refused.starts_with("VR051"), "{name}: {refused}");
            assert_eq!(fs::read_to_string(folder.path().join(name)).unwrap(), "mine");
        }
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(ENVIRONMENT), environment().to_string()).unwrap();
        assert!(RunDir::vacant(folder.path()).is_ok(), "a start that was killed leaves this");
    }

    /// No image has such a fingerprint any more, so that nobody seemed to have been trained on.
    #[test]
    fn a_training_record_of_an_older_version_can_not_be_compared() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir { root: folder.path().into() };
        let told = |image: &str| {
            let record = format!(r#"{{"images": ["{image}"], "people": []}}"#);
            fs::write(folder.path().join(TrainingRecord::FILE), record).unwrap();
            run.training_record().map(|_| ()).map_err(|error| error.to_string())
        };
        assert_eq!(told("0123456789abcdef0123456789abcdef"), Ok(()));
        let said = told("0123456789abcdef").unwrap_err();
        assert!(said.starts_with("VR0510") && said.contains("older versions"), "{said}");
    }

    #[test]
    fn where_no_run_is_nobody_asked_to_resume_one() {
        let said = RunDir::open(Path::new("no/such/run")).unwrap_err().to_string();
        assert!(
            said.starts_with("VR0510") && said.contains("there is no run in") && !said.contains("resume"),
            "{said}"
        );
    }

    /// A run killed in its second epoch, within the writing of a line, that goes on from the end of the first.
    #[test]
    fn a_log_is_cut_where_the_run_goes_on_and_nothing_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir { root: folder.path().into() };
        let to = GoesOn { position: Position { epoch: 1, step: 0 }, prepared: false, evaluations: Vec::new() };
        assert_eq!(run.rewind_events(&to).unwrap(), 0, "no log yet");
        let step = |epoch: usize, step: usize| format!("{{\"event\":\"step\",\"epoch\":{epoch},\"step\":{step}}}\n");
        let (before, behind) = (step(0, 0) + &step(0, 1), step(1, 0) + "{\"event\":\"st");
        let (log, aside) = (folder.path().join(EVENTS), folder.path().join(REPEATED_EVENTS));
        fs::write(&log, format!("{before}{behind}")).unwrap();
        assert_eq!(run.rewind_events(&to).unwrap(), 2);
        assert_eq!(fs::read_to_string(&log).unwrap(), before);
        assert_eq!(fs::read_to_string(&aside).unwrap(), behind.clone() + "\n");
        assert_eq!(run.rewind_events(&to).unwrap(), 0, "nothing is left to move");
        fs::write(&log, before.clone() + &step(1, 0)).unwrap();
        assert_eq!(run.rewind_events(&to).unwrap(), 1);
        assert_eq!(fs::read_to_string(&aside).unwrap(), format!("{behind}\n{}", step(1, 0)), "killed twice");
    }
}
