//! Samplers: which images a training step sees.
//!
//! All of them draw P clusters and K instances of each. Noise samples belong to no cluster and are never drawn.

use vireid_core::{Association, Camera, ClusterId, Infrared, Modality, ModalityTag, PseudoLabels, Stream, Visible};

use crate::DataError;

/// The images of one step: positions in the training lists with the pseudo-labels they are trained towards. The two
/// lists are equally long.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StepPlan {
    /// Visible images.
    pub visible: Vec<(usize, ClusterId<Visible>)>,
    /// Infrared images.
    pub infrared: Vec<(usize, ClusterId<Infrared>)>,
}

/// Sizes of a P x K batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchShape {
    /// Clusters per batch (P).
    pub clusters: usize,
    /// Instances per cluster and modality (K).
    pub instances: usize,
    /// Draw clusters with replacement when there are fewer than needed, instead of an error.
    pub allow_few_clusters: bool,
}

/// Steps of P visible clusters and, independently, P infrared clusters: neither knows of the other.
///
/// # Errors
///
/// `VR0107` when a modality has fewer than P clusters and the shape does not allow it, or none.
pub fn independent_clusters(
    visible: &PseudoLabels<Visible>,
    infrared: &PseudoLabels<Infrared>,
    shape: BatchShape,
    steps: usize,
    stream: &mut Stream,
) -> Result<Vec<StepPlan>, DataError> {
    let (visible_members, infrared_members) = (visible.members(), infrared.members());
    (0..steps)
        .map(|_| {
            let visible = draw_clusters(visible_members.len(), shape.clusters, Modality::Visible, shape, stream)?;
            let infrared = draw_clusters(infrared_members.len(), shape.clusters, Modality::Infrared, shape, stream)?;
            Ok(StepPlan {
                visible: instances(&visible, &visible_members, shape.instances, stream),
                infrared: instances(&infrared, &infrared_members, shape.instances, stream),
            })
        })
        .collect()
}

/// Steps of P blocks that each carry an associated pair of clusters: for the first half infrared clusters are drawn and
/// given a random visible partner, for the second half the other way round (MBCCM, stage 2).
///
/// # Errors
///
/// `VR0107` when a modality has fewer than P / 2 clusters and the shape does not allow it, or none.
pub fn associated_clusters(
    visible: &PseudoLabels<Visible>,
    infrared: &PseudoLabels<Infrared>,
    association: &Association,
    shape: BatchShape,
    steps: usize,
    stream: &mut Stream,
) -> Result<Vec<StepPlan>, DataError> {
    let (visible_members, infrared_members) = (visible.members(), infrared.members());
    let first_half = shape.clusters / 2;
    (0..steps)
        .map(|_| {
            let mut pairs: Vec<(ClusterId<Visible>, ClusterId<Infrared>)> = Vec::with_capacity(shape.clusters);
            for i in draw_clusters(infrared_members.len(), first_half, Modality::Infrared, shape, stream)? {
                let partners = association.visible_of(i);
                pairs.push((partners[stream.below(partners.len())], i));
            }
            let second_half = shape.clusters - first_half;
            for v in draw_clusters(visible_members.len(), second_half, Modality::Visible, shape, stream)? {
                let partners = association.infrared_of(v);
                pairs.push((v, partners[stream.below(partners.len())]));
            }
            let (visible, infrared): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
            Ok(StepPlan {
                visible: instances(&visible, &visible_members, shape.instances, stream),
                infrared: instances(&infrared, &infrared_members, shape.instances, stream),
            })
        })
        .collect()
}

fn draw_clusters<M: ModalityTag>(
    available: usize,
    needed: usize,
    modality: Modality,
    shape: BatchShape,
    stream: &mut Stream,
) -> Result<Vec<ClusterId<M>>, DataError> {
    if available == 0 || (available < needed && !shape.allow_few_clusters) {
        return Err(DataError::TooFewClusters { modality, found: available, needed });
    }
    let drawn = if available < needed {
        (0..needed).map(|_| stream.below(available)).collect()
    } else {
        stream.distinct(available, needed)
    };
    Ok(drawn.into_iter().map(ClusterId::new).collect())
}

/// K members of each cluster: distinct ones when there are more than K, else with replacement (K members exactly too).
fn instances<M: ModalityTag>(
    clusters: &[ClusterId<M>],
    members: &[Vec<usize>],
    count: usize,
    stream: &mut Stream,
) -> Vec<(usize, ClusterId<M>)> {
    let mut slots = Vec::with_capacity(clusters.len() * count);
    for &cluster in clusters {
        let members = &members[cluster.index()];
        if members.len() > count {
            slots.extend(stream.distinct(members.len(), count).into_iter().map(|pick| (members[pick], cluster)));
        } else {
            slots.extend((0..count).map(|_| (members[stream.below(members.len())], cluster)));
        }
    }
    slots
}

