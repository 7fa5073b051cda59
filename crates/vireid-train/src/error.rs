//! The errors of training, codes VR05xx.

use std::path::PathBuf;

use burn::tensor::TensorReadError;
use vireid_backbone::BackboneError;
use vireid_backbone::onnx::OnnxError;
use vireid_clustering::ClusteringError;
use vireid_core::{Coded, CoreError, Modality, one_line};
use vireid_data::DataError;
use vireid_eval::EvalError;

/// Whatever can stop a run or keep it from starting. Every message begins with its code.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MethodError {
    /// A key that no setting has.
    #[error("VR0501: there is no setting '{key}'{}", suggestion.as_ref().map_or(String::new(), |s| format!("; did you mean '{s}'?")))]
    UnknownKey {
        /// The key as it was written, with the sections it is in.
        key: String,
        /// The existing key that is spelled most like it; `None` where there are no keys.
        suggestion: Option<String>,
    },
    /// A setting's value can't be used.
    #[error("VR0502: configuration: {0}")]
    Config(String),
    /// A name that no preset or method has.
    #[error("VR0503: there is no {what} '{name}'; there are: {}", known.join(", "))]
    Unknown {
        /// What the name is of: `preset` or `method`.
        what: &'static str,
        /// The name as it was written.
        name: String,
        /// All names that there are.
        known: Vec<String>,
    },
    /// A device can't be opened.
    #[error("VR0504: no device '{name}': {reason}; this build on this machine has: {}", available.join(", "))]
    NoDevice {
        /// The name as it was written.
        name: String,
        /// Why it can't be opened, as a part of a sentence.
        reason: String,
        /// Names of the devices that could be opened instead.
        available: Vec<String>,
    },
    /// Clustering found nothing.
    #[error(
        "VR0505: epoch {epoch}: clustering found no {modality} cluster, {noise} of {noise} samples are noise; raise {setting}, or start from weights that separate people better"
    )]
    NoClusters {
        /// The epoch, counted from 0 over all stages.
        epoch: usize,
        /// The modality that has no cluster.
        modality: Modality,
        /// How many images it has: all of them are noise.
        noise: usize,
        /// The method's setting of the largest distance of neighbours.
        setting: String,
    },
    /// A loss is NaN or infinite.
    #[error(
        "VR0506: epoch {epoch}, step {step}: the loss '{part}' is {value}; training stopped, and what was saved before is kept: start again with a lower learning_rate for this stage"
    )]
    NotFinite {
        /// The epoch, counted from 0 over all stages.
        epoch: usize,
        /// The step within the epoch, counted from 0.
        step: usize,
        /// The part of the loss, one of [`Method::loss_parts`](crate::Method::loss_parts).
        part: String,
        /// Its value: NaN or an infinity.
        value: f32,
    },
    /// A checkpoint can't be read.
    #[error("VR0507: checkpoint {}: {reason}", path.display())]
    BadCheckpoint {
        /// The checkpoint that was to be read.
        path: PathBuf,
        /// What is wrong with it, as a part of a sentence.
        reason: String,
    },
    /// A checkpoint belongs to another run.
    #[error("VR0508: checkpoint {} was made with {what} '{found}', this run has '{expected}'; resume the run it belongs to, or start a new one", path.display())]
    ForeignCheckpoint {
        /// The checkpoint that belongs to another run.
        path: PathBuf,
        /// What differs, such as `method`, `backbone`, `seed`, `data` or `parameters`.
        what: &'static str,
        /// Its value in the checkpoint.
        found: String,
        /// Its value in the run that was to go on.
        expected: String,
    },
    /// A file of the run directory can't be written or read.
    #[error("VR0509: {action} {}: {source}; what was saved before is untouched", path.display())]
    Io {
        /// What was tried, as the message begins: `can't read`, `can't write`.
        action: &'static str,
        /// The file or folder that it was tried on.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// A run directory can't be used as asked.
    #[error("VR0510: {0}")]
    RunDir(String),
    /// A new run was asked for in a folder that holds one.
    #[error("VR0510: {} holds a run already: go on with it, or start in another folder", root.display())]
    RunExists {
        /// The folder that holds a run.
        root: PathBuf,
    },
    /// The folder that was named as a run holds none.
    #[error("VR0510: there is no run in {}: {} is missing", root.display(), missing.display())]
    NoRun {
        /// The folder that was named as a run.
        root: PathBuf,
        /// The file that makes a folder a run.
        missing: PathBuf,
    },
    /// Two processes want to write the same run.
    #[error("VR0516: another process is training in {}; wait for it, or start in another folder", root.display())]
    RunInUse {
        /// The run directory that is locked.
        root: PathBuf,
    },
    /// A folder without a run has a file that a run would write over.
    #[error("VR0517: {} is there already, and a run in its folder would write over it; start in an empty folder", path.display())]
    ForeignFile {
        /// The file that would be lost.
        path: PathBuf,
    },
    /// A device does not give its results any more.
    #[error(
        "VR0511: the device failed: {0}; what was saved before is untouched: resume the run once the device answers again, or on another one"
    )]
    DeviceFailed(String),
    /// A device's memory does not suffice for a step.
    #[error(
        "VR0521: the device has too little memory: {0}; set backbone.checkpointing = true, take backbone.precision = \"bf16\", lower sampler.clusters, sampler.instances or extraction.batch, or share the batch over more devices; what was saved before is untouched"
    )]
    DeviceOutOfMemory(String),
    /// The engine asked a method for what it makes of an epoch before the epoch was prepared: a fault of the caller.
    #[error("VR0522: {0}: no epoch is prepared; prepare one first")]
    NotPrepared(String),
    /// A method's loss has other parts than it names.
    #[error(
        "VR0523: {method}: a step's loss has {found} parts, and loss_parts names [{named}]; every step must report all of them, one at least"
    )]
    LossParts {
        /// Name of the method whose step it was.
        method: String,
        /// The parts that `loss_parts` names, separated by commas.
        named: String,
        /// How many parts its step gave.
        found: usize,
    },
    /// A pass in training mode left a network's running statistics as they were.
    #[error(
        "VR0524: a training pass without gradients did not move the running statistics of {0}: its in_training_mode gives a network that normalises by them, and not by the batch"
    )]
    StillStatistics(String),
    /// Nobody has said how the network is drawn as a graph.
    #[error(
        "VR0530: the network '{0}' can't be exported as ONNX: its Backbone has no draw, which says what its pass is made of; write one, or export its weights (safetensors)"
    )]
    NotDrawable(String),
    /// A graph that can't become a file: `VR07xx`.
    #[error(transparent)]
    Onnx(#[from] OnnxError),
    /// A warning, not an obstacle: a memory is probably too small for the run.
    #[error(
        "VR0520: the run needs about {needed:.1} GiB of {place}, and {available:.1} GiB are free; set backbone.checkpointing = true, lower sampler.clusters or sampler.instances, share the batch over more devices, take backbone.precision = \"bf16\" on a card that has it, or choose a smaller network or input size"
    )]
    LittleMemory {
        /// `main memory`, or the name of the device whose memory it is.
        place: String,
        /// What the run needs, in GiB; an estimate.
        needed: f64,
        /// What is free now, in GiB.
        available: f64,
    },
    /// A data set or one of its images can't be used: `VR01xx`.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Clustering or association refused its input: `VR02xx`.
    #[error(transparent)]
    Clustering(#[from] ClusteringError),
    /// A network or its weights can't be used: `VR03xx`.
    #[error(transparent)]
    Backbone(#[from] BackboneError),
    /// Embeddings can't be scored: `VR04xx`.
    #[error(transparent)]
    Eval(#[from] EvalError),
    /// A basic value is not valid, such as an embedding with NaN: `VR00xx`.
    #[error(transparent)]
    Core(#[from] CoreError),
}

impl MethodError {
    pub(crate) fn io(action: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { action, path, source }
    }
}

/// How Burn's backends say that memory ran out; they have no kind of error of its own for it.
const OUT_OF_MEMORY: [&str; 3] = ["out of device memory", "out-of-memory", "can't allocate buffer of size"];

impl MethodError {
    /// What a device answered instead of values.
    pub(crate) fn of_device(reason: &str) -> Self {
        // Burn's text has a line per cause, and sometimes a stack behind them.
        let reason = one_line(reason);
        match OUT_OF_MEMORY.into_iter().any(|words| reason.contains(words)) {
            true => Self::DeviceOutOfMemory(reason),
            false => Self::DeviceFailed(reason),
        }
    }
}

impl From<TensorReadError> for MethodError {
    fn from(error: TensorReadError) -> Self {
        Self::of_device(&error.to_string())
    }
}

impl Coded for MethodError {}
