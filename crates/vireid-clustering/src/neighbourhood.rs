//! Which samples are candidates to be a sample's neighbours.

use vireid_core::Embeddings;

use crate::grouped::{SideCounts, nearest_by_group, searched_by_group};
use crate::neighbours::checked;
use crate::{ClusteringError, Expansion, NeighbourRanking, Neighbours, Origin, nearest_neighbours};

/// From where a sample's neighbours are taken before the mutual ones among them are sought.
///
/// A sample's nearest are of its own camera and modality first, whoever they show. Where that gap is large, a plain search finds
/// none beyond it, and no cluster holds both modalities. The other two rank candidates on both sides of the border.
///
/// ```
/// use vireid_clustering::{Neighbourhood, Origin};
/// use vireid_core::{Camera, Embeddings, Modality};
///
/// // Visible images at 0, 1, 2 and 3 on a line, infrared ones at 10 and 11.
/// let line = Embeddings::new(vec![0.0, 1.0, 2.0, 3.0, 10.0, 11.0], 6, 1)?;
/// let modalities = [[Modality::Visible; 2], [Modality::Visible; 2], [Modality::Infrared; 2]].concat();
/// let origins: Vec<Origin> = modalities.into_iter().map(|modality| Origin { modality, camera: Camera(0) }).collect();
///
/// assert_eq!(Neighbourhood::Plain.find(&line, 4)?.row(0), [0, 1, 2, 3]);
/// let balanced = Neighbourhood::Balanced { origins: &origins }.find(&line, 4)?;
/// assert_eq!((balanced.row(0), balanced.row(4)), (&[0, 1, 4, 5][..], &[4, 5, 3, 2][..]));
/// assert_eq!(*balanced.nearest(0, 2), [0, 4]);
/// # Ok::<(), vireid_clustering::ClusteringError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Neighbourhood<'a> {
    /// The `k1` nearest of all, as [`nearest_neighbours`] ranks them.
    #[default]
    Plain,
    /// Half of `k1` from the sample's own modality and half from the other, ranked together by distance (the joint clustering of
    /// bias mitigation and invariance learning, AAAI 2026, arXiv 2512.07760). Of an odd `k1` the own half is the larger, and the
    /// sample itself is one of it. That half of the neighbours comes from either side, merged and ranked again, and that the
    /// expansion is balanced alike, is of a description of the paper \[summary\]. The rest is this project's reading
    /// \[interpretation\]:
    ///
    /// * The merged ranking takes the plain one's place: half of its length, where reciprocal sets are extended, is the nearer
    ///   half of both modalities together. If that half were balanced anew, ranking again would change nothing.
    /// * A modality with fewer images than its half gives those it has, and the other half does not grow: the list is shorter,
    ///   and half of it is half of what there is, as in a plain ranking of few rows. More of one's own would be no substitute
    ///   for what lies beyond the border; with a single modality this is the plain neighbourhood with half the `k1`.
    /// * "The `k2` nearest" of an [`Expansion`] are half from the own modality and half from the other, in the same way; how
    ///   they weigh is the expansion's.
    Balanced {
        /// Where every sample comes from; only the modality is looked at.
        origins: &'a [Origin],
    },
    /// Mutual neighbours within the sample's camera and, apart from them, among all other cameras; a sample's set is both
    /// together and is not extended (CA-Jaccard: Chen et al., CVPR 2024, arXiv 2311.10605, as its released code does it).
    /// `k1` has no effect. Cameras of the two modalities are distinct.
    ///
    /// A camera with fewer images gives what it has, where the released code goes on with images of the wrong side. It
    /// reaches over a gap between modalities only where a sample's own modality has few images, or none, in other cameras:
    /// else those are its nearest of "all other cameras".
    CameraAware {
        /// How many neighbours are ranked on either side, and averaged.
        counts: CameraCounts,
        /// Where every sample comes from.
        origins: &'a [Origin],
    },
}

/// The counts of the camera-aware neighbourhood and of the expansion that goes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CameraCounts {
    /// Neighbours within the sample's camera, itself not counted.
    pub k1_intra: usize,
    /// Neighbours in other cameras; the released code ranks one more, and so does this.
    pub k1_inter: usize,
    /// Encodings of the sample's camera that are averaged, its own counted.
    pub k2_intra: usize,
    /// Encodings of other cameras that are averaged.
    pub k2_inter: usize,
}

impl Default for CameraCounts {
    /// Those of the released code: 5 and 20, 2 and 4 (its commands; its first epoch takes 3 and 3).
    fn default() -> Self {
        Self { k1_intra: 5, k1_inter: 20, k2_intra: 2, k2_inter: 4 }
    }
}

