//! Rows that follow samples one after another, as a memory of prototypes does: the stock operations.

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::{IndexingUpdateOp, TensorData};

/// `row <- normalize(momentum * row + (1 - momentum) * sample)` on the row of each sample's label, in the samples' order.
pub(crate) fn stock_follow<B: Backend>(
    mut rows: FloatTensor<B>,
    samples: FloatTensor<B>,
    labels: Vec<usize>,
    momentum: f64,
) -> FloatTensor<B> {
    let device = rows.device();
    let index = |positions: Vec<i32>| -> IntTensor<B> {
        let count = positions.len();
        B::int_from_data(TensorData::new(positions, [count]), &device)
    };
    for round in rounds(&labels) {
        let targets = index(round.iter().map(|&sample| labels[sample] as i32).collect());
        let towards = B::float_select(samples.clone(), 0, index(round.iter().map(|&sample| sample as i32).collect()));
        let old = B::float_select(rows.clone(), 0, targets.clone());
        let kept = B::float_mul_scalar(old.clone(), momentum.into());
        let moved = B::float_add(kept, B::float_mul_scalar(towards, (1.0 - momentum).into()));
        let norms = B::float_sqrt(B::float_sum_dim(B::float_mul(moved.clone(), moved.clone()), 1));
        let change = B::float_sub(B::float_div(moved, norms), old);
        rows = B::float_select_assign(rows, 0, targets, change, IndexingUpdateOp::Add);
    }
    rows
}

/// The samples by how often their label came before: within a round labels are distinct, and applying the rounds in
/// order keeps the order of the samples of each label.
fn rounds(labels: &[usize]) -> Vec<Vec<usize>> {
    let mut seen = std::collections::HashMap::new();
    let mut rounds: Vec<Vec<usize>> = Vec::new();
    for (sample, label) in labels.iter().enumerate() {
        let count = seen.entry(label).or_insert(0usize);
        if *count == rounds.len() {
            rounds.push(Vec::new());
        }
        rounds[*count].push(sample);
        *count += 1;
    }
    rounds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_keep_the_order_within_a_label() {
        assert_eq!(rounds(&[4, 4, 7, 4, 7]), vec![vec![0, 2], vec![1, 4], vec![3]]);
        assert!(rounds(&[]).is_empty());
    }
}
