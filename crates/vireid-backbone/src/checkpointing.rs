//! Activation checkpointing: a training pass that keeps only what goes from piece to piece of the network, and recomputes each
//! piece when its gradients are due (Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016).
//!
//! The pieces are passed without a gradient graph first. Once the loss has its gradients with respect to the features, the
//! pieces are recomputed one by one, from the last to the first, each with its own graph, which is dropped before the next.
//! So a step holds the borders of all pieces and the inside of one. It computes what a plain step computes, one forward pass
//! more.

use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::{Gradients, Tensor};
use vireid_core::PerModality;

use crate::backbone::Pass;
use crate::{Backbone, Features};

/// A training pass whose features are known, and whose inside is not kept.
#[derive(Debug)]
pub struct CheckpointedPass {
    /// What each piece took, off the autodiff device.
    inputs: Vec<Pass>,
    /// What the last one gave, on the autodiff device.
    features: PerModality<Features>,
}

impl CheckpointedPass {
    /// Passes images through a network without keeping more than the borders of its pieces. Running statistics stay as they
    /// are until [`backward`](Self::backward). The network's batch norms have to normalise by the batch after
    /// [`Backbone::in_training_mode`], as [`GroupedBatchNorm`](crate::GroupedBatchNorm)s do and Burn's own don't.
    ///
    /// # Shapes
    ///
    /// - as [`Backbone::forward`], on the autodiff device
    ///
    /// # Panics
    ///
    /// When the network's last piece gives no features.
    pub fn new<B: Backbone>(network: &B, visible: Tensor<4>, infrared: Tensor<4>) -> Self {
        let untracked = network.valid().in_training_mode();
        let mut pass = Pass::Images(PerModality { visible: visible.inner(), infrared: infrared.inner() });
        let mut inputs = Vec::with_capacity(network.pieces());
        for piece in 0..network.pieces() {
            inputs.push(pass.clone());
            pass = untracked.forward_piece(piece, pass);
        }
        match tracked(pass) {
            Pass::Features(features) => Self { inputs, features },
            _ => panic!("the last of a network's pieces gives features"),
        }
    }

    /// The features, to make a loss of.
    pub fn features(&self) -> PerModality<Features> {
        self.features.clone()
    }

    /// The gradients of the network's parameters, spread over one container per piece; `of_loss` are those of a loss made of
    /// the [`features`](Self::features). Moves the running statistics, once.
    ///
    /// `network` is that of [`new`](Self::new), unchanged.
    pub fn backward<B: Backbone>(self, network: &B, of_loss: &mut Gradients) -> Vec<Gradients> {
        let mut due = gradients_of(&Pass::Features(self.features), of_loss);
        let mut all = Vec::with_capacity(self.inputs.len());
        for (piece, input) in self.inputs.into_iter().enumerate().rev() {
            let input = tracked(input);
            let output = network.forward_piece(piece, input.clone());
            let mut gradients = product(output, due).backward();
            due = gradients_of(&input, &mut gradients);
            all.push(gradients);
        }
        all
    }
}

/// The gradients of a network's parameters for one batch of images, with activations kept or recomputed; `loss` makes
/// the loss of the features.
///
/// # Shapes
///
/// - as [`Backbone::forward`], on the autodiff device
pub fn loss_gradients<B: Backbone>(
    network: &B,
    images: PerModality<Tensor<4>>,
    checkpointing: bool,
    loss: impl FnOnce(PerModality<Features>) -> Tensor<1>,
) -> GradientsParams {
    if !checkpointing {
        let features = network.forward(images.visible, images.infrared);
        return GradientsParams::from_grads(loss(features).backward(), network);
    }
    let pass = CheckpointedPass::new(network, images.visible, images.infrared);
    let mut of_loss = loss(pass.features()).backward();
    let mut sum = GradientsAccumulator::new();
    for gradients in pass.backward(network, &mut of_loss) {
        sum.accumulate(network, GradientsParams::from_grads(gradients, network));
    }
    sum.grads()
}

/// The same on the autodiff device. Gradients of images are not needed.
fn tracked(pass: Pass) -> Pass {
    let rows = |rows: Tensor<2>| Tensor::from_inner(rows).require_grad();
    match pass {
        Pass::Images(images) => Pass::Images(images.map(Tensor::from_inner)),
        Pass::Inside { values, images } => Pass::Inside { values: Tensor::from_inner(values).require_grad(), images },
        Pass::Features(features) => {
            Pass::Features(features.map(|of| Features { pooled: rows(of.pooled), embedding: rows(of.embedding) }))
        }
    }
}

/// The gradients with respect to what a pass holds; 0 where the loss does not depend on it.
fn gradients_of(pass: &Pass, gradients: &mut Gradients) -> Pass {
    fn of<const D: usize>(tensor: &Tensor<D>, gradients: &mut Gradients) -> Tensor<D> {
        tensor.grad_remove(gradients).unwrap_or_else(|| tensor.clone().inner().zeros_like())
    }
    match pass {
        Pass::Images(images) => Pass::Images(images.clone()),
        Pass::Inside { values, images } => Pass::Inside { values: of(values, gradients), images: *images },
        Pass::Features(features) => {
            let mut both = |of_one: &Features| Features {
                pooled: of(&of_one.pooled, gradients),
                embedding: of(&of_one.embedding, gradients),
            };
            let (visible, infrared) = (both(&features.visible), both(&features.infrared));
            Pass::Features(PerModality { visible, infrared })
        }
    }
}

