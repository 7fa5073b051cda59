//! The columns of Lance's tables.

use std::sync::Arc;

use lancedb::arrow::arrow_schema::{DataType, Field, Schema, SchemaRef};
use serde::{Deserialize, Serialize};

use super::engine;
use crate::{GalleryError, Model};

/// The key of the schema under which the network is.
const KEY: &str = "vireid";
const FORMAT: u32 = 1;

/// What the engine is told of a column so that two programs that add the same value at once hear of each other.
const UNIQUE: (&str, &str) = ("lance-schema:unenforced-primary-key", "true");

#[derive(Serialize, Deserialize)]
struct Head {
    format: u32,
    network: Model,
}

/// The table of entries, one for each row.
pub fn entries(model: &Model) -> Result<SchemaRef, GalleryError> {
    let too_long = || engine(format!("an embedding can't have {} numbers", model.dim));
    let dim = i32::try_from(model.dim).ok().filter(|dim| *dim > 0).ok_or_else(too_long)?;
    let text = |name: &str| Field::new(name, DataType::Utf8, false);
    let fields = vec![
        unique("id"),
        Field::new("number", DataType::Int64, false),
        text("modality"),
        text("camera"),
        Field::new("time_ms", DataType::Int64, true),
        Field::new("tags", DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true))), false),
        text("facts"),
        Field::new("person", DataType::Int64, true),
        Field::new("embedding", embedding(dim), false),
        Field::new("has_image", DataType::Boolean, false),
        Field::new("image", DataType::LargeBinary, true),
    ];
    let head = serde_json::to_string(&Head { format: FORMAT, network: model.clone() });
    let head = head.map_err(|error| engine(error.to_string()))?;
    Ok(Arc::new(Schema::new_with_metadata(fields, [(KEY.to_string(), head)].into())))
}

/// The type of an embedding of so many numbers.
pub fn embedding(dim: i32) -> DataType {
    DataType::FixedSizeList(Arc::new(Field::new_list_field(DataType::Float32, true)), dim)
}

/// The two columns with which entries are put to people.
pub fn people() -> SchemaRef {
    Arc::new(Schema::new(vec![unique("id"), Field::new("person", DataType::Int64, true)]))
}

/// The table of judgements. A later one of the same `subject` takes the place of the earlier.
pub fn judgements() -> SchemaRef {
    let text = |name: &str, nullable| Field::new(name, DataType::Utf8, nullable);
    Arc::new(Schema::new(vec![
        unique("subject"),
        Field::new("number", DataType::Int64, false),
        text("query", true),
        text("query_modality", false),
        text("answer", false),
        text("answer_modality", false),
        Field::new("similarity", DataType::Float32, false),
        Field::new("same", DataType::Boolean, false),
        Field::new("time_ms", DataType::Int64, false),
    ]))
}

fn unique(name: &str) -> Field {
    let (key, value) = UNIQUE;
    Field::new(name, DataType::Utf8, false).with_metadata([(key.into(), value.into())].into())
}

/// The network of a table of entries; what is wrong where there is none.
pub fn model_of(schema: &Schema) -> Result<Model, String> {
    let head = schema.metadata().get(KEY).ok_or("the table 'entries' is no gallery of vireid")?;
    let format =
        |head: &str| -> Option<u64> { serde_json::from_str::<serde_json::Value>(head).ok()?["format"].as_u64() };
    match format(head) {
        Some(format) if format == u64::from(FORMAT) => (),
        Some(format) => return Err(format!("its format is {format}, which a later version wrote")),
        None => return Err("the table 'entries' is no gallery of vireid".into()),
    }
    serde_json::from_str::<Head>(head).map(|head| head.network).map_err(|error| format!("its network: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_network_is_read_from_the_schema() {
        let settings = [("height".to_string(), "256".to_string())].into();
        let model = Model { weights: "w".into(), settings, dim: 3 };
        let schema = entries(&model).unwrap();
        assert_eq!(model_of(&schema).unwrap(), model);
        let with = |head: &str| Schema::new_with_metadata(schema.fields().clone(), [(KEY.into(), head.into())].into());
        assert!(model_of(&with(r#"{"format":2,"other":1}"#)).unwrap_err().contains("later version"));
        assert!(model_of(&with("[]")).unwrap_err().contains("no gallery"));
        assert!(model_of(&Schema::empty()).unwrap_err().contains("no gallery"));
        assert!(entries(&Model { dim: 0, ..model }).is_err());
    }
}
