use std::path::PathBuf;

use vireid_core::Coded;
use vireid_data::DataError;
use vireid_methods::MethodError;

/// What can stop a verb of the program.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// Something about the data.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Something about training or the network.
    #[error(transparent)]
    Method(#[from] MethodError),
    /// A file of embeddings can't be used.
    #[error("VR0601: {}: {reason}; make it again with: vireid extract", path.display())]
    BadIndex {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The embeddings are another network's.
    #[error(
        "VR0602: {} was made with the network {found}, this one is {expected}: their embeddings can't be compared; extract again with the network that searches", path.display()
    )]
    ForeignIndex {
        /// The file.
        path: PathBuf,
        /// Fingerprint in the file.
        found: String,
        /// Fingerprint of the network.
        expected: String,
    },
    /// A file of embeddings that does not tell how it was made.
    #[error(
        "VR0611: {} was written by an older version, without a fingerprint of how it was made, so it can't be told whether its embeddings fit this network; make it again with: vireid extract", path.display()
    )]
    NoFingerprint {
        /// The file.
        path: PathBuf,
    },
    /// The embeddings were made with other settings.
    #[error(
        "VR0612: {} was made with {field} = {found}, this network embeds with {expected}: such embeddings can't be compared; make it again with: vireid extract", path.display()
    )]
    OtherSettings {
        /// The file.
        path: PathBuf,
        /// The setting that differs.
        field: String,
        /// Its value in the file.
        found: String,
        /// Its value in the run of the network.
        expected: String,
    },
    /// A calibration can't be used.
    #[error("VR0613: {}: {reason}; make it again with: vireid calibrate", path.display())]
    BadCalibration {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Files of a run that can't be read; the report shows the rest.
    #[error("VR0610: {}; the rest is drawn in {}", faults.join("; "), page.display())]
    UnreadableRun {
        /// What is wrong, file by file.
        faults: Vec<String>,
        /// The page.
        page: PathBuf,
    },
    /// An image can't be used.
    #[error("VR0603: the query {}: {reason}", path.display())]
    BadQuery {
        /// The image.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Labelled pairs are missing.
    #[error("VR0604: {0}")]
    NoPairs(String),
    /// A file can't be written.
    #[error("VR0605: {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// Arguments that contradict each other.
    #[error("VR0606: {0}")]
    Usage(String),
}

impl Coded for ProgramError {}

impl ProgramError {
    pub(crate) fn io(action: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { action, path, source }
    }
}
