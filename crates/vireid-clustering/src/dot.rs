//! Inner products and distances of two rows.

/// The inner product, with independent sums side by side, so that it runs in vector instructions.
pub(crate) fn dot(left: &[f32], right: &[f32]) -> f32 {
    summed(left, right, |a, b| a * b)
}

/// The squared Euclidean distance, likewise; that of equal rows is 0.
pub(crate) fn squared_distance(left: &[f32], right: &[f32]) -> f32 {
    summed(left, right, |a, b| (a - b) * (a - b))
}

#[inline(always)]
fn summed(left: &[f32], right: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [0.0f32; 16];
    let ((left, left_rest), (right, right_rest)) = (left.as_chunks::<16>(), right.as_chunks::<16>());
    for (left, right) in left.iter().zip(right) {
        for lane in 0..16 {
            lanes[lane] += term(left[lane], right[lane]);
        }
    }
    let rest: f32 = left_rest.iter().zip(right_rest).map(|(a, b)| term(*a, *b)).sum();
    lanes.iter().sum::<f32>() + rest
}
