use std::path::PathBuf;

use vireid_core::{Camera, Identity, PerModality};

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

/// Test images, by the protocol that they are scored with.
#[derive(Debug, Clone)]
pub enum TestSplit {
    /// SYSU-MM01: galleries are drawn from the visible images.
    Sysu {
        /// Infrared test images of all cameras; the protocol takes its queries from them.
        queries: Vec<Sample>,
        /// All visible test images, in path order within each identity and camera.
        pool: Vec<Sample>,
    },
    /// RegDB: each modality queries the other.
    RegDb {
        /// Visible test images of the trial, in path order.
        visible: Vec<Sample>,
        /// Thermal test images of the trial, in path order.
        thermal: Vec<Sample>,
    },
    /// LLCM: each modality queries galleries that are drawn from the other.
    Llcm {
        /// Visible test images, in path order within each identity and camera.
        visible: Vec<Sample>,
        /// Infrared test images, in path order within each identity and camera.
        infrared: Vec<Sample>,
    },
    /// Your own data with known identities: each modality queries the other. One of them may have no image; then there
    /// is nothing to score.
    Own {
        /// Visible test images, in path order.
        visible: Vec<Sample>,
        /// Infrared test images, in path order.
        infrared: Vec<Sample>,
    },
    /// No test images: nothing is scored.
    Nothing,
}

impl TestSplit {
    /// Whether the split has the layout of a licensed data set, and is not of your own crops.
    pub fn is_licensed(&self) -> bool {
        !matches!(self, TestSplit::Own { .. } | TestSplit::Nothing)
    }

    /// The test images of both modalities.
    pub fn images(&self) -> PerModality<&[Sample]> {
        match self {
            TestSplit::Sysu { queries, pool } => PerModality { visible: pool, infrared: queries },
            TestSplit::RegDb { visible, thermal } => PerModality { visible, infrared: thermal },
            TestSplit::Llcm { visible, infrared } | TestSplit::Own { visible, infrared } => {
                PerModality { visible, infrared }
            }
            TestSplit::Nothing => PerModality { visible: &[], infrared: &[] },
        }
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
