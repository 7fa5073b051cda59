//! Entries and judgements as rows of PostgreSQL, and back.

use postgres::Row;
use vireid_core::Modality;

use super::engine;
use crate::{Facts, GalleryError, Judgement, Kept, Moment};

/// What is read of an entry, in the order of [`entry`].
pub const ENTRY: &str = "number, id, modality, camera, time_ms, metadata::text, crops, spread, person, image IS NOT NULL, embedding::real[]";
/// What is read of a judgement, in the order of [`judgement`].
pub const JUDGEMENT: &str = "query, query_modality, answer, answer_modality, similarity, same, time_ms";

/// An entry, and its number in the order of age.
pub fn entry(row: &Row) -> Result<(i64, Kept), GalleryError> {
    let id: String = row.try_get(1)?;
    let bad = |what: &str| engine(format!("the row of '{id}' was changed by another program: {what}"));
    let metadata: String = row.try_get(5)?;
    let facts = Facts {
        modality: modality(row.try_get(2)?)?,
        camera: row.try_get(3)?,
        time: moment(row.try_get(4)?).map_err(|_| bad("time_ms"))?,
        metadata: serde_json::from_str(&metadata).map_err(|_| bad("metadata"))?,
        crops: u32::try_from(row.try_get::<_, i64>(6)?).map_err(|_| bad("crops"))?,
        spread: row.try_get(7)?,
        id,
    };
    let person = row.try_get::<_, Option<i64>>(8)?.map(i64::cast_unsigned);
    Ok((row.try_get(0)?, Kept { facts, embedding: row.try_get(10)?, person, has_image: row.try_get(9)? }))
}

pub fn judgement(row: &Row) -> Result<Judgement, GalleryError> {
    Ok(Judgement {
        query: row.try_get(0)?,
        query_modality: modality(row.try_get(1)?)?,
        answer: row.try_get(2)?,
        answer_modality: modality(row.try_get(3)?)?,
        similarity: row.try_get(4)?,
        same: row.try_get(5)?,
        time: moment(Some(row.try_get(6)?))?.ok_or_else(|| engine("a judgement without a time"))?,
    })
}

fn modality(name: &str) -> Result<Modality, GalleryError> {
    let found = Modality::ALL.into_iter().find(|modality| modality.name() == name);
    found.ok_or_else(|| engine(format!("'{name}' is not visible or infrared")))
}

fn moment(milliseconds: Option<i64>) -> Result<Option<Moment>, GalleryError> {
    let Some(milliseconds) = milliseconds else { return Ok(None) };
    let moment = Moment::from_milliseconds(milliseconds);
    moment.map(Some).ok_or_else(|| engine(format!("{milliseconds} is not a time")))
}
