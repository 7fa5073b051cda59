//! One network on several devices, as PyTorch's `DataParallel` has it.
//!
//! Every step the network is copied to each device, each copy takes a consecutive part of either modality's images, and what
//! the copies give is gathered on the first device, where the method sees the whole batch: its losses and memories, and the
//! order in which they move, are those of a run on one device. The gradients flow back through the copies and are summed on
//! the first device, which steps. So all copies have the same weights in every step, and the running statistics are those
//! of the first part of the batch.
//!
//! Everything is launched from one thread, part after part: devices that queue their work, as cards do, work side by side,
//! and the sums are made in the same order each time.

use burn::module::{Module, ParamId};
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::{Device, Gradients, Tensor};
use vireid_backbone::{Backbone, BatchGroups, CheckpointedPass, Features};
use vireid_core::{Modality, PerModality};
use vireid_data::ImageSize;

use crate::learner::Learner;
use crate::method::Outputs;
use crate::pixels::image_tensor;
use crate::{BackboneSettings, Devices, EngineConfig, MethodError, StageSettings};

/// A copy of a module for inference on another device.
pub(crate) fn copy_to<M: Module>(module: &M, device: &Device) -> M {
    // Not a clone: Burn's clones share their running statistics, and moving one would take the original's along.
    module.valid().fork(device)
}

/// The module, and a copy of it on the autodiff side of every device but the first.
pub(crate) fn replicate<M: Module>(module: M, devices: &Devices) -> Vec<M> {
    let copies: Vec<M> = devices.others().iter().map(|device| copy_to(&module, device).train()).collect();
    std::iter::once(module).chain(copies).collect()
}

/// A pass of one batch, part by part over the replicas.
///
/// `pixels` are images of `sizes`, channel by channel; `devices` are those of the replicas, on the side (autodiff or not)
/// that the replicas are on.
pub(crate) fn forward<B: Backbone>(
    replicas: &[Learner<B>],
    devices: &Devices,
    pixels: PerModality<Vec<f32>>,
    sizes: PerModality<ImageSize>,
) -> Outputs {
    let outputs = shares(replicas, devices, pixels, sizes)
        .map(|(replica, images)| replica.forward(images.visible, images.infrared));
    gather(outputs.collect(), devices.first())
}

/// [`forward`] of a training step, with the passes that are to be run again for their gradients where activations are
/// not kept.
pub(crate) fn pass_with<B: Backbone>(
    checkpointing: bool,
    replicas: &[Learner<B>],
    devices: &Devices,
    pixels: PerModality<Vec<f32>>,
    sizes: PerModality<ImageSize>,
) -> (Outputs, Vec<CheckpointedPass>) {
    if !checkpointing {
        return (forward(replicas, devices, pixels, sizes), Vec::new());
    }
    let passes: Vec<CheckpointedPass> = shares(replicas, devices, pixels, sizes)
        .map(|(replica, images)| CheckpointedPass::new(&replica.network, images.visible, images.infrared))
        .collect();
    let outputs = replicas.iter().zip(&passes).map(|(replica, pass)| replica.classify(pass.features()));
    (gather(outputs.collect(), devices.first()), passes)
}

/// The gradients of a step, in one container for the loss and one for each piece of a pass that is run again.
pub(crate) fn gradients_with<B: Backbone>(
    passes: Vec<CheckpointedPass>,
    replicas: &[Learner<B>],
    mut of_loss: Gradients,
) -> Vec<Gradients> {
    let parts = replicas.iter().zip(passes);
    let of_pieces: Vec<Gradients> =
        parts.flat_map(|(replica, pass)| pass.backward(&replica.network, &mut of_loss)).collect();
    of_pieces.into_iter().chain([of_loss]).collect()
}

