//! The assignment of least cost.

use crate::ClusteringError;

/// The minimum-cost assignment of a rectangular `rows x columns` matrix (row-major): `min(rows, columns)` pairs, by
/// ascending row. SciPy's algorithm, so ties fall as SciPy's do.
///
/// # Errors
///
/// `VR0202` when the matrix has another size, `VR0203` when it holds a NaN or an infinity.
pub fn linear_assignment(cost: &[f64], rows: usize, columns: usize) -> Result<Vec<(usize, usize)>, ClusteringError> {
    if cost.len() != rows * columns {
        return Err(ClusteringError::Length {
            what: "entries of the cost matrix",
            left: cost.len(),
            right: rows * columns,
        });
    }
    let failed = |reason: String| ClusteringError::Assignment { rows, columns, reason };
    if let Some(position) = cost.iter().position(|value| !value.is_finite()) {
        return Err(failed(format!("row {}, column {} is not finite", position / columns, position % columns)));
    }
    let (assigned_rows, assigned_columns) =
        lsap::solve(rows, columns, &cost.to_vec(), false).map_err(|error| failed(format!("{error:?}")))?;
    let mut pairs: Vec<_> = assigned_rows.into_iter().zip(assigned_columns).collect();
    pairs.sort_unstable();
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use vireid_compare::assert_near;

    fn brute_force(cost: &[f64], rows: usize, columns: usize, row: usize, used: u32) -> f64 {
        if row == rows {
            return 0.0;
        }
        (0..columns)
            .filter(|column| used & (1 << column) == 0)
            .map(|column| {
                cost[row * columns + column] + brute_force(cost, rows, columns, row + 1, used | (1 << column))
            })
            .fold(f64::INFINITY, f64::min)
    }

    proptest! {
        #[test]
        fn is_optimal(rows in 1usize..5, extra in 0usize..3, values in proptest::collection::vec(0.0f64..1.0, 35)) {
            let columns = rows + extra;
            let cost = &values[..rows * columns];
            let pairs = linear_assignment(cost, rows, columns).unwrap();
            prop_assert_eq!(pairs.len(), rows);
            let total: f64 = pairs.iter().map(|&(r, c)| cost[r * columns + c]).sum();
            assert_near(total, brute_force(cost, rows, columns, 0, 0), 1e-9);
            let transposed: Vec<f64> = (0..columns).flat_map(|c| (0..rows).map(move |r| cost[r * columns + c])).collect();
            let other: f64 =
                linear_assignment(&transposed, columns, rows).unwrap().iter().map(|&(c, r)| cost[r * columns + c]).sum();
            assert_near(total, other, 1e-9);
        }
    }

    #[test]
    fn nan_is_an_error() {
        let error = linear_assignment(&[0.0, f64::NAN], 1, 2).unwrap_err();
        assert!(error.to_string().contains("row 0, column 1"));
    }
}
