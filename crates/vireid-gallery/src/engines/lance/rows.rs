//! Entries as rows of Lance's tables, and back.

use std::sync::Arc;

use lancedb::arrow::arrow_array::builder::{
    BooleanBuilder, FixedSizeListBuilder, Float32Builder, Int64Builder, LargeBinaryBuilder, ListBuilder, StringBuilder,
};
use lancedb::arrow::arrow_array::cast::AsArray;
use lancedb::arrow::arrow_array::types::{Float32Type, Int64Type};
use lancedb::arrow::arrow_array::{Array, ArrayRef, RecordBatch};
use lancedb::arrow::arrow_schema::{ArrowError, SchemaRef};

use super::{engine, schema};
use crate::engines::tags::tag;
use crate::{Facts, GalleryError, Item, Kept};

/// What is read of an entry, for [`entries`].
pub const ENTRY: [&str; 5] = ["number", "facts", "person", "has_image", "embedding"];

impl From<ArrowError> for GalleryError {
    fn from(error: ArrowError) -> Self {
        engine(error.to_string())
    }
}

/// Rows of new entries, whose numbers go on from `first`.
pub fn batch(schema: SchemaRef, items: &[Item], first: i64, dim: i32) -> Result<RecordBatch, GalleryError> {
    let (mut id, mut modality, mut camera) = (StringBuilder::new(), StringBuilder::new(), StringBuilder::new());
    let (mut number, mut time, mut person) = (Int64Builder::new(), Int64Builder::new(), Int64Builder::new());
    let (mut tags, mut facts) = (ListBuilder::new(StringBuilder::new()), StringBuilder::new());
    let mut embedding = FixedSizeListBuilder::with_capacity(Float32Builder::new(), dim, items.len());
    let (mut has_image, mut image) = (BooleanBuilder::new(), LargeBinaryBuilder::new());
    for (at, item) in (first..).zip(items) {
        let known = &item.facts;
        id.append_value(&known.id);
        number.append_value(at);
        modality.append_value(known.modality.name());
        camera.append_value(&known.camera);
        time.append_option(known.time.map(|time| time.milliseconds()));
        known.metadata.iter().for_each(|(key, value)| tags.values().append_value(tag(key, value)));
        tags.append(true);
        facts.append_value(serde_json::to_string(known).map_err(|error| engine(error.to_string()))?);
        person.append_null();
        embedding.values().append_slice(&item.embedding);
        embedding.append(true);
        has_image.append_value(item.image.is_some());
        image.append_option(item.image.as_ref());
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(id.finish()),
        Arc::new(number.finish()),
        Arc::new(modality.finish()),
        Arc::new(camera.finish()),
        Arc::new(time.finish()),
        Arc::new(tags.finish()),
        Arc::new(facts.finish()),
        Arc::new(person.finish()),
        Arc::new(embedding.finish()),
        Arc::new(has_image.finish()),
        Arc::new(image.finish()),
    ];
    Ok(RecordBatch::try_new(schema, columns)?)
}

/// Ids, and the people that their entries are put to.
pub fn people_batch(people: &[(String, Option<u64>)]) -> Result<RecordBatch, GalleryError> {
    let (mut id, mut person) = (StringBuilder::new(), Int64Builder::new());
    for (of, to) in people {
        id.append_value(of);
        person.append_option(to.map(u64::cast_signed));
    }
    Ok(RecordBatch::try_new(schema::people(), vec![Arc::new(id.finish()), Arc::new(person.finish())])?)
}

/// The entries of some rows, each with its number in the order of age.
pub fn entries(batch: &RecordBatch) -> Result<Vec<(i64, Kept)>, GalleryError> {
    let (numbers, facts) = (integers(batch, "number")?, texts(batch, "facts")?);
    let (people, images) = (integers(batch, "person")?, column(batch, "has_image")?);
    let images = images.as_boolean_opt().ok_or_else(|| changed("has_image"))?;
    let embeddings = column(batch, "embedding")?.as_fixed_size_list_opt().ok_or_else(|| changed("embedding"))?;
    let entry = |row: usize| {
        let facts: Facts = serde_json::from_str(facts[row]).map_err(|_| changed("facts"))?;
        let embedding = embeddings.value(row);
        let embedding = embedding.as_primitive_opt::<Float32Type>().ok_or_else(|| changed("embedding"))?;
        let number = numbers[row].ok_or_else(|| changed("number"))?;
        let person = people[row].map(i64::cast_unsigned);
        let (embedding, has_image) = (embedding.values().to_vec(), images.value(row));
        Ok((number, Kept { facts, embedding, person, has_image }))
    };
    (0..batch.num_rows()).map(entry).collect()
}

/// A column of texts. A null is an empty one.
pub fn texts<'a>(batch: &'a RecordBatch, name: &str) -> Result<Vec<&'a str>, GalleryError> {
    let texts = column(batch, name)?.as_string_opt::<i32>().ok_or_else(|| changed(name))?;
    Ok(texts.iter().map(Option::unwrap_or_default).collect())
}

/// A column of integers.
pub fn integers(batch: &RecordBatch, name: &str) -> Result<Vec<Option<i64>>, GalleryError> {
    let numbers = column(batch, name)?.as_primitive_opt::<Int64Type>().ok_or_else(|| changed(name))?;
    Ok(numbers.iter().collect())
}

/// A column of any type.
pub fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a dyn Array, GalleryError> {
    batch.column_by_name(name).map(AsRef::as_ref).ok_or_else(|| changed(name))
}

pub fn changed(what: &str) -> GalleryError {
    engine(format!("the table was changed by another program: {what}"))
}
