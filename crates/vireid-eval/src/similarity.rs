use ndarray::{ArrayView2, Axis};
use rayon::prelude::*;
use vireid_core::Embeddings;

use crate::EvalError;

/// Queries multiplied at a time by one thread.
const BLOCK: usize = 128;

/// The inner products of every query with every gallery row: queries x gallery, row-major. With rows of length 1 these
/// are cosines.
///
/// # Errors
///
/// `VR0402` when the dimensions differ.
pub fn similarities(queries: &Embeddings, gallery: &Embeddings) -> Result<Vec<f32>, EvalError> {
    if queries.dim() != gallery.dim() {
        let what = "dimensions of query and gallery embeddings";
        return Err(EvalError::Length { what, left: queries.dim(), right: gallery.dim() });
    }
    if queries.rows() == 0 || gallery.rows() == 0 {
        return Ok(Vec::new());
    }
    let (queries, gallery) = (view(queries), view(gallery));
    let mut products = vec![0.0f32; queries.nrows() * gallery.nrows()];
    let columns = gallery.nrows();
    products.par_chunks_mut(BLOCK * columns).enumerate().for_each(|(number, output)| {
        let (_, rest) = queries.split_at(Axis(0), number * BLOCK);
        let (block, _) = rest.split_at(Axis(0), output.len() / columns);
        for (row, output) in block.dot(&gallery.t()).outer_iter().zip(output.chunks_exact_mut(columns)) {
            output.iter_mut().zip(row).for_each(|(to, &from)| *to = from);
        }
    });
    Ok(products)
}

fn view(embeddings: &Embeddings) -> ArrayView2<'_, f32> {
    ArrayView2::from_shape((embeddings.rows(), embeddings.dim()), embeddings.as_slice())
        .unwrap_or_else(|_| unreachable!("embeddings hold rows x dim values"))
}
