//! Embeddings in blocks of rows, and the distances between two blocks.

use rayon::prelude::*;
use vireid_core::{CoreError, Embeddings};
use vireid_product::{Shape, multiply};

/// Rows of a block: a product of two blocks is 1 MiB per thread.
pub(crate) const BLOCK: usize = 512;

/// Embeddings in blocks of rows.
pub(crate) struct Blocks<'a> {
    embeddings: &'a Embeddings,
    squared_norms: Vec<f32>,
    block: usize,
}

impl<'a> Blocks<'a> {
    pub(crate) fn new(embeddings: &'a Embeddings, block: usize) -> Self {
        let rows = embeddings.as_slice().par_chunks_exact(embeddings.dim());
        let squared_norms = rows.map(|row| row.iter().map(|x| x * x).sum()).collect();
        Self { embeddings, squared_norms, block }
    }

    /// Refuses lengths that no distance can be made of.
    pub(crate) fn check(&self) -> Result<(), CoreError> {
        // Differences have up to four times the squared length.
        let row = self.squared_norms.iter().position(|norm| *norm > f32::MAX / 8.0);
        row.map_or(Ok(()), |row| Err(CoreError::TooLong { row }))
    }

    pub(crate) fn count(&self) -> usize {
        self.embeddings.rows().div_ceil(self.block)
    }

    /// Every pair of blocks once, those near the diagonal first, so that threads seldom want the same lists.
    pub(crate) fn pairs(&self) -> Vec<(usize, usize)> {
        let mut pairs: Vec<(usize, usize)> =
            (0..self.count()).flat_map(|a| (a..self.count()).map(move |b| (a, b))).collect();
        pairs.sort_by_key(|&(a, b)| b - a);
        pairs
    }

    pub(crate) fn range(&self, number: usize) -> std::ops::Range<usize> {
        number * self.block..((number + 1) * self.block).min(self.embeddings.rows())
    }

    fn rows(&self, number: usize) -> (&[f32], Shape) {
        let (range, dim) = (self.range(number), self.embeddings.dim());
        (&self.embeddings.as_slice()[range.start * dim..range.end * dim], Shape::row_major(range.len(), dim))
    }

    /// The squared distances of a block's rows to those of another, one row per own row.
    pub(crate) fn distances<'r>(
        &self,
        own: usize,
        others: &Blocks,
        other: usize,
        room: &'r mut [f32],
    ) -> Distances<'r> {
        let ((left, shape), (right, right_shape)) = (self.rows(own), others.rows(other));
        let values = &mut room[..shape.rows * right_shape.rows];
        multiply(values, (left, shape), (right, right_shape.transposed()), false);
        let norms = &others.squared_norms[others.range(other)];
        for (row, &norm) in values.chunks_exact_mut(norms.len()).zip(&self.squared_norms[self.range(own)]) {
            row.iter_mut().zip(norms).for_each(|(value, other)| *value = (norm + other - 2.0 * *value).max(0.0));
        }
        Distances { values, columns: norms.len() }
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Distances<'a> {
    values: &'a [f32],
    columns: usize,
}

impl<'a> Distances<'a> {
    pub(crate) fn rows(self) -> impl Iterator<Item = &'a [f32]> {
        self.values.chunks_exact(self.columns)
    }
}
