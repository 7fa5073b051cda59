//! Arrays of `ndarray` to embeddings and labels, and back.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, aview2};

use crate::{ClusterTag, CoreError, Embeddings, PseudoLabels};

/// Copies a matrix of one embedding per row, in whatever order it lies in memory.
///
/// # Errors
///
/// `VR0001` when it has no column, `VR0002` when a value is NaN or infinite.
///
/// ```
/// use vireid_core::Embeddings;
/// use vireid_core::ndarray::{Array2, array};
///
/// let rows = array![[3.0f32, 4.0], [0.0, 2.0]];
/// let unit = Embeddings::try_from(rows.view())?.normalized();
/// assert_eq!(Array2::from(unit), array![[0.6, 0.8], [0.0, 1.0]]);
/// # Ok::<(), vireid_core::CoreError>(())
/// ```
impl TryFrom<ArrayView2<'_, f32>> for Embeddings {
    type Error = CoreError;

    fn try_from(array: ArrayView2<'_, f32>) -> Result<Self, CoreError> {
        let (rows, dim) = array.dim();
        Self::new(array.iter().copied().collect(), rows, dim)
    }
}

/// Moves the values into an array.
impl From<Embeddings> for Array2<f32> {
    fn from(embeddings: Embeddings) -> Self {
        let shape = (embeddings.rows(), embeddings.dim());
        // Embeddings are always rows times dimension values.
        Self::from_shape_vec(shape, embeddings.into_values()).unwrap_or_default()
    }
}

/// A view of the values where they lie.
impl<'a> From<&'a Embeddings> for ArrayView2<'a, f32> {
    fn from(embeddings: &'a Embeddings) -> Self {
        let shape = (embeddings.rows(), embeddings.dim());
        Self::from_shape(shape, embeddings.as_slice()).unwrap_or(aview2::<f32, 0>(&[]))
    }
}

/// Takes the labels of a clustering; `None` is noise.
///
/// # Errors
///
/// `VR0003` when a number below the largest is used by no sample.
impl<T: ClusterTag> TryFrom<ArrayView1<'_, Option<usize>>> for PseudoLabels<T> {
    type Error = CoreError;

    fn try_from(labels: ArrayView1<'_, Option<usize>>) -> Result<Self, CoreError> {
        Self::new(&labels.to_vec())
    }
}

/// The labels as plain numbers; `None` is noise.
impl<T: ClusterTag> From<&PseudoLabels<T>> for Array1<Option<usize>> {
    fn from(labels: &PseudoLabels<T>) -> Self {
        Self::from_vec(labels.indices())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn there_and_back() {
        let rows = array![[1.0f32, 2.0, 3.0], [4.0, 5.0, 6.0]];
        let embeddings = Embeddings::try_from(rows.view()).unwrap();
        assert_eq!((embeddings.rows(), embeddings.dim(), embeddings.row(1)), (2, 3, &[4.0, 5.0, 6.0][..]));
        assert_eq!(ArrayView2::from(&embeddings), rows.view());
        assert_eq!(Array2::from(embeddings), rows);
    }

    #[test]
    fn the_order_in_memory_is_nothing() {
        let columns = array![[1.0f32, 4.0], [2.0, 5.0], [3.0, 6.0]];
        let embeddings = Embeddings::try_from(columns.t()).unwrap();
        assert_eq!(embeddings.as_slice(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    }

    #[test]
    fn no_rows_and_no_columns() {
        let none = Embeddings::try_from(Array2::<f32>::zeros((0, 3)).view()).unwrap();
        assert_eq!(Array2::from(none).dim(), (0, 3));
        let flat = Embeddings::try_from(Array2::<f32>::zeros((3, 0)).view());
        assert!(matches!(flat, Err(CoreError::Shape { rows: 3, dim: 0, .. })), "{flat:?}");
        let nan = Embeddings::try_from(array![[0.0, f32::NAN]].view());
        assert_eq!(nan, Err(CoreError::NotFinite { row: 0 }));
    }

    #[test]
    fn labels() {
        let numbers = array![Some(1), None, Some(0)];
        let labels = PseudoLabels::<()>::try_from(numbers.view()).unwrap();
        assert_eq!((labels.clusters(), labels.noise()), (2, 1));
        assert_eq!(Array1::from(&labels), numbers);
        assert!(PseudoLabels::<()>::try_from(array![Some(1)].view()).is_err());
    }
}
