use burn::optim::ModuleOptimizer;
use vireid_kernels::Adam;

/// Adam as PyTorch defines it: betas 0.9 and 0.999, epsilon 1e-8, weight decay as an L2 term in the gradient.
pub fn adam(weight_decay: f64) -> ModuleOptimizer {
    Adam::new(weight_decay).init()
}
