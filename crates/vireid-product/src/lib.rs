#![doc = include_str!("../README.md")]

use gemm::Parallelism;

/// A matrix in a slice: its size and the distances between neighbours of a column and of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Number of rows; 0 is allowed.
    pub rows: usize,
    /// Number of columns; 0 is allowed.
    pub columns: usize,
    /// Distance in the slice from a value to the one below it.
    pub row_stride: usize,
    /// Distance in the slice from a value to the one on its right.
    pub column_stride: usize,
}

impl Shape {
    /// A matrix stored row after row without gaps.
    pub fn row_major(rows: usize, columns: usize) -> Self {
        Self { rows, columns, row_stride: columns, column_stride: 1 }
    }

    /// The same numbers with rows and columns exchanged.
    pub fn transposed(self) -> Self {
        Self { rows: self.columns, columns: self.rows, row_stride: self.column_stride, column_stride: self.row_stride }
    }

    /// Length of a slice that holds the matrix.
    fn span(self) -> usize {
        if self.rows == 0 || self.columns == 0 {
            return 0;
        }
        (self.rows - 1) * self.row_stride + (self.columns - 1) * self.column_stride + 1
    }
}

/// `target = left * right`, or `target += left * right` with `accumulate`; `target` is row-major. One thread.
///
/// # Panics
///
/// When the sizes do not fit together or a slice is too short: callers derive both from tensor shapes.
#[allow(unsafe_code)]
pub fn multiply(target: &mut [f32], left: (&[f32], Shape), right: (&[f32], Shape), accumulate: bool) {
    let ((left, l), (right, r)) = (left, right);
    let t = Shape::row_major(l.rows, r.columns);
    assert_eq!(l.columns, r.rows, "inner sizes of a product");
    assert!(left.len() >= l.span() && right.len() >= r.span() && target.len() >= t.span(), "slices of a product");
    if t.span() == 0 {
        return;
    }
    let alpha = if accumulate { 1.0 } else { 0.0 };
    // SAFETY: `gemm` reads `rows x columns` elements of either factor and writes those of the target at
    // `row * row_stride + column * column_stride`. All strides are non-negative, and the assertions above say that the
    // largest such offset lies within each slice. The target is borrowed mutably, so nothing else aliases it. With
    // `read_dst` false the target is not read, so its content does not matter.
    unsafe {
        gemm::gemm(
            t.rows,
            t.columns,
            l.columns,
            target.as_mut_ptr(),
            t.column_stride as isize,
            t.row_stride as isize,
            accumulate,
            left.as_ptr(),
            l.column_stride as isize,
            l.row_stride as isize,
            right.as_ptr(),
            r.column_stride as isize,
            r.row_stride as isize,
            alpha,
            1.0f32,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_transposed_and_accumulated() {
        let (a, b) = ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0f32], [1.0, 0.0, 2.0, 1.0, 0.0, 3.0f32]);
        let mut c = [9.0f32; 4];
        multiply(&mut c, (&a, Shape::row_major(2, 3)), (&b, Shape::row_major(3, 2)), false);
        assert_eq!(c, [5.0, 11.0, 14.0, 23.0]);
        multiply(&mut c, (&a, Shape::row_major(2, 3)), (&b, Shape::row_major(3, 2)), true);
        assert_eq!(c, [10.0, 22.0, 28.0, 46.0]);
        let mut d = [0.0f32; 9];
        multiply(&mut d, (&a, Shape::row_major(2, 3).transposed()), (&b, Shape::row_major(2, 3)), false);
        assert_eq!(d, [5.0, 0.0, 14.0, 7.0, 0.0, 19.0, 9.0, 0.0, 24.0]);
        multiply(&mut [], (&[], Shape::row_major(0, 3)), (&b, Shape::row_major(3, 2)), false);
    }

    #[test]
    #[should_panic(expected = "slices of a product")]
    fn a_short_slice_is_refused() {
        multiply(&mut [0.0; 3], (&[1.0; 6], Shape::row_major(2, 3)), (&[1.0; 6], Shape::row_major(3, 2)), false);
    }
}
