//! Filters as Qdrant's.

use serde_json::{Value, json};

use crate::Filter;
use crate::engines::tags::tag;

/// A filter as Qdrant's, for the entries of a network's embeddings.
pub fn translate(filter: &Filter, weights: &str) -> Value {
    let is = |key: &str, value: &str| json!({ "key": key, "match": { "value": value } });
    // Keeps out the point that holds the network, and whatever others put into the collection.
    let mut must = vec![is("model", weights)];
    if let Some(modality) = filter.modality {
        must.push(is("modality", modality.name()));
    }
    if !filter.cameras.is_empty() {
        must.push(json!({ "key": "camera", "match": { "any": filter.cameras } }));
    }
    if let Some(from) = filter.from {
        must.push(json!({ "key": "time_ms", "range": { "gte": from.milliseconds() } }));
    }
    if let Some(until) = filter.until {
        must.push(json!({ "key": "time_ms", "range": { "lt": until.milliseconds() } }));
    }
    must.extend(filter.metadata.iter().map(|(key, value)| is("tags", &tag(key, value))));
    json!({ "must": must })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Moment, Scalar};
    use vireid_core::Modality;

    #[test]
    fn each_part_becomes_a_condition() {
        let filter = Filter {
            modality: Some(Modality::Infrared),
            cameras: vec!["a".into(), String::new()],
            from: Moment::from_milliseconds(5),
            until: Moment::from_milliseconds(7),
            metadata: [("a.b[]\"".into(), Scalar::Text("x".into())), ("n".into(), Scalar::Number(0.1))].into(),
        };
        let expected = json!({ "must": [
            { "key": "model", "match": { "value": "w" } },
            { "key": "modality", "match": { "value": "infrared" } },
            { "key": "camera", "match": { "any": ["a", ""] } },
            { "key": "time_ms", "range": { "gte": 5 } },
            { "key": "time_ms", "range": { "lt": 7 } },
            { "key": "tags", "match": { "value": r#"["a.b[]\"","x"]"# } },
            { "key": "tags", "match": { "value": r#"["n",0.1]"# } },
        ] });
        assert_eq!(translate(&filter, "w"), expected);
        assert_eq!(translate(&Filter::default(), "w")["must"].as_array().unwrap().len(), 1);
    }
}
