//! Clustering parameters that are chosen at every clustering instead of being set.

use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use vireid_clustering::{
    Cuts, Expansion, JaccardEncoding, NeighbourGraph, NeighbourRanking, Neighbours, dbscan, nearest_neighbours,
};
use vireid_core::{Embeddings, Modality, ModalityTag, PerModality, PseudoLabels};
use vireid_train::MethodError;

use super::device_neighbours::nearest_neighbours_on;
use super::settings::NeighbourSearch;

/// A setting that has a value, or is `"auto"`: chosen anew at every clustering, from distances alone ([`Cuts`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a number or \"auto\"")]
pub enum Auto<T> {
    /// The value that it has.
    Value(T),
    /// To be chosen.
    Auto(AutoWord),
}

/// The word of [`Auto`] in a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AutoWord {
    /// `"auto"`.
    Auto,
}

impl<T: Copy> Auto<T> {
    /// The setting that is to be chosen.
    pub const CHOSEN: Self = Self::Auto(AutoWord::Auto);

    /// Its value, where it has one.
    pub fn value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Auto(AutoWord::Auto) => None,
        }
    }

    fn or_all(self, candidates: &[T]) -> Vec<T> {
        self.value().map_or_else(|| candidates.to_vec(), |value| vec![value])
    }
}

/// Numbers of neighbours among which `k1 = "auto"` chooses: the images of a person that a modality may have.
const K1: [usize; 7] = [4, 6, 10, 14, 20, 30, 45];
/// Numbers that make a core sample, among which `min_samples = "auto"` chooses.
const MIN_SAMPLES: [usize; 2] = [2, 4];
/// Radii among which `eps = "auto"` chooses. None is a distance at which rounding decides
/// ([`shared_rows_at`](vireid_clustering::shared_rows_at)) for the usual `k2`.
const EPS: [f64; 10] = [0.31, 0.36, 0.41, 0.46, 0.51, 0.56, 0.61, 0.66, 0.71, 0.76];
/// What is taken where no cut has two clusters that fit the distances at all.
const FALLBACK: (usize, f64, usize) = (20, 0.51, 2);

/// Values that were chosen, by name, for reports.
pub type Chosen = Vec<(&'static str, f64)>;

/// How the images of one modality are clustered on their own.
#[derive(Debug, Clone, Copy)]
pub struct Within<'a> {
    /// Neighbours ranked (k1 of k-reciprocal encoding).
    pub k1: Auto<usize>,
    /// Largest Jaccard distance of neighbours.
    pub eps: Auto<f64>,
    /// Neighbours, itself included, that make a core sample.
    pub min_samples: Auto<usize>,
    /// How rows of the encoding are averaged over neighbours.
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
        let k1 = self.k1.or_all(&K1);
        let most = k1.iter().copied().max().unwrap_or(1);
        let ranking = match self.search {
            NeighbourSearch::Host => nearest_neighbours(embeddings, most)?,
            NeighbourSearch::Device => nearest_neighbours_on(embeddings, most, device)?,
        };
        let encode = |k1: usize| self.encoded(embeddings, &ranking, k1);
        let (raw, encoding, chosen) = match (self.k1, self.eps, self.min_samples) {
            (Auto::Value(k1), Auto::Value(eps), Auto::Value(min_samples)) => {
                let encoding = encode(k1)?;
                let labels = dbscan(&NeighbourGraph::from_jaccard(&encoding, eps)?, min_samples)?;
                (labels, encoding, Vec::new())
            }
            _ => {
                let cuts = Cuts { k1, eps: self.eps.or_all(&EPS), min_samples: self.min_samples.or_all(&MIN_SAMPLES) };
                match cuts.best(encode)? {
                    Some(cut) => {
                        let chosen = self.chosen(modality, cut.k1, cut.eps, cut.min_samples);
                        (cut.labels, cut.encoding, chosen)
                    }
                    None => {
                        let (k1, eps, min_samples) = (
                            self.k1.value().unwrap_or(FALLBACK.0),
                            self.eps.value().unwrap_or(FALLBACK.1),
                            self.min_samples.value().unwrap_or(FALLBACK.2),
                        );
                        let encoding = encode(k1)?;
                        let labels = dbscan(&NeighbourGraph::from_jaccard(&encoding, eps)?, min_samples)?;
                        (labels, encoding, self.chosen(modality, k1, eps, min_samples))
                    }
                }
            }
        };
        let labels = PseudoLabels::new(&raw)?;
        if labels.clusters() == 0 && !raw.is_empty() {
            return Err(MethodError::NoClusters { epoch, modality, noise: raw.len(), setting: eps_key.into() });
        }
        Ok(ClusteredWithin { labels, encoding, chosen })
    }

    /// The encoding with the first `k1` of the neighbours that were found.
    fn encoded(
        &self,
        embeddings: &Embeddings,
        ranking: &NeighbourRanking,
        k1: usize,
    ) -> Result<JaccardEncoding, MethodError> {
        let expansion = match (self.expansion, self.k1) {
            // An average over more than a few of the neighbours that were chosen would reach beyond the person.
            (Expansion::Mean { k2 }, Auto::Auto(_)) => Expansion::Mean { k2: k2.min((k1 / 4).max(1)) },
            (expansion, _) => expansion,
        };
        let neighbours = Neighbours::from(ranking.nearest(k1));
        Ok(JaccardEncoding::from_neighbours(embeddings, &neighbours, &expansion)?)
    }

    fn chosen(&self, modality: Modality, k1: usize, eps: f64, min_samples: usize) -> Chosen {
        let names = PerModality {
            visible: ["k1 visible", "eps visible", "min_samples visible"],
            infrared: ["k1 infrared", "eps infrared", "min_samples infrared"],
        };
        let [of_k1, of_eps, of_min_samples] = *names.get(modality);
        let mut chosen = Vec::new();
        chosen.extend(self.k1.value().is_none().then_some((of_k1, k1 as f64)));
        chosen.extend(self.eps.value().is_none().then_some((of_eps, eps)));
        chosen.extend(self.min_samples.value().is_none().then_some((of_min_samples, min_samples as f64)));
        chosen
    }
}

