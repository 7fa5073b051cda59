use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::checkpoint::write_atomically;
use crate::event_history::GoesOn;
use crate::events::{Event, Observer};
use crate::{CheckpointKind, MethodError, RunConfig, TrainingRecord};

/// The folder of a run: `config.toml`, `environment.json`, `training_set.json`, `events.jsonl`, `checkpoints/`,
/// `results.json`.
#[derive(Debug, Clone)]
pub struct RunDir {
    root: PathBuf,
}

impl RunDir {
    /// Starts a new run in a folder that holds none.
    ///
    /// # Errors
    ///
    /// `VR0510` when there is a run already, `VR0509` when the file system refuses.
    pub fn create(root: &Path, config: &RunConfig, environment: &impl Serialize) -> Result<Self, MethodError> {
        let run = Self { root: root.into() };
        if run.config_path().exists() {
            let message =
                format!("{} holds a run already; pass --resume to go on with it, or another --out", root.display());
            return Err(MethodError::RunDir(message));
        }
        let checkpoints = root.join("checkpoints");
        fs::create_dir_all(&checkpoints).map_err(MethodError::io("can't make folder", &checkpoints))?;
        run.write_json("environment.json", environment)?;
        // Last: a folder with this file is a run.
        write_atomically(&run.config_path(), config.to_toml().as_bytes())?;
        Ok(run)
    }

    /// Opens an existing run and reads its configuration.
    ///
    /// # Errors
    ///
    /// `VR0510` when there is none, `VR05xx` when its configuration can't be used.
    pub fn open(root: &Path) -> Result<(Self, RunConfig), MethodError> {
        let run = Self { root: root.into() };
        let path = run.config_path();
        if !path.is_file() {
            let message = format!("there is no run to resume in {}: {} is missing", root.display(), path.display());
            return Err(MethodError::RunDir(message));
        }
        let text = fs::read_to_string(&path).map_err(MethodError::io("can't read", &path))?;
        Ok((run, RunConfig::from_toml(&text, &[])?))
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where a checkpoint is.
    pub fn checkpoint(&self, kind: CheckpointKind) -> PathBuf {
        self.root.join("checkpoints").join(kind.file_name())
    }

    /// The fingerprint of the data that the run was started with.
    ///
    /// # Errors
    ///
    /// `VR0510` when `environment.json` can't be read.
    pub fn data_manifest(&self) -> Result<String, MethodError> {
        let path = self.root.join("environment.json");
        let read =
            fs::read_to_string(&path).ok().and_then(|text| serde_json::from_str::<serde_json::Value>(&text).ok());
        let manifest = read.as_ref().and_then(|value| value.get("data_manifest")?.as_str());
        let message = || format!("{} is missing or damaged; start a new run", path.display());
        manifest.map(str::to_string).ok_or_else(|| MethodError::RunDir(message()))
    }

    /// Writes a JSON file of the run.
    ///
    /// # Errors
    ///
    /// `VR0509`.
    pub fn write_json(&self, name: &str, value: &impl Serialize) -> Result<(), MethodError> {
        let text =
            serde_json::to_string_pretty(value).map_err(|error| MethodError::RunDir(format!("{name}: {error}")))?;
        write_atomically(&self.root.join(name), (text + "\n").as_bytes())
    }

    /// A JSON file of the run; nothing where it is missing or not of that kind.
    pub(crate) fn read_json<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_str(&fs::read_to_string(self.root.join(name)).ok()?).ok()
    }

    /// An observer that appends every event to `events.jsonl`.
    ///
    /// # Errors
    ///
    /// `VR0509`.
    pub fn event_log(&self) -> Result<EventLog, MethodError> {
        let path = self.root.join(EVENTS);
        let file = OpenOptions::new().create(true).append(true).open(&path);
        Ok(EventLog { file: file.map_err(MethodError::io("can't open", &path))? })
    }

    /// Moves the events that a run will do again from `events.jsonl` to `events.repeated.jsonl`, and a last line that was cut
    /// short with them, so that nothing stands in the log twice and nothing is lost. Returns how many lines were moved.
    ///
    /// # Errors
    ///
    /// `VR0509`.
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
        let aside = self.root.join("events.repeated.jsonl");
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

    /// Which images and people the run trained on.
    ///
    /// # Errors
    ///
    /// `VR0510` when the run does not tell: an older version began it, or the file is damaged.
    pub(crate) fn training_record(&self) -> Result<TrainingRecord, MethodError> {
        let path = self.root.join(TrainingRecord::FILE);
        let cant_tell = |reason: String| {
            MethodError::RunDir(format!("whether people were trained on can't be told: {} {reason}", path.display()))
        };
        let text = fs::read_to_string(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => cant_tell("is not there, as in runs of older versions".into()),
            _ => cant_tell(format!("can't be read: {error}")),
        })?;
        serde_json::from_str(&text).map_err(|error| cant_tell(format!("is damaged: {error}")))
    }

    fn config_path(&self) -> PathBuf {
        self.root.join("config.toml")
    }
}

/// The log of a run.
const EVENTS: &str = "events.jsonl";

/// Appends events to a file, one JSON object a line. A log that can't be written does not stop training: the checkpoint
/// will report a full disk.
#[derive(Debug)]
pub struct EventLog {
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

    /// A run killed in its second epoch, within the writing of a line, that goes on from the end of the first.
    #[test]
    fn a_log_is_cut_where_the_run_goes_on_and_nothing_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir { root: folder.path().into() };
        let to = GoesOn { position: Position { epoch: 1, step: 0 }, prepared: false, evaluations: Vec::new() };
        assert_eq!(run.rewind_events(&to).unwrap(), 0, "no log yet");
        let step = |epoch: usize, step: usize| format!("{{\"event\":\"step\",\"epoch\":{epoch},\"step\":{step}}}\n");
        let (before, behind) = (step(0, 0) + &step(0, 1), step(1, 0) + "{\"event\":\"st");
        let (log, aside) = (folder.path().join(EVENTS), folder.path().join("events.repeated.jsonl"));
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
