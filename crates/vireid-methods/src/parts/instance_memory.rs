//! Instances that outlive their batch: what the instance-level losses `memory`, `lasting_memory` and `second_memory` compare
//! with.

use burn::tensor::{Device, Tensor};
use vireid_core::{Embeddings, PerModality, Stream};
use vireid_losses::{contrast_with_classes, contrast_with_entries, cross_entropy, label_tensor};
use vireid_memory::{MemoryBank, by_label, normalize_rows};

use super::instance::InstanceLoss;
use super::labelling::rows_on;
use super::update::UpdateRule;
use vireid_train::MethodState;

/// Memories of instances, replaced as their images are seen.
#[derive(Debug, Clone)]
pub enum InstanceMemory {
    /// An entry per training image: its embedding when it was last seen.
    Images(PerModality<MemoryBank>),
    /// The same, made once per stage, its entries of length 1.
    Lasting(PerModality<MemoryBank>),
    /// An entry per cluster: one of its instances, drawn at random from every batch. It starts at the centroid.
    Picks {
        /// Entries of each modality's own clusters.
        own: PerModality<MemoryBank>,
        /// Entries of the joint clusters; `None` without any.
        joint: Option<Box<MemoryBank>>,
    },
}

/// The batch that an instance-level loss is computed for.
#[derive(Debug)]
pub struct InstanceBatch<'a> {
    /// Rows of length 1, on the autodiff device.
    pub unit: PerModality<Tensor<2>>,
    /// The training image of each row.
    pub images: PerModality<Vec<usize>>,
    /// The label of each row: a cluster, or a joint one where `is_joint`.
    pub labels: &'a PerModality<Vec<usize>>,
    /// The labels of all training images.
    pub all_labels: &'a PerModality<Vec<Option<usize>>>,
    /// Whether `labels` and `all_labels` are clusters of both modalities together.
    pub is_joint: bool,
}

impl InstanceMemory {
    /// The memory that a loss starts with, at the start of an epoch, or of a stage where the memory outlives epochs.
    /// `None` for a loss without one.
    pub fn new(
        loss: InstanceLoss,
        embeddings: &PerModality<Embeddings>,
        own: PerModality<&MemoryBank>,
        joint: Option<&MemoryBank>,
        device: &Device,
    ) -> Option<Self> {
        let replaced = |rows: Tensor<2>| MemoryBank::new(rows, 0.0);
        match loss {
            InstanceLoss::Memory => {
                Some(Self::Images(embeddings.as_ref().map(|of_images| replaced(rows_on(of_images, device)))))
            }
            InstanceLoss::LastingMemory => Some(Self::Lasting(
                embeddings.as_ref().map(|of_images| replaced(normalize_rows(rows_on(of_images, device)))),
            )),
            InstanceLoss::SecondMemory => Some(Self::Picks {
                own: own.map(|bank| replaced(bank.rows())),
                joint: joint.map(|bank| Box::new(replaced(bank.rows()))),
            }),
            InstanceLoss::Batch | InstanceLoss::CrossModality | InstanceLoss::Triplet => None,
        }
    }

    /// The loss of a batch; then the entries of its images are replaced.
    ///
    /// # Shapes
    ///
    /// - output: `[1]`
    pub fn step(&mut self, batch: &InstanceBatch<'_>, temperature: f64, stream: &mut Stream) -> Tensor<1> {
        let PerModality { visible, infrared } = &batch.unit;
        let labels = batch.labels;
        match self {
            Self::Images(banks) => {
                let loss = image_loss(banks, batch, temperature);
                for (bank, unit, images) in [
                    (&mut banks.visible, visible, &batch.images.visible),
                    (&mut banks.infrared, infrared, &batch.images.infrared),
                ] {
                    bank.update_towards(&unit.clone().inner(), &by_label(images), true);
                }
                loss
            }
            Self::Lasting(banks) => {
                let loss = class_loss(banks, batch, temperature);
                // A momentum rule without momentum: of an image that stands in the batch more than once the last view stays.
                banks.visible.update(&visible.clone().inner(), &batch.images.visible);
                banks.infrared.update(&infrared.clone().inner(), &batch.images.infrared);
                loss
            }
            Self::Picks { joint: Some(bank), .. } if batch.is_joint => {
                let loss = pick_loss(bank, visible, &labels.visible, temperature)
                    + pick_loss(bank, infrared, &labels.infrared, temperature);
                let rows = Tensor::cat(vec![visible.clone(), infrared.clone()], 0).inner();
                let all = [labels.visible.clone(), labels.infrared.clone()].concat();
                UpdateRule::Random.apply(bank, &rows, &all, labels.visible.len(), stream);
                loss
            }
            Self::Picks { own, .. } => {
                let loss = pick_loss(&own.visible, visible, &labels.visible, temperature)
                    + pick_loss(&own.infrared, infrared, &labels.infrared, temperature);
                let rule = UpdateRule::Random;
                let count = labels.visible.len();
                rule.apply(&mut own.visible, &visible.clone().inner(), &labels.visible, count, stream);
                rule.apply(&mut own.infrared, &infrared.clone().inner(), &labels.infrared, 0, stream);
                loss
            }
        }
    }