/// Cuts the encoding of both modalities together, in which `k1` neighbours were ranked.
pub(super) fn cut_jointly(
    encoding: JaccardEncoding,
    k1: usize,
    eps: Auto<f64>,
    min_samples: Auto<usize>,
) -> Result<(Vec<Option<usize>>, Chosen), MethodError> {
    let plainly = |encoding: &JaccardEncoding, eps: f64, min_samples: usize| -> Result<_, MethodError> {
        Ok(dbscan(&NeighbourGraph::from_jaccard(encoding, eps)?, min_samples)?)
    };
    if let (Auto::Value(eps), Auto::Value(min_samples)) = (eps, min_samples) {
        return Ok((plainly(&encoding, eps, min_samples)?, Vec::new()));
    }
    let cuts = Cuts { k1: vec![k1], eps: eps.or_all(&EPS), min_samples: min_samples.or_all(&MIN_SAMPLES) };
    let best = cuts.best(|_| Ok::<_, MethodError>(encoding.clone()))?;
    let (labels, of_eps, of_min_samples) = match best {
        Some(cut) => (cut.labels, cut.eps, cut.min_samples),
        None => {
            let (eps, min_samples) = (eps.value().unwrap_or(FALLBACK.1), min_samples.value().unwrap_or(FALLBACK.2));
            (plainly(&encoding, eps, min_samples)?, eps, min_samples)
        }
    };
    let mut chosen = Vec::new();
    chosen.extend(eps.value().is_none().then_some(("eps joint", of_eps)));
    chosen.extend(min_samples.value().is_none().then_some(("min_samples joint", of_min_samples as f64)));
    Ok((labels, chosen))
}

#[cfg(test)]
mod tests {
    use super::*;
    use vireid_clustering::shared_rows_at;
    use vireid_core::{Streams, Visible};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Section {
        k1: Auto<usize>,
        eps: Auto<f64>,
    }

    #[test]
    fn a_number_or_the_word() {
        let section = Section { k1: Auto::CHOSEN, eps: Auto::Value(0.4) };
        let text = toml::to_string(&section).unwrap();
        assert_eq!(text, "k1 = \"auto\"\neps = 0.4\n");
        assert_eq!(toml::from_str::<Section>(&text).unwrap(), section);
        for wrong in ["k1 = \"many\"\neps = 0.4", "k1 = -1\neps = 0.4", "k1 = 3\neps = true"] {
            assert!(
                toml::from_str::<Section>(wrong).unwrap_err().to_string().contains("a number or \"auto\""),
                "{wrong}"
            );
        }
    }

    #[test]
    fn rounding_decides_about_no_candidate() {
        for eps in EPS {
            assert!((1..=12).all(|k2| shared_rows_at(eps, k2).is_none()), "{eps}");
        }
    }

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
        Within { k1, eps, min_samples, expansion: Expansion::Mean { k2: 6 }, search: NeighbourSearch::Host }
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
        assert!(matches!(found.chosen[..], [("eps visible", eps)] if EPS.contains(&eps)), "{:?}", found.chosen);
        let again = device.run::<Visible>(&embeddings, 0, "", &Device::default()).unwrap();
        assert_eq!((found.labels.indices(), found.chosen), (again.labels.indices(), again.chosen));
    }

    #[test]
    fn two_images_of_one_person_fall_back() {
        let found =
            within(Auto::CHOSEN, Auto::CHOSEN, Auto::CHOSEN).run::<Visible>(&people(1, 4), 0, "", &Device::default());
        let found = found.unwrap();
        assert_eq!(found.labels.clusters(), 1);
        let none = within(Auto::CHOSEN, Auto::CHOSEN, Auto::CHOSEN).run::<Visible>(
            &people(2, 1),
            7,
            "eps",
            &Device::default(),
        );
        assert!(none.unwrap_err().to_string().starts_with("VR0505"));
    }
}
