//! The update of stochastic gradient descent with Nesterov momentum in one pass over the parameters.

/// The numbers of one update, as the kernel takes them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SgdRule {
    /// Learning rate.
    pub(crate) rate: f64,
    /// Weight of the L2 term in the gradient.
    pub(crate) weight_decay: f64,
    /// Weight of the old velocity; 0 in a parameter's first update.
    pub(crate) carried: f64,
    /// Weight of the new velocity in the step, in addition to the gradient.
    pub(crate) momentum: f64,
}

/// The update of a run of parameters.
#[cfg(feature = "flex")]
pub(crate) fn update(parameters: &mut [f32], gradient: &[f32], velocity: &mut [f32], rule: SgdRule) {
    let SgdRule { rate, weight_decay, carried, momentum } = rule;
    let [rate, decay, carried, momentum] = [rate, weight_decay, carried, momentum].map(|number| number as f32);
    for ((parameter, &gradient), velocity) in parameters.iter_mut().zip(gradient).zip(velocity) {
        let gradient = gradient + decay * *parameter;
        *velocity = carried * *velocity + gradient;
        *parameter -= rate * (gradient + momentum * *velocity);
    }
}
