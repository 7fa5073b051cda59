//! Sparse matrices by rows.

use rayon::prelude::*;

/// A sparse matrix row by row (CSR), columns ascending; what is not stored has the meaning that its maker gives it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SparseRows {
    starts: Vec<usize>,
    columns: Vec<u32>,
    values: Vec<f32>,
}

impl SparseRows {
    /// Takes one list of (column, value) per row, columns ascending.
    pub fn from_rows(rows: Vec<Vec<(u32, f32)>>) -> Self {
        let mut starts = Vec::with_capacity(rows.len() + 1);
        starts.push(0);
        let total = rows.iter().map(Vec::len).sum();
        let (mut columns, mut values) = (Vec::with_capacity(total), Vec::with_capacity(total));
        for row in rows {
            columns.extend(row.iter().map(|&(column, _)| column));
            values.extend(row.iter().map(|&(_, value)| value));
            starts.push(columns.len());
        }
        Self { starts, columns, values }
    }

    /// The entries of a dense matrix (row-major, with so many columns) that pass `keep`: for distances of your own, of few
    /// samples.
    ///
    /// ```
    /// use vireid_clustering::SparseRows;
    ///
    /// let near = SparseRows::from_dense(&[0.0, 0.4, 1.0, 0.0], 2, |distance| distance < 1.0);
    /// assert_eq!((near.row(0), near.row(1)), ((&[0, 1][..], &[0.0, 0.4][..]), (&[1][..], &[0.0][..])));
    /// ```
    pub fn from_dense(values: &[f32], columns: usize, keep: impl Fn(f32) -> bool) -> Self {
        let rows = values.chunks(columns.max(1)).map(|row| {
            let kept = row.iter().enumerate().filter(|&(_, &value)| keep(value));
            kept.map(|(column, &value)| (column as u32, value)).collect()
        });
        Self::from_rows(rows.collect())
    }

    /// Where each row starts, and where the last one ends; all columns; all values: each row by ascending value, then column, as
    /// scikit-learn wants its sparse distances.
    pub fn into_parts_by_value(mut self) -> (Vec<usize>, Vec<u32>, Vec<f32>) {
        let (mut columns, mut values) = (&mut self.columns[..], &mut self.values[..]);
        let mut rows = Vec::with_capacity(self.starts.len());
        for ends in self.starts.windows(2) {
            let (row, rest) = columns.split_at_mut(ends[1] - ends[0]);
            let (of_row, of_rest) = values.split_at_mut(ends[1] - ends[0]);
            rows.push((row, of_row));
            (columns, values) = (rest, of_rest);
        }
        rows.into_par_iter().for_each_init(Vec::new, |pairs: &mut Vec<(f32, u32)>, (columns, values)| {
            pairs.clear();
            pairs.extend(values.iter().copied().zip(columns.iter().copied()));
            pairs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            for ((column, value), pair) in columns.iter_mut().zip(values).zip(pairs) {
                (*value, *column) = *pair;
            }
        });
        (self.starts, self.columns, self.values)
    }

    /// The square matrix with a value wherever no entry of the diagonal was stored.
    pub fn with_diagonal(self, value: f32) -> Self {
        let stored = |row: usize| self.row(row).0.binary_search(&(row as u32));
        if (0..self.rows()).all(|row| stored(row).is_ok()) {
            return self;
        }
        let rows = (0..self.rows()).map(|row| {
            let mut pairs: Vec<(u32, f32)> = self.pairs(row).collect();
            if let Err(place) = stored(row) {
                pairs.insert(place, (row as u32, value));
            }
            pairs
        });
        Self::from_rows(rows.collect())
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// Number of stored entries.
    pub fn entries(&self) -> usize {
        self.columns.len()
    }

    /// The stored columns of a row, ascending, and their values.
    pub fn row(&self, row: usize) -> (&[u32], &[f32]) {
        let range = self.starts[row]..self.starts[row + 1];
        (&self.columns[range.clone()], &self.values[range])
    }

    /// The column and the value of each of a row's stored entries, columns ascending.
    pub fn pairs(&self, row: usize) -> impl Iterator<Item = (u32, f32)> + '_ {
        let (columns, values) = self.row(row);
        columns.iter().copied().zip(values.iter().copied())
    }

    /// The transpose of a matrix with so many columns.
    pub(crate) fn transposed(&self, columns: usize) -> Self {
        let starts = starts_of(columns, self.columns.iter().map(|&column| column as usize));
        let mut next = starts.clone();
        let (mut rows, mut values) = (vec![0u32; self.columns.len()], vec![0.0; self.values.len()]);
        for row in 0..self.rows() {
            for (column, value) in self.pairs(row) {
                let slot = &mut next[column as usize];
                rows[*slot] = row as u32;
                values[*slot] = value;
                *slot += 1;
            }
        }
        Self { starts, columns: rows, values }
    }

    /// The symmetric matrix of which these are the entries on and above the diagonal.
    pub(crate) fn mirrored(self) -> Self {
        let below = self.transposed(self.rows());
        let rows = (0..self.rows())
            .into_par_iter()
            .map(|row| {
                let below = below.pairs(row).filter(|&(column, _)| (column as usize) < row);
                below.chain(self.pairs(row)).collect()
            })
            .collect();
        Self::from_rows(rows)
    }
}

fn starts_of(rows: usize, of: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut starts = vec![0usize; rows + 1];
    of.for_each(|row| starts[row + 1] += 1);
    (0..rows).for_each(|row| starts[row + 1] += starts[row]);
    starts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transposed_and_mirrored() {
        let upper = SparseRows::from_dense(&[1.0, 2.0, 0.0, 0.0, 3.0, 4.0, 0.0, 0.0, 5.0], 3, |value| value != 0.0);
        assert_eq!(upper.entries(), 5);
        assert_eq!(upper.transposed(3).row(1), (&[0u32, 1][..], &[2.0f32, 3.0][..]));
        let whole = upper.mirrored();
        assert_eq!(whole, whole.transposed(3));
        assert_eq!(whole.row(2), (&[1u32, 2][..], &[4.0f32, 5.0][..]));
        assert_eq!(SparseRows::from_rows(vec![]).rows(), 0);
        assert_eq!(whole.clone().with_diagonal(9.0), whole);
        let full = SparseRows::from_rows(vec![vec![(1, 0.5)], vec![(0, 0.5), (1, 0.1)]]).with_diagonal(1.0);
        assert_eq!(full, SparseRows::from_rows(vec![vec![(0, 1.0), (1, 0.5)], vec![(0, 0.5), (1, 0.1)]]));
        let (starts, columns, values) = whole.into_parts_by_value();
        assert_eq!((starts, columns), (vec![0, 2, 5, 7], vec![0, 1, 0, 1, 2, 1, 2]));
        assert_eq!(values, [1.0, 2.0, 2.0, 3.0, 4.0, 4.0, 5.0]);
        let unsorted = SparseRows::from_rows(vec![vec![(1, 0.5), (4, 0.1), (6, 0.5)], vec![]]);
        assert_eq!(unsorted.into_parts_by_value(), (vec![0, 3, 3], vec![4, 1, 6], vec![0.1, 0.5, 0.5]));
    }
}