/// Each replica with its part of a batch on its device.
fn shares<'a, B: Backbone>(
    replicas: &'a [Learner<B>],
    devices: &Devices,
    pixels: PerModality<Vec<f32>>,
    sizes: PerModality<ImageSize>,
) -> impl Iterator<Item = (&'a Learner<B>, PerModality<Tensor<4>>)> {
    let count = |modality| pixels.get(modality).len() / (3 * sizes.get(modality).area());
    let (visible, infrared) = BatchGroups::paired(count(Modality::Visible), count(Modality::Infrared), replicas.len());
    let visible = split(pixels.visible, visible.sizes(), 3 * sizes.visible.area());
    let infrared = split(pixels.infrared, infrared.sizes(), 3 * sizes.infrared.area());
    let parts = replicas.iter().zip(devices.iter()).zip(visible.into_iter().zip(infrared));
    parts.map(move |((replica, device), (visible, infrared))| {
        let visible = image_tensor(visible, sizes.visible, device);
        (replica, PerModality { visible, infrared: image_tensor(infrared, sizes.infrared, device) })
    })
}

/// Consecutive parts of some images, each of `length` numbers. One part is not copied.
fn split(pixels: Vec<f32>, counts: &[usize], length: usize) -> Vec<Vec<f32>> {
    if counts.len() == 1 {
        return vec![pixels];
    }
    let mut rest = pixels.as_slice();
    let take = |count: &usize| {
        let (part, after) = rest.split_at(count * length);
        rest = after;
        part.to_vec()
    };
    counts.iter().map(take).collect()
}

/// The parts one after another on a device.
fn gather(mut parts: Vec<Outputs>, device: &Device) -> Outputs {
    if parts.len() == 1 {
        return parts.remove(0);
    }
    let rows = |of: &dyn Fn(&Outputs) -> Tensor<2>| {
        Tensor::cat(parts.iter().map(|part| of(part).to_device(device)).collect(), 0)
    };
    let features = |modality: Modality| Features {
        pooled: rows(&|part| part.features.get(modality).pooled.clone()),
        embedding: rows(&|part| part.features.get(modality).embedding.clone()),
    };
    let has_logits = parts.iter().all(|part| part.logits.is_some());
    let logits = |modality: Modality| {
        let of_parts = parts.iter().filter_map(|part| part.logits.as_ref());
        Tensor::cat(of_parts.map(|logits| logits.get(modality).clone().to_device(device)).collect(), 0)
    };
    Outputs {
        features: PerModality { visible: features(Modality::Visible), infrared: features(Modality::Infrared) },
        logits: has_logits
            .then(|| PerModality { visible: logits(Modality::Visible), infrared: logits(Modality::Infrared) }),
    }
}

/// The gradients of some parameters, summed over the replicas, on a device. A step may have them in several containers.
pub(crate) fn summed_gradients<M: Module>(
    gradients: &mut [Gradients],
    replicas: &[M],
    parameters: &[ParamId],
    device: &Device,
) -> GradientsParams {
    let mut sum = GradientsAccumulator::new();
    for replica in replicas {
        for gradients in gradients.iter_mut() {
            let own = GradientsParams::from_params(gradients, replica, parameters);
            sum.accumulate(replica, if replicas.len() == 1 { own } else { own.to_device(device, replica) });
        }
    }
    sum.grads()
}

