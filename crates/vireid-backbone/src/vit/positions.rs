//! Position embeddings for another grid of patches.

/// The `a` of the cubic kernel, PyTorch's.
const A: f64 = -0.75;

/// The grid of a file's position embedding, which tells the number of its patches alone: as many rows as columns, twice as many
/// or three times as many. No number is of two such grids.
pub(super) fn grid_of(patches: usize) -> Option<[usize; 2]> {
    (1..=3).find_map(|ratio| {
        let columns = (patches / ratio).isqrt();
        (columns > 0 && ratio * columns * columns == patches).then_some([ratio * columns, columns])
    })
}

/// Resizes a grid of vectors as PyTorch's `interpolate` does in mode `bicubic` (`align_corners=False`, `antialias=False`).
///
/// # Shapes
///
/// - `values`: `from` rows and columns of vectors of `dim` numbers; output: `to` rows and columns of them
pub(super) fn resized(values: &[f32], dim: usize, from: [usize; 2], to: [usize; 2]) -> Vec<f32> {
    let (rows, columns) = (taps(from[0], to[0]), taps(from[1], to[1]));
    let mut output = Vec::with_capacity(to[0] * to[1] * dim);
    for row in &rows {
        for column in &columns {
            let mut sum = vec![0.0; dim];
            for &(y, of_row) in row {
                for &(x, of_column) in column {
                    let vector = &values[(y * from[1] + x) * dim..][..dim];
                    sum.iter_mut().zip(vector).for_each(|(sum, &value)| *sum += of_row * of_column * f64::from(value));
                }
            }
            output.extend(sum.into_iter().map(|value| value as f32));
        }
    }
    output
}

/// For each place of an axis the four places that it is made of, with their weights.
fn taps(from: usize, to: usize) -> Vec<[(usize, f64); 4]> {
    let place = |number: usize| {
        let position = (number as f64 + 0.5) * from as f64 / to as f64 - 0.5;
        let (start, part) = (position.floor(), position - position.floor());
        let weights = [outer(part + 1.0), inner(part), inner(1.0 - part), outer(2.0 - part)];
        std::array::from_fn(|tap| {
            let at = start as isize - 1 + tap as isize;
            (at.clamp(0, from as isize - 1) as usize, weights[tap])
        })
    };
    (0..to).map(place).collect()
}

/// The kernel up to a distance of 1.
fn inner(x: f64) -> f64 {
    ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
}

/// The kernel at distances from 1 to 2.
fn outer(x: f64) -> f64 {
    ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A
}

#[cfg(test)]
mod tests {
    use super::*;
    use vireid_compare::assert_close;

    #[test]
    fn grids() {
        assert_eq!(grid_of(14 * 14), Some([14, 14]));
        assert_eq!(grid_of(16 * 8), Some([16, 8]));
        assert_eq!(grid_of(24 * 8), Some([24, 8]));
        assert_eq!(grid_of(0), None);
        assert_eq!(grid_of(21 * 10), None);
    }

    #[test]
    fn the_same_grid_changes_nothing_and_a_constant_stays_one() {
        let values: Vec<f32> = (0..24).map(|value| value as f32).collect();
        assert_close(&resized(&values, 2, [4, 3], [4, 3]), &values, 0.0);
        assert_close(&resized(&[0.5; 24], 2, [4, 3], [7, 5]), &[0.5; 70], 1e-7);
    }
}