/// One pass of the sampler of Cluster Contrast (`RandomMultipleGallerySampler`): every cluster once, in random order, as
/// an anchor followed by `instances - 1` others, taken from other cameras than the anchor's where there are any.
///
/// The others are distinct when at least `instances` (not `instances - 1`) are there to choose from. A cluster of one
/// sample gives that one sample, so the blocks of a pass need not be equally long.
pub fn camera_aware_pass<M: ModalityTag>(
    labels: &PseudoLabels<M>,
    cameras: &[Camera],
    instances: usize,
    stream: &mut Stream,
) -> Vec<(usize, ClusterId<M>)> {
    let members = labels.members();
    let mut order: Vec<usize> = (0..members.len()).collect();
    stream.shuffle(&mut order);
    let mut slots = Vec::new();
    for cluster in order {
        let all = &members[cluster];
        let anchor = all[stream.below(all.len())];
        slots.push((anchor, ClusterId::new(cluster)));
        let mut others: Vec<usize> = all.iter().copied().filter(|&other| cameras[other] != cameras[anchor]).collect();
        if others.is_empty() {
            others = all.iter().copied().filter(|&other| other != anchor).collect();
        }
        if others.is_empty() {
            continue;
        }
        let count = instances.saturating_sub(1);
        let picks = if others.len() >= instances {
            stream.distinct(others.len(), count)
        } else {
            (0..count).map(|_| stream.below(others.len())).collect()
        };
        slots.extend(picks.into_iter().map(|pick| (others[pick], ClusterId::new(cluster))));
    }
    slots
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use vireid_core::Streams;

    const SHAPE: BatchShape = BatchShape { clusters: 12, instances: 12, allow_few_clusters: false };

    fn labels<M: ModalityTag>(clusters: usize, size: usize) -> PseudoLabels<M> {
        let labels: Vec<_> = (0..clusters * size + 3).map(|i| (i < clusters * size).then(|| i % clusters)).collect();
        PseudoLabels::new(&labels).unwrap()
    }

    fn stream() -> Stream {
        Streams::new(1).stream("sampler", [0; 3])
    }

    #[test]
    fn independent_blocks_are_distinct_clusters() {
        let (visible, infrared) = (labels(20, 15), labels(14, 6));
        let steps = independent_clusters(&visible, &infrared, SHAPE, 5, &mut stream()).unwrap();
        assert_eq!(steps.len(), 5);
        for step in &steps {
            assert_eq!((step.visible.len(), step.infrared.len()), (144, 144));
            let clusters: HashSet<_> = step.visible.iter().map(|&(_, c)| c).collect();
            assert_eq!(clusters.len(), 12);
            for block in step.visible.chunks(12) {
                assert!(block.iter().all(|&(sample, c)| c == block[0].1 && visible.as_slice()[sample] == Some(c)));
                // 15 members are more than 12: no repetition.
                assert_eq!(block.iter().map(|&(s, _)| s).collect::<HashSet<_>>().len(), 12);
            }
        }
    }

    #[test]
    fn associated_blocks_are_associated() {
        let (visible, infrared) = (labels(20, 5), labels(8, 6));
        let association = Association::from_fn(8, 20, |i, v| v % 8 == i || v == i + 1);
        let steps = associated_clusters(&visible, &infrared, &association, SHAPE, 20, &mut stream()).unwrap();
        for step in &steps {
            let pairs: Vec<_> =
                step.visible.chunks(12).zip(step.infrared.chunks(12)).map(|(v, i)| (v[0].1, i[0].1)).collect();
            assert!(pairs.iter().all(|(v, i)| association.visible_of(*i).contains(v)));
            assert_eq!(pairs[..6].iter().map(|p| p.1).collect::<HashSet<_>>().len(), 6);
            assert_eq!(pairs[6..].iter().map(|p| p.0).collect::<HashSet<_>>().len(), 6);
        }
    }

    #[test]
    fn too_few_clusters() {
        let (visible, infrared) = (labels(20, 5), labels(11, 5));
        let error = independent_clusters(&visible, &infrared, SHAPE, 1, &mut stream()).unwrap_err();
        assert!(error.to_string().starts_with("VR0107: clustering found 11 infrared clusters, a batch takes 12"));
        let allowed = BatchShape { allow_few_clusters: true, ..SHAPE };
        assert!(independent_clusters(&visible, &infrared, allowed, 1, &mut stream()).is_ok());
        assert!(independent_clusters(&visible, &labels(0, 0), allowed, 1, &mut stream()).is_err());
    }

    #[test]
    fn the_camera_aware_pass_prefers_other_cameras() {
        let labels = PseudoLabels::<Visible>::new(&[Some(0), Some(0), Some(0), Some(1), Some(1), Some(2)]).unwrap();
        let cameras = [1, 1, 2, 4, 4, 5].map(Camera);
        for _ in 0..20 {
            let slots = camera_aware_pass(&labels, &cameras, 4, &mut stream());
            assert_eq!(slots.len(), 4 + 4 + 1);
            for block in slots.chunk_by(|a, b| a.1 == b.1).filter(|block| block[0].1.index() == 0) {
                assert!(block[1..].iter().all(|&(s, _)| cameras[s] != cameras[block[0].0]));
            }
        }
    }
}
