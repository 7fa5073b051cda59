use std::fmt;
use std::path::PathBuf;

use vireid_core::{Coded, Modality};

use crate::spread::Spread;

/// An image that can't be used, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadImage {
    /// Where it is.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

impl fmt::Display for BadImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.reason)
    }
}

/// What can be wrong with a data set.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The root folder is not there.
    #[error("VR0101: no {dataset} at {}: the folder does not exist; {hint}", path.display())]
    MissingRoot {
        /// Name of the data set.
        dataset: &'static str,
        /// Where it was looked for.
        path: PathBuf,
        /// Where the data card is.
        hint: &'static str,
    },
    /// A file or folder that the layout demands is not there.
    #[error("VR0102: {} is missing, which the {dataset} layout needs; {hint}", path.display())]
    MissingPart {
        /// Name of the data set.
        dataset: &'static str,
        /// What is missing.
        path: PathBuf,
        /// Where the data card is.
        hint: &'static str,
    },
    /// A list file can't be read as what it should be.
    #[error("VR0103: {} line {line}: {reason}", path.display())]
    MalformedList {
        /// The list file.
        path: PathBuf,
        /// Line, counted from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// An identity of a split list has no image, or its folder is empty.
    #[error("VR0104: {} holds no image; the copy of the data set is incomplete: unpack it again", path.display())]
    EmptyFolder {
        /// The folder.
        path: PathBuf,
    },
    /// Images that can't be decoded or are too small.
    #[error(
        "VR0105: {} of {total} images can't be used; replace them, or leave them out:\n{}",
        images.len(), listing(images)
    )]
    BadImages {
        /// The images.
        images: Vec<BadImage>,
        /// Images looked at.
        total: usize,
    },
    /// One modality has no training image.
    #[error("VR0106: the training set has no {modality} image; visible-infrared training needs both modalities")]
    EmptyModality {
        /// The missing modality.
        modality: Modality,
    },
    /// There are fewer clusters than a batch takes.
    #[error(
        "VR0107: clustering found {found} {modality} clusters, a batch takes {needed}; {}lower sampler.clusters, or set sampler.allow_few_clusters = true to draw clusters repeatedly", spread.remedy(*modality)
    )]
    TooFewClusters {
        /// Modality that lacks clusters.
        modality: Modality,
        /// Clusters there are.
        found: usize,
        /// Clusters needed.
        needed: usize,
        /// Where the images are.
        spread: Spread,
    },
    /// Too few labels have images of both modalities.
    #[error(
        "VR0107: {found} labels have enough images of both modalities, a batch takes {needed}; the association finds too little: start from a better first stage{}{remedy}", if remedy.is_empty() { "" } else { ", or " }
    )]
    TooFewShared {
        /// Labels there are.
        found: usize,
        /// Labels needed.
        needed: usize,
        /// Settings that would help here, in words; may be empty.
        remedy: &'static str,
    },
    /// The file system refused.
    #[error("VR0108: {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A loader thread ended without delivering its batch.
    #[error("VR0109: a loader thread ended early at step {step}; an image may have vanished while training: {reason}")]
    Loader {
        /// The step whose batch is missing.
        step: usize,
        /// What the thread said.
        reason: String,
    },
    /// The synthetic world can't be drawn as asked.
    #[error("VR0110: synthetic world: {0}")]
    World(String),
    /// Nobody knows what kind of data set this is.
    #[error(
        "VR0111: it can't be told what kind of data set is at '{}': there are no lists of SYSU-MM01, RegDB or LLCM, no folders visible/ and infrared/, and it is no manifest (.csv, .parquet)", path.display()
    )]
    UnknownLayout {
        /// The place.
        path: PathBuf,
    },
}

impl DataError {
    pub(crate) fn io(action: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { action, path, source }
    }
}

impl Coded for DataError {}

fn listing(images: &[BadImage]) -> String {
    const SHOWN: usize = 20;
    let mut lines: Vec<String> = images.iter().take(SHOWN).map(|image| format!("  {image}")).collect();
    if images.len() > SHOWN {
        lines.push(format!("  and {} more", images.len() - SHOWN));
    }
    lines.join("\n")
}
