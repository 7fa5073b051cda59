use burn::optim::decay::WeightDecayConfig;
use burn::optim::{AdamConfig, ModuleOptimizer};

/// Adam as PyTorch defines it: betas 0.9 and 0.999, epsilon 1e-8, weight decay as an L2 term in the gradient.
pub fn adam(weight_decay: f64) -> ModuleOptimizer {
    AdamConfig::new()
        .with_beta_1(0.9)
        .with_beta_2(0.999)
        .with_epsilon(1e-8)
        .with_weight_decay(Some(WeightDecayConfig::new(weight_decay as f32)))
        .init()
}
