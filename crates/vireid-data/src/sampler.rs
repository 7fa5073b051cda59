//! Samplers: which images a training step sees.
//!
//! All of them draw P clusters and K instances of each. Noise samples belong to no cluster and are never drawn.

use vireid_core::{Association, Camera, ClusterId, Infrared, ModalityTag, PerModality, PseudoLabels, Stream, Visible};

use crate::{DataError, Spread};

/// The images of one step: positions in the training lists. What a position is trained towards, its method knows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StepPlan {
    /// Positions of visible images in the visible training list; one image may be drawn more than once.
    pub visible: Vec<usize>,
    /// Positions of infrared images in the infrared training list, likewise.
    pub infrared: Vec<usize>,
    /// Which of a method's alternating kinds of step this is; 0 where there is one kind.
    pub part: usize,
}

/// Sizes of a P x K batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchShape {
    /// Clusters per batch and modality (P).
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
            let visible = draw_clusters(visible, shape.clusters, shape, stream)?;
            let infrared = draw_clusters(infrared, shape.clusters, shape, stream)?;
            Ok(StepPlan {
                visible: instances(&visible, &visible_members, shape.instances, stream),
                infrared: instances(&infrared, &infrared_members, shape.instances, stream),
                part: 0,
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
            for i in draw_clusters(infrared, first_half, shape, stream)? {
                let partners = association.visible_of(i);
                pairs.push((partners[stream.below(partners.len())], i));
            }
            let second_half = shape.clusters - first_half;
            for v in draw_clusters(visible, second_half, shape, stream)? {
                let partners = association.infrared_of(v);
                pairs.push((v, partners[stream.below(partners.len())]));
            }
            let (visible, infrared): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
            Ok(StepPlan {
                visible: instances(&visible, &visible_members, shape.instances, stream),
                infrared: instances(&infrared, &infrared_members, shape.instances, stream),
                part: 0,
            })
        })
        .collect()
}

/// Positions of the images of one label, in both modalities.
pub type SharedLabel = PerModality<Vec<usize>>;

/// Groups positions by a label space that both modalities have labels in; labels without images of both are left out.
pub fn shared_labels(visible: &[Option<usize>], infrared: &[Option<usize>]) -> Vec<SharedLabel> {
    let count = visible.iter().chain(infrared).flatten().max().map_or(0, |largest| largest + 1);
    let mut groups = vec![PerModality { visible: Vec::new(), infrared: Vec::new() }; count];
    for (position, label) in visible.iter().enumerate() {
        label.iter().for_each(|&label| groups[label].visible.push(position));
    }
    for (position, label) in infrared.iter().enumerate() {
        label.iter().for_each(|&label| groups[label].infrared.push(position));
    }
    groups.retain(|group| !group.visible.is_empty() && !group.infrared.is_empty());
    groups
}

/// Blocks of `instances` images of either modality for `count` of the shared labels, drawn distinct where there are enough.
///
/// # Errors
///
/// `VR0107` when there are fewer labels than `count` and the shape does not allow it, or none.
pub fn shared_blocks(
    groups: &[SharedLabel],
    count: usize,
    shape: BatchShape,
    stream: &mut Stream,
) -> Result<StepPlan, DataError> {
    let mut plan = StepPlan::default();
    for pick in draw(groups.len(), count, shape)
        .ok_or(DataError::TooFewShared {
            found: groups.len(),
            needed: count,
            // Where few are allowed there is none, and no size of a batch would help.
            remedy: if shape.allow_few_clusters {
                ""
            } else {
                "lower sampler.clusters, or set sampler.allow_few_clusters = true to draw labels repeatedly"
            },
        })?
        .positions(stream)
    {
        plan.visible.extend(members(&groups[pick].visible, shape.instances, stream));
        plan.infrared.extend(members(&groups[pick].infrared, shape.instances, stream));
    }
    Ok(plan)
}

/// A valid draw of `needed` out of `available`.
struct Draw {
    available: usize,
    needed: usize,
}

fn draw(available: usize, needed: usize, shape: BatchShape) -> Option<Draw> {
    (available > 0 && (available >= needed || shape.allow_few_clusters)).then_some(Draw { available, needed })
}

impl Draw {
    /// Distinct where there are enough.
    fn positions(&self, stream: &mut Stream) -> Vec<usize> {
        if self.available < self.needed {
            (0..self.needed).map(|_| stream.below(self.available)).collect()
        } else {
            stream.distinct(self.available, self.needed)
        }
    }
}

fn draw_clusters<M: ModalityTag>(
    labels: &PseudoLabels<M>,
    needed: usize,
    shape: BatchShape,
    stream: &mut Stream,
) -> Result<Vec<ClusterId<M>>, DataError> {
    let draw = draw(labels.clusters(), needed, shape).ok_or_else(|| too_few(labels, needed))?;
    Ok(draw.positions(stream).into_iter().map(ClusterId::new).collect())
}

fn too_few<M: ModalityTag>(labels: &PseudoLabels<M>, needed: usize) -> DataError {
    let (found, spread) = (labels.clusters(), Spread::of(labels));
    DataError::TooFewClusters { modality: M::MODALITY, found, needed, spread }
}

/// K members of each cluster.
fn instances<M: ModalityTag>(
    clusters: &[ClusterId<M>],
    of_cluster: &[Vec<usize>],
    count: usize,
    stream: &mut Stream,
) -> Vec<usize> {
    clusters.iter().flat_map(|cluster| members(&of_cluster[cluster.index()], count, stream)).collect()
}

