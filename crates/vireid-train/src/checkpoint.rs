//! Checkpoints: what they hold, and reading and writing them.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, View};
use serde::{Deserialize, Serialize};
use vireid_backbone::parameters::NamedParameter;

use crate::{Evaluation, MethodError, MethodState};

/// Version of the checkpoint format that this build writes and reads. A file with any other version is refused with
/// `VR0507`.
pub const FORMAT_VERSION: u32 = 2;
/// Key of the header, JSON text, in the metadata of the safetensors file.
const HEADER: &str = "vireid";
/// Name of the tensor that holds the optimiser's record as bytes.
const OPTIMIZER: &str = "optimizer";

/// Which of the two checkpoints that a run keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckpointKind {
    /// The newest: saved after every epoch and when a run is interrupted. A run goes on from it.
    Last,
    /// The one with the highest mAP in a test after some training. It is selected on test data, so label its scores so.
    /// A run without a test set has none.
    Best,
}

impl CheckpointKind {
    /// Its file name in the run's `checkpoints` folder.
    pub fn file_name(self) -> &'static str {
        match self {
            CheckpointKind::Last => "last.safetensors",
            CheckpointKind::Best => "best.safetensors",
        }
    }
}

/// How far a run has come: `step` steps of `epoch` are done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Position {
    /// The epoch that is under way, counted from 0 over all stages. After the last it is the number of epochs.
    pub epoch: usize,
    /// Steps of that epoch that are done; 0 between two epochs.
    pub step: usize,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Header {
    version: u32,
    method: String,
    backbone: String,
    seed: u64,
    position: Position,
    prepared: bool,
    evaluations: Vec<Evaluation>,
}

/// Everything that a run needs to go on, and everything a network needs to be used.
///
/// One safetensors file: parameters as `model/...`, the method's own state (memories, labels) as `state/...`, and the
/// optimiser's record as bytes. Random streams have no state beyond the seed and the position.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// Name of the method that wrote it. A run of another method refuses it (`VR0508`).
    pub method: String,
    /// `backbone.name` of the run. A run with another network refuses it (`VR0508`).
    pub backbone: String,
    /// Seed of the run. With `position` it is all there is to know of the random streams.
    pub seed: u64,
    /// How far the run had come when it was saved.
    pub position: Position,
    /// Every test so far, the oldest first, the one of the untrained network included.
    pub evaluations: Vec<Evaluation>,
    /// Parameters and running statistics as name, shape and values in f32: the network's by its own names, and
    /// `classifier.weight` where a stage has a classifier.
    pub model: Vec<NamedParameter>,
    /// What the optimiser remembers, in Burn's record format.
    pub optimizer: Vec<u8>,
    /// Whether the epoch of the position has its labels and memories already; they are in `state` then.
    pub prepared: bool,
    /// What [`Method::state`](crate::Method::state) gave: labels and memories, or what outlives an epoch.
    pub state: MethodState,
}

struct Raw {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl View for Raw {
    fn dtype(&self) -> Dtype {
        self.dtype
    }
    fn shape(&self) -> &[usize] {
        &self.shape
    }
    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }
    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

fn floats(shape: &[usize], values: &[f32]) -> Raw {
    Raw { dtype: Dtype::F32, shape: shape.to_vec(), bytes: values.iter().flat_map(|v| v.to_le_bytes()).collect() }
}

fn integers(values: &[i32]) -> Raw {
    Raw { dtype: Dtype::I32, shape: vec![values.len()], bytes: values.iter().flat_map(|v| v.to_le_bytes()).collect() }
}

impl Checkpoint {
    /// Writes the file: under a temporary name, synced to disk, then renamed, so that `path` always holds a whole
    /// checkpoint.
    ///
    /// # Errors
    ///
    /// `VR0509`, with the old file untouched.
    pub fn save(&self, path: &Path) -> Result<(), MethodError> {
        let mut tensors: BTreeMap<String, Raw> = BTreeMap::new();
        for (name, shape, values) in &self.model {
            tensors.insert(format!("model/{name}"), floats(shape, values));
        }
        for (name, (shape, values)) in &self.state.floats {
            tensors.insert(format!("state/{name}"), floats(shape, values));
        }
        for (name, values) in &self.state.integers {
            tensors.insert(format!("state/{name}"), integers(values));
        }
        let bytes = self.optimizer.clone();
        tensors.insert(OPTIMIZER.into(), Raw { dtype: Dtype::U8, shape: vec![bytes.len()], bytes });
        let header = Header {
            version: FORMAT_VERSION,
            method: self.method.clone(),
            backbone: self.backbone.clone(),
            seed: self.seed,
            position: self.position,
            prepared: self.prepared,
            evaluations: self.evaluations.clone(),
        };
        let text = serde_json::to_string(&header).map_err(|error| MethodError::RunDir(format!("{error}")))?;
        let bytes = safetensors::serialize(tensors, Some(HashMap::from([(HEADER.to_string(), text)])))
            .map_err(|error| MethodError::RunDir(format!("the checkpoint can't be encoded: {error}")))?;
        // Somebody may have tidied the folder away while the run went on.
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(MethodError::io("can't make folder", folder))?;
        }
        write_atomically(path, &bytes)
    }

