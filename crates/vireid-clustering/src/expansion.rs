//! Query expansion: every sample's encoding becomes a weighted mean of its neighbours' encodings.

use rayon::prelude::*;
use vireid_core::{Camera, Embeddings, Modality, follow};

use crate::grouped::{SideCounts, nearest_by_group};
use crate::lists::Ranked;
use crate::neighbourhood::{at_least_one, one_each};
use crate::{ClusteringError, NeighbourRanking, Neighbours, SparseRows, nearest_across};

/// Where a sample comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// The modality that it is of.
    pub modality: Modality,
    /// The camera that took it; those of the two modalities are distinct even where their numbers agree.
    pub camera: Camera,
}

/// Whose encodings are averaged, and with which weights. Wherever groups appear, every group present counts equally, and
/// so do the members of a group; neighbours come from the ranking, the sample itself (normally the first) included. Which
/// samples are "the nearest" is up to the [`Neighbourhood`](crate::Neighbourhood): see [`Neighbours::nearest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expansion<'a> {
    /// The encodings stay as they are.
    None,
    /// The plain mean of the `k2` nearest.
    Mean {
        /// How many neighbours are averaged.
        k2: usize,
    },
    /// The `k2` nearest, each modality counting equally (the neighbour expansion of PCAL).
    ModalityBalanced {
        /// How many of the nearest are looked at.
        k2: usize,
        /// Where every sample comes from.
        origins: &'a [Origin],
    },
    /// Modality-camera invariant expansion (DMIC's MIE): of the `k2` nearest, the mean of each camera, then over the
    /// cameras of a modality, then over modalities.
    ModalityCamera {
        /// How many of the nearest are looked at.
        k2: usize,
        /// Where every sample comes from.
        origins: &'a [Origin],
    },
    /// The `k3` nearest of every camera among the `k2` nearest, weighted as [`Self::ModalityCamera`] (ECUL's EMCC as this
    /// project reads it, variant A). With `k3 >= k2` it is [`Self::ModalityCamera`].
    Capped {
        /// How many of the nearest are looked at.
        k2: usize,
        /// How many samples of one camera count at most.
        k3: usize,
        /// Where every sample comes from.
        origins: &'a [Origin],
    },
    /// As [`Self::Capped`] among the `k2` nearest of *each* modality, however far (variant B).
    PerModality {
        /// How many of the nearest of each modality are looked at.
        k2: usize,
        /// How many samples of one camera count at most.
        k3: usize,
        /// Where every sample comes from.
        origins: &'a [Origin],
    },
    /// [`Self::ModalityCamera`] with `k2`, then the plain mean of the `k3` nearest (variant C).
    Sequential {
        /// How many neighbours the first expansion looks at.
        k2: usize,
        /// How many neighbours the second expansion averages.
        k3: usize,
        /// Where every sample comes from.
        origins: &'a [Origin],
    },
    /// The mean of two means: the `k2` nearest of the sample's own camera and the `k3` nearest of all others, as far as
    /// the ranking goes (variant D).
    SideSplit {
        /// How many neighbours of the sample's own camera are averaged.
        k2: usize,
        /// How many neighbours of other cameras are averaged.
        k3: usize,
        /// Where every sample comes from.
        origins: &'a [Origin],
    },
    /// As [`Self::ModalityCamera`], but only neighbours that have the sample among their `k3` nearest (variant E).
    Reciprocal {
        /// How many of the nearest are looked at.
        k2: usize,
        /// Depth at which a neighbour must rank the sample.
        k3: usize,
        /// Where every sample comes from.
        origins: &'a [Origin],
    },
    /// The plain mean of the `k2_intra` nearest of the sample's own camera, itself included, and the `k2_inter` nearest of all
    /// other cameras, however far (the camera-aware local query expansion of CA-Jaccard).
    CameraAware {
        /// How many encodings of the sample's own camera are averaged.
        k2_intra: usize,
        /// How many encodings of other cameras are averaged.
        k2_inter: usize,
        /// Where every sample comes from.
        origins: &'a [Origin],
    },
}

