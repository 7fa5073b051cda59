//! The images of a session, decoded once and found good.

use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use vireid_core::{Modality, PerModality};
use vireid_data::{BadImage, CacheBudget, DataError, Dataset, Depth, ImageList, Names, fingerprint};

use crate::{EngineConfig, MethodError, SeenPeople, TestImages, TrainingRecord};

/// Images of a data set, by use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImagePart {
    /// The images that are trained on.
    Train,
    /// The images that the network is tested on.
    Test,
}

/// The images of a session, decoded once and found good; or [listed](Self::listed) for a network in use.
#[derive(Debug, Clone)]
pub struct TrainingImages {
    /// Name of the data set, as results and reports give it.
    pub name: String,
    /// Whether the images were drawn, not photographed: every score has to say so.
    pub synthetic: bool,
    /// The training images of each modality, without those that can't be used.
    pub train: PerModality<Arc<ImageList>>,
    /// The test images of each modality and their protocol; empty without a test set.
    pub test: TestImages,
    /// Images left out because they can't be used.
    pub skipped: Vec<BadImage>,
    /// What the user calls the cameras and people. Training never reads it.
    pub names: Names,
    /// What is worth knowing about the data, a sentence each: see [`Dataset::notes`], and what decoding showed.
    pub notes: Vec<String>,
    manifest: OnceLock<String>,
}

impl TrainingImages {
    /// Decodes every image of a data set that is to be trained on. `progress` is called with (done, total) after each image.
    ///
    /// # Errors
    ///
    /// `VR0105` naming the images that can't be used, unless they may be skipped; `VR0106` when a modality has no
    /// training image, `VR0112` when all that it has were skipped.
    pub fn open(
        dataset: Dataset,
        config: &EngineConfig,
        skip_corrupt: bool,
        progress: impl Fn(usize, usize) + Sync,
    ) -> Result<Self, MethodError> {
        // Before an hour of decoding, and again when unusable images are out.
        dataset.check_modalities()?;
        let mut images = Self::listed(dataset, config)?;
        let listed = images.train.clone();
        images.check(&[ImagePart::Train, ImagePart::Test], skip_corrupt, progress)?;
        images.check_modalities(&listed)?;
        Ok(images)
    }

    /// Refuses images that can't be trained on because a modality has none. `listed` are the training images as they were
    /// before any were left out.
    ///
    /// # Errors
    ///
    /// `VR0106` when there was none, `VR0112` when none of those that there were can be used.
    pub fn check_modalities(&self, listed: &PerModality<Arc<ImageList>>) -> Result<(), DataError> {
        let Some(modality) = Modality::ALL.into_iter().find(|modality| self.train.get(*modality).is_empty()) else {
            return Ok(());
        };
        let listed: HashSet<&Path> = listed.get(modality).samples().iter().map(|sample| &*sample.path).collect();
        let images: Vec<BadImage> = self.skipped.iter().filter(|bad| listed.contains(&*bad.path)).cloned().collect();
        // Where there were some, why none of them can be used is what helps.
        Err(match images.is_empty() {
            true => DataError::EmptyModality { modality },
            false => DataError::NothingUsable { modality, images },
        })
    }

    /// The images of a data set at the size that a configuration says, none of them decoded: what a network in use needs.
    /// Training images may be missing, or a modality.
    ///
    /// # Errors
    ///
    /// `VR0502` for an unknown filter or range.
    pub fn listed(dataset: Dataset, config: &EngineConfig) -> Result<Self, MethodError> {
        let size = config.size();
        let budget = CacheBudget::new(config.input.cache_mib << 20);
        let (filter, test_filter, range) = (config.filter()?, config.test_filter()?, config.range()?);
        let protocol = dataset.test.protocol.clone();
        let test = dataset.test.images();
        let lists = [
            (dataset.train.visible.clone(), filter),
            (dataset.train.infrared.clone(), filter),
            (test.visible.to_vec(), test_filter),
            (test.infrared.to_vec(), test_filter),
        ]
        .map(|(samples, filter)| Arc::new(ImageList::new(samples, size, filter, budget.clone()).with_range(range)));
        let [visible, infrared, test_visible, test_infrared] = lists;
        let images = PerModality { visible: test_visible, infrared: test_infrared };
        Ok(Self {
            name: dataset.name,
            synthetic: dataset.synthetic,
            train: PerModality { visible, infrared },
            test: TestImages { images, protocol, seen_people: None },
            skipped: Vec::new(),
            names: dataset.names,
            notes: dataset.notes,
            manifest: OnceLock::new(),
        })
    }

