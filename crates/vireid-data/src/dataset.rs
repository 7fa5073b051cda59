//! A data set in memory: its images by use.

use std::path::PathBuf;
use std::sync::Arc;

use vireid_core::{Camera, Identity, PerModality};
use vireid_eval::Protocol;
use vireid_eval::own::OwnProtocol;

use crate::{DataError, Names};

/// One image of a data set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sample {
    /// Path of the image file, below the root that its reader was given.
    pub path: PathBuf,
    /// The person on it, where known; for evaluation and diagnostics only.
    pub identity: Option<Identity>,
    /// The camera that took it. Numbers are the data set's, or in order of the cameras' names where it has none.
    pub camera: Camera,
}

/// The images of a data set, by use.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// Name to show, such as `RegDB trial 3`; it says when the images are synthetic.
    pub name: String,
    /// Whether the images were drawn, not photographed: every score has to say so.
    pub synthetic: bool,
    /// Training images of each modality, in path order: the order that fixes cluster numbers.
    pub train: PerModality<Vec<Sample>>,
    /// Test images and the protocol that scores them.
    pub test: TestSplit,
    /// What the user calls the cameras and people.
    pub names: Names,
    /// What the reader read differently than it was written, and what it left out: a sentence each, followed by a line
    /// for each file or person that it is about. [`first_lines`](crate::first_lines) shortens it for display.
    pub notes: Vec<String>,
}

/// Test images and how they are scored. The default is none of either: nothing is scored.
#[derive(Debug, Clone, Default)]
pub struct TestSplit {
    /// Test images of each modality. Where a protocol draws galleries, those of an identity and camera are in the order of
    /// their paths.
    pub images: PerModality<Vec<Sample>>,
    /// How they are scored; `None` where they are not.
    pub protocol: Option<Arc<dyn Protocol>>,
}

impl TestSplit {
    /// Test images that a protocol scores.
    pub fn new(protocol: impl Protocol + 'static, images: PerModality<Vec<Sample>>) -> Self {
        Self { images, protocol: Some(Arc::new(protocol)) }
    }

    /// Test images of your own with known identities: each modality queries all of the other. One of them may have no
    /// image; then there is nothing to score.
    pub fn own(images: PerModality<Vec<Sample>>) -> Self {
        match images.visible.is_empty() || images.infrared.is_empty() {
            true => Self { images, protocol: None },
            false => Self::new(OwnProtocol, images),
        }
    }

    /// The test images of both modalities.
    pub fn images(&self) -> PerModality<&[Sample]> {
        PerModality { visible: &self.images.visible, infrared: &self.images.infrared }
    }

    /// Whether there is no test image.
    pub fn is_empty(&self) -> bool {
        self.images.visible.is_empty() && self.images.infrared.is_empty()
    }
}

impl Dataset {
    /// Refuses a data set that can't be trained on because one of the modalities has no image.
    ///
    /// # Errors
    ///
    /// `VR0106`.
    pub fn check_modalities(&self) -> Result<(), DataError> {
        for modality in vireid_core::Modality::ALL {
            if self.train.get(modality).is_empty() {
                return Err(DataError::EmptyModality { modality });
            }
        }
        Ok(())
    }
}