impl<'a> Expansion<'a> {
    /// The names that [`by_name`](Self::by_name) knows.
    pub const NAMES: [&'static str; 4] = ["plain", "modality", "modality_camera", "capped"];

    /// An expansion by the name that command lines and other languages give it: `plain` is [`Self::Mean`], `modality`
    /// [`Self::ModalityBalanced`], `modality_camera` [`Self::ModalityCamera`] and `capped` [`Self::Capped`]. Only the last reads
    /// `k3`, and the plain one no origins.
    ///
    /// # Errors
    ///
    /// `VR0201` for another name.
    pub fn by_name(name: &str, k2: usize, k3: usize, origins: &'a [Origin]) -> Result<Self, ClusteringError> {
        match name {
            "plain" => Ok(Self::Mean { k2 }),
            "modality" => Ok(Self::ModalityBalanced { k2, origins }),
            "modality_camera" => Ok(Self::ModalityCamera { k2, origins }),
            "capped" => Ok(Self::Capped { k2, k3, origins }),
            _ => Err(ClusteringError::Parameter {
                name: "expansion",
                value: name.into(),
                expected: "plain, modality, modality_camera or capped",
            }),
        }
    }

    /// Checks the parameters against the number of samples.
    pub(crate) fn check(&self, samples: usize) -> Result<(), ClusteringError> {
        let (k2, k3, origins) = match *self {
            Self::None => return Ok(()),
            Self::Mean { k2 } => return at_least_one(&[("k2", k2)]),
            Self::ModalityBalanced { k2, origins } | Self::ModalityCamera { k2, origins } => (k2, 1, origins),
            Self::Capped { k2, k3, origins }
            | Self::PerModality { k2, k3, origins }
            | Self::Sequential { k2, k3, origins }
            | Self::SideSplit { k2, k3, origins }
            | Self::Reciprocal { k2, k3, origins } => (k2, k3, origins),
            Self::CameraAware { k2_intra, k2_inter, origins } => {
                at_least_one(&[("k2_intra", k2_intra), ("k2_inter", k2_inter)])?;
                return one_each(origins, samples);
            }
        };
        at_least_one(&[("k2", k2), ("k3", k3)])?;
        one_each(origins, samples)
    }
}

/// Expands encodings.
pub(crate) fn expand(
    weights: SparseRows,
    embeddings: &Embeddings,
    neighbours: &Neighbours,
    expansion: &Expansion,
) -> Result<SparseRows, ClusteringError> {
    expansion.check(weights.rows())?;
    let nearest = |row: usize, k: usize| neighbours.nearest(row, k);
    Ok(match *expansion {
        Expansion::None | Expansion::Mean { k2: 1 } => weights,
        Expansion::Mean { k2 } => mixed(&weights, |row| mean(nearest(row, k2).into_owned()))?,
        Expansion::ModalityBalanced { k2, origins } => {
            let group = |sample: u32| (origins[sample as usize].modality, Camera(0));
            mixed(&weights, |row| balanced(&nearest(row, k2), usize::MAX, group, &weights))?
        }
        // An expansion over one neighbour, the sample itself, changes nothing.
        Expansion::ModalityCamera { k2: 1, .. } | Expansion::Capped { k2: 1, .. } => weights,
        Expansion::ModalityCamera { k2, origins } => {
            mixed(&weights, |row| balanced(&nearest(row, k2), usize::MAX, by_camera(origins), &weights))?
        }
        Expansion::Capped { k2, k3, origins } => {
            mixed(&weights, |row| balanced(&nearest(row, k2), k3, by_camera(origins), &weights))?
        }
        Expansion::PerModality { k2, k3, origins } => {
            let pools =
                [Modality::Visible, Modality::Infrared].map(|modality| Pool::new(embeddings, origins, modality, k2));
            let [visible, infrared] = pools;
            let (visible, infrared) = (visible?, infrared?);
            mixed(&weights, |row| {
                let near: Vec<u32> = visible.nearest(row).chain(infrared.nearest(row)).collect();
                balanced(&near, k3, by_camera(origins), &weights)
            })?
        }
        Expansion::Sequential { k2, k3, origins } => {
            let first = expand(weights, embeddings, neighbours, &Expansion::ModalityCamera { k2, origins })?;
            expand(first, embeddings, neighbours, &Expansion::Mean { k2: k3 })?
        }
        Expansion::SideSplit { k2, k3, origins } => mixed(&weights, |row| {
            let filled = neighbours.row(row).iter().copied().filter(|&other| !weights.row(other as usize).0.is_empty());
            let (own, other): (Vec<u32>, Vec<u32>) =
                filled.partition(|&sample| origins[sample as usize] == origins[row]);
            let sides = [own, other].into_iter().zip([k2, k3]).map(|(side, k)| side.into_iter().take(k).collect());
            let sides: Vec<Vec<u32>> = sides.filter(|side: &Vec<u32>| !side.is_empty()).collect();
            let share = 1.0 / sides.len() as f32;
            sides.into_iter().flat_map(|side| mean(side).into_iter().map(move |(j, w)| (j, w * share))).collect()
        })?,
        Expansion::Reciprocal { k2, k3, origins } => mixed(&weights, |row| {
            let near: Vec<u32> =
                nearest(row, k2).iter().copied().filter(|&j| nearest(j as usize, k3).contains(&(row as u32))).collect();
            balanced(&near, usize::MAX, by_camera(origins), &weights)
        })?,
        Expansion::CameraAware { k2_intra, k2_inter, origins } => {
            let searched;
            let sides = match neighbours.camera_sides(origins) {
                Some(sides) if k2_intra <= sides.counts.own && k2_inter <= sides.counts.other => sides,
                _ => {
                    searched = nearest_by_group(embeddings, origins, SideCounts { own: k2_intra, other: k2_inter })?;
                    &searched
                }
            };
            mixed(&weights, |row| {
                let (own, other) =
                    (sides.own.row(row).iter().take(k2_intra), sides.other.row(row).iter().take(k2_inter));
                mean(own.chain(other).copied().collect())
            })?
        }
    })
}

fn by_camera(origins: &[Origin]) -> impl Fn(u32) -> (Modality, Camera) + '_ {
    |sample| (origins[sample as usize].modality, origins[sample as usize].camera)
}