    /// Decodes the images of some parts once and leaves out those that can't be used. `progress` is called with (done,
    /// total) after each image.
    ///
    /// # Errors
    ///
    /// `VR0105` naming the images that can't be used, unless they may be skipped (`skip_corrupt`).
    pub fn check(
        &mut self,
        parts: &[ImagePart],
        skip_corrupt: bool,
        progress: impl Fn(usize, usize) + Sync,
    ) -> Result<(), MethodError> {
        let of = [(ImagePart::Train, &self.train), (ImagePart::Test, &self.test.images)];
        let chosen = of.into_iter().filter(|(part, _)| parts.contains(part));
        let lists: Vec<&ImageList> = chosen.flat_map(|(_, lists)| [&*lists.visible, &*lists.infrared]).collect();
        let total = lists.iter().map(|list| list.len()).sum();
        let done = AtomicUsize::new(0);
        let count = || progress(done.fetch_add(1, Ordering::Relaxed) + 1, total);
        let unusable: Vec<BadImage> = lists.iter().flat_map(|list| list.check(count)).collect();
        if !unusable.is_empty() && !skip_corrupt {
            return Err(DataError::BadImages { images: unusable, total }.into());
        }
        let told = collapsed(&lists);
        self.leave_out(unusable);
        self.notes.extend(told);
        Ok(())
    }

    /// How many of the test's people a network was trained on, by the record of its run.
    pub fn seen_people(&self, record: &TrainingRecord) -> SeenPeople {
        let PerModality { visible, infrared } = &self.test.images;
        record.seen(&[visible, infrared], &self.names)
    }

    /// The images of some lists; the others are empty.
    #[must_use]
    pub fn only(&self, is_wanted: impl Fn(ImagePart, Modality) -> bool) -> Self {
        let of = |part: ImagePart, lists: &PerModality<Arc<ImageList>>| {
            let of_modality = |modality: Modality| match is_wanted(part, modality) {
                true => lists.get(modality).clone(),
                false => Arc::new(lists.get(modality).select([])),
            };
            PerModality { visible: of_modality(Modality::Visible), infrared: of_modality(Modality::Infrared) }
        };
        let (train, test) = (of(ImagePart::Train, &self.train), of(ImagePart::Test, &self.test.images));
        let test = TestImages { images: test, ..self.test.clone() };
        Self { train, test, manifest: OnceLock::new(), ..self.clone() }
    }

    /// The images without some that were found bad while working with them.
    #[must_use]
    pub fn without(&self, bad: &[BadImage]) -> Self {
        let mut images = self.clone();
        images.leave_out(bad.to_vec());
        images
    }

    fn leave_out(&mut self, bad: Vec<BadImage>) {
        if bad.is_empty() {
            return;
        }
        for lists in [&mut self.train, &mut self.test.images] {
            for list in [&mut lists.visible, &mut lists.infrared] {
                *list = Arc::new(list.without(&bad));
            }
        }
        self.skipped.extend(bad);
        self.manifest = OnceLock::new();
    }

    /// A fingerprint of the lists and of every image's contents; see [`fingerprint`]. Two copies of a data set agree.
    ///
    /// Images are hashed when they are decoded, so this reads no file again.
    ///
    /// # Errors
    ///
    /// `VR0113` when an image that was not decoded yet can't be read.
    pub fn manifest(&self) -> Result<String, MethodError> {
        self.manifest_with(|_, _| ())
    }

    /// As [`manifest`](Self::manifest), with `progress` called with (done, total) after each image.
    ///
    /// # Errors
    ///
    /// As [`manifest`](Self::manifest).
    pub fn manifest_with(&self, progress: impl Fn(usize, usize) + Sync) -> Result<String, MethodError> {
        if let Some(manifest) = self.manifest.get() {
            return Ok(manifest.clone());
        }
        let lists = self.lists();
        let total: usize = lists.iter().map(|(_, list)| list.len()).sum();
        let done = AtomicUsize::new(0);
        let manifest = fingerprint(&lists, || progress(done.fetch_add(1, Ordering::Relaxed) + 1, total))?;
        Ok(self.manifest.get_or_init(|| manifest).clone())
    }