impl<'a> Neighbourhood<'a> {
    /// The names that [`by_name`](Self::by_name) knows.
    pub const NAMES: [&'static str; 3] = ["plain", "balanced", "camera_aware"];

    /// A neighbourhood by the name that settings and command lines give it. Only `camera_aware` reads `counts`, and `plain` no
    /// origins.
    ///
    /// # Errors
    ///
    /// `VR0201` for another name.
    pub fn by_name(name: &str, counts: CameraCounts, origins: &'a [Origin]) -> Result<Self, ClusteringError> {
        match name {
            "plain" => Ok(Self::Plain),
            "balanced" => Ok(Self::Balanced { origins }),
            "camera_aware" => Ok(Self::CameraAware { counts, origins }),
            _ => Err(ClusteringError::Parameter {
                name: "neighbourhood",
                value: name.into(),
                expected: "plain, balanced or camera_aware",
            }),
        }
    }

    /// The expansion that belongs to this neighbourhood: `given`, but for the camera-aware one, which has its own
    /// ([`Expansion::CameraAware`] with its counts).
    pub fn expansion(&self, given: Expansion<'a>) -> Expansion<'a> {
        match *self {
            Self::CameraAware { counts: CameraCounts { k2_intra, k2_inter, .. }, origins } => {
                Expansion::CameraAware { k2_intra, k2_inter, origins }
            }
            Self::Plain | Self::Balanced { .. } => given,
        }
    }

    /// The neighbours of every sample: exact, on the host. Costs what [`nearest_neighbours`] does, whatever the neighbourhood.
    ///
    /// # Errors
    ///
    /// `VR0201` when `k1` or a count is 0, `VR0202` when there are not as many origins as samples, `VR0004` when a
    /// [`Watch`](vireid_core::Watch) stopped it.
    pub fn find(&self, embeddings: &Embeddings, k1: usize) -> Result<Neighbours, ClusteringError> {
        self.check(embeddings.rows(), k1)?;
        Ok(match *self {
            Self::Plain => nearest_neighbours(embeddings, k1)?.into(),
            Self::Balanced { origins } => {
                let modalities: Vec<_> = origins.iter().map(|origin| origin.modality).collect();
                let sides = nearest_by_group(embeddings, &modalities, halves(k1))?;
                Neighbours::balanced(&sides, embeddings, modalities)
            }
            Self::CameraAware { counts, origins } => {
                let sides = nearest_by_group(embeddings, origins, counts.ranked())?;
                Neighbours::camera_aware(sides, embeddings, origins)
            }
        })
    }

    /// As [`find`](Self::find) with another search, on a GPU for instance: `search(queries, candidates, k)` ranks the `k` nearest
    /// candidates of every query, or all where there are fewer, as [`nearest_across`](crate::nearest_across) does. It is called
    /// once for the plain neighbourhood, with the embeddings as both, and twice for every modality or camera.
    ///
    /// # Errors
    ///
    /// Those of [`find`](Self::find) and of the search; `VR0201` and `VR0202` where it ranked other samples.
    pub fn find_by<E: From<ClusteringError>>(
        &self,
        embeddings: &Embeddings,
        k1: usize,
        mut search: impl FnMut(&Embeddings, &Embeddings, usize) -> Result<NeighbourRanking, E>,
    ) -> Result<Neighbours, E> {
        self.check(embeddings.rows(), k1)?;
        Ok(match *self {
            Self::Plain => search(embeddings, embeddings, k1)?.into(),
            Self::Balanced { origins } => {
                let modalities: Vec<_> = origins.iter().map(|origin| origin.modality).collect();
                let sides = searched_by_group(embeddings, &modalities, halves(k1), &mut search)?;
                Neighbours::balanced(&sides, embeddings, modalities)
            }
            Self::CameraAware { counts, origins } => {
                let sides = searched_by_group(embeddings, origins, counts.ranked(), &mut search)?;
                Neighbours::camera_aware(sides, embeddings, origins)
            }
        })
    }

    fn check(&self, samples: usize, k1: usize) -> Result<(), ClusteringError> {
        match *self {
            Self::Plain => checked(k1).map(|_| ()),
            Self::Balanced { origins } => {
                checked(k1)?;
                one_each(origins, samples)
            }
            Self::CameraAware { counts: CameraCounts { k1_intra, k1_inter, .. }, origins } => {
                at_least_one(&[("k1_intra", k1_intra), ("k1_inter", k1_inter)])?;
                one_each(origins, samples)
            }
        }
    }
}

impl CameraCounts {
    /// Lengths of the ranked lists. Beside the own list's, which begins with the sample, the released code lengthens the other's.
    fn ranked(self) -> SideCounts {
        SideCounts { own: self.k1_intra.saturating_add(1), other: self.k1_inter.saturating_add(1) }
    }
}

/// The own half and the other's of so many neighbours.
pub(crate) fn halves(k: usize) -> SideCounts {
    SideCounts { own: k.div_ceil(2), other: k / 2 }
}

/// Refuses parameters, given by name, that are 0.
pub(crate) fn at_least_one(parameters: &[(&'static str, usize)]) -> Result<(), ClusteringError> {
    match parameters.iter().find(|(_, value)| *value == 0) {
        Some(&(name, _)) => Err(ClusteringError::Parameter { name, value: "0".into(), expected: "at least 1" }),
        None => Ok(()),
    }
}

/// Refuses origins of more or fewer samples.
pub(crate) fn one_each(origins: &[Origin], samples: usize) -> Result<(), ClusteringError> {
    if origins.len() != samples {
        return Err(ClusteringError::Length { what: "origins and samples", left: origins.len(), right: samples });
    }
    Ok(())
}
