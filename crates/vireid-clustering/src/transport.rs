//! Entropic optimal transport with uniform marginals (Cuturi, NeurIPS 2013), as MULT runs it.

use rayon::prelude::*;
use vireid_core::{Embeddings, follow};
use vireid_product::{Shape, multiply};

use crate::ClusteringError;
use crate::dot::dot;

/// Sinkhorn's iteration: the strength of the cost, and when to stop.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sinkhorn {
    /// Factor of the cost: the kernel is `exp(-lambda * cost)`.
    pub lambda: f64,
    /// The iteration stops when the relative changes of the column scaling, summed over columns, are at most this.
    pub tolerance: f64,
    /// How many steps are made at most.
    pub max_steps: usize,
}

/// Steps between two looks at the stopping rule; the first look is at the first step.
const CHECK_EVERY: usize = 10;

impl Sinkhorn {
    /// The constants of MULT's published code: lambda 25, tolerance 0.1, at most 500 steps.
    pub fn mult() -> Self {
        Self { lambda: 25.0, tolerance: 0.1, max_steps: 500 }
    }

    fn check(&self) -> Result<(), ClusteringError> {
        let positive = |name, value: f64| match value > 0.0 && value.is_finite() {
            true => Ok(()),
            false => Err(ClusteringError::Parameter { name, value: value.to_string(), expected: "above 0" }),
        };
        positive("lambda", self.lambda)?;
        positive("tolerance", self.tolerance)?;
        positive("max_steps", self.max_steps as f64)
    }
}

/// The kernel `exp(-lambda * cost)` of a transport problem, `rows x columns`, in f32: the one dense matrix of it.
#[derive(Debug, Clone, PartialEq)]
pub struct TransportKernel {
    pub(crate) values: Vec<f32>,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    settings: Sinkhorn,
}

/// The plan of a transport problem as the scaling of its kernel: `plan[i][j] = row[i] * kernel[i][j] * column[j]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Scaling {
    /// The factor of each row.
    pub row: Vec<f32>,
    /// The factor of each column.
    pub column: Vec<f32>,
    /// How many steps were made.
    pub steps: usize,
    /// Whether the stopping rule was met before the last step.
    pub converged: bool,
}

impl TransportKernel {
    /// The kernel of a cost matrix, row-major.
    ///
    /// # Errors
    ///
    /// `VR0202` when the matrix has another size, `VR0201` when a setting is not positive.
    pub fn of_costs(cost: &[f32], rows: usize, columns: usize, settings: Sinkhorn) -> Result<Self, ClusteringError> {
        settings.check()?;
        check_size(cost, rows, columns)?;
        let lambda = settings.lambda as f32;
        let values = cost.par_iter().map(|cost| (-lambda * cost).exp()).collect();
        Ok(Self { values, rows, columns, settings })
    }

    /// The kernel of the squared distances between two sets of embeddings, which are never stored beside the kernel.
    ///
    /// # Errors
    ///
    /// `VR0202` when the dimensions differ, `VR0201` when a setting is not positive.
    pub fn between(from: &Embeddings, to: &Embeddings, settings: Sinkhorn) -> Result<Self, ClusteringError> {
        settings.check()?;
        if from.dim() != to.dim() {
            let what = "dimensions of the two sides of a transport";
            return Err(ClusteringError::Length { what, left: from.dim(), right: to.dim() });
        }
        let (rows, columns, dim) = (from.rows(), to.rows(), from.dim());
        let norm = |row: &[f32]| row.iter().map(|x| x * x).sum::<f32>();
        let norms: Vec<f32> = (0..columns).map(|column| norm(to.row(column))).collect();
        let lambda = settings.lambda as f32;
        let mut values = vec![0.0f32; rows * columns];
        let transposed = Shape::row_major(columns, dim).transposed();
        let blocks = values.par_chunks_mut((BLOCK * columns).max(1)).zip(from.as_slice().par_chunks(BLOCK * dim));
        blocks.for_each(|(values, from)| {
            let shape = Shape::row_major(from.len() / dim, dim);
            multiply(values, (from, shape), (to.as_slice(), transposed), false);
            for (values, row) in values.chunks_exact_mut(columns).zip(from.chunks_exact(dim)) {
                let own = norm(row);
                let pairs = values.iter_mut().zip(&norms);
                pairs.for_each(|(value, other)| *value = (-lambda * (own + other - 2.0 * *value)).exp());
            }
        });
        Ok(Self { values, rows, columns, settings })
    }

