use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::checkpoint::write_atomically;
use crate::events::{Event, Observer};
use crate::{CheckpointKind, MethodError, RunConfig};

/// The folder of a run: `config.toml`, `environment.json`, `events.jsonl`, `checkpoints/`, `results.json`.
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

    /// The fingerprint of the data that the run was started with: of their contents, 64 digits, or of earlier versions 16.
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
        let path = self.root.join("events.jsonl");
        let file = OpenOptions::new().create(true).append(true).open(&path);
        Ok(EventLog { file: file.map_err(MethodError::io("can't open", &path))? })
    }

    fn config_path(&self) -> PathBuf {
        self.root.join("config.toml")
    }
}

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
