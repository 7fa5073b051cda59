//! Inner products of queries with a gallery.

use rayon::prelude::*;
use vireid_core::{Embeddings, follow};
use vireid_product::{Shape, multiply};

use crate::EvalError;

/// Queries multiplied at a time by one thread.
const BLOCK: usize = 128;

/// The inner products of every query with every gallery row: queries x gallery, row-major. With rows of length 1 these
/// are cosines.
///
/// # Errors
///
/// `VR0402` when the dimensions differ, `VR0004` when a [`Watch`](vireid_core::Watch) stopped it.
pub fn similarities(queries: &Embeddings, gallery: &Embeddings) -> Result<Vec<f32>, EvalError> {
    if queries.dim() != gallery.dim() {
        let what = "dimensions of query and gallery embeddings";
        return Err(EvalError::Length { what, left: queries.dim(), right: gallery.dim() });
    }
    let (dim, columns) = (queries.dim(), gallery.rows());
    let mut products = vec![0.0f32; queries.rows() * columns];
    let transposed = Shape::row_major(columns, dim).transposed();
    let blocks = products.par_chunks_mut((BLOCK * columns).max(1)).zip(queries.as_slice().par_chunks(BLOCK * dim));
    let steps = follow("similarities", queries.rows().div_ceil(BLOCK));
    blocks.for_each(|(output, queries)| {
        if !steps.step() {
            return;
        }
        let shape = Shape::row_major(queries.len() / dim, dim);
        multiply(output, (queries, shape), (gallery.as_slice(), transposed), false);
    });
    steps.check()?;
    Ok(products)
}
