//! The errors of this crate, codes VR08xx.

use std::path::PathBuf;

use vireid_core::Coded;

/// What can go wrong with a gallery.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GalleryError {
    /// An entry can't be kept as it is.
    #[error("VR0801: {what}: {reason}")]
    BadEntry {
        /// Which part of it: `id`, `camera`, `metadata`, `embedding`, ...
        what: &'static str,
        /// What is wrong, in a few words for a person to read.
        reason: String,
    },
    /// An entry of that id is there already.
    #[error("VR0802: the gallery has an entry '{id}' already; delete it first, or ask to replace it")]
    Exists {
        /// The id that was to be added.
        id: String,
    },
    /// No entry has that id.
    #[error("VR0803: the gallery has no entry '{id}'")]
    Unknown {
        /// The id as it was written.
        id: String,
    },
    /// The gallery is another network's.
    #[error(
        "VR0804: the gallery holds embeddings of another network: {field} is {found} there and {expected} here, and such embeddings can't be compared"
    )]
    ForeignModel {
        /// What differs: `weights`, or a setting by its key.
        field: String,
        /// Its value in the gallery.
        found: String,
        /// Its value of the network that was to be used.
        expected: String,
    },
    /// Another process has the gallery open.
    #[error("VR0805: {} is open in another process; stop it first, or go through its service", path.display())]
    InUse {
        /// The gallery's folder.
        path: PathBuf,
    },
    /// Nothing more can be written: the disk is full, or another write failed.
    #[error("VR0806: can't write to {}: {reason}; what was kept before can still be read", path.display())]
    CantWrite {
        /// The file.
        path: PathBuf,
        /// What the system said, and what became of the request.
        reason: String,
    },
    /// A file of the gallery is damaged.
    #[error("VR0807: {}: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong and where, in a few words for a person to read.
        reason: String,
    },
    /// There is no gallery at the place, or it can't be made there.
    #[error("VR0808: {address}: {reason}")]
    NoGallery {
        /// The address as it was written.
        address: String,
        /// What is wrong, in a few words for a person to read.
        reason: String,
    },
    /// The engine behind an address can't do it, or failed.
    #[error("VR0809: {engine}: {reason}")]
    Engine {
        /// The engine: `lance`, `postgres` or `qdrant`.
        engine: &'static str,
        /// What it said, or what it can't do.
        reason: String,
    },
    /// The build lacks an engine.
    #[error("VR0810: this build can't open {address}; build with --features {feature}")]
    NoEngine {
        /// The address as it was written.
        address: String,
        /// The feature that brings the engine.
        feature: &'static str,
    },
}

impl Coded for GalleryError {}
