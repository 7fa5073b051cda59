//! One update of Adam in one kernel for each parameter, instead of some fifteen.

#![allow(missing_docs, clippy::too_many_arguments)]

use burn::backend::TensorMetadata;
use burn::tensor::DType;
use burn_cubecl::kernel::into_contiguous;
use cubecl::prelude::*;

use super::layout::empty;
use super::{Values, is_tried};
use crate::adam::AdamRule;

#[cube(launch)]
fn update(
    parameters: &[f32],
    gradient: &[f32],
    moment1: &[f32],
    moment2: &[f32],
    new_parameters: &mut [f32],
    new_moment1: &mut [f32],
    new_moment2: &mut [f32],
    rate: f32,
    beta1: f32,
    beta2: f32,
    new1: f32,
    new2: f32,
    epsilon: f32,
    weight_decay: f32,
) {
    let mut at = ABSOLUTE_POS;
    let step = (CUBE_COUNT_X * CUBE_DIM_X) as usize;
    while at < new_parameters.len() {
        let slope = gradient[at] + parameters[at] * weight_decay;
        let first = moment1[at] * beta1 + slope * new1;
        let second = moment2[at] * beta2 + slope * slope * new2;
        new_moment1[at] = first;
        new_moment2[at] = second;
        new_parameters[at] = parameters[at] - rate * first / (second.sqrt() + epsilon);
        at += step;
    }
}

/// Whether there is a kernel for these tensors.
pub(super) fn takes(tensors: &[&Values; 4]) -> bool {
    is_tried(tensors[0])
        && tensors.iter().all(|tensor| tensor.dtype() == DType::F32)
        && tensors[0].shape().num_elements() > 0
}

/// Parameters, gradient and both moments to new parameters and moments.
pub(super) fn run(tensors: [Values; 4], rule: AdamRule) -> (Values, Values, Values) {
    let [parameters, gradient, moment1, moment2] = tensors.map(into_contiguous);
    let new = || empty(&parameters, parameters.shape().as_slice(), DType::F32);
    let (to, to1, to2) = (new(), new(), new());
    let groups = parameters.shape().num_elements().div_ceil(256).min(1 << 12) as u32;
    let client = parameters.client.clone();
    update::launch(
        &client,
        CubeCount::Static(groups, 1, 1),
        CubeDim::new_1d(256),
        parameters.into_buffer_arg(),
        gradient.into_buffer_arg(),
        moment1.into_buffer_arg(),
        moment2.into_buffer_arg(),
        to.clone().into_buffer_arg(),
        to1.clone().into_buffer_arg(),
        to2.clone().into_buffer_arg(),
        rule.rate as f32,
        rule.beta1 as f32,
        rule.beta2 as f32,
        (1.0 - rule.beta1) as f32,
        (1.0 - rule.beta2) as f32,
        rule.epsilon as f32,
        rule.weight_decay as f32,
    );
    (to, to1, to2)
}
