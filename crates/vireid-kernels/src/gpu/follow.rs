//! A memory that follows the samples of a batch in one kernel: a group of threads per row takes the row's samples in order.

#![allow(missing_docs, clippy::too_many_arguments)]

use burn::backend::ops::IntTensorOps;
use burn::backend::{Cube, TensorMetadata};
use burn::tensor::{DType, TensorData};
use burn_cubecl::kernel::into_contiguous;
use cubecl::prelude::*;

use super::layout::empty;
use super::{Values, is_tried};

const THREADS: usize = 128;

/// `order[starts[row]..starts[row + 1]]` are the samples of a row, in order.
#[cube(launch)]
fn take_in(rows: &[f32], samples: &[f32], starts: &[i32], order: &[i32], moved: &mut [f32], dim: u32, momentum: f32) {
    let dim = dim as usize;
    let row = CUBE_POS_X as usize;
    let thread = UNIT_POS_X as usize;
    let mut squares = Shared::new_slice(comptime!(THREADS));
    let mut at = UNIT_POS_X as usize;
    while at < dim {
        moved[row * dim + at] = rows[row * dim + at];
        at += THREADS;
    }
    let mut place = starts[row];
    let end = starts[row + 1];
    while place < end {
        let sample = order[place as usize] as usize;
        let mut square = 0.0f32;
        let mut at = UNIT_POS_X as usize;
        while at < dim {
            let value = moved[row * dim + at] * momentum + samples[sample * dim + at] * (1.0f32 - momentum);
            moved[row * dim + at] = value;
            square += value * value;
            at += THREADS;
        }
        squares[thread] = square;
        sync_cube();
        // A literal: the macro takes a constant's value for one that never changes.
        let mut half = 64usize;
        while half > 0 {
            if thread < half {
                let other = squares[thread + half];
                squares[thread] += other;
            }
            sync_cube();
            half /= 2;
        }
        let norm = squares[0].sqrt();
        // Before the next sample's sums take its place.
        sync_cube();
        let mut at = UNIT_POS_X as usize;
        while at < dim {
            moved[row * dim + at] = moved[row * dim + at] / norm;
            at += THREADS;
        }
        place += 1;
    }
}

/// Whether there is a kernel for these tensors.
pub(super) fn takes(rows: &Values, samples: &Values, labels: &[usize]) -> bool {
    let is_f32 = rows.dtype() == DType::F32 && samples.dtype() == DType::F32;
    is_tried(rows) && is_f32 && !labels.is_empty() && rows.shape().num_elements() > 0
}

/// The rows after all samples.
pub(super) fn run(rows: Values, samples: Values, labels: &[usize], momentum: f64) -> Values {
    let (rows, samples) = (into_contiguous(rows), into_contiguous(samples));
    let [count, dim] = rows.shape().dims();
    let mut order: Vec<i32> = (0..labels.len() as i32).collect();
    order.sort_by_key(|&sample| labels[sample as usize]);
    let mut starts = vec![0i32; count + 1];
    labels.iter().for_each(|&label| starts[label + 1] += 1);
    (0..count).for_each(|row| starts[row + 1] += starts[row]);
    let table = |values: Vec<i32>| {
        let length = values.len();
        Cube::int_from_data(TensorData::new(values, [length]), &rows.device)
    };
    let moved = empty(&rows, &[count, dim], DType::F32);
    let client = rows.client.clone();
    take_in::launch(
        &client,
        CubeCount::Static(count as u32, 1, 1),
        CubeDim::new_1d(THREADS as u32),
        rows.clone().into_buffer_arg(),
        samples.into_buffer_arg(),
        table(starts).into_buffer_arg(),
        table(order).into_buffer_arg(),
        moved.clone().into_buffer_arg(),
        dim as u32,
        momentum as f32,
    );
    moved
}