    /// Adds the memory to a state that a checkpoint keeps.
    pub fn put(&self, state: &mut MethodState) {
        let (kind, banks) = match self {
            Self::Images(banks) => ("images", banks),
            Self::Lasting(banks) => ("lasting", banks),
            Self::Picks { own, joint } => {
                if let Some(joint) = joint {
                    state.put_rows("picks/joint", &joint.rows());
                }
                ("picks", own)
            }
        };
        state.put_rows(&format!("{kind}/visible"), &banks.visible.rows());
        state.put_rows(&format!("{kind}/infrared"), &banks.infrared.rows());
    }

    /// The memory of a state; `None` when [`put`](Self::put) has added none.
    pub fn take(state: &MethodState, device: &Device) -> Option<Self> {
        let bank = |name: &str| Some(MemoryBank::new(state.rows(name, device)?, 0.0));
        let banks = |kind: &str| {
            Some(PerModality {
                visible: bank(&format!("{kind}/visible"))?,
                infrared: bank(&format!("{kind}/infrared"))?,
            })
        };
        let picks = |own| Self::Picks { own, joint: bank("picks/joint").map(Box::new) };
        let lasting = || banks("lasting").map(Self::Lasting);
        banks("images").map(Self::Images).or_else(lasting).or_else(|| banks("picks").map(picks))
    }
}

/// Contrast with the images of the same modality, or in joint batches with all.
fn image_loss(banks: &PerModality<MemoryBank>, batch: &InstanceBatch<'_>, temperature: f64) -> Tensor<1> {
    let PerModality { visible, infrared } = &batch.unit;
    let (images, labels) = (&batch.images, batch.all_labels);
    if !batch.is_joint {
        let of = |unit: &Tensor<2>, bank: &MemoryBank, own: &[usize], labels: &[Option<usize>]| {
            contrast_with_entries(unit.clone(), bank.rows(), own, labels, temperature)
        };
        return of(visible, &banks.visible, &images.visible, &labels.visible)
            + of(infrared, &banks.infrared, &images.infrared, &labels.infrared);
    }
    let unit = Tensor::cat(vec![visible.clone(), infrared.clone()], 0);
    let own = [images.visible.clone(), after_visible(batch)].concat();
    let (entries, labels) = all_entries(banks, batch);
    contrast_with_entries(unit, entries, &own, &labels, temperature)
}

/// Contrast by classes, a mean for either modality: with the images of the same modality, or in joint batches with all.
fn class_loss(banks: &PerModality<MemoryBank>, batch: &InstanceBatch<'_>, temperature: f64) -> Tensor<1> {
    let PerModality { visible, infrared } = batch.unit.clone();
    let (images, labels) = (&batch.images, batch.all_labels);
    if !batch.is_joint {
        let of_visible = (banks.visible.rows(), &images.visible, &labels.visible);
        let of_infrared = (banks.infrared.rows(), &images.infrared, &labels.infrared);
        return contrast_with_classes(visible, of_visible.0, of_visible.1, of_visible.2, temperature)
            + contrast_with_classes(infrared, of_infrared.0, of_infrared.1, of_infrared.2, temperature);
    }
    let (entries, labels) = all_entries(banks, batch);
    contrast_with_classes(visible, entries.clone(), &images.visible, &labels, temperature)
        + contrast_with_classes(infrared, entries, &after_visible(batch), &labels, temperature)
}

/// The entries of both modalities with their labels, visible ones first.
fn all_entries(banks: &PerModality<MemoryBank>, batch: &InstanceBatch<'_>) -> (Tensor<2>, Vec<Option<usize>>) {
    let labels = [batch.all_labels.visible.as_slice(), &batch.all_labels.infrared].concat();
    (Tensor::cat(vec![banks.visible.rows(), banks.infrared.rows()], 0), labels)
}

/// The places of a batch's infrared images among the entries of both modalities.
fn after_visible(batch: &InstanceBatch<'_>) -> Vec<usize> {
    let before = batch.all_labels.visible.len();
    batch.images.infrared.iter().map(|image| before + image).collect()
}