    /// Runs the iteration. Both passes over the kernel of a step are one pass over memory; sums are formed in a fixed
    /// number of parts, so the result does not depend on the number of threads.
    ///
    /// # Errors
    ///
    /// `VR0204` when a row or a column of the kernel is zero to the last bit: [`sinkhorn_log`] goes through such costs.
    pub fn solve(&self) -> Result<Scaling, ClusteringError> {
        let (rows, columns) = (self.rows, self.columns);
        let mut column = vec![1.0 / columns.max(1) as f32; columns];
        let mut row = vec![0.0f32; rows];
        if rows == 0 || columns == 0 {
            return Ok(Scaling { row, column, steps: 0, converged: true });
        }
        let (row_mass, column_mass) = (1.0 / rows as f32, 1.0 / columns as f32);
        let part = rows.div_ceil(PARTS).max(1);
        let steps = follow("transport", self.settings.max_steps);
        for step in (0..self.settings.max_steps).take_while(|_| steps.step()) {
            let parts = row.par_chunks_mut(part).zip(self.values.par_chunks(part * columns));
            let sums: Vec<Vec<f32>> = parts
                .map(|(row, kernel)| {
                    let mut sums = vec![0.0f32; columns];
                    for (scale, kernel) in row.iter_mut().zip(kernel.chunks_exact(columns)) {
                        *scale = row_mass / dot(kernel, &column);
                        sums.iter_mut().zip(kernel).for_each(|(sum, value)| *sum += value * *scale);
                    }
                    sums
                })
                .collect();
            let mut next = vec![0.0f32; columns];
            sums.iter().for_each(|part| next.iter_mut().zip(part).for_each(|(sum, value)| *sum += value));
            next.iter_mut().for_each(|value| *value = column_mass / *value);
            if row.iter().chain(&next).any(|value| !value.is_finite()) {
                return Err(ClusteringError::Transport { step, lambda: self.settings.lambda });
            }
            let change = || column.iter().zip(&next).map(|(old, new)| f64::from(old / new - 1.0).abs()).sum::<f64>();
            let converged = step % CHECK_EVERY == 0 && change() <= self.settings.tolerance;
            column = next;
            if converged {
                return Ok(Scaling { row, column, steps: step + 1, converged });
            }
        }
        steps.check()?;
        Ok(Scaling { row, column, steps: self.settings.max_steps, converged: false })
    }

    /// The plan as a dense matrix, row-major: for small problems.
    pub fn plan(&self, scaling: &Scaling) -> Vec<f32> {
        let rows = self.values.chunks(self.columns.max(1)).zip(&scaling.row);
        rows.flat_map(|(kernel, u)| kernel.iter().zip(&scaling.column).map(move |(value, v)| u * value * v)).collect()
    }

    /// The column that gets most of each row, the first on ties; empty where there is no column.
    pub fn row_argmax(&self, scaling: &Scaling) -> Vec<usize> {
        let rows = self.values.par_chunks(self.columns.max(1));
        rows.map(|kernel| argmax(kernel.iter().zip(&scaling.column).map(|(value, v)| value * v))).collect()
    }
}

/// Rows per product.
const BLOCK: usize = 256;
/// Parts in which sums over rows are formed.
const PARTS: usize = 64;

fn check_size(cost: &[f32], rows: usize, columns: usize) -> Result<(), ClusteringError> {
    let what = "entries of the cost matrix";
    match cost.len() == rows * columns {
        true => Ok(()),
        false => Err(ClusteringError::Length { what, left: cost.len(), right: rows * columns }),
    }
}

/// The position of the largest value, the first on ties.
pub(crate) fn argmax(values: impl Iterator<Item = f32>) -> usize {
    let largest =
        |(best, top): (usize, f32), (position, value)| if value > top { (position, value) } else { (best, top) };
    values.enumerate().fold((0, f32::NEG_INFINITY), largest).0
}

/// The plan of a transport problem by the logarithms of its scaling: `plan[i][j] = exp(row[i] - lambda * cost[i][j] +
/// column[j])`.
#[derive(Debug, Clone, PartialEq)]
pub struct LogScaling {
    /// The logarithm of each row's factor.
    pub row: Vec<f64>,
    /// The logarithm of each column's factor.
    pub column: Vec<f64>,
    /// How many steps were made.
    pub steps: usize,
    /// Whether the stopping rule was met before the last step.
    pub converged: bool,
}

impl LogScaling {
    /// The plan of the costs that were solved, as a dense matrix, row-major: for small problems.
    pub fn plan(&self, cost: &[f32], lambda: f64) -> Vec<f32> {
        let rows = cost.chunks(self.column.len().max(1)).zip(&self.row);
        let entry = |row: f64, column: f64, cost: f32| (row + column - lambda * f64::from(cost)).exp() as f32;
        rows.flat_map(|(cost, &row)| {
            cost.iter().zip(&self.column).map(move |(&cost, &column)| entry(row, column, cost))
        })
        .collect()
    }
}