/// K of some positions: distinct ones when there are more than K, else with replacement (K of them exactly too).
fn members(of: &[usize], count: usize, stream: &mut Stream) -> Vec<usize> {
    if of.len() > count {
        stream.distinct(of.len(), count).into_iter().map(|pick| of[pick]).collect()
    } else {
        (0..count).map(|_| of[stream.below(of.len())]).collect()
    }
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
) -> Vec<usize> {
    let members = labels.members();
    let mut order: Vec<usize> = (0..members.len()).collect();
    stream.shuffle(&mut order);
    let mut slots = Vec::new();
    for cluster in order {
        let all = &members[cluster];
        let anchor = all[stream.below(all.len())];
        slots.push(anchor);
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
        slots.extend(picks.into_iter().map(|pick| others[pick]));
    }
    slots
}

/// Batches of consecutive slots of [`camera_aware_pass`], `size` each; an incomplete last batch of a pass is dropped and
/// the next pass begins.
///
/// # Errors
///
/// `VR0107` when a whole pass has fewer than `size` slots.
pub fn camera_aware_batches<M: ModalityTag>(
    labels: &PseudoLabels<M>,
    cameras: &[Camera],
    shape: BatchShape,
    steps: usize,
    stream: &mut Stream,
) -> Result<Vec<Vec<usize>>, DataError> {
    let size = shape.clusters * shape.instances;
    let mut batches = Vec::with_capacity(steps);
    while batches.len() < steps {
        let mut pass = camera_aware_pass(labels, cameras, shape.instances, stream);
        if pass.len() < size {
            if !shape.allow_few_clusters || pass.is_empty() {
                return Err(too_few(labels, shape.clusters));
            }
            while pass.len() < size {
                pass.extend(camera_aware_pass(labels, cameras, shape.instances, stream));
            }
        }
        batches.extend(pass.chunks_exact(size).take(steps - batches.len()).map(<[usize]>::to_vec));
    }
    Ok(batches)
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
            let of = |sample: usize| visible.as_slice()[sample];
            let clusters: HashSet<_> = step.visible.iter().map(|&sample| of(sample)).collect();
            assert_eq!(clusters.len(), 12);
            for block in step.visible.chunks(12) {
                assert!(block.iter().all(|&sample| of(sample).is_some() && of(sample) == of(block[0])));
                // 15 members are more than 12: no repetition.
                assert_eq!(block.iter().collect::<HashSet<_>>().len(), 12);
            }
        }
    }

    #[test]
    fn associated_blocks_are_associated() {
        let (visible, infrared) = (labels(20, 5), labels(8, 6));
        let association = Association::from_fn(8, 20, |i, v| v % 8 == i || v == i + 1);
        let steps = associated_clusters(&visible, &infrared, &association, SHAPE, 20, &mut stream()).unwrap();
        for step in &steps {
            let blocks = step.visible.chunks(12).zip(step.infrared.chunks(12));
            let label = |v: &[usize], i: &[usize]| (visible.as_slice()[v[0]], infrared.as_slice()[i[0]]);
            let pairs: Vec<_> = blocks.map(|(v, i)| label(v, i)).map(|(v, i)| (v.unwrap(), i.unwrap())).collect();
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
            let same = |a: &usize, b: &usize| labels.as_slice()[*a] == labels.as_slice()[*b];
            for block in slots.chunk_by(same).filter(|block| block[0] < 3) {
                assert!(block[1..].iter().all(|&sample| cameras[sample] != cameras[block[0]]));
            }
        }
    }

    #[test]
    fn camera_aware_batches_are_whole_and_go_on_with_a_new_pass() {
        let labels: PseudoLabels<Visible> = labels(5, 6);
        let cameras = vec![Camera(1); labels.len()];
        let shape = BatchShape { clusters: 2, instances: 4, allow_few_clusters: false };
        let batches = camera_aware_batches(&labels, &cameras, shape, 7, &mut stream()).unwrap();
        assert!(batches.len() == 7 && batches.iter().all(|batch| batch.len() == 8));
        let large = BatchShape { clusters: 9, ..shape };
        let error = camera_aware_batches(&labels, &cameras, large, 1, &mut stream()).unwrap_err();
        assert!(error.to_string().starts_with("VR0107"));
        let allowed = BatchShape { allow_few_clusters: true, ..large };
        assert_eq!(camera_aware_batches(&labels, &cameras, allowed, 1, &mut stream()).unwrap()[0].len(), 36);
    }

    #[test]
    fn shared_blocks_hold_one_label_of_both_modalities() {
        let visible = [Some(0), Some(2), Some(2), None, Some(1), Some(0)];
        let infrared = [Some(2), Some(3), Some(0), Some(0), None];
        let groups = shared_labels(&visible, &infrared);
        assert_eq!(groups.len(), 2);
        let shape = BatchShape { clusters: 2, instances: 3, allow_few_clusters: false };
        for _ in 0..20 {
            let plan = shared_blocks(&groups, 2, shape, &mut stream()).unwrap();
            assert_eq!((plan.visible.len(), plan.infrared.len()), (6, 6));
            for (v, i) in plan.visible.iter().zip(&plan.infrared) {
                assert!(visible[*v].is_some() && visible[*v] == infrared[*i]);
            }
        }
        let error = shared_blocks(&groups, 3, shape, &mut stream()).unwrap_err().to_string();
        assert!(error.starts_with("VR0107"), "{error}");
    }
}