fn pick_loss(bank: &MemoryBank, unit: &Tensor<2>, labels: &[usize], temperature: f64) -> Tensor<1> {
    cross_entropy(bank.logits(unit.clone(), temperature), label_tensor(labels, &unit.device()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::TensorData;
    use vireid_compare::assert_close;
    use vireid_core::Streams;

    fn rows(key: f32, count: usize, device: &Device) -> Tensor<2> {
        let values: Vec<f32> = (0..count * 3).map(|i| (i as f32 * key).sin()).collect();
        normalize_rows(Tensor::from_data(TensorData::new(values, [count, 3]), device))
    }

    fn read(bank: &MemoryBank) -> Vec<f32> {
        bank.rows().into_data().try_to_vec().unwrap()
    }

    /// Both memories: gradients reach the batch, and only what the batch has seen moves.
    #[test]
    fn only_what_was_seen_moves() {
        let device = Device::default();
        let tracked = device.clone().autodiff();
        let bank = |key: f32, count: usize| MemoryBank::new(rows(key, count, &device), 0.0);
        let labels = PerModality { visible: vec![0usize, 1, 0, 1], infrared: vec![1usize, 1] };
        let all_labels =
            PerModality { visible: vec![Some(0), Some(1), Some(0), None], infrared: vec![Some(1), Some(0), Some(1)] };
        let own = PerModality { visible: bank(0.3, 2), infrared: bank(0.4, 2) };
        let memories = [
            InstanceMemory::Images(PerModality { visible: bank(1.1, 4), infrared: bank(1.3, 3) }),
            InstanceMemory::Lasting(PerModality { visible: bank(1.1, 4), infrared: bank(1.3, 3) }),
            InstanceMemory::Picks { own, joint: Some(Box::new(bank(0.9, 2))) },
        ];
        for mut memory in memories {
            for is_joint in [false, true] {
                let before = memory.clone();
                let input = rows(0.7, 4, &tracked).require_grad();
                let batch = InstanceBatch {
                    unit: PerModality { visible: input.clone(), infrared: rows(0.8, 2, &tracked) },
                    images: PerModality { visible: vec![0, 1, 0, 1], infrared: vec![0, 2] },
                    labels: &labels,
                    all_labels: &all_labels,
                    is_joint,
                };
                let loss = memory.step(&batch, 0.1, &mut Streams::new(0).stream("update", [0; 3]));
                let gradient = input.grad(&loss.backward()).unwrap();
                assert!(gradient.abs().sum().into_scalar::<f32>() > 1e-3);
                match (&before, &memory) {
                    (InstanceMemory::Images(before), InstanceMemory::Images(after))
                    | (InstanceMemory::Lasting(before), InstanceMemory::Lasting(after)) => {
                        let (old, new) = (read(&before.visible), read(&after.visible));
                        assert_eq!(old[6..], new[6..]);
                        assert!(is_joint || old[..3] != new[..3]);
                        assert_eq!(read(&before.infrared)[3..6], read(&after.infrared)[3..6]);
                    }
                    (InstanceMemory::Picks { own, joint }, InstanceMemory::Picks { own: new, joint: new_joint }) => {
                        assert_eq!(read(&own.visible) != read(&new.visible), !is_joint);
                        let (old, new) = (joint.as_ref().unwrap(), new_joint.as_ref().unwrap());
                        assert_eq!(read(old) != read(new), is_joint);
                    }
                    _ => unreachable!(),
                }
            }
        }
    }

    /// Of an image's two views the last one stays, where the memory that is rebuilt each epoch keeps their mean.
    #[test]
    fn a_lasting_memory_keeps_the_last_view() {
        let device = Device::default();
        let bank = |key: f32, count: usize| MemoryBank::new(rows(key, count, &device), 0.0);
        let mut memory = InstanceMemory::Lasting(PerModality { visible: bank(1.1, 3), infrared: bank(1.3, 2) });
        let visible = rows(0.7, 4, &device.clone().autodiff());
        let infrared = rows(0.8, 1, &device.clone().autodiff());
        let batch = InstanceBatch {
            unit: PerModality { visible: visible.clone(), infrared },
            images: PerModality { visible: vec![0, 2, 0, 2], infrared: vec![1] },
            labels: &PerModality { visible: vec![0, 1, 0, 1], infrared: vec![0] },
            all_labels: &PerModality { visible: vec![Some(0), None, Some(1)], infrared: vec![None, Some(0)] },
            is_joint: true,
        };
        memory.step(&batch, 0.05, &mut Streams::new(0).stream("update", [0; 3]));
        let InstanceMemory::Lasting(banks) = memory else { unreachable!() };
        let (kept, views) = (read(&banks.visible), visible.inner().into_data().try_to_vec::<f32>().unwrap());
        assert_close(&kept[..3], &views[6..9], 1e-6);
        assert_close(&kept[6..], &views[9..], 1e-6);
    }

    #[test]
    fn a_state_keeps_it() {
        let device = Device::default();
        let bank = |count: usize| MemoryBank::new(rows(0.3, count, &device), 0.0);
        let own = PerModality { visible: bank(4), infrared: bank(2) };
        for memory in [
            InstanceMemory::Images(own.clone()),
            InstanceMemory::Lasting(own.clone()),
            InstanceMemory::Picks { own: own.clone(), joint: Some(Box::new(bank(3))) },
            InstanceMemory::Picks { own, joint: None },
        ] {
            let mut state = MethodState::default();
            memory.put(&mut state);
            let again = InstanceMemory::take(&state, &device).unwrap();
            let mut state_again = MethodState::default();
            again.put(&mut state_again);
            assert_eq!(format!("{state:?}"), format!("{state_again:?}"));
        }
        assert!(InstanceMemory::take(&MethodState::default(), &device).is_none());
    }
}