/// The same iteration on logarithms, in f64: the same numbers, and no cost is too large for it. Slower by an exponential
/// per entry and step.
///
/// # Errors
///
/// `VR0202` when the matrix has another size, `VR0201` when a setting is not positive.
pub fn sinkhorn_log(
    cost: &[f32],
    rows: usize,
    columns: usize,
    settings: Sinkhorn,
) -> Result<LogScaling, ClusteringError> {
    settings.check()?;
    check_size(cost, rows, columns)?;
    let mut column = vec![-(columns.max(1) as f64).ln(); columns];
    let mut row = vec![0.0; rows];
    if rows == 0 || columns == 0 {
        return Ok(LogScaling { row, column, steps: 0, converged: true });
    }
    let (row_mass, column_mass) = (-(rows as f64).ln(), -(columns as f64).ln());
    let log_kernel = |i: usize, j: usize| -settings.lambda * f64::from(cost[i * columns + j]);
    let steps = follow("transport", settings.max_steps);
    for step in (0..settings.max_steps).take_while(|_| steps.step()) {
        row.par_iter_mut().enumerate().for_each(|(i, f)| {
            *f = row_mass - log_sum_exp((0..columns).map(|j| column[j] + log_kernel(i, j)));
        });
        let next: Vec<f64> = (0..columns)
            .into_par_iter()
            .map(|j| column_mass - log_sum_exp((0..rows).map(|i| row[i] + log_kernel(i, j))))
            .collect();
        let change = || column.iter().zip(&next).map(|(old, new)| ((old - new).exp() - 1.0).abs()).sum::<f64>();
        let converged = step % CHECK_EVERY == 0 && change() <= settings.tolerance;
        column = next;
        if converged {
            return Ok(LogScaling { row, column, steps: step + 1, converged });
        }
    }
    steps.check()?;
    Ok(LogScaling { row, column, steps: settings.max_steps, converged: false })
}

fn log_sum_exp(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let largest = values.clone().fold(f64::NEG_INFINITY, f64::max);
    largest + values.map(|value| (value - largest).exp()).sum::<f64>().ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use vireid_compare::assert_near;

    fn costs(rows: usize, columns: usize, seed: u64) -> Vec<f32> {
        let mut stream = vireid_core::Streams::new(seed).stream("cost", [0; 3]);
        (0..rows * columns).map(|_| stream.uniform(0.0, 2.0) as f32).collect()
    }

    proptest! {
        #[test]
        fn marginals_hold_and_both_forms_agree(rows in 1usize..20, columns in 1usize..20, seed: u64) {
            let cost = costs(rows, columns, seed);
            let settings = Sinkhorn { lambda: 5.0, tolerance: 1e-4, max_steps: 2000 };
            let kernel = TransportKernel::of_costs(&cost, rows, columns, settings).unwrap();
            let scaling = kernel.solve().unwrap();
            let plan = kernel.plan(&scaling);
            for j in 0..columns {
                let sum: f32 = (0..rows).map(|i| plan[i * columns + j]).sum();
                assert_near(sum * columns as f32, 1.0, 1e-4);
            }
            let log = sinkhorn_log(&cost, rows, columns, settings).unwrap();
            for i in 0..rows {
                for j in 0..columns {
                    let expected = (log.row[i] - 5.0 * f64::from(cost[i * columns + j]) + log.column[j]).exp();
                    assert_near(plan[i * columns + j], expected, 1e-5);
                }
            }
            let from_plan: Vec<usize> =
                plan.chunks(columns).map(|row| argmax(row.iter().copied())).collect();
            for (i, &best) in kernel.row_argmax(&scaling).iter().enumerate() {
                assert_near(plan[i * columns + best], plan[i * columns + from_plan[i]], 1e-6);
            }
        }
    }

    #[test]
    fn a_cost_that_underflows_is_an_error_and_the_log_form_goes_through() {
        let cost = [100.0, 100.0, 1.0, 2.0];
        let kernel = TransportKernel::of_costs(&cost, 2, 2, Sinkhorn::mult()).unwrap();
        assert!(kernel.solve().unwrap_err().to_string().starts_with("VR0204"));
        let log = sinkhorn_log(&cost, 2, 2, Sinkhorn::mult()).unwrap();
        assert!(log.row.iter().chain(&log.column).all(|value| value.is_finite()));
    }

    #[test]
    fn empty_sides() {
        let kernel = TransportKernel::of_costs(&[], 0, 3, Sinkhorn::mult()).unwrap();
        assert!(kernel.row_argmax(&kernel.solve().unwrap()).is_empty());
        assert!(sinkhorn_log(&[], 3, 0, Sinkhorn::mult()).unwrap().column.is_empty());
        assert!(TransportKernel::of_costs(&[1.0], 1, 2, Sinkhorn::mult()).is_err());
        let wrong = Sinkhorn { lambda: 0.0, ..Sinkhorn::mult() };
        assert!(TransportKernel::of_costs(&[1.0], 1, 1, wrong).is_err());
    }
}
