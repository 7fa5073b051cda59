//! What can stop a verb of the program: codes VR06xx, and those of the crates below.

use std::borrow::Cow;
use std::path::PathBuf;

use vireid_core::Coded;
use vireid_data::DataError;
use vireid_gallery::GalleryError;
use vireid_methods::{BackboneError, MethodError};

use crate::weights::KnownWeights;

/// What can stop a verb of the program.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// An error of the data set, `VR01xx`.
    #[error(transparent)]
    Data(#[from] DataError),
    /// An error of training, a network or a run directory: `VR02xx` to `VR05xx`.
    #[error(transparent)]
    Method(#[from] MethodError),
    /// An error of a gallery, `VR08xx`.
    #[error(transparent)]
    Gallery(#[from] GalleryError),
    /// An error of the service, `VR09xx`.
    #[cfg(feature = "serve")]
    #[error(transparent)]
    Serve(#[from] vireid_serve::ServeError),
    /// A file of embeddings can't be used.
    #[error("VR0601: {}: {reason}; make it again with: vireid extract", path.display())]
    BadIndex {
        /// The index, or the file next to it that is at fault.
        path: PathBuf,
        /// What is wrong, in a few words for a person to read.
        reason: String,
    },
    /// The embeddings are another network's.
    #[error(
        "VR0602: {} was made with the network {found}, this one is {expected}: their embeddings can't be compared; extract again with the network that searches", path.display()
    )]
    ForeignIndex {
        /// The index that was to be searched.
        path: PathBuf,
        /// Fingerprint of the network, as the file has it.
        found: String,
        /// Fingerprint of the network that was to be used.
        expected: String,
    },
    /// A file of embeddings that does not tell how it was made.
    #[error(
        "VR0611: {} was written by an older version, without a fingerprint of how it was made, so there is no way to tell whether its embeddings fit this network; make it again with: vireid extract", path.display()
    )]
    NoFingerprint {
        /// The index without a fingerprint.
        path: PathBuf,
    },
    /// The embeddings were made with other settings.
    #[error(
        "VR0612: {} was made with {field} = {found}, this network embeds with {expected}: such embeddings can't be compared; make it again with: vireid extract", path.display()
    )]
    OtherSettings {
        /// The index with other settings.
        path: PathBuf,
        /// The setting that differs, by its key.
        field: String,
        /// Its value in the file.
        found: String,
        /// Its value in the run of the network.
        expected: String,
    },
    /// Files of a run that can't be read; the report shows the rest.
    #[error("VR0610: {}; the rest is drawn in {}", faults.join("; "), page.display())]
    UnreadableRun {
        /// What is wrong, file by file.
        faults: Vec<String>,
        /// The page that was written all the same.
        page: PathBuf,
    },
    /// An image can't be used.
    #[error("VR0603: the query {}: {reason}", path.display())]
    BadQuery {
        /// Path of the query.
        path: PathBuf,
        /// What is wrong, in a few words for a person to read.
        reason: String,
    },
    /// There are too few labelled pairs to calibrate with; says which are missing.
    #[error("VR0604: {0}")]
    NoPairs(String),
    /// A file can't be written.
    #[error("VR0605: {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as the message begins: `can't write`.
        action: &'static str,
        /// The file that it was tried on.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// Arguments that contradict each other.
    #[error("VR0606: {0}")]
    Usage(String),
    /// An output would take the place of what is read.
    #[error(
        "VR0625: writing {} would replace {}, which this command reads; name another file, or pass --force", path.display(), input.display()
    )]
    OverInput {
        /// The file that was to be written.
        path: PathBuf,
        /// The file that the command reads.
        input: PathBuf,
    },
    /// An output would take the place of something that was not written by an earlier call.
    #[error(
        "VR0626: {} exists and is not {kind} that vireid wrote; name another file, or pass --force to write over it", path.display()
    )]
    OverForeign {
        /// The file that was to be written.
        path: PathBuf,
        /// What would be written, with its article: `a report`.
        kind: &'static str,
    },
    /// A name that no known weights have.
    #[error("VR0631: no weights named '{name}' are known; there are: {}", known.join(", "))]
    UnknownWeights {
        /// The name as it was written.
        name: String,
        /// All names that there are.
        known: Vec<&'static str>,
    },
    /// Weights can't be downloaded.
    #[error("VR0632: {url}: {reason}")]
    Download {
        /// The address.
        url: String,
        /// What went wrong, in a few words for a person to read.
        reason: String,
    },
    /// A file is not the known one.
    #[error("VR0633: {} is not {file}: {reason}; fetch it again, from another place if need be", path.display())]
    WrongWeights {
        /// The file that was looked at.
        path: PathBuf,
        /// Name of the file that it was to be.
        file: String,
        /// In what it differs.
        reason: String,
    },
    /// The build can't download.
    #[error(
        "VR0634: this build can't download; fetch {url} in another way and name the file with --from, or build with --features download"
    )]
    NoDownload {
        /// The address.
        url: String,
    },
    /// What a calibration has left can't be read.
    #[error("VR0627: {}: {reason}; make it again with: vireid calibrate", path.display())]
    BadCalibration {
        /// The calibration in the run directory.
        path: PathBuf,
        /// What is wrong, in a few words for a person to read.
        reason: String,
    },
    /// An exported file that is not the network it was made from.
    #[error(
        "VR0630: the exported file is not the network: {0}; nothing was written, and --no-check writes it all the same"
    )]
    BadExport(String),
    /// A gallery was checked, and is damaged.
    #[error("VR0635: {} is damaged in {faults} places; `vireid gallery check --repair` drops them and keeps the rest", path.display())]
    DamagedGallery {
        /// The gallery's folder.
        path: PathBuf,
        /// In how many places.
        faults: usize,
    },
    /// An array of the user's can't be used.
    #[error("VR0628: {}: {reason}", path.display())]
    BadArray {
        /// The `.npy` file.
        path: PathBuf,
        /// What is wrong, in a few words for a person to read.
        reason: String,
    },
}

