use ndarray::ArrayView2;
use rayon::prelude::*;
use vireid_core::Embeddings;

use crate::ClusteringError;

/// Rows of the two blocks whose products are formed at a time: 256 x 2048 f32 products, 2 MiB per thread.
const QUERY_BLOCK: usize = 256;
const CANDIDATE_BLOCK: usize = 2048;

/// For every sample its nearest samples, nearest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeighbourRanking {
    indices: Vec<u32>,
    k: usize,
}

impl NeighbourRanking {
    /// Number of samples.
    pub fn rows(&self) -> usize {
        self.indices.len().checked_div(self.k).unwrap_or(0)
    }

    /// Neighbours per sample, the sample itself (normally the first) included.
    pub fn k(&self) -> usize {
        self.k
    }

    /// The neighbours of one sample.
    pub fn row(&self, row: usize) -> &[u32] {
        &self.indices[row * self.k..(row + 1) * self.k]
    }
}

/// The `k` nearest rows of every row in squared Euclidean distance, the row itself included; ties go to the smaller
/// index. With fewer than `k` rows, all of them are ranked.
///
/// Exact: distances come from blocked matrix products with a running selection, so memory is a few blocks.
///
/// # Errors
///
/// `VR0201` when `k` is 0.
pub fn nearest_neighbours(embeddings: &Embeddings, k: usize) -> Result<NeighbourRanking, ClusteringError> {
    if k == 0 {
        return Err(ClusteringError::Parameter { name: "k", value: "0".into(), expected: "at least 1" });
    }
    let (rows, dim) = (embeddings.rows(), embeddings.dim());
    let k = k.min(rows);
    if rows == 0 {
        return Ok(NeighbourRanking { indices: Vec::new(), k: 0 });
    }
    let squared_norms: Vec<f32> = (0..rows).map(|row| embeddings.row(row).iter().map(|x| x * x).sum::<f32>()).collect();
    let block = |from: usize, to: usize| view(&embeddings.as_slice()[from * dim..to * dim], dim);

    let mut indices = vec![0u32; rows * k];
    indices.par_chunks_mut(QUERY_BLOCK * k).enumerate().for_each(|(number, output)| {
        let first = number * QUERY_BLOCK;
        let queries = block(first, first + output.len() / k);
        let mut selections: Vec<Selection> = (0..output.len() / k).map(|_| Selection::new(k)).collect();
        for start in (0..rows).step_by(CANDIDATE_BLOCK) {
            let products = queries.dot(&block(start, (start + CANDIDATE_BLOCK).min(rows)).t());
            for (query, selection) in selections.iter_mut().enumerate() {
                let norm = squared_norms[first + query];
                for (offset, &product) in products.row(query).iter().enumerate() {
                    let candidate = start + offset;
                    let distance = (norm + squared_norms[candidate] - 2.0 * product).max(0.0);
                    selection.offer(distance, candidate as u32);
                }
            }
        }
        for (selection, row) in selections.into_iter().zip(output.chunks_exact_mut(k)) {
            row.copy_from_slice(&selection.sorted());
        }
    });
    Ok(NeighbourRanking { indices, k })
}

fn view(values: &[f32], dim: usize) -> ArrayView2<'_, f32> {
    // The slice is cut at multiples of `dim`, so the shape always fits.
    ArrayView2::from_shape((values.len() / dim, dim), values).unwrap_or_else(|_| unreachable!("cut at row ends"))
}

/// The `k` smallest of a stream of (distance, index): a buffer of up to `2k` that is cut back when full.
struct Selection {
    k: usize,
    buffer: Vec<(f32, u32)>,
    worst: f32,
}

impl Selection {
    fn new(k: usize) -> Self {
        Self { k, buffer: Vec::with_capacity(2 * k), worst: f32::INFINITY }
    }

    fn offer(&mut self, distance: f32, index: u32) {
        // Candidates come in ascending index order, so a later one of equal distance never displaces an earlier one.
        if distance < self.worst {
            self.buffer.push((distance, index));
            if self.buffer.len() == 2 * self.k {
                self.cut();
            }
        }
    }

    fn cut(&mut self) {
        if self.buffer.len() > self.k {
            self.buffer.select_nth_unstable_by(self.k - 1, compare);
            self.buffer.truncate(self.k);
        }
        if self.buffer.len() == self.k {
            self.worst = self.buffer.iter().fold(f32::NEG_INFINITY, |worst, &(distance, _)| worst.max(distance));
        }
    }

    fn sorted(mut self) -> Vec<u32> {
        self.cut();
        self.buffer.sort_unstable_by(compare);
        self.buffer.into_iter().map(|(_, index)| index).collect()
    }
}

fn compare(a: &(f32, u32), b: &(f32, u32)) -> std::cmp::Ordering {
    a.0.total_cmp(&b.0).then(a.1.cmp(&b.1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn brute_force(values: &[f32], dim: usize, k: usize) -> Vec<Vec<u32>> {
        let rows: Vec<&[f32]> = values.chunks(dim).collect();
        rows.iter()
            .map(|a| {
                let mut all: Vec<(f32, u32)> = rows
                    .iter()
                    .enumerate()
                    .map(|(j, b)| (a.iter().zip(*b).map(|(x, y)| (x - y).powi(2)).sum(), j as u32))
                    .collect();
                all.sort_by(compare);
                all.into_iter().take(k).map(|(_, j)| j).collect()
            })
            .collect()
    }

    proptest! {
        /// Small integers make every distance exact, so ties are real ties and the order must agree to the last entry.
        #[test]
        fn equals_brute_force(rows in 1usize..60, k in 1usize..20, seed in any::<u64>()) {
            let mut stream = vireid_core::Streams::new(seed).stream("knn", [0; 3]);
            let values: Vec<f32> = (0..rows * 3).map(|_| stream.below(5) as f32).collect();
            let ranking = nearest_neighbours(&Embeddings::new(values.clone(), rows, 3).unwrap(), k).unwrap();
            let expected = brute_force(&values, 3, k.min(rows));
            for (row, expected) in expected.iter().enumerate() {
                prop_assert_eq!(ranking.row(row), &expected[..]);
            }
        }
    }

    #[test]
    fn more_rows_than_a_block() {
        let mut stream = vireid_core::Streams::new(3).stream("knn", [0; 3]);
        let rows = CANDIDATE_BLOCK + QUERY_BLOCK + 7;
        let values: Vec<f32> = (0..rows * 2).map(|_| stream.below(100) as f32).collect();
        let ranking = nearest_neighbours(&Embeddings::new(values.clone(), rows, 2).unwrap(), 5).unwrap();
        let expected = brute_force(&values, 2, 5);
        assert!((0..rows).all(|row| ranking.row(row) == &expected[row][..]));
    }

    #[test]
    fn no_rows() {
        let ranking = nearest_neighbours(&Embeddings::new(vec![], 0, 4).unwrap(), 30).unwrap();
        assert_eq!((ranking.rows(), ranking.k()), (0, 0));
    }
}
