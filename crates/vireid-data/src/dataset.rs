use std::path::PathBuf;

use vireid_core::{Camera, Identity, PerModality};

use crate::{DataError, Names};

/// One image of a data set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sample {
    /// Where the file is.
    pub path: PathBuf,
    /// Who is on it, where that is known; for evaluation and diagnostics only.
    pub identity: Option<Identity>,
    /// Which camera took it.
    pub camera: Camera,
}

/// The images of a data set, by use.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// Name, with the trial where there are several.
    pub name: String,
    /// Whether the images were drawn, not photographed: said wherever a score is.
    pub synthetic: bool,
    /// Training images of each modality, in path order: the order that fixes cluster numbers.
    pub train: PerModality<Vec<Sample>>,
    /// Test images and the protocol that scores them.
    pub test: TestSplit,
    /// What the user calls the cameras and people.
    pub names: Names,
    /// What its reader took otherwise than it was written, and what it left out: a sentence each, behind which the files or
    /// people that it is about have a line each, all of them. [`first_lines`](crate::first_lines) makes it short to show.
    pub notes: Vec<String>,
}

/// Test images, by the protocol that they are scored with.
#[derive(Debug, Clone)]
pub enum TestSplit {
    /// SYSU-MM01: galleries are drawn from the visible images.
    Sysu {
        /// All infrared test images.
        queries: Vec<Sample>,
        /// All visible test images, in path order within each identity and camera.
        pool: Vec<Sample>,
    },
    /// RegDB: each modality queries the other.
    RegDb {
        /// Visible test images.
        visible: Vec<Sample>,
        /// Thermal test images.
        thermal: Vec<Sample>,
    },
    /// LLCM: each modality queries galleries that are drawn from the other.
    Llcm {
        /// Visible test images, in path order within each identity and camera.
        visible: Vec<Sample>,
        /// Infrared test images, likewise.
        infrared: Vec<Sample>,
    },
    /// Data of one's own with known identities: each modality queries the other. One of them may have no image; then
    /// there is nothing to score.
    Own {
        /// Visible test images.
        visible: Vec<Sample>,
        /// Infrared test images.
        infrared: Vec<Sample>,
    },
    /// No test images: nothing is scored.
    Nothing,
}

impl TestSplit {
    /// Whether the split is of a licensed data set, not of one's own crops.
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
    /// Refuses a data set that can't be trained on, for want of one of the modalities.
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
