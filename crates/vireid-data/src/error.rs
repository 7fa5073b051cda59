//! The errors of this crate, codes VR01xx.

use std::fmt;
use std::path::PathBuf;

use vireid_core::{Coded, Modality};

use crate::notes::{count, first_lines};
use crate::spread::Spread;

/// An image that can't be used, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadImage {
    /// Path of its file.
    pub path: PathBuf,
    /// What is wrong, in a few words for a person to read.
    pub reason: String,
}

impl BadImage {
    /// An image that no table could name, if this is one: tables are UTF-8 text.
    pub fn if_unnameable(path: &std::path::Path) -> Option<Self> {
        let reason = || "its name is not UTF-8 text, which tables of images need; rename it".to_string();
        path.to_str().is_none().then(|| Self { path: path.into(), reason: reason() })
    }
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
    #[error("VR0101: no {dataset} at {}: it does not exist; {hint}", path.display())]
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
        /// The file or folder that is missing.
        path: PathBuf,
        /// Where the data card is.
        hint: &'static str,
    },
    /// A list file can't be read as what it should be.
    #[error("VR0103: {}: {reason}", place(path, *line))]
    MalformedList {
        /// The list file, or an image whose name is wrong.
        path: PathBuf,
        /// Line, counted from 1; 0 where there are none.
        line: usize,
        /// What is wrong, and what is expected instead.
        reason: String,
    },
    /// Identities of a split list have no image, or their folders are empty.
    #[error(
        "VR0104: there is no image in {}; {}:\n{}",
        count(folders.len(), "folder of a person", "folders of people"), what_to_do_with_empty(deeper),
        listing(folders.iter().map(|folder| folder.display()))
    )]
    EmptyFolders {
        /// The people's folders; a folder of several cameras is written as a pattern (`cam*/0007`).
        folders: Vec<PathBuf>,
        /// Images that lie in folders below them, where the layout has none.
        deeper: Vec<PathBuf>,
    },
    /// Images that can't be decoded or are too small.
    #[error(
        "VR0105: {} of {total} images can't be used; replace them, or leave them out:\n{}",
        images.len(), listing(images)
    )]
    BadImages {
        /// The images, each with what is wrong.
        images: Vec<BadImage>,
        /// How many images were checked, good ones included.
        total: usize,
    },
    /// One modality has no training image.
    #[error("VR0106: the training set has no {modality} image; visible-infrared training needs both modalities")]
    EmptyModality {
        /// The modality that has no training image.
        modality: Modality,
    },
    /// A data set is to be changed by its training people, and one of them is not known.
    #[error(
        "VR0114: whom {} shows is not known, and which people only one modality sees can't be chosen without; name the training people in \
         the data, or leave out --unpaired", path.display()
    )]
    UnknownPerson {
        /// The first such image.
        path: PathBuf,
    },
    /// There are fewer clusters than a batch takes.
    #[error(
        "VR0107: clustering found {found} {modality} clusters, a batch takes {needed}; {}lower sampler.clusters, or set sampler.allow_few_clusters = true to draw clusters repeatedly", spread.remedy(*modality)
    )]
    TooFewClusters {
        /// The modality that has too few clusters.
        modality: Modality,
        /// How many clusters were found.
        found: usize,
        /// How many different clusters a batch takes of it.
        needed: usize,
        /// Where the images went instead; decides which remedy the message names.
        spread: Spread,
    },
    /// Too few labels have images of both modalities.
    #[error(
        "VR0107: {found} labels have enough images of both modalities, a batch takes {needed}; the association finds too little: start from a better first stage{}{remedy}", if remedy.is_empty() { "" } else { ", or " }
    )]
    TooFewShared {
        /// How many labels have images of both modalities.
        found: usize,
        /// How many different labels a batch takes.
        needed: usize,
        /// Settings that would help here, in words; may be empty.
        remedy: &'static str,
    },
    /// A file or folder can't be read or written.
    #[error("VR0108: {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as the message begins: `can't read`, `can't write`.
        action: &'static str,
        /// The file or folder that it was tried on.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The loader's threads ended without delivering a batch.
    #[error("VR0109: the loader's threads ended before step {step}; this is a fault of the program, not of the data")]
    Loader {
        /// The step whose batch is missing.
        step: usize,
    },
    /// The synthetic world can't be drawn as asked.
    #[error("VR0110: synthetic world: {0}")]
    World(String),
    /// The kind of data set can't be recognised.
    #[error(
        "VR0111: '{}' is not a data set of a known kind: there are no lists of SYSU-MM01, RegDB or LLCM, no folders visible/ and infrared/, and it is not a manifest (.csv, .parquet){}", path.display(), inside(known)
    )]
    UnknownLayout {
        /// The path that was given as a data set.
        path: PathBuf,
        /// A data set that was found in a folder below it, if any.
        known: Option<PathBuf>,
    },
    /// Not one training image of a modality can be used.
    #[error("VR0112: none of the {} {modality} training images can be used:\n{}", images.len(), listing(images))]
    NothingUsable {
        /// The modality that has no usable image left.
        modality: Modality,
        /// All of its images, each with what is wrong.
        images: Vec<BadImage>,
    },
    /// An image can't be used, found while working with it.
    #[error("VR0113: an image can't be used: {}{}", .0, put_back(.0))]
    Image(BadImage),
}