impl Coded for ProgramError {}

/// How a run goes on that a fault stopped.
const GO_ON: &str = "--resume with --out and the run directory goes on with the run";

impl ProgramError {
    /// What arguments would help. The libraries' messages name none: other programs have others.
    pub fn hint(&self) -> Option<Cow<'static, str>> {
        let data = match self {
            Self::Method(MethodError::Backbone(BackboneError::Unreadable { path, .. })) => {
                let known = KnownWeights::of_path(path).filter(|_| !path.exists())?;
                let (name, megabytes) = (known.name, known.megabytes());
                return Some(Cow::Owned(format!(
                    "vireid weights get {name}: downloads it ({megabytes} MB) and keeps it where it is found from then on"
                )));
            }
            Self::Data(error) => error,
            Self::Method(error) => match error {
                MethodError::Data(error) => error,
                MethodError::RunExists { .. } => {
                    return Some("--resume goes on with the run, --out names another folder".into());
                }
                MethodError::RunInUse { .. } | MethodError::ForeignFile { .. } => {
                    return Some("--out names another folder".into());
                }
                MethodError::DeviceFailed(_) | MethodError::DeviceOutOfMemory(_) => return Some(GO_ON.into()),
                _ => return None,
            },
            _ => return None,
        };
        let hint = match data {
            DataError::BadImages { .. } => Some("--skip-corrupt leaves them out"),
            DataError::UnknownLayout { .. } => Some(
                "--data names the place; --dataset the kind: sysu, regdb, llcm, folder, manifest, synthetic or synthetic-regdb",
            ),
            DataError::Loader { .. } => Some(GO_ON),
            DataError::Image(_) => Some("a training run goes on with --resume and --out"),
            _ => None,
        };
        hint.map(Cow::Borrowed)
    }

    /// Tells a person on standard error.
    pub fn tell(&self) {
        eprintln!("error: {self}");
        if let Some(hint) = self.hint() {
            eprintln!("hint: {hint}");
        }
    }

    pub(crate) fn io(action: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { action, path, source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Other programs have other arguments, or none.
    #[test]
    fn messages_of_the_libraries_name_no_arguments_and_the_program_adds_them() {
        let image = vireid_data::BadImage { path: "a.png".into(), reason: "cut".into() };
        let errors: [ProgramError; 5] = [
            DataError::BadImages { images: vec![image.clone()], total: 2 }.into(),
            DataError::Image(image).into(),
            DataError::UnknownLayout { path: "x".into(), known: None }.into(),
            MethodError::RunExists { root: "x".into() }.into(),
            MethodError::DeviceFailed("gone".into()).into(),
        ];
        for error in errors {
            assert!(!error.to_string().contains("--"), "{error}");
            assert!(error.hint().is_some_and(|hint| hint.contains("--")), "{error}");
        }
    }

    #[test]
    fn missing_weights_that_are_known_name_the_command_that_gets_them() {
        let missing = |path: &str| {
            let error = BackboneError::Unreadable { path: path.into(), reason: "there is no such file".into() };
            ProgramError::from(MethodError::from(error)).hint()
        };
        let hint = missing("nowhere/resnet50-0676ba61.pth").unwrap();
        assert!(hint.starts_with("vireid weights get resnet50:") && hint.contains("103 MB"), "{hint}");
        assert_eq!(missing("nowhere/own.pth"), None);
    }
}