/// The samples of one modality, ranked for every sample.
struct Pool {
    members: Vec<u32>,
    ranking: NeighbourRanking,
}

impl Pool {
    fn new(embeddings: &Embeddings, origins: &[Origin], modality: Modality, k: usize) -> Result<Self, ClusteringError> {
        let members: Vec<usize> = (0..origins.len()).filter(|&row| origins[row].modality == modality).collect();
        let ranking = nearest_across(embeddings, &embeddings.select(&members), k)?;
        Ok(Self { members: members.into_iter().map(|row| row as u32).collect(), ranking })
    }

    fn nearest(&self, row: usize) -> impl Iterator<Item = u32> + '_ {
        self.ranking.row(row).iter().map(|&index| self.members[index as usize])
    }
}

fn mean(samples: Vec<u32>) -> Vec<(u32, f32)> {
    let weight = 1.0 / samples.len() as f32;
    samples.into_iter().map(|sample| (sample, weight)).collect()
}

/// Weights for which each modality, each camera of a modality and each member of a camera counts equally; of a camera
/// only the first `cap` members count, and none whose encoding is empty.
fn balanced(
    near: &[u32],
    cap: usize,
    group: impl Fn(u32) -> (Modality, Camera),
    weights: &SparseRows,
) -> Vec<(u32, f32)> {
    let mut groups: Vec<((Modality, Camera), Vec<u32>)> = Vec::new();
    for &sample in near.iter().filter(|&&sample| !weights.row(sample as usize).0.is_empty()) {
        let key = group(sample);
        match groups.iter_mut().find(|(other, _)| *other == key) {
            Some((_, members)) if members.len() < cap => members.push(sample),
            Some(_) => {}
            None => groups.push((key, vec![sample])),
        }
    }
    let cameras = |modality: Modality| groups.iter().filter(|((other, _), _)| *other == modality).count();
    let modalities = [Modality::Visible, Modality::Infrared].into_iter().filter(|&m| cameras(m) > 0).count();
    groups
        .iter()
        .flat_map(|((modality, _), members)| {
            let weight = 1.0 / (modalities * cameras(*modality) * members.len()) as f32;
            members.iter().map(move |&sample| (sample, weight))
        })
        .collect()
}

/// Every row becomes the weighted sum of rows; where no weight is given, it stays.
pub(crate) fn mixed(
    weights: &SparseRows,
    of: impl Fn(usize) -> Vec<(u32, f32)> + Sync,
) -> Result<SparseRows, ClusteringError> {
    let n = weights.rows();
    let steps = follow("expansion", n);
    let rows = (0..n)
        .into_par_iter()
        .map_init(
            || (vec![0.0f32; n], Vec::<u32>::new()),
            |(sum, touched), row| {
                if !steps.step() {
                    return Vec::new();
                }
                let members = of(row);
                let alone = [(row as u32, 1.0)];
                for &(member, share) in if members.is_empty() { &alone[..] } else { &members[..] } {
                    for (column, weight) in weights.pairs(member as usize) {
                        if sum[column as usize] == 0.0 {
                            touched.push(column);
                        }
                        sum[column as usize] += share * weight;
                    }
                }
                touched.sort_unstable();
                // A weight that underflows to 0 would list its column twice.
                touched.dedup();
                let row = touched.iter().map(|&column| (column, std::mem::take(&mut sum[column as usize]))).collect();
                touched.clear();
                row
            },
        )
        .collect();
    steps.check()?;
    Ok(SparseRows::from_rows(rows))
}
