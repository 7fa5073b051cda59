//! NumPy's arrays to the types of the crates, and back. All are contiguous, in C order: the package's Python sees to that.

use numpy::{PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::prelude::*;
use vireid_clustering::{ClusteringError, Origin, SparseRows};
use vireid_core::{Camera, Embeddings, Modality};

use crate::failure::Failure;

/// Arrays on their way to Python.
pub type Vector<'py, T> = Bound<'py, PyArray1<T>>;
pub type Matrix<'py, T> = Bound<'py, PyArray2<T>>;

/// A matrix from Python, one row per sample.
pub type Rows<'py> = PyReadonlyArray2<'py, f32>;

pub fn embeddings(rows: &Rows) -> Result<Embeddings, Failure> {
    let [count, dim] = sides(rows);
    Ok(Embeddings::new(contiguous(rows.as_slice())?.to_vec(), count, dim)?)
}

/// Rows and columns of a matrix.
pub fn sides<T: numpy::Element>(matrix: &PyReadonlyArray2<T>) -> [usize; 2] {
    [matrix.shape()[0], matrix.shape()[1]]
}

/// A slice of an array that is contiguous.
pub fn contiguous<T, E>(slice: Result<&[T], E>) -> Result<&[T], Failure> {
    slice.map_err(|_| {
        let expected = "a contiguous array in C order";
        ClusteringError::Parameter { name: "array", value: "a strided one".into(), expected }.into()
    })
}

/// Cameras by number, and modalities: 0 visible, 1 infrared.
pub fn origins(cameras: &PyReadonlyArray1<u16>, modalities: &PyReadonlyArray1<u8>) -> Result<Vec<Origin>, Failure> {
    let cameras = contiguous(cameras.as_slice())?;
    let modality = |&number: &u8| if number == 0 { Modality::Visible } else { Modality::Infrared };
    let modalities = contiguous(modalities.as_slice())?.iter().map(modality);
    Ok(cameras.iter().zip(modalities).map(|(&camera, modality)| Origin { modality, camera: Camera(camera) }).collect())
}

/// Labels from Python, where noise is -1.
pub fn labels(array: &PyReadonlyArray1<i64>) -> Result<Vec<Option<usize>>, Failure> {
    Ok(contiguous(array.as_slice())?.iter().map(|&label| usize::try_from(label).ok()).collect())
}

/// Labels for Python: -1 is noise.
pub fn label_array(py: Python<'_>, labels: Vec<Option<usize>>) -> Bound<'_, PyArray1<i64>> {
    PyArray1::from_vec(py, labels.into_iter().map(|label| label.map_or(-1, |label| label as i64)).collect())
}

pub fn matrix<T: numpy::Element>(
    py: Python<'_>,
    values: Vec<T>,
    [rows, columns]: [usize; 2],
) -> PyResult<Bound<'_, PyArray2<T>>> {
    PyArray1::from_vec(py, values).reshape([rows, columns])
}

/// Values, columns and starts of a matrix in compressed rows, from Python.
pub type SparseParts<'py> = (PyReadonlyArray1<'py, f32>, PyReadonlyArray1<'py, i64>, PyReadonlyArray1<'py, i64>);

/// Its columns ascend in the result, whatever their order.
pub fn sparse_rows(parts: &SparseParts) -> Result<SparseRows, Failure> {
    stored_rows(contiguous(parts.0.as_slice())?, contiguous(parts.1.as_slice())?, contiguous(parts.2.as_slice())?)
}

/// The same of slices.
pub fn stored_rows(values: &[f32], columns: &[i64], starts: &[i64]) -> Result<SparseRows, Failure> {
    let damaged = || {
        let expected = "rows that start and end within the stored entries, and columns that there are";
        ClusteringError::Parameter { name: "sparse matrix", value: "a damaged one".into(), expected }
    };
    let count = starts.len().saturating_sub(1);
    let rows: Option<Vec<Vec<(u32, f32)>>> = starts
        .windows(2)
        .map(|ends| {
            let range = usize::try_from(ends[0]).ok()?..usize::try_from(ends[1]).ok()?;
            let pairs = columns.get(range.clone())?.iter().zip(values.get(range)?);
            let number = |&column: &i64| u32::try_from(column).ok().filter(|&column| (column as usize) < count);
            let row: Option<Vec<(u32, f32)>> = pairs.map(|(column, &value)| Some((number(column)?, value))).collect();
            let mut row = row?;
            row.sort_unstable_by_key(|&(column, _)| column);
            Some(row)
        })
        .collect();
    Ok(SparseRows::from_rows(rows.ok_or_else(damaged)?))
}

/// The three arrays of a matrix in compressed rows, each row by ascending value: values, columns, starts.
pub type SparseArrays<'py> = (Vector<'py, f32>, Vector<'py, i32>, Vector<'py, i64>);

/// The same before the interpreter's lock is taken.
pub struct SparseVectors {
    values: Vec<f32>,
    columns: Vec<i32>,
    starts: Vec<i64>,
}

impl SparseVectors {
    /// Of square distances, with 1 where a sample is none of its own neighbours, so that nobody takes it for 0.
    pub fn of(distances: SparseRows) -> Self {
        let (starts, columns, values) = distances.with_diagonal(1.0).into_parts_by_value();
        Self {
            values,
            columns: columns.into_iter().map(|column| column as i32).collect(),
            starts: starts.into_iter().map(|start| start as i64).collect(),
        }
    }

    pub fn arrays(self, py: Python<'_>) -> SparseArrays<'_> {
        let Self { values, columns, starts } = self;
        (PyArray1::from_vec(py, values), PyArray1::from_vec(py, columns), PyArray1::from_vec(py, starts))
    }
}