    /// Reads a checkpoint, all of it into memory. Whether its parameters are those of a network shows only when they
    /// are loaded into one.
    ///
    /// # Errors
    ///
    /// `VR0507` when it is missing, truncated, not a checkpoint, or from a newer or older format.
    pub fn load(path: &Path) -> Result<Self, MethodError> {
        let bad = |reason: String| MethodError::BadCheckpoint { path: path.into(), reason };
        let bytes = fs::read(path).map_err(|error| bad(error.to_string()))?;
        let damaged = |error: safetensors::SafeTensorError| bad(format!("truncated or damaged ({error})"));
        let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(damaged)?;
        let text = metadata.metadata().as_ref().and_then(|map| map.get(HEADER));
        let text = text.ok_or_else(|| bad("it is not a checkpoint of this program".into()))?;
        let version: serde_json::Value = serde_json::from_str(text).map_err(|error| bad(error.to_string()))?;
        let version = version.get("version").and_then(serde_json::Value::as_u64).unwrap_or(0);
        if version > u64::from(FORMAT_VERSION) {
            return Err(bad(format!(
                "written by a newer program (format {version}, this one reads up to {FORMAT_VERSION}); update vireid"
            )));
        }
        if version < u64::from(FORMAT_VERSION) {
            return Err(bad(format!(
                "written by an older program (format {version}, this one reads {FORMAT_VERSION}); start a new run"
            )));
        }
        let header: Header = serde_json::from_str(text).map_err(|error| bad(error.to_string()))?;
        let file = SafeTensors::deserialize(&bytes).map_err(damaged)?;

        let (mut model, mut state) = (Vec::new(), MethodState::default());
        for (name, view) in file.tensors() {
            let is_known = match view.dtype() {
                Dtype::F32 => name != OPTIMIZER,
                Dtype::I32 => name.starts_with("state/"),
                Dtype::U8 => name == OPTIMIZER,
                _ => false,
            };
            if !is_known {
                return Err(bad(format!("damaged ({name} holds numbers of the kind {:?})", view.dtype())));
            }
            let words = || view.data().chunks_exact(4).map(|b| [b[0], b[1], b[2], b[3]]);
            let floats = || words().map(f32::from_le_bytes).collect();
            if let Some(name) = name.strip_prefix("model/") {
                model.push((name.to_string(), view.shape().to_vec(), floats()));
            } else if let Some(name) = name.strip_prefix("state/") {
                if view.dtype() == Dtype::I32 {
                    state.integers.insert(name.into(), words().map(i32::from_le_bytes).collect());
                } else {
                    state.floats.insert(name.into(), (view.shape().to_vec(), floats()));
                }
            }
        }
        let optimizer = file.tensor(OPTIMIZER).map_err(damaged)?.data().to_vec();
        let Header { method, backbone, seed, position, prepared, evaluations, .. } = header;
        Ok(Self { method, backbone, seed, position, evaluations, model, optimizer, prepared, state })
    }
}