/// A scalar whose gradient with respect to what a piece gave is `due`.
fn product(output: Pass, due: Pass) -> Tensor<1> {
    fn of<const D: usize>(output: Tensor<D>, due: Tensor<D>) -> Tensor<1> {
        output.mul(Tensor::from_inner(due)).sum()
    }
    match (output, due) {
        (Pass::Inside { values, .. }, Pass::Inside { values: due, .. }) => of(values, due),
        (Pass::Features(features), Pass::Features(due)) => {
            let both = |features: Features, due: Features| {
                of(features.pooled, due.pooled) + of(features.embedding, due.embedding)
            };
            both(features.visible, due.visible) + both(features.infrared, due.infrared)
        }
        _ => unreachable!("a piece gives each time what it gave the first time"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::module::Module;
    use burn::tensor::{Device, TensorData};
    use vireid_core::Streams;

    use crate::parameters::named_parameters;
    use crate::{Precision, TwoStreamNet, TwoStreamNetConfig};

    fn images(key: &str, count: usize) -> Tensor<4> {
        let mut stream = Streams::new(1).stream(key, [0; 3]);
        let values: Vec<f32> = (0..count * 3 * 32 * 16).map(|_| stream.normal(0.0, 1.0) as f32).collect();
        Tensor::from_data(TensorData::new(values, [count, 3, 32, 16]), &Device::default().autodiff())
    }

    /// A loss that couples every image with every other, and depends on what stands before the neck as well.
    fn loss(features: PerModality<Features>) -> Tensor<1> {
        let (visible, infrared) = (features.visible, features.infrared);
        let products = visible.embedding.matmul(infrared.embedding.transpose());
        products.powi_scalar(2).mean().sqrt() + visible.pooled.powi_scalar(3).mean()
    }

    /// The loss, and by name what a step made of weights and running statistics.
    fn step(config: &TwoStreamNetConfig, checkpointing: bool) -> (Vec<f32>, Vec<(String, Vec<f32>)>) {
        let network = config.init(&Device::default().autodiff(), &mut Streams::new(0).stream("init", [0; 3]));
        let batch = PerModality { visible: images("visible", 6), infrared: images("infrared", 3) };
        let mut value = None;
        let gradients = loss_gradients(&network, batch, checkpointing, |features| {
            let loss = loss(features);
            value = Some(loss.clone());
            loss
        });
        // A step of length one downhill: weights move by their gradients.
        let moved = burn::optim::SgdConfig::new().init().step(1.0, network, gradients);
        let named = named_parameters(&moved.valid()).into_iter().map(|(name, _, values)| (name, values)).collect();
        (value.unwrap().into_data().try_to_vec().unwrap(), named)
    }

    fn check(config: TwoStreamNetConfig) {
        let (plain, checkpointed) = (step(&config, false), step(&config, true));
        let untrained = named_parameters(&config.init(&Device::default(), &mut Streams::new(0).stream("init", [0; 3])));
        let is_still = |(name, _, values): &(String, Vec<usize>, Vec<f32>)| {
            plain.1.iter().any(|(other, moved)| other == name && moved == values)
        };
        let still: Vec<&str> = untrained.iter().filter(|one| is_still(one)).map(|one| one.0.as_str()).collect();
        assert_eq!(still, ["neck.bias"], "everything else moves");
        assert_eq!(checkpointed, plain, "to the bit");
    }

    #[test]
    fn a_checkpointed_step_is_a_plain_one() {
        check(TwoStreamNetConfig::small());
        check(TwoStreamNetConfig::small().with_bn_groups(2).with_precision(Precision::Bf16));
    }

    #[test]
    fn bottlenecks_and_groups_in_pieces() {
        let config = TwoStreamNetConfig { bottleneck: true, ..TwoStreamNetConfig::resnet18() };
        check(config.with_bn_groups(3));
    }

    /// A network of your own that knows no pieces.
    #[test]
    fn a_network_in_one_piece_is_passed_whole() {
        #[derive(burn::module::Module, Debug)]
        struct Whole {
            net: TwoStreamNet,
        }
        impl Backbone for Whole {
            fn dim(&self) -> usize {
                self.net.dim()
            }
            fn forward(&self, visible: Tensor<4>, infrared: Tensor<4>) -> PerModality<Features> {
                self.net.forward(visible, infrared)
            }
            fn in_training_mode(self) -> Self {
                Self { net: self.net.in_training_mode() }
            }
            fn embed(&self, images: Tensor<4>, modality: vireid_core::Modality) -> Tensor<2> {
                self.net.embed(images, modality)
            }
        }
        let stream = || Streams::new(0).stream("init", [0; 3]);
        let net = TwoStreamNetConfig::small().init(&Device::default().autodiff(), &mut stream());
        let network = Whole { net };
        let pass = CheckpointedPass::new(&network, images("visible", 4), images("infrared", 2));
        let expected = network.forward(images("visible", 4), images("infrared", 2));
        let bits = |rows: Tensor<2>| rows.into_data();
        bits(pass.features().infrared.embedding).assert_eq(&bits(expected.infrared.embedding), true);
        let mut of_loss = loss(pass.features()).backward();
        assert_eq!(pass.backward(&network, &mut of_loss).len(), 1);
    }
}
