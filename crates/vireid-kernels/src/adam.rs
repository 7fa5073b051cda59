//! Adam in one pass over the parameters.

use burn::optim::{AdamState, AdaptiveMomentumState, LearningRate, ModuleOptimizer, Optimizer};
use burn::tensor::{Device, Tensor};

use crate::extension::adam_update;

/// The numbers of one Adam update, as the kernel takes them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamRule {
    /// Learning rate times the correction of both moments' biases.
    pub(crate) rate: f64,
    /// L2 term.
    pub(crate) weight_decay: f64,
    /// Weight of the old first moment.
    pub(crate) beta1: f64,
    /// Weight of the old second moment.
    pub(crate) beta2: f64,
    /// Added to the root of the second moment, times the correction of its bias.
    pub(crate) epsilon: f64,
}

/// Adam as PyTorch defines it (Kingma and Ba, ICLR 2015), with weight decay as an L2 term in the gradient.
///
/// The same update and the same state as Burn's own Adam; on the CPU all of it happens in one pass, in place.
#[derive(Debug, Clone)]
pub struct Adam {
    weight_decay: f64,
}

impl Adam {
    const BETA1: f64 = 0.9;
    const BETA2: f64 = 0.999;
    const EPSILON: f64 = 1e-8;

    /// Betas 0.9 and 0.999, epsilon 1e-8.
    pub fn new(weight_decay: f64) -> Self {
        Self { weight_decay }
    }

    /// The optimiser of a whole module.
    pub fn init(self) -> ModuleOptimizer {
        ModuleOptimizer::from(self)
    }
}

impl Optimizer for Adam {
    type State<const D: usize> = AdamState<D>;

    fn step<const D: usize>(
        &self,
        rate: LearningRate,
        tensor: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<AdamState<D>>,
    ) -> (Tensor<D>, Option<AdamState<D>>) {
        let (time, moment1, moment2) = match state {
            Some(AdamState { momentum }) => (momentum.time + 1, momentum.moment_1, momentum.moment_2),
            None => (1, tensor.zeros_like(), tensor.zeros_like()),
        };
        let correction2 = (1.0 - Self::BETA2.powi(time as i32)).sqrt();
        let rule = AdamRule {
            rate: rate * correction2 / (1.0 - Self::BETA1.powi(time as i32)),
            weight_decay: self.weight_decay,
            beta1: Self::BETA1,
            beta2: Self::BETA2,
            epsilon: Self::EPSILON * correction2,
        };
        let (tensor, moment1, moment2) = adam_update(tensor, gradient, moment1, moment2, rule);
        (tensor, Some(AdamState { momentum: AdaptiveMomentumState::new(time, moment1, moment2) }))
    }

    fn to_device<const D: usize>(mut state: AdamState<D>, device: &Device) -> AdamState<D> {
        state.momentum = state.momentum.to_device(device);
        state
    }
}

/// The update of a run of parameters.
#[cfg(feature = "flex")]
pub(crate) fn update(
    parameters: &mut [f32],
    gradient: &[f32],
    moment1: &mut [f32],
    moment2: &mut [f32],
    rule: AdamRule,
) {
    let AdamRule { rate, weight_decay, beta1, beta2, epsilon } = rule;
    let [rate, decay, epsilon] = [rate as f32, weight_decay as f32, epsilon as f32];
    let ([beta1, beta2], [new1, new2]) = ([beta1 as f32, beta2 as f32], [(1.0 - beta1) as f32, (1.0 - beta2) as f32]);
    let moments = moment1.iter_mut().zip(moment2);
    for ((parameter, &gradient), (first, second)) in parameters.iter_mut().zip(gradient).zip(moments) {
        let gradient = gradient + decay * *parameter;
        *first = beta1 * *first + new1 * gradient;
        *second = beta2 * *second + new2 * gradient * gradient;
        *parameter -= rate * *first / (second.sqrt() + epsilon);
    }
}
