//! Adam's update in one pass over the parameters.

/// The numbers of one Adam update, as the kernel takes them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamRule {
    /// Learning rate times the correction of both moments' biases.
    pub(crate) rate: f64,
    /// Weight of the L2 term in the gradient.
    pub(crate) weight_decay: f64,
    /// Weight of the old first moment.
    pub(crate) beta1: f64,
    /// Weight of the old second moment.
    pub(crate) beta2: f64,
    /// Added to the root of the second moment, times the correction of its bias.
    pub(crate) epsilon: f64,
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