/// Writes under a temporary name, syncs to disk, renames: `path` holds the old bytes or the new ones, never a part.
///
/// # Errors
///
/// `VR0509`; the temporary file is removed then.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), MethodError> {
    let temporary = path.with_extension("tmp");
    let write = || -> std::io::Result<()> {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        // The rename itself is on disk once the folder is; where folders can't be opened there is nothing to sync.
        if let Some(Ok(folder)) = path.parent().map(File::open) {
            let _ = folder.sync_all();
        }
        Ok(())
    };
    write().map_err(|source| {
        let _ = fs::remove_file(&temporary);
        MethodError::Io { action: "can't write", path: path.into(), source }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint() -> Checkpoint {
        let mut state = MethodState::default();
        state.put_labels("labels", &[Some(0), None, Some(1)]);
        state.put_values("scores", &[0.5, 1.0]);
        Checkpoint {
            method: "own".into(),
            backbone: "small".into(),
            seed: 3,
            position: Position { epoch: 2, step: 5 },
            evaluations: Vec::new(),
            model: vec![("a.weight".into(), vec![2, 1], vec![0.5, -1.0])],
            optimizer: vec![1, 2, 3],
            prepared: true,
            state,
        }
    }

    #[test]
    fn round_trip() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("last.safetensors");
        checkpoint().save(&path).unwrap();
        let loaded = Checkpoint::load(&path).unwrap();
        assert_eq!(format!("{loaded:?}"), format!("{:?}", checkpoint()));
    }

    /// "Make room" was said of a folder that had been deleted.
    #[test]
    fn a_folder_that_is_gone_is_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoints/last.safetensors");
        checkpoint().save(&path).unwrap();
        assert!(Checkpoint::load(&path).is_ok());
    }

    #[test]
    fn damaged_foreign_and_newer_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("last.safetensors");
        let says = |part: &str| {
            let error = Checkpoint::load(&path).unwrap_err().to_string();
            assert!(error.starts_with("VR0507") && error.contains(part), "{error}");
        };
        says("last.safetensors");
        checkpoint().save(&path).unwrap();
        let whole = fs::read(&path).unwrap();
        for cut in [0, 4, 100, whole.len() - 1] {
            fs::write(&path, &whole[..cut]).unwrap();
            says("truncated");
        }
        let field = b"\\\"version\\\":2";
        let position = whole.windows(field.len()).position(|window| window == field).unwrap();
        let mut newer = whole.clone();
        newer[position + field.len() - 1] = b'9';
        fs::write(&path, newer).unwrap();
        says("newer");
        let mut older = whole.clone();
        older[position + field.len() - 1] = b'1';
        fs::write(&path, older).unwrap();
        says("older");
        let other = safetensors::serialize(BTreeMap::from([("x", floats(&[1], &[1.0]))]), None).unwrap();
        fs::write(&path, other).unwrap();
        says("not a checkpoint");
    }

    /// Half the values under a whole shape: what takes them would panic.
    #[test]
    fn numbers_of_another_kind_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("last.safetensors");
        checkpoint().save(&path).unwrap();
        let whole = fs::read(&path).unwrap();
        for (kind, other) in
            [("\"F32\",\"shape\":[2,1]", "\"F16\",\"shape\":[2,2]"), ("\"U8\",\"shape\":[3]", "\"I8\",\"shape\":[3]")]
        {
            let position = whole.windows(kind.len()).position(|window| window == kind.as_bytes()).unwrap();
            let mut damaged = whole.clone();
            damaged[position..position + kind.len()].copy_from_slice(other.as_bytes());
            fs::write(&path, damaged).unwrap();
            let error = Checkpoint::load(&path).unwrap_err().to_string();
            assert!(error.starts_with("VR0507") && error.contains("of the kind"), "{error}");
        }
    }

    /// A full disk: the temporary file is a link to a device that is always full.
    #[cfg(target_os = "linux")]
    #[test]
    fn no_space_left_keeps_the_old_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("last.safetensors");
        checkpoint().save(&path).unwrap();
        let before = fs::read(&path).unwrap();
        std::os::unix::fs::symlink("/dev/full", folder.path().join("last.tmp")).unwrap();
        let error = checkpoint().save(&path).unwrap_err().to_string();
        assert!(error.starts_with("VR0509") && error.contains("No space left"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), before);
    }
}
