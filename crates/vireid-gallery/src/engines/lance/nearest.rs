//! Searches in Lance's tables.

use lancedb::DistanceType;
use lancedb::arrow::arrow_array::cast::AsArray;
use lancedb::arrow::arrow_array::types::Float32Type;
use lancedb::query::{ExecutableQuery, QueryBase, Select};

use super::filter::condition;
use super::read::collect;
use super::rows::{self, ENTRY};
use super::tables::Tables;
use crate::engines::ranked::{candidates, rank};
use crate::{Filter, GalleryError, Hit};

/// Half the distance from 1 to the next larger `f32`.
const UNIT: f32 = f32::EPSILON / 2.0;

/// How far two inner products of the same rows can be apart that are summed in different orders. Each is off by `dim * UNIT`
/// times the product of the lengths at most (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1), which are
/// 1.001 here; the engine also goes over 1 minus the product.
fn apart(dim: usize) -> f32 {
    (2.0 * dim as f32 + 8.0) * UNIT * 1.01
}

impl Tables {
    /// The `top` most similar entries that a filter admits, exactly: by the order of all stores, with equals by age.
    ///
    /// The engine sorts by sums of its own. It is asked for more and more rows, until what it did not give can't be among the
    /// answers, however its sums were rounded.
    pub async fn nearest(&self, query: &[f32], filter: &Filter, top: usize) -> Result<Vec<Hit>, GalleryError> {
        let mut wanted = candidates(top);
        let columns: Vec<&str> = ENTRY.into_iter().chain(["_distance"]).collect();
        loop {
            let seen = self.entries.query_snapshot().await?;
            let limit = wanted.min(seen.count_rows(None).await? + 1);
            let mut search = seen
                .query()
                .nearest_to(query)?
                .column("embedding")
                .distance_type(DistanceType::Dot)
                .bypass_vector_index()
                .select(Select::columns(&columns))
                .limit(limit);
            if let Some(only) = condition(filter) {
                search = search.only_if_expr(only);
            }
            let (mut found, mut farthest) = (Vec::new(), f32::MIN);
            for batch in collect(search.execute().await?).await? {
                let distances = rows::column(&batch, "_distance")?.as_primitive_opt::<Float32Type>();
                let distances = distances.ok_or_else(|| rows::changed("_distance"))?;
                farthest = distances.values().iter().copied().fold(farthest, f32::max);
                found.extend(rows::entries(&batch)?);
            }
            let are_all = found.len() < limit;
            // `rank` leaves what has one number in this order.
            found.sort_by(|a, b| a.1.facts.id.cmp(&b.1.facts.id));
            let hits = rank(query, found, top);
            let unseen = 1.0 - farthest + apart(query.len());
            if are_all || hits.len() == top && hits.last().is_none_or(|last| last.similarity > unseen) {
                return Ok(hits);
            }
            wanted = wanted.saturating_mul(4);
        }
    }
}