/// The network of a stage on each of some devices, whose groups of batch norm add up to those of the settings.
///
/// # Errors
///
/// `VR0502` when the groups can't be shared out evenly: batch norm would see another number of images than the settings
/// say.
pub(crate) fn stage_backbone(
    config: &EngineConfig,
    stage: &StageSettings,
    devices: usize,
) -> Result<BackboneSettings, MethodError> {
    let groups = stage.bn_groups.unwrap_or(config.backbone.bn_groups);
    if groups.is_multiple_of(devices) {
        return Ok(BackboneSettings { bn_groups: groups / devices, ..config.backbone.clone() });
    }
    let number = config.stages.iter().position(|other| other == stage).map_or(0, |position| position + 1);
    let key = if stage.bn_groups.is_some() { format!("stage{number}.bn_groups") } else { "backbone.bn_groups".into() };
    let message = format!(
        "{key} = {groups}: batch norm sees that many parts of a batch, and {devices} devices can't share them evenly; set it \
         to {devices} for one part per device (which changes what is computed), or name fewer devices"
    );
    Err(MethodError::Config(message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use vireid_backbone::{TwoStreamNet, TwoStreamNetConfig};
    use vireid_compare::{assert_close, largest_difference, worse};
    use vireid_core::Streams;

    use crate::Optimizer;
    use crate::optimizer::StageOptimizer;

    const SIZE: ImageSize = ImageSize { height: 24, width: 12 };

    fn learner(groups: usize) -> Learner<TwoStreamNet> {
        let device = Device::default().autodiff();
        let streams = Streams::new(3);
        let config = TwoStreamNetConfig::small().with_bn_groups(groups);
        let network = config.init(&device, &mut streams.stream("init", [0; 3]));
        Learner::new(network).with_classifier(5, &device, &mut streams.stream("classifier", [0; 3]))
    }

    fn batch(visible: usize, infrared: usize) -> PerModality<Vec<f32>> {
        let mut stream = Streams::new(4).stream("images", [0; 3]);
        let mut images = |count: usize| (0..count * 3 * SIZE.area()).map(|_| stream.unit() as f32 - 0.5).collect();
        PerModality { visible: images(visible), infrared: images(infrared) }
    }

    fn pass(replicas: &[Learner<TwoStreamNet>], devices: &Devices, images: (usize, usize)) -> Outputs {
        forward(replicas, devices, batch(images.0, images.1), PerModality { visible: SIZE, infrared: SIZE })
    }

    /// A stage whose batch norm is one group: refused by the name of its own setting.
    #[test]
    fn groups_that_devices_cannot_share_are_named() {
        let config = crate::testing::config(&["backbone.bn_groups=2", "stage2.bn_groups=1"]).engine;
        let refused: Vec<String> = config
            .stages
            .iter()
            .filter_map(|stage| stage_backbone(&config, stage, 2).err())
            .map(|error| error.to_string())
            .collect();
        assert!(refused.len() == 1 && refused[0].contains("stage2.bn_groups = 1"), "{refused:?}");
    }

    /// Sums are formed in parts that the sizes alone decide.
    #[test]
    fn the_number_of_threads_changes_no_bit() {
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let trained = train(1, &Devices::from(Device::default()), Optimizer::adam());
                trained.into_iter().flat_map(|(_, values)| values).map(f32::to_bits).collect::<Vec<_>>()
            })
        };
        let alone = on(1);
        assert!(on(2) == alone && on(16) == alone);
    }

    /// A few steps with a loss that couples every image with every other. What is trained, by name.
    fn train(groups: usize, devices: &Devices, kind: Optimizer) -> Vec<(String, Vec<f32>)> {
        train_with(false, groups, devices, kind)
    }

    fn train_with(checkpointing: bool, groups: usize, devices: &Devices, kind: Optimizer) -> Vec<(String, Vec<f32>)> {
        let mut optimizer = StageOptimizer::new(kind, 5e-4);
        let mut learner = learner(groups);
        for _ in 0..3 {
            let replicas = replicate(learner, devices);
            let sizes = PerModality { visible: SIZE, infrared: SIZE };
            let (Outputs { features, logits }, passes) =
                pass_with(checkpointing, &replicas, &devices.autodiff(), batch(8, 4), sizes);
            let (visible, infrared) = (features.visible, features.infrared);
            let products = visible.embedding.matmul(infrared.embedding.transpose());
            let logits = logits.unwrap();
            let pooled = visible.pooled.mean() + infrared.pooled.mean();
            let classes = logits.visible.powi_scalar(2).sum() + logits.infrared.sum();
            let loss = products.powi_scalar(2).mean().log() + pooled + classes;
            let gradients = gradients_with(passes, &replicas, loss.backward());
            learner = optimizer.step(1e-3, replicas, gradients, devices).unwrap();
        }
        learner.named().into_iter().map(|(name, _, values)| (name, values)).collect()
    }

    fn read(rows: Tensor<2>) -> Vec<f32> {
        rows.into_data().try_to_vec().unwrap()
    }

    fn twice() -> Devices {
        crate::parse_devices("cpu,cpu").unwrap()
    }

    fn difference_of_networks(a: &[(String, Vec<f32>)], b: &[(String, Vec<f32>)]) -> f64 {
        let names = |of: &[(String, Vec<f32>)]| of.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        assert_eq!(names(a), names(b));
        a.iter().zip(b).map(|((_, a), (_, b))| largest_difference(a, b)).fold(0.0, worse)
    }

    /// Two devices do what one does whose batch norm works on two groups: weights, classifier and running statistics, with
    /// either optimiser.
    #[test]
    fn two_devices_are_two_groups() {
        let one = Devices::from(Device::default());
        for kind in [Optimizer::adam(), Optimizer::sgd_nesterov()] {
            let (expected, got) = (train(2, &one, kind), train(1, &twice(), kind));
            let start = learner(1).named().into_iter().map(|(name, _, values)| (name, values)).collect::<Vec<_>>();
            let moved = difference_of_networks(&start, &got);
            let difference = difference_of_networks(&expected, &got);
            assert!(moved > 1e-3 && difference < 1e-2 * moved, "{kind:?}: moved by {moved}, off by {difference}");
            // Batch norm over the whole batch is something else.
            assert!(difference_of_networks(&train(1, &one, kind), &got) > 5.0 * difference);
        }
    }

    /// Weights, classifier and running statistics are those of plain steps to the bit, on one device and on two.
    #[test]
    fn checkpointed_steps_are_plain_ones() {
        for (kind, devices) in
            [(Optimizer::adam(), Devices::from(Device::default())), (Optimizer::sgd_nesterov(), twice())]
        {
            assert_eq!(train_with(true, 2, &devices, kind), train(2, &devices, kind), "{kind:?}");
        }
    }

    #[test]
    fn the_same_steps_twice_give_the_same_bits() {
        assert_eq!(train(1, &twice(), Optimizer::adam()), train(1, &twice(), Optimizer::adam()));
    }

    /// The copies leave the module's running statistics to it, and only the first part of a batch moves them.
    #[test]
    fn copies_have_running_statistics_of_their_own() {
        let statistics = |learner: &Learner<TwoStreamNet>| {
            let named = learner.named().into_iter();
            named
                .filter(|(name, ..)| name.contains("running"))
                .map(|(name, _, values)| (name, values))
                .collect::<Vec<_>>()
        };
        let devices = twice().autodiff();
        let replicas = replicate(learner(1), &twice());
        let start = statistics(&replicas[1]);
        replicas[0].forward(
            image_tensor(batch(4, 2).visible, SIZE, devices.first()),
            image_tensor(batch(4, 2).infrared, SIZE, devices.first()),
        );
        assert_eq!(statistics(&replicas[1]), start);
        assert_ne!(statistics(&replicas[0]), start);
    }

    /// Passes without gradients, which move the running statistics, are shared in the same way.
    #[test]
    fn passes_without_gradients_are_two_groups() {
        let shadow = |groups, device: &Device| copy_to(&learner(groups), device).in_training_mode();
        let (one, two) = (Devices::from(Device::default()), twice());
        let whole = vec![shadow(2, one.first())];
        let parts: Vec<_> = two.iter().map(|device| shadow(1, device)).collect();
        let (expected, got) = (pass(&whole, &one, (8, 4)), pass(&parts, &two, (8, 4)));
        assert_close(&read(expected.logits.unwrap().infrared), &read(got.logits.unwrap().infrared), 1e-5);
        let named = |learner: &Learner<TwoStreamNet>| {
            learner.named().into_iter().map(|(name, _, values)| (name, values)).collect::<Vec<_>>()
        };
        assert!(difference_of_networks(&named(&whole[0]), &named(&parts[0])) < 1e-6);
        assert!(difference_of_networks(&named(&learner(1)), &named(&parts[0])) > 1e-3);
    }

    /// A batch too small for all devices, and one that does not divide, come back whole and in order.
    #[test]
    fn every_image_comes_back() {
        let devices = crate::parse_devices("cpu,cpu,cpu,cpu").unwrap();
        let shadows: Vec<_> = devices.iter().map(|device| copy_to(&learner(1), device)).collect();
        for images in [(7, 5), (2, 9), (1, 1)] {
            let got = pass(&shadows, &devices, images);
            // In inference an image's embedding does not depend on the others.
            let expected = pass(&shadows[..1], &devices, images);
            for modality in [Modality::Visible, Modality::Infrared] {
                let of = |outputs: &Outputs| read(outputs.features.get(modality).embedding.clone());
                assert_close(&of(&got), &of(&expected), 1e-5);
            }
        }
    }
}
