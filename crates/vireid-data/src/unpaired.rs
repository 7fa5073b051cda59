//! Training people whom only one modality sees: a dial of any data set, for studies.

use std::collections::BTreeSet;

use vireid_core::{Identity, Modality, PerModality, Stream};

use crate::{DataError, Dataset, Sample};

impl Dataset {
    /// Leaves out the training images of one modality of a share of the people that both modalities see, by lot: of every second such
    /// person the visible ones, of the others the infrared ones. Identities decide which images there are, and are used for
    /// nothing else. With one stream a larger share leaves out all that a smaller one does. Test images stay as they are.
    ///
    /// # Errors
    ///
    /// `VR0114` when a training image's person is not known.
    pub fn unpair(&mut self, share: f64, stream: &mut Stream) -> Result<(), DataError> {
        let people = |modality: Modality| -> Result<BTreeSet<Identity>, DataError> {
            let known = |sample: &Sample| {
                let path = sample.path.clone();
                sample.identity.ok_or(DataError::UnknownPerson { path })
            };
            self.train.get(modality).iter().map(known).collect()
        };
        let (visible, infrared) = (people(Modality::Visible)?, people(Modality::Infrared)?);
        let mut both: Vec<Identity> = visible.intersection(&infrared).copied().collect();
        stream.shuffle(&mut both);
        let count = (share.clamp(0.0, 1.0) * both.len() as f64).round() as usize;
        let mut left_out = PerModality { visible: BTreeSet::new(), infrared: BTreeSet::new() };
        for (place, person) in both.into_iter().take(count).enumerate() {
            let of = if place % 2 == 0 { &mut left_out.visible } else { &mut left_out.infrared };
            of.insert(person);
        }
        let stays =
            |sample: &Sample, out: &BTreeSet<Identity>| sample.identity.is_none_or(|person| !out.contains(&person));
        self.train.visible.retain(|sample| stays(sample, &left_out.visible));
        self.train.infrared.retain(|sample| stays(sample, &left_out.infrared));
        if count > 0 {
            self.name = format!("{}, {count} people seen by one modality only", self.name);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Names, TestSplit};
    use vireid_core::{Camera, Streams};

    /// Twenty people seen by both, with three visible images and two infrared ones; and one by visible cameras alone.
    fn drawn() -> Dataset {
        let sample = |person: u32, image: u32| Sample {
            path: format!("{person}/{image}.png").into(),
            identity: Some(Identity(person)),
            camera: Camera(1),
        };
        let of = |people: u32, images: u32| (0..people).flat_map(|p| (0..images).map(move |i| sample(p, i))).collect();
        Dataset {
            name: "drawn".into(),
            synthetic: true,
            train: PerModality { visible: of(21, 3), infrared: of(20, 2) },
            test: TestSplit::default(),
            names: Names::default(),
            notes: Vec::new(),
        }
    }

    fn unpaired(share: f64) -> Dataset {
        let mut dataset = drawn();
        dataset.unpair(share, &mut Streams::new(3).stream("unpaired", [0; 3])).unwrap();
        dataset
    }

    fn people(samples: &[Sample]) -> BTreeSet<Identity> {
        samples.iter().filter_map(|sample| sample.identity).collect()
    }

    #[test]
    fn a_share_of_the_people_is_seen_by_one_modality() {
        for (share, both) in [(0.0, 20), (0.25, 15), (0.5, 10), (1.0, 0)] {
            let Dataset { train, name, .. } = unpaired(share);
            let (visible, infrared) = (people(&train.visible), people(&train.infrared));
            assert_eq!(visible.intersection(&infrared).count(), both, "{share}");
            assert_eq!(visible.union(&infrared).count(), 21, "nobody is lost");
            let (out_of_visible, out_of_infrared) = (21 - visible.len(), 20 - infrared.len());
            assert!(out_of_visible - out_of_infrared <= 1, "{out_of_visible} and {out_of_infrared}");
            // A person's images stay or go together.
            assert_eq!((train.visible.len(), train.infrared.len()), (3 * visible.len(), 2 * infrared.len()));
            assert_eq!(name.contains("one modality only"), share > 0.0, "{name}");
        }
    }

    #[test]
    fn a_larger_share_leaves_out_what_a_smaller_one_does() {
        let (less, more) = (unpaired(0.3), unpaired(0.7));
        assert!(people(&more.train.visible).is_subset(&people(&less.train.visible)));
        assert!(people(&more.train.infrared).is_subset(&people(&less.train.infrared)));
        assert_eq!(less.train.visible, unpaired(0.3).train.visible, "by one stream");
    }

    #[test]
    fn without_identities_it_is_refused() {
        let mut dataset = drawn();
        dataset.train.infrared[3].identity = None;
        let error = dataset.unpair(0.5, &mut Streams::new(0).stream("unpaired", [0; 3])).unwrap_err().to_string();
        assert!(error.starts_with("VR0114") && error.contains("1/1.png"), "{error}");
    }
}