    /// A fingerprint of names and lengths only: which files, of whom, by which camera, how long. Contents may change
    /// without it; runs of earlier versions recorded it.
    pub fn quick_manifest(&self) -> String {
        let text = self.lists().into_iter().flat_map(|(_, list)| list.samples()).flat_map(|sample| {
            let name = sample.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let length = std::fs::metadata(&sample.path).map_or(0, |m| m.len());
            let identity = sample.identity.map_or("-".into(), |identity| identity.0.to_string());
            format!("{name} {identity} {} {length}\n", sample.camera.0).into_bytes()
        });
        format!("{:016x}", crate::system::fnv1a(text))
    }

    /// The manifest as it was recorded: an earlier version's of 16 digits is a quick one.
    pub(crate) fn manifest_like(&self, recorded: &str) -> Result<String, MethodError> {
        if recorded.len() == 16 { Ok(self.quick_manifest()) } else { self.manifest() }
    }

    /// The four lists, each with the name that its fingerprint begins with.
    fn lists(&self) -> [(&'static str, &ImageList); 4] {
        [
            ("training visible", &self.train.visible),
            ("training infrared", &self.train.infrared),
            ("test visible", &self.test.images.visible),
            ("test infrared", &self.test.images.infrared),
        ]
    }
}

/// Says when images of more than 8 bits have hardly any grey levels left.
fn collapsed(lists: &[&ImageList]) -> Option<String> {
    let depths = lists.iter().flat_map(|list| (0..list.len()).filter_map(|position| list.depth(position)));
    let depths: Vec<Depth> = depths.filter(Depth::collapses).collect();
    let kept = depths.iter().map(|depth| depth.kept).max()?;
    let (low, high) = depths
        .iter()
        .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), depth| (low.min(depth.low), high.max(depth.high)));
    Some(format!(
        "{} images have more than 8 bits and use little of their range, {low} to {high}: at most {kept} grey levels are left; input.range = \"image\" or [{low}, {high}] keeps more apart",
        depths.len()
    ))
}

#[cfg(test)]
mod tests {
    use vireid_core::Camera;
    use vireid_data::{Sample, TestSplit};

    use super::*;

    /// Images of one camera each, of which those named `good` can be used.
    fn opened(folder: &Path, visible: &[&str], infrared: &[&str]) -> Result<TrainingImages, MethodError> {
        let sample = |name: &&str| {
            let path = folder.join(name);
            match name.starts_with("good") {
                true => image::RgbImage::new(8, 16).save_with_format(&path, image::ImageFormat::Png).unwrap(),
                false => std::fs::write(&path, "no image").unwrap(),
            }
            Sample { path, identity: None, camera: Camera(1) }
        };
        let [visible, infrared] = [visible, infrared].map(|names| names.iter().map(sample).collect());
        let dataset = Dataset {
            name: "own".into(),
            synthetic: false,
            train: PerModality { visible, infrared },
            test: TestSplit::default(),
            names: Names::default(),
            notes: Vec::new(),
        };
        let config = crate::testing::config(&[]).engine;
        TrainingImages::open(dataset, &config, true, |_, _| ())
    }

    #[test]
    fn a_modality_whose_images_can_not_be_used_is_told_with_them() {
        let folder = tempfile::tempdir().unwrap();
        let said = |visible: &[&str], infrared: &[&str]| {
            opened(folder.path(), visible, infrared).map_or_else(|error| error.to_string(), |_| "opened".into())
        };
        assert_eq!(said(&["good-1", "a"], &["good-2"]), "opened");
        assert!(said(&["good-1"], &[]).starts_with("VR0106"));
        let none = said(&["good-1", "a"], &["b", "c"]);
        assert!(none.starts_with("VR0112: none of the 2 infrared"), "{none}");
        assert!(none.contains("b: ") && none.contains("c: ") && !none.contains("a: "), "{none}");
    }

    #[test]
    fn the_fingerprint_of_some_lists_needs_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let images = opened(folder.path(), &["good-1"], &["good-2"]).unwrap();
        let infrared = images.only(|part, modality| part == ImagePart::Train && modality == Modality::Infrared);
        assert_eq!((infrared.train.visible.len(), infrared.train.infrared.len()), (0, 1));
        let all = images.only(|_, _| true);
        assert_eq!(all.manifest().unwrap(), images.manifest().unwrap());
        assert_ne!(infrared.manifest().unwrap(), images.manifest().unwrap());
    }
}
