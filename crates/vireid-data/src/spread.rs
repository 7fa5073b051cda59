//! Where the images of a modality went in a clustering.

use vireid_core::{Modality, ModalityTag, PseudoLabels};

/// Where the images of a modality went in a clustering. Much noise means that the neighbourhood (eps) was too narrow,
/// one huge cluster that it was too wide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spread {
    /// How many images the modality has.
    pub samples: usize,
    /// How many of them have no cluster.
    pub noise: usize,
    /// How many are in the largest cluster; 0 without one.
    pub largest: usize,
}

impl Spread {
    /// Counts the images of pseudo-labels.
    pub fn of<M: ModalityTag>(labels: &PseudoLabels<M>) -> Self {
        let largest = labels.members().iter().map(Vec::len).max().unwrap_or(0);
        Self { samples: labels.len(), noise: labels.noise(), largest }
    }

    /// What happened, in counts, and what follows for eps; the beginning of a list of remedies.
    pub(crate) fn remedy(&self, modality: Modality) -> String {
        let Self { samples, noise, largest } = self;
        let eps = format!("eps (clustering.eps.{modality}, or the method's own schedule of it)");
        if 2 * largest > *samples {
            format!("{largest} of {samples} images are in one cluster: lower {eps}, ")
        } else if 2 * noise > *samples {
            format!("{noise} of {samples} images are in no cluster: raise {eps}, ")
        } else {
            format!(
                "{noise} of {samples} images are in no cluster and the largest holds {largest}, so there may be no more people: "
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DataError;
    use vireid_core::Visible;

    fn said(labels: &[Option<usize>]) -> String {
        let labels = PseudoLabels::<Visible>::new(labels).unwrap();
        let (modality, found) = (Modality::Visible, labels.clusters());
        DataError::TooFewClusters { modality, found, needed: 12, spread: Spread::of(&labels) }.to_string()
    }

    /// It always said "raise eps", where one cluster held everything too.
    #[test]
    fn too_few_clusters_say_which_way_eps_has_to_go() {
        let merged = said(&[vec![Some(0); 18], vec![Some(1), None]].concat());
        assert!(merged.contains("18 of 20 images are in one cluster: lower eps (clustering.eps.visible"), "{merged}");
        let scattered = said(&[vec![Some(0); 4], vec![None; 16]].concat());
        assert!(scattered.contains("16 of 20 images are in no cluster: raise eps"), "{scattered}");
        let few = said(&[0, 0, 0, 1, 1, 1, 2, 2, 2].map(Some));
        assert!(few.contains("no more people: lower sampler.clusters") && !few.contains("eps"), "{few}");
        assert!(
            said(&[None; 5]).contains("found 0 visible clusters, a batch takes 12; 5 of 5 images are in no cluster")
        );
    }
}
