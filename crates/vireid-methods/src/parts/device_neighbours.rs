//! Nearest neighbours on a Burn device.

use burn::tensor::{Device, Tensor};
use vireid_clustering::{ClusteringError, NeighbourRanking};
use vireid_core::Embeddings;
use vireid_kernels::matmul;

use vireid_train::MethodError;

use super::labelling::rows_on;

/// Rows whose distances to all others are formed at a time.
const TILE: usize = 1024;

/// [`vireid_clustering::nearest_neighbours`] on a Burn device: for training on a GPU, which computes the products
/// sooner than the host. What [`nearest_across_on`] finds with the embeddings on both sides.
///
/// # Errors
///
/// As [`nearest_across_on`].
pub fn nearest_neighbours_on(
    embeddings: &Embeddings,
    k: usize,
    device: &Device,
) -> Result<NeighbourRanking, MethodError> {
    nearest_across_on(embeddings, embeddings, k, device)
}

/// [`vireid_clustering::nearest_across`] on a Burn device: the `k` nearest candidates of every query, or all where there are
/// fewer.
///
/// Exact: a tile of distances, then the device's own selection of the smallest, then ties by index on the host. Where
/// samples tie at the very end of a list, or are as far as rounding can tell, which of them is ranked is the device's
/// choice. Memory on the device: the embeddings and `1024 x candidates` distances.
///
/// # Errors
///
/// `VR0201` when `k` is 0, or when the device gives back something that is not an index; `VR0202` for rows of different lengths;
/// `VR0511` when the device gives back nothing.
pub fn nearest_across_on(
    queries: &Embeddings,
    candidates: &Embeddings,
    k: usize,
    device: &Device,
) -> Result<NeighbourRanking, MethodError> {
    if k == 0 {
        return Err(ClusteringError::Parameter { name: "k", value: "0".into(), expected: "at least 1" }.into());
    }
    if queries.dim() != candidates.dim() {
        let what = "dimensions of queries and candidates";
        return Err(ClusteringError::Length { what, left: queries.dim(), right: candidates.dim() }.into());
    }
    let (rows, columns) = (queries.rows(), candidates.rows());
    let k = k.min(columns);
    if rows == 0 || columns == 0 {
        return Ok(NeighbourRanking::from_indices(Vec::new(), rows, 0, columns)?);
    }
    let of_queries = rows_on(queries, device);
    let of_candidates =
        if std::ptr::eq(queries, candidates) { of_queries.clone() } else { rows_on(candidates, device) };
    let norms = |of: &Tensor<2>| of.clone().powi_scalar(2).sum_dim(1);
    let (norms, norms_of_columns) = (norms(&of_queries), norms(&of_candidates).transpose());
    let transposed = of_candidates.transpose();
    let mut indices = Vec::with_capacity(rows * k);
    for start in (0..rows).step_by(TILE) {
        let length = TILE.min(rows - start);
        let products = matmul(of_queries.clone().narrow(0, start, length), transposed.clone());
        let distances = norms.clone().narrow(0, start, length) + norms_of_columns.clone() - products.mul_scalar(2.0);
        let (nearest, positions) = distances.clamp_min(0.0).neg().topk_with_indices(k, 1);
        // Read once per tile: the ranking is needed on the host, where the sparse steps run.
        let nearest = nearest.try_into_vec_as::<f32>()?;
        let positions = positions.try_into_vec_as::<i64>()?;
        for (nearest, positions) in nearest.chunks(k).zip(positions.chunks(k)) {
            let mut row: Vec<(f32, i64)> = nearest.iter().copied().zip(positions.iter().copied()).collect();
            row.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            indices.extend(row.into_iter().map(|(_, position)| u32::try_from(position).unwrap_or(u32::MAX)));
        }
    }
    Ok(NeighbourRanking::from_indices(indices, rows, k, columns)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use vireid_clustering::{nearest_across, nearest_neighbours};
    use vireid_compare::assert_close;
    use vireid_core::Streams;

    #[test]
    fn equals_the_host() {
        let device = Device::default();
        for (rows, k) in [(TILE + 37, 20), (5, 30), (1, 1), (0, 3)] {
            let mut stream = Streams::new(rows as u64).stream("device", [0; 3]);
            let values = (0..rows * 24).map(|_| stream.normal(0.0, 1.0) as f32).collect();
            let embeddings = Embeddings::new(values, rows, 24).unwrap();
            let host = nearest_neighbours(&embeddings, k).unwrap();
            assert_eq!(nearest_neighbours_on(&embeddings, k, &device).unwrap(), host, "{rows} rows");
            let few = embeddings.select(&Vec::from_iter((0..rows).step_by(3)));
            check_across(&few, &embeddings, k);
            check_across(&embeddings, &few, k);
        }
    }

    /// Equal distances from place to place: two that are as far as rounding can tell may stand in either order.
    fn check_across(queries: &Embeddings, candidates: &Embeddings, k: usize) {
        let host = nearest_across(queries, candidates, k).unwrap();
        let found = nearest_across_on(queries, candidates, k, &Device::default()).unwrap();
        assert_eq!((found.rows(), found.k()), (host.rows(), host.k()));
        for row in 0..queries.rows() {
            let distances = |ranking: &NeighbourRanking| -> Vec<f32> {
                let to = |&other: &u32| {
                    let pairs = queries.row(row).iter().zip(candidates.row(other as usize));
                    pairs.map(|(a, b)| (a - b) * (a - b)).sum()
                };
                ranking.row(row).iter().map(to).collect()
            };
            assert_close(&distances(&found), &distances(&host), 1e-4);
        }
    }

    #[test]
    fn duplicates_come_in_index_order() {
        let embeddings = Embeddings::new([1.0f32, 0.0].repeat(6), 6, 2).unwrap();
        let ranking = nearest_neighbours_on(&embeddings, 6, &Device::default()).unwrap();
        assert!((0..6).all(|row| ranking.row(row) == [0, 1, 2, 3, 4, 5]));
        assert!(nearest_neighbours_on(&embeddings, 0, &Device::default()).is_err());
    }
}