impl DataError {
    pub(crate) fn io(action: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { action, path, source }
    }
}

impl Coded for DataError {}

fn place(path: &std::path::Path, line: usize) -> String {
    match line {
        0 => path.display().to_string(),
        line => format!("{} line {line}", path.display()),
    }
}

fn inside(known: &Option<PathBuf>) -> String {
    known.as_ref().map_or(String::new(), |known| format!("; there is a data set in '{}'", known.display()))
}

/// What helps with an image that could be used before; of a name that no table can hold the image itself tells.
fn put_back(image: &BadImage) -> &'static str {
    match BadImage::if_unnameable(&image.path) {
        Some(_) => "",
        None => "; put it back as it was, and start again",
    }
}

/// People's folders have images further below, or the copy is incomplete.
fn what_to_do_with_empty(deeper: &[PathBuf]) -> String {
    match deeper {
        [] => "the copy of the data set is incomplete, or its lists belong to another one: unpack it again".into(),
        [first, ..] => format!(
            "{} in folders below, such as {}: move them up into the person's folder",
            count(deeper.len(), "image lies", "images lie"),
            first.display()
        ),
    }
}

/// The first of many, a line each.
fn listing(of: impl IntoIterator<Item = impl fmt::Display>) -> String {
    const SHOWN: usize = 20;
    let lines: Vec<String> = of.into_iter().map(|one| format!("  {one}")).collect();
    first_lines(&lines.join("\n"), SHOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_are_cut_and_counted() {
        let folders = (0..23).map(|person| format!("cam1/{person:04}").into()).collect();
        let text = DataError::EmptyFolders { folders, deeper: Vec::new() }.to_string();
        assert!(text.starts_with("VR0104: there is no image in 23 folders of people;"), "{text}");
        assert!(text.ends_with("\n  cam1/0019\n  and 3 more"), "{text}");
    }

    #[cfg(unix)]
    #[test]
    fn an_image_without_a_name_is_to_be_renamed_not_put_back() {
        use std::os::unix::ffi::OsStrExt;
        let path = PathBuf::from(std::ffi::OsStr::from_bytes(b"caf\xe9.png"));
        let text = DataError::Image(BadImage::if_unnameable(&path).unwrap()).to_string();
        assert!(text.ends_with("rename it"), "{text}");
        let gone = BadImage { path: "a.png".into(), reason: "it is gone".into() };
        assert!(
            DataError::Image(gone).to_string().ends_with("a.png: it is gone; put it back as it was, and start again")
        );
    }
}
