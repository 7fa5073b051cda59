//! Optimisers as Burn's are used.

use burn::optim::{
    AdamState, AdaptiveMomentumState, LearningRate, ModuleOptimizer, Optimizer, RecordState, StateSink, StateSource,
};
use burn::tensor::{Device, Tensor};

use crate::adam::AdamRule;
use crate::operations::{adam_update, sgd_update};
use crate::sgd::SgdRule;

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

    /// Adam with betas 0.9 and 0.999 and epsilon 1e-8. `weight_decay` times the parameter is added to the gradient; 0
    /// is none.
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

/// Name of the velocity in a recorded state.
const VELOCITY: &str = "velocity";

/// Stochastic gradient descent with Nesterov momentum as PyTorch defines it (Sutskever et al., ICML 2013): no dampening,
/// weight decay as an L2 term in the gradient.
///
/// The same update as Burn's own with a dampening of 0; on the CPU all of it happens in one pass, in place.
#[derive(Debug, Clone)]
pub struct SgdNesterov {
    momentum: f64,
    weight_decay: f64,
}

/// What [`SgdNesterov`] keeps of a parameter from step to step: its velocity.
#[derive(Clone)]
pub struct SgdNesterovState<const D: usize> {
    velocity: Tensor<D>,
}

// Burn's derive of this trait names paths that exist inside its own crate only.
impl<const D: usize> RecordState for SgdNesterovState<D> {
    fn state_flatten(&self, prefix: &str, out: &mut StateSink) {
        out.push_tensor(prefix, VELOCITY, self.velocity.to_data());
    }

    fn state_unflatten(prefix: &str, source: &mut StateSource, device: &Device) -> Option<Self> {
        let velocity = source.take_tensor(prefix, VELOCITY)?;
        Some(Self { velocity: Tensor::from_data(velocity, device) })
    }
}

impl SgdNesterov {
    /// `momentum` is the weight of the old velocity, usually 0.9; `weight_decay` times the parameter is added to the
    /// gradient. 0 turns either off.
    pub fn new(momentum: f64, weight_decay: f64) -> Self {
        Self { momentum, weight_decay }
    }

    /// The optimiser of a whole module.
    pub fn init(self) -> ModuleOptimizer {
        ModuleOptimizer::from(self)
    }
}

impl Optimizer for SgdNesterov {
    type State<const D: usize> = SgdNesterovState<D>;

    fn step<const D: usize>(
        &self,
        rate: LearningRate,
        tensor: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<SgdNesterovState<D>>,
    ) -> (Tensor<D>, Option<SgdNesterovState<D>>) {
        let (velocity, carried) = match state {
            Some(SgdNesterovState { velocity }) => (velocity, self.momentum),
            None => (tensor.zeros_like(), 0.0),
        };
        let rule = SgdRule { rate, weight_decay: self.weight_decay, carried, momentum: self.momentum };
        let (tensor, velocity) = sgd_update(tensor, gradient, velocity, rule);
        (tensor, Some(SgdNesterovState { velocity }))
    }

    fn to_device<const D: usize>(state: SgdNesterovState<D>, device: &Device) -> SgdNesterovState<D> {
        SgdNesterovState { velocity: state.velocity.to_device(device) }
    }
}
