//! What an engine found, ranked by exact products.

use crate::in_memory::dot;
use crate::{Hit, Kept};

/// How many entries an engine is asked for when `top` are wanted.
pub fn candidates(top: usize) -> usize {
    top.saturating_mul(4).max(40)
}

/// The best `top` of what an engine found, each with its number in the order of age: by similarity, equals by age.
pub fn rank(query: &[f32], found: Vec<(i64, Kept)>, top: usize) -> Vec<Hit> {
    let compared = found.into_iter().map(|(number, kept)| (dot(&kept.embedding, query), number, kept));
    let mut compared: Vec<_> = compared.collect();
    compared.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    compared.truncate(top);
    let hit = |(similarity, _, kept): (f32, i64, Kept)| Hit {
        facts: kept.facts,
        similarity,
        person: kept.person,
        has_image: kept.has_image,
    };
    compared.into_iter().map(hit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Facts;
    use vireid_core::Modality;

    #[test]
    fn the_engines_order_does_not_count() {
        let found = [(5, "later", 1.0), (9, "worse", 0.5), (2, "older", 1.0)].map(|(number, id, first)| {
            let facts = Facts::new(id, Modality::Visible);
            (number, Kept { facts, embedding: vec![first, 0.0], person: None, has_image: false })
        });
        let hits = rank(&[1.0, 0.0], found.to_vec(), 2);
        let ids: Vec<&str> = hits.iter().map(|hit| hit.facts.id.as_str()).collect();
        assert_eq!(ids, ["older", "later"]);
        assert_eq!(hits[0].similarity, 1.0);
    }
}
