//! Rows as bytes, with bounds of what their products can be.

use pulp::{Arch, NullaryFnOnce};

/// A row as whole numbers from -127 to 127, each in a byte, and how much that leaves out.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Code {
    /// A signed byte for each number of the row.
    pub bytes: Vec<u8>,
    /// How to get back.
    pub bound: Bound,
}

/// What a code stands for: `scale * values`, but for a rest that is no longer than `error`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bound {
    /// What a step of the code stands for.
    pub scale: f32,
    /// No less than the length of what the code leaves out.
    pub error: f32,
}

/// Codes a row.
pub(super) fn code(row: &[f32]) -> Code {
    let scale = row.iter().fold(0.0f32, |largest, value| largest.max(value.abs())) / 127.0;
    // Below the smallest normal number a step is too coarse to count in; the code is zero, and all is left out.
    let scale = if scale.is_normal() { scale } else { 0.0 };
    let step = |value: &f32| if scale == 0.0 { 0 } else { (value / scale).round().clamp(-127.0, 127.0) as i8 };
    let values = row.iter().map(step);
    let error = rest(row, values.clone().map(f64::from), f64::from(scale));
    Code {
        bytes: values.map(i8::cast_unsigned).collect(),
        bound: Bound { scale, error: ((error * (1.0 + 1e-6)) as f32).next_up() },
    }
}

/// The length of what is left of a row.
fn rest(row: &[f32], steps: impl Iterator<Item = f64>, scale: f64) -> f64 {
    row.iter().zip(steps).map(|(value, step)| (f64::from(*value) - scale * step).powi(2)).sum::<f64>().sqrt()
}

/// A query as whole numbers, and bounds of its product with coded rows.
#[derive(Debug)]
pub(super) struct Probe {
    values: Vec<i16>,
    scale: f32,
    /// By what a row's error widens the bounds.
    by_error: f32,
    /// By what they are wide in any case.
    wide: f32,
}

impl Probe {
    /// Of a query of length 1.
    pub fn new(query: &[f32]) -> Self {
        // A sum of products of 127 with these fits into 31 bits.
        let most = (i32::MAX as usize / (127 * query.len().max(1))).min(i16::MAX as usize) as f32;
        let scale = query.iter().fold(0.0f32, |largest, value| largest.max(value.abs())) / most;
        let values: Vec<i16> = query.iter().map(|value| (value / scale).round().clamp(-most, most) as i16).collect();
        let error = rest(query, values.iter().map(|value| f64::from(*value)), f64::from(scale));
        let length = query.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
        // Rows are of length 1 to a thousandth. What a sum in f32 can be off by, twice; and the roundings of `bounds`.
        let summed = (query.len() + 8) as f64 * f64::from(f32::EPSILON);
        let wide = 1.002 * error + summed + 2e-6;
        let widened = |value: f64| ((value * (1.0 + 1e-5)) as f32).next_up();
        Self { values, scale, by_error: widened(length + error), wide: widened(wide) }
    }

    /// What the similarity of a row is between, as it is reckoned in f32.
    pub fn bounds(&self, bound: Bound, product: i32) -> (f32, f32) {
        let middle = bound.scale * self.scale * product as f32;
        let slack = bound.error * self.by_error + self.wide;
        (middle - slack, middle + slack)
    }

    /// The products of the query with codes that lie one behind the other.
    pub fn products(&self, codes: &[u8], products: &mut Vec<i32>) {
        Arch::new().dispatch(Products { query: &self.values, codes, products });
    }
}

/// Compiled for every kind of vector instruction.
struct Products<'a> {
    query: &'a [i16],
    codes: &'a [u8],
    products: &'a mut Vec<i32>,
}

impl NullaryFnOnce for Products<'_> {
    type Output = ();

    // Loops and no closures: what is not inlined here is compiled for the oldest machines, and slower by half.
    #[inline(always)]
    fn call(self) {
        let Self { query, codes, products } = self;
        products.clear();
        products.resize(codes.len() / query.len(), 0);
        for (row, product) in codes.chunks_exact(query.len()).zip(products.iter_mut()) {
            let mut sum = 0;
            for (code, value) in row.iter().zip(query) {
                sum += i32::from(code.cast_signed()) * i32::from(*value);
            }
            *product = sum;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::in_memory::dot;

    fn unit(mut row: Vec<f32>) -> Vec<f32> {
        let length = dot(&row, &row).sqrt();
        if length > 1e-3 {
            row.iter_mut().for_each(|value| *value /= length);
        } else {
            row.fill(0.0);
            row[0] = 1.0;
        }
        row
    }

    fn rows() -> impl Strategy<Value = (Vec<f32>, Vec<f32>)> {
        (1usize..300).prop_flat_map(|dim| {
            let row =
                || prop::collection::vec(prop_oneof![4 => -1.0f32..1.0, 1 => Just(0.0), 1 => -1e-6f32..1e-6], dim);
            (row().prop_map(unit), row().prop_map(unit))
        })
    }

    proptest! {
        #[test]
        fn the_similarity_is_within_the_bounds((row, query) in rows()) {
            let (code, probe) = (code(&row), Probe::new(&query));
            let mut products = Vec::new();
            probe.products(&code.bytes, &mut products);
            let expected: i32 = code.bytes.iter().zip(&probe.values).map(|(a, b)| i32::from(a.cast_signed()) * i32::from(*b)).sum();
            prop_assert_eq!(&products, &[expected]);
            let (low, high) = probe.bounds(code.bound, products[0]);
            let exact = dot(&row, &query);
            prop_assert!(low <= exact && exact <= high, "{low} {exact} {high}");
            prop_assert!(high - low < 0.04, "{low} {high}");
        }
    }

    #[test]
    fn the_largest_product_fits() {
        for dim in [1, 512, 4096] {
            let row = vec![1.0 / (dim as f32).sqrt(); dim];
            let (code, probe) = (code(&row), Probe::new(&row));
            let mut products = Vec::new();
            probe.products(&code.bytes, &mut products);
            let (low, high) = probe.bounds(code.bound, products[0]);
            assert!(low <= 1.0 && 1.0 <= high && high - low < 0.02, "{dim}: {low} {high}");
        }
    }
}
