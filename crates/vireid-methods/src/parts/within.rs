//! Clustering the images of one modality on their own.

use burn::tensor::Device;
use vireid_clustering::{Expansion, JaccardEncoding, Neighbourhood};
use vireid_core::{Embeddings, Modality, ModalityTag, PerModality, PseudoLabels};
use vireid_train::MethodError;

use super::auto::{Auto, Chosen, CutSettings};
use super::labelling::neighbours;
use super::settings::NeighbourSearch;

/// Numbers of neighbours among which `k1 = "auto"` chooses: the images of a person that a modality may have.
const K1: [usize; 7] = [4, 6, 10, 14, 20, 30, 45];
/// What is chosen is reported under these names.
const NAMES: PerModality<[&str; 3]> = PerModality {
    visible: ["k1 visible", "eps visible", "min_samples visible"],
    infrared: ["k1 infrared", "eps infrared", "min_samples infrared"],
};

/// How the images of one modality are clustered on their own.
#[derive(Debug, Clone, Copy)]
pub struct Within<'a> {
    /// How many neighbours are ranked, and how their encoding is cut.
    pub cut: CutSettings,
    /// How rows of the encoding are averaged over neighbours: a plain mean over no more than a quarter of a `k1` that is chosen.
    pub expansion: Expansion<'a>,
    /// Whether the host or the training device searches for neighbours.
    pub search: NeighbourSearch,
}

/// The clusters of one modality's images.
#[derive(Debug, Clone)]
pub struct ClusteredWithin<M: ModalityTag> {
    /// The cluster of each image; `None` is noise.
    pub labels: PseudoLabels<M>,
    /// What was clustered.
    pub encoding: JaccardEncoding,
    /// What was chosen; empty where nothing was to be chosen.
    pub chosen: Chosen,
}

impl Within<'_> {
    /// Searches for neighbours once, encodes, cuts. `eps_key` is the setting that holds the radius, for the message when
    /// nothing is found.
    ///
    /// # Errors
    ///
    /// `VR0505` when there is no cluster; what clustering refuses.
    pub fn run<M: ModalityTag>(
        &self,
        embeddings: &Embeddings,
        epoch: usize,
        eps_key: &str,
        device: &Device,
    ) -> Result<ClusteredWithin<M>, MethodError> {
        let modality: Modality = M::MODALITY;
        let most = self.cut.k1.candidates(&K1).into_iter().max().unwrap_or(1);
        let found = neighbours(embeddings, most, &Neighbourhood::Plain, self.search, device)?;
        let found = self.cut.cut(&K1, *NAMES.get(modality), |k1| {
            let expansion = match (self.expansion, self.cut.k1) {
                // An average over more than a few of the neighbours that were chosen would reach beyond the person.
                (Expansion::Mean { k2 }, Auto::Auto(_)) => Expansion::Mean { k2: k2.min((k1 / 4).max(1)) },
                (expansion, _) => expansion,
            };
            Ok(JaccardEncoding::from_neighbours(embeddings, &found.fewer(k1), &expansion)?)
        })?;
        let labels = PseudoLabels::new(&found.labels)?;
        if labels.clusters() == 0 {
            return Err(MethodError::NoClusters {
                epoch,
                modality,
                noise: found.labels.len(),
                setting: eps_key.into(),
            });
        }
        Ok(ClusteredWithin { labels, encoding: found.encoding, chosen: found.chosen })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vireid_core::{Streams, Visible};

    /// So many people, with so many images each.
    fn people(people: usize, images: usize) -> Embeddings {
        let mut stream = Streams::new(3).stream("people", [0; 3]);
        let mut values = Vec::new();
        for _ in 0..people {
            let centre: Vec<f64> = (0..24).map(|_| stream.normal(0.0, 1.0)).collect();
            for _ in 0..images {
                values.extend(centre.iter().map(|x| (x + stream.normal(0.0, 0.35)) as f32));
            }
        }
        Embeddings::new(values, people * images, 24).unwrap().normalized()
    }

    fn within(k1: Auto<usize>, eps: Auto<f64>, min_samples: Auto<usize>) -> Within<'static> {
        Within {
            cut: CutSettings { k1, eps, min_samples },
            expansion: Expansion::Mean { k2: 6 },
            search: NeighbourSearch::Host,
        }
    }

    /// With the quick presets' fixed numbers, people with three images are one cluster or none.
    #[test]
    fn people_are_found_that_fixed_numbers_lose() {
        let all = within(Auto::CHOSEN, Auto::CHOSEN, Auto::CHOSEN);
        for images in [3, 6, 20] {
            let embeddings = people(20, images);
            let found = all.run::<Visible>(&embeddings, 0, "", &Device::default()).unwrap();
            let truth: Vec<Option<usize>> = (0..20 * images).map(|image| Some(image / images)).collect();
            assert_eq!(found.labels.indices(), truth, "{images} images: {:?}", found.chosen);
            assert_eq!(found.chosen.len(), 3);
        }
        let fixed = within(Auto::Value(20), Auto::Value(0.5), Auto::Value(4));
        let found = fixed.run::<Visible>(&people(20, 3), 0, "", &Device::default()).unwrap();
        assert!(found.labels.clusters() < 15 && found.chosen.is_empty(), "{} clusters", found.labels.clusters());
    }

    /// What has a value keeps it, and the device's search finds the same.
    #[test]
    fn only_what_is_auto_is_chosen() {
        let embeddings = people(12, 5);
        let host = within(Auto::Value(9), Auto::CHOSEN, Auto::Value(3));
        let device = Within { search: NeighbourSearch::Device, ..host };
        let found = host.run::<Visible>(&embeddings, 0, "", &Device::default()).unwrap();
        assert!(matches!(found.chosen[..], [("eps visible", eps)] if (0.3..0.8).contains(&eps)), "{:?}", found.chosen);
        let again = device.run::<Visible>(&embeddings, 0, "", &Device::default()).unwrap();
        assert_eq!((found.labels.indices(), found.chosen), (again.labels.indices(), again.chosen));
    }

    #[test]
    fn one_person_falls_back_and_one_image_is_no_cluster() {
        let found =
            within(Auto::CHOSEN, Auto::CHOSEN, Auto::CHOSEN).run::<Visible>(&people(1, 4), 0, "", &Device::default());
        let found = found.unwrap();
        assert_eq!(found.labels.clusters(), 1);
        let none = within(Auto::CHOSEN, Auto::CHOSEN, Auto::CHOSEN).run::<Visible>(
            &people(1, 1),
            7,
            "eps",
            &Device::default(),
        );
        assert!(none.unwrap_err().to_string().starts_with("VR0505"));
    }
}
