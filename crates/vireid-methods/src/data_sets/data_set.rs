//! What an entry of the list of data sets says.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use vireid_core::PerModality;
use vireid_data::synthetic::WorldSpec;
use vireid_data::{DataError, Dataset};
use vireid_eval::Protocol;

/// All that is to be known of a data set: an entry of the [list](super::data_sets).
#[derive(Debug)]
pub struct DataSet {
    /// Its name in names of presets and on command lines, in small letters without `_`: `sysu`.
    pub name: &'static str,
    /// The name that people know it by, and of the folder that it is looked for in.
    pub title: &'static str,
    /// The data set whose presets fit it: its own name, or that of another one.
    pub preset: &'static str,
    /// Whether it is given out by its authors: it is trained on with the `paper` presets unless something else is asked for.
    pub is_licensed: bool,
    /// How it lies on disk as it is given out.
    pub layout: Layout,
    /// Other ways in which it may lie on disk; mostly none.
    pub other_layouts: &'static [Layout],
    /// Makes the protocol that scores its test.
    pub protocol: fn() -> Arc<dyn Protocol>,
    /// The published numbers, which `vireid data check` compares with; `None` where there are none.
    pub published: Option<Counts>,
    /// Its layers of presets: names such as `regdb_paper` (all methods) or `dmic_regdb_paper` (one), and their texts. A layer
    /// that is not there changes nothing.
    pub presets: &'static [(&'static str, &'static str)],
    /// The page about it, from the root of the repository: where it comes from, its licence, its layout, its numbers.
    pub card: &'static str,
    /// What is drawn in its place where it is not there; `None` where nothing is.
    pub stand_in: Option<StandIn>,
}

impl DataSet {
    /// All ways in which it may lie on disk.
    pub fn layouts(&self) -> impl Iterator<Item = &Layout> {
        std::iter::once(&self.layout).chain(self.other_layouts)
    }

    /// The splits that it is trained on one by one, numbered from 1: `1..=1` for a data set with one.
    pub fn trials(&self) -> std::ops::RangeInclusive<u32> {
        1..=(self.protocol)().splits()
    }
}

/// A way in which a data set lies on disk.
#[derive(Debug)]
pub struct Layout {
    /// Its name on command lines and in records of runs: the data set's, where there is one layout only.
    pub name: &'static str,
    /// What it is, in a line of help.
    pub about: &'static str,
    /// Whether it lies at a path, judged by a look at names.
    pub is_at: fn(&Path) -> bool,
    /// Reads the lists of images at a path; the number is the split, for data sets with [several](DataSet::trials).
    pub read: fn(&Path, u32) -> Result<Dataset, DataError>,
    /// Refuses what can be read but not trained on, beyond a modality without images.
    pub check_to_train: fn(&Path) -> Result<(), DataError>,
    /// Lists that a user wrote: files that must not be written over while they are read.
    pub lists: fn(&Path) -> Vec<PathBuf>,
}

impl Layout {
    /// A layout that a user has no list in, and that can be trained on where it can be read.
    pub const fn new(
        name: &'static str,
        about: &'static str,
        is_at: fn(&Path) -> bool,
        read: fn(&Path, u32) -> Result<Dataset, DataError>,
    ) -> Self {
        Self { name, about, is_at, read, check_to_train: |_| Ok(()), lists: |_| Vec::new() }
    }
}

/// Told how many images are drawn, and of how many.
pub type DrawProgress<'a> = &'a (dyn Fn(usize, usize) + Sync);

/// The synthetic world in a data set's manner, which its reader reads.
#[derive(Debug)]
pub struct StandIn {
    /// Its name on command lines and in records of runs.
    pub name: &'static str,
    /// What it is, in a line of help.
    pub about: &'static str,
    /// What makes the world, apart from its seed.
    pub spec: fn() -> WorldSpec,
    /// Draws the world of a seed into a folder, or what is missing of it there.
    pub draw: fn(&Path, u64, &WorldSpec, DrawProgress<'_>) -> Result<(), DataError>,
}

/// Published numbers of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// How many cameras took its images, of both modalities together.
    pub cameras: usize,
    /// What there is to train on.
    pub train: PartCounts,
    /// What there is to test on.
    pub test: PartCounts,
}

/// Published numbers of one part of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartCounts {
    /// How many people are on its images.
    pub identities: usize,
    /// How many images of each modality it has.
    pub images: PerModality<usize>,
}
