//! Judgements in Lance's tables.

use std::sync::Arc;

use lancedb::arrow::arrow_array::cast::AsArray;
use lancedb::arrow::arrow_array::types::Float32Type;
use lancedb::arrow::arrow_array::{Array, BooleanArray, Float32Array, Int64Array, RecordBatch, StringArray};
use lancedb::datafusion::prelude::Expr;
use serde_json::json;
use vireid_core::Modality;

use super::filter::is_one_of;
use super::read::select;
use super::tables::Tables;
use super::write::one;
use super::{engine, rows, schema};
use crate::{GalleryError, Judgement, Moment};

/// What two judgements have in common of which the later takes the place of the earlier: see [`Judgement::is_of_the_same`].
fn subject(judgement: &Judgement) -> String {
    let Judgement { query, query_modality, answer, similarity, .. } = judgement;
    match query {
        Some(query) => json!([query, answer]).to_string(),
        None => json!([null, query_modality.name(), similarity.to_bits(), answer]).to_string(),
    }
}

impl Tables {
    /// Keeps a judgement in the place of an earlier one on the same two.
    pub async fn keep_judgement(&self, judgement: &Judgement, number: i64) -> Result<(), GalleryError> {
        let Judgement { query, query_modality, answer, answer_modality, similarity, same, time } = judgement;
        let text = |text: &str| -> Arc<dyn Array> { Arc::new(StringArray::from(vec![text])) };
        let columns: Vec<Arc<dyn Array>> = vec![
            text(&subject(judgement)),
            Arc::new(Int64Array::from(vec![number])),
            Arc::new(StringArray::from(vec![query.as_deref()])),
            text(query_modality.name()),
            text(answer),
            text(answer_modality.name()),
            Arc::new(Float32Array::from(vec![*similarity])),
            Arc::new(BooleanArray::from(vec![*same])),
            Arc::new(Int64Array::from(vec![time.milliseconds()])),
        ];
        let batch = RecordBatch::try_new(schema::judgements(), columns)?;
        let mut merge = self.judgements.merge_insert(&["subject"]);
        merge.when_matched_update_all(None).when_not_matched_insert_all();
        merge.execute(one(batch)).await?;
        Ok(())
    }

    /// Forgets what was said of some entries.
    pub async fn forget_judgements(&self, ids: &[String]) -> Result<(), GalleryError> {
        let of: Expr = is_one_of("query", ids).or(is_one_of("answer", ids));
        // A condition that nothing meets would be written down as a version all the same.
        let found = self.judgements.count_rows(None).await? > 0
            && select(&self.judgements, Some(of.clone()), &["number"]).await?.iter().any(|batch| batch.num_rows() > 0);
        if found {
            self.judgements.delete(&of).await?;
        }
        Ok(())
    }

    /// All judgements, the oldest first.
    pub async fn all_judgements(&self) -> Result<Vec<Judgement>, GalleryError> {
        let columns =
            ["number", "query", "query_modality", "answer", "answer_modality", "similarity", "same", "time_ms"];
        let mut all = Vec::new();
        for batch in select(&self.judgements, None, &columns).await? {
            all.extend(read(&batch)?);
        }
        all.sort_by_key(|(number, _)| *number);
        Ok(all.into_iter().map(|(_, judgement)| judgement).collect())
    }
}

fn read(batch: &RecordBatch) -> Result<Vec<(i64, Judgement)>, GalleryError> {
    let (numbers, times) = (rows::integers(batch, "number")?, rows::integers(batch, "time_ms")?);
    let queries = rows::column(batch, "query")?.as_string_opt::<i32>().ok_or_else(|| rows::changed("query"))?;
    let (answers, by) = (rows::texts(batch, "answer")?, rows::texts(batch, "query_modality")?);
    let of = rows::texts(batch, "answer_modality")?;
    let similarities = rows::column(batch, "similarity")?.as_primitive_opt::<Float32Type>();
    let similarities = similarities.ok_or_else(|| rows::changed("similarity"))?;
    let same = rows::column(batch, "same")?.as_boolean_opt().ok_or_else(|| rows::changed("same"))?;
    let judgement = |row: usize| {
        let time = times[row].and_then(Moment::from_milliseconds).ok_or_else(|| rows::changed("time_ms"))?;
        let judgement = Judgement {
            query: queries.is_valid(row).then(|| queries.value(row).to_string()),
            query_modality: modality(by[row])?,
            answer: answers[row].to_string(),
            answer_modality: modality(of[row])?,
            similarity: similarities.value(row),
            same: same.value(row),
            time,
        };
        Ok((numbers[row].unwrap_or_default(), judgement))
    };
    (0..batch.num_rows()).map(judgement).collect()
}

fn modality(name: &str) -> Result<Modality, GalleryError> {
    let found = Modality::ALL.into_iter().find(|modality| modality.name() == name);
    found.ok_or_else(|| engine(format!("'{name}' is not visible or infrared")))
}
