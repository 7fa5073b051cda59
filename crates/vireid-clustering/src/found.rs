//! The neighbours that a [`Neighbourhood`](crate::Neighbourhood) has found.

use std::borrow::Cow;

use vireid_core::{Embeddings, Modality};

use crate::grouped::Sides;
use crate::lists::{Lists, Ranked};
use crate::neighbourhood::halves;
use crate::reciprocal::{reciprocal_weights, softmax_weights, united_weights};
use crate::{ClusteringError, NeighbourRanking, Origin, SparseRows};

/// The neighbours of every sample, of which [`JaccardEncoding::from_neighbours`](crate::JaccardEncoding::from_neighbours) makes
/// encodings. Unlike those of a [`NeighbourRanking`], lists may differ in length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbours {
    ranked: Lists,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Plain,
    Balanced(Vec<Modality>),
    CameraAware { sides: Sides, origins: Vec<Origin> },
}

impl From<NeighbourRanking> for Neighbours {
    /// Plain neighbours: `k1` is the length of the ranking.
    fn from(ranking: NeighbourRanking) -> Self {
        Self { ranked: ranking.into(), kind: Kind::Plain }
    }
}

impl Neighbours {
    pub(crate) fn balanced(sides: &Sides, embeddings: &Embeddings, modalities: Vec<Modality>) -> Self {
        Self { ranked: sides.own.merged(&sides.other, embeddings), kind: Kind::Balanced(modalities) }
    }

    pub(crate) fn camera_aware(sides: Sides, embeddings: &Embeddings, origins: &[Origin]) -> Self {
        let ranked = sides.own.merged(&sides.other, embeddings);
        Self { ranked, kind: Kind::CameraAware { sides, origins: origins.to_vec() } }
    }

    /// Number of samples.
    pub fn rows(&self) -> usize {
        self.ranked.rows()
    }

    /// The neighbours of one sample, nearest first: of both sides together where the neighbourhood has two.
    pub fn row(&self, row: usize) -> &[u32] {
        self.ranked.row(row)
    }

    /// The `k` neighbours of a sample that an expansion means by "the `k` nearest", as far as there are as many; nearest first.
    /// Balanced ones are half from the own modality (the larger half of an odd `k`) and half from the other.
    pub fn nearest(&self, row: usize, k: usize) -> Cow<'_, [u32]> {
        let list = self.row(row);
        let Kind::Balanced(modalities) = &self.kind else {
            return Cow::Borrowed(&list[..k.min(list.len())]);
        };
        let mut left = halves(k);
        let of_its_half = |&sample: &u32| {
            let side = if modalities[sample as usize] == modalities[row] { &mut left.own } else { &mut left.other };
            let taken = *side > 0;
            *side = side.saturating_sub(1);
            taken
        };
        Cow::Owned(list.iter().copied().filter(of_its_half).collect())
    }

    /// What a search for fewer neighbours would have found, without the search: [`nearest`](Self::nearest) `k1` of every sample.
    /// Camera-aware neighbours have counts of their own and stay as they are.
    ///
    /// ```
    /// use vireid_clustering::Neighbourhood;
    /// use vireid_core::Embeddings;
    ///
    /// let line = Embeddings::new(vec![0.0, 1.0, 3.0, 7.0], 4, 1)?;
    /// let found = Neighbourhood::Plain.find(&line, 4)?;
    /// assert_eq!(found.fewer(2), Neighbourhood::Plain.find(&line, 2)?);
    /// # Ok::<(), vireid_clustering::ClusteringError>(())
    /// ```
    #[must_use]
    pub fn fewer(&self, k1: usize) -> Self {
        let ranked = match &self.kind {
            Kind::Plain | Kind::Balanced(_) => {
                Lists::new((0..self.rows()).map(|row| self.nearest(row, k1).into_owned()).collect())
            }
            Kind::CameraAware { .. } => self.ranked.clone(),
        };
        Self { ranked, kind: self.kind.clone() }
    }

    /// The lists of either side, where these are the cameras' of such origins.
    pub(crate) fn camera_sides(&self, of: &[Origin]) -> Option<&Sides> {
        match &self.kind {
            Kind::CameraAware { sides, origins } if origins == of => Some(sides),
            _ => None,
        }
    }

    /// The weights of every sample over its k-reciprocal neighbours.
    pub(crate) fn weights(&self, embeddings: &Embeddings) -> Result<SparseRows, ClusteringError> {
        let weigh = |row: usize, neighbours: &[u32]| softmax_weights(embeddings, row, neighbours);
        match &self.kind {
            Kind::Plain | Kind::Balanced(_) => reciprocal_weights(&self.ranked, |length| length, weigh),
            Kind::CameraAware { sides: Sides { own, other, .. }, .. } => united_weights([own, other], weigh),
        }
    }
}
