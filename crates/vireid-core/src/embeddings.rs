//! Embeddings on the host.

use crate::CoreError;

/// Embeddings of many samples on the host: row-major, one row per sample, every value finite.
///
/// ```
/// use vireid_core::Embeddings;
///
/// let rows = Embeddings::new(vec![3.0, 4.0, 0.0, 2.0], 2, 2)?.normalized();
/// assert_eq!(rows.row(0), [0.6, 0.8]);
/// assert_eq!(rows.select(&[1, 1]).rows(), 2);
/// assert!(Embeddings::new(vec![f32::NAN], 1, 1).is_err());
/// # Ok::<(), vireid_core::CoreError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Embeddings {
    values: Vec<f32>,
    dim: usize,
}

impl Embeddings {
    /// Takes `rows * dim` values.
    ///
    /// # Errors
    ///
    /// `VR0001` when the length does not fit, `VR0002` when a value is NaN or infinite.
    pub fn new(values: Vec<f32>, rows: usize, dim: usize) -> Result<Self, CoreError> {
        if rows.checked_mul(dim) != Some(values.len()) || dim == 0 {
            return Err(CoreError::Shape { values: values.len(), rows, dim });
        }
        if let Some(position) = values.iter().position(|value| !value.is_finite()) {
            return Err(CoreError::NotFinite { row: position / dim });
        }
        Ok(Self { values, dim })
    }

    /// Number of samples.
    pub fn rows(&self) -> usize {
        self.values.len() / self.dim
    }

    /// Number of values of one embedding.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The embedding of one sample.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.dim..(row + 1) * self.dim]
    }

    /// All values, row after row.
    pub fn as_slice(&self) -> &[f32] {
        &self.values
    }

    /// All values, row after row, without a copy.
    pub fn into_values(self) -> Vec<f32> {
        self.values
    }

    /// The rows at `indices`, in that order.
    pub fn select(&self, indices: &[usize]) -> Self {
        let values = indices.iter().flat_map(|&row| self.row(row).iter().copied()).collect();
        Self { values, dim: self.dim }
    }

    /// Every row divided by its Euclidean length (at least 1e-12).
    pub fn normalized(mut self) -> Self {
        for row in self.values.chunks_exact_mut(self.dim) {
            let norm = row.iter().map(|x| x * x).sum::<f32>().sqrt().max(1e-12);
            row.iter_mut().for_each(|x| *x /= norm);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nan_is_reported_with_its_row() {
        let nan = Embeddings::new(vec![0.0, 1.0, f32::NAN, 2.0], 2, 2);
        assert_eq!(nan, Err(CoreError::NotFinite { row: 1 }));
    }

    #[test]
    fn a_shape_beyond_all_numbers_does_not_wrap_around() {
        let wrapped = Embeddings::new(Vec::new(), 1 << 63, 2);
        assert!(matches!(wrapped, Err(CoreError::Shape { .. })), "{wrapped:?}");
    }

    #[test]
    fn normalized_rows_have_length_one_and_zero_stays_zero() {
        let rows = Embeddings::new(vec![3.0, 4.0, 0.0, 0.0], 2, 2).unwrap().normalized();
        assert_eq!(rows.row(0), [0.6, 0.8]);
        assert_eq!(rows.row(1), [0.0, 0.0]);
    }
}
