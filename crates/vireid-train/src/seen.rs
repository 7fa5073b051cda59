//! Which images and people a network was trained on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use vireid_core::{Identity, PerModality};
use vireid_data::{ImageList, Names};

/// Which images and people a network was trained on, kept in its run directory for those who judge the network later.
/// Training never reads it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrainingRecord {
    /// Fingerprints of the image files' contents.
    images: BTreeSet<String>,
    /// Names of the people, where the data set names them.
    people: BTreeSet<String>,
}

/// Bytes of an image's digest that are kept: half of it tells a data set's images apart as well.
const KEPT: usize = 16;

/// How many of the people that a network is judged by it was trained on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenPeople {
    /// How many people the network is judged by.
    pub of: usize,
    /// Of them, those with an image that stands in the training set, under whichever name and path.
    pub by_image: usize,
    /// Of the others, those whose name somebody in the training set has.
    pub by_name: usize,
}

impl TrainingRecord {
    pub(crate) const FILE: &str = "training_set.json";

    /// The record of a data set's training images. Files that can't be read any more are left out.
    pub fn of(train: &PerModality<Arc<ImageList>>, names: &Names) -> Self {
        let lists = [&*train.visible, &*train.infrared];
        let samples = lists.iter().flat_map(|list| list.samples());
        let people = samples.filter_map(|sample| names.people.get(&sample.identity?).cloned()).collect();
        let images = lists.iter().flat_map(|list| {
            (0..list.len()).into_par_iter().filter_map(|position| content(list, position)).collect::<Vec<_>>()
        });
        Self { images: images.collect(), people }
    }

    /// Whether its images are told by other fingerprints, as in the records of older versions: then none is known again.
    pub(crate) fn is_of_another_version(&self) -> bool {
        self.images.iter().any(|image| image.len() != 2 * KEPT)
    }

    /// Which of the people on some images were trained on; images of nobody known do not count.
    pub fn seen(&self, judged_by: &[&ImageList], names: &Names) -> SeenPeople {
        let trained_on =
            |list: &ImageList, position| content(list, position).is_some_and(|content| self.images.contains(&content));
        let mut people: BTreeMap<Identity, bool> = BTreeMap::new();
        for list in judged_by {
            let known = |position: usize| Some((list.samples()[position].identity?, trained_on(list, position)));
            let found: Vec<(Identity, bool)> = (0..list.len()).into_par_iter().filter_map(known).collect();
            found.into_iter().for_each(|(identity, seen)| *people.entry(identity).or_default() |= seen);
        }
        let has_known_name =
            |identity: &Identity| names.people.get(identity).is_some_and(|name| self.people.contains(name));
        SeenPeople {
            of: people.len(),
            by_image: people.values().filter(|seen| **seen).count(),
            by_name: people.iter().filter(|(identity, seen)| !**seen && has_known_name(identity)).count(),
        }
    }
}

impl SeenPeople {
    /// A sentence that says how many people were seen, and what that means for the scores. `None` where all people are
    /// new to the network.
    pub fn warning(&self) -> Option<String> {
        let SeenPeople { of, by_image, by_name } = *self;
        // They may be read from a file.
        let seen = by_image.saturating_add(by_name);
        let by_name = match by_name {
            0 => String::new(),
            all if all == seen => " (by their names; none of these images is in the training set)".into(),
            some => format!(" ({some} of them by name only)"),
        };
        let consequence = "figures on people whom a network has seen say little about others";
        (seen > 0).then(|| format!("{seen} of {of} people were in this network's training set{by_name}: {consequence}"))
    }
}

/// A fingerprint of what a file holds; nothing where it can't be read any more.
fn content(list: &ImageList, position: usize) -> Option<String> {
    let digest = list.digest(position).ok()?;
    Some(digest[..KEPT].iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use vireid_core::Camera;
    use vireid_data::{CacheBudget, ImageSize, ResizeFilter, Sample};

    use super::*;

    fn names(of: &[(u32, &str)]) -> Names {
        let people = of.iter().map(|(number, name)| (Identity(*number), name.to_string())).collect();
        Names { people, ..Names::default() }
    }

    /// The labels of two splits differ, and so may the files' names: what is in the files counts.
    #[test]
    fn people_are_known_again_by_the_content_of_their_images() {
        let folder = tempfile::tempdir().unwrap();
        let sample = |name: &str, bytes: &str, identity: Option<u32>| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            Sample { path, identity: identity.map(Identity), camera: Camera(1) }
        };
        let list = |samples| {
            let size = ImageSize { height: 8, width: 8 };
            Arc::new(ImageList::new(samples, size, ResizeFilter::Bilinear, CacheBudget::new(0)))
        };
        let visible = list(vec![sample("a", "ann by day", Some(0)), sample("b", "bob by day", Some(1))]);
        let infrared = list(vec![sample("c", "ann by night", None)]);
        let record = TrainingRecord::of(&PerModality { visible, infrared }, &names(&[(0, "ann"), (1, "bob")]));

        let judged_by = vec![
            sample("x", "ann by night", Some(5)),
            sample("y", "ann at noon", Some(5)),
            sample("z", "bob at noon", Some(6)),
            sample("w", "eve at noon", Some(0)),
            sample("v", "bob by day", None),
        ];
        let (all, fourth) = (list(judged_by.clone()), list(vec![judged_by[3].clone()]));
        let seen = record.seen(&[&all], &names(&[(5, "5"), (6, "bob"), (0, "eve")]));
        assert_eq!(seen, SeenPeople { of: 3, by_image: 1, by_name: 1 });
        assert!(seen.warning().unwrap().starts_with("2 of 3 people"), "{seen:?}");
        let new = record.seen(&[&fourth], &names(&[]));
        assert_eq!((new, new.warning()), (SeenPeople { of: 1, by_image: 0, by_name: 0 }, None));

        assert!(!record.is_of_another_version());
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<TrainingRecord>(&text).unwrap(), record);
    }
}
