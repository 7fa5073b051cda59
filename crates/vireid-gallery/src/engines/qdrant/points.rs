//! Entries as points of Qdrant, and back.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::engine;
use crate::engines::tags::tag;
use crate::{Facts, GalleryError, Item, Kept};

/// An entry as a point. Serialised by itself, so that the vector's numbers are written as the single precision that they are.
#[derive(Serialize)]
pub struct Point<'a> {
    id: String,
    vector: &'a [f32],
    payload: Value,
}

impl<'a> Point<'a> {
    /// Of an entry, with its number in the order of age.
    pub fn new(item: &'a Item, number: i64, weights: &str) -> Self {
        let Facts { id, modality, camera, time, metadata, .. } = &item.facts;
        let tags: Vec<String> = metadata.iter().map(|(key, value)| tag(key, value)).collect();
        let mut payload = json!({
            "model": weights,
            "number": number,
            "id": id,
            "modality": modality.name(),
            "camera": camera,
            "tags": tags,
            "facts": item.facts,
        });
        if let Some(time) = time {
            payload["time_ms"] = json!(time.milliseconds());
        }
        Self { id: point_id(id), vector: &item.embedding, payload }
    }
}

/// The UUID of an entry's id, for Qdrant takes no other names: the first half of its BLAKE3 hash.
pub fn point_id(id: &str) -> String {
    let hash = blake3::hash(id.as_bytes()).to_hex();
    let (a, b, c, d) = (&hash[..8], &hash[8..12], &hash[13..16], &hash[17..20]);
    // Version 8 and variant 8: of a meaning of one's own.
    format!("{a}-{b}-8{c}-8{d}-{}", &hash[20..32])
}

/// The entry of a point, and its number in the order of age.
pub fn entry(point: &Value) -> Result<(i64, Kept), GalleryError> {
    let payload = point["payload"].as_object().map_or_else(Map::new, Clone::clone);
    let bad = |what: &str| engine(format!("the point {} was changed by another program: {what}", point["id"]));
    let number = payload.get("number").and_then(Value::as_i64).ok_or_else(|| bad("number"))?;
    let facts = payload.get("facts").cloned().unwrap_or_default();
    let facts: Facts = serde_json::from_value(facts).map_err(|_| bad("facts"))?;
    let embedding = serde_json::from_value(point["vector"].clone()).map_err(|_| bad("vector"))?;
    let person = payload.get("person").and_then(Value::as_u64);
    Ok((number, Kept { facts, embedding, person, has_image: false }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Moment, Scalar};
    use vireid_core::Modality;

    #[test]
    fn an_entry_comes_back_from_its_point_to_the_bit() {
        let mut facts = Facts::new("a/b \u{fc}", Modality::Infrared);
        facts.time = Moment::from_milliseconds(-5);
        facts.metadata = [("floor".into(), Scalar::Number(0.1)), ("door".into(), Scalar::Text("n".into()))].into();
        (facts.crops, facts.spread) = (3, 0.1);
        let embedding: Vec<f32> = vec![0.1, -1.0 / 3.0, f32::MIN_POSITIVE, 1e-45];
        let item = Item { facts, embedding, image: None };
        let text = serde_json::to_string(&Point::new(&item, 1 << 52, "w")).unwrap();
        let mut point: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(point["payload"]["time_ms"], -5);
        point["payload"]["person"] = json!(u64::MAX);
        let (number, kept) = entry(&point).unwrap();
        assert_eq!((number, &kept.facts, kept.person), (1 << 52, &item.facts, Some(u64::MAX)));
        assert_eq!(kept.embedding, item.embedding);
        point["payload"]["facts"] = json!(1);
        assert!(entry(&point).unwrap_err().to_string().contains("facts"));
    }

    #[test]
    fn ids_have_the_form_of_a_uuid_and_differ() {
        let id = point_id("a");
        let parts: Vec<usize> = id.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12]);
        assert_ne!(id, point_id("b"));
    }
}
