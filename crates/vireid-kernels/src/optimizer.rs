//! Adam as Burn's optimisers are used.

use burn::optim::{AdamState, AdaptiveMomentumState, LearningRate, ModuleOptimizer, Optimizer};
use burn::tensor::{Device, Tensor};

use crate::adam::AdamRule;
use crate::operations::adam_update;

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
