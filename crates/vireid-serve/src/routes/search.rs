//! Searches.

use std::time::Instant;

use axum::extract::{RawQuery, Request, State};
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use vireid_core::Modality;
use vireid_gallery::{Filter, GalleryError, Store};

use super::path::Id;
use crate::App;
use crate::document::{FilterQuery, SearchForm, SimilarQuery};
use crate::failure::{Answered, Failure, json};
use crate::fields::{Fields, Known};
use crate::form::Form;
use crate::re_ranking::ReRank;
use crate::shapes::Answer;

/// What a search found, the best first.
#[derive(Serialize, ToSchema)]
pub struct Answers {
    answers: Vec<Answer>,
}

const SEARCH: Known = Known { names: &["image", "modality", "top", "rerank"], filter: true };
const SIMILAR: Known = Known { names: &["top", "rerank"], filter: true };

/// What is looked for.
struct Query {
    embedding: Vec<f32>,
    modality: Modality,
    /// The entry that the query is.
    id: Option<String>,
}

/// How it is looked for.
struct How {
    filter: Filter,
    top: usize,
    rerank: Option<ReRank>,
}

impl How {
    fn new(fields: &Fields) -> Result<Self, Failure> {
        let top = fields.number("top", 1..=1000)?.unwrap_or(10);
        Ok(Self { filter: fields.filter()?, top, rerank: fields.read("rerank")? })
    }
}

/// Searches with an image.
#[utoipa::path(post, path = "/api/v1/search", tag = "search",
    request_body(content = SearchForm, content_type = "multipart/form-data"),
    responses((status = 200, body = Answers)))]
pub async fn search(State(app): State<App>, request: Request) -> Answered {
    let coming = app.batcher.expect();
    let form = Form::read(&app, request, SEARCH, 1).await?;
    let how = How::new(&form.fields)?;
    let modality = form.fields.modality("modality")?;
    let modality = modality.ok_or_else(|| Failure::bad("the field 'modality' is missing: visible or infrared"))?;
    let embedded = app.batcher.embed(form.images, modality, coming).await?;
    let embedding = embedded.into_iter().next().map(|(_, embedding)| embedding);
    let embedding = embedding.ok_or_else(|| Failure::unforeseen("the network gave no embedding"))?;
    answers(app, Query { embedding, modality, id: None }, how).await
}

/// Searches with an entry of the gallery, which is not among the answers.
#[utoipa::path(get, path = "/api/v1/crops/{id}/similar", tag = "search",
    params(("id" = String, Path, min_length = 1), SimilarQuery, FilterQuery), responses((status = 200, body = Answers)))]
pub async fn similar(State(app): State<App>, Id(id): Id, RawQuery(query): RawQuery) -> Answered {
    let how = How::new(&Fields::of_query(query.as_deref(), SIMILAR)?)?;
    let kept = app.read(move |store| store.get(&id)?.ok_or_else(|| GalleryError::Unknown { id }.into())).await?;
    let query = Query { embedding: kept.embedding, modality: kept.facts.modality, id: Some(kept.facts.id) };
    answers(app, query, how).await
}

async fn answers(app: App, query: Query, how: How) -> Answered {
    let start = Instant::now();
    let (modality, most, is_long) = (query.modality, app.settings.max_rerank, how.rerank.is_some());
    let Query { embedding, id, .. } = query;
    let How { filter, top, rerank } = how;
    let find = move |store: &dyn Store| {
        if let Some(rerank) = rerank {
            let ranked = rerank.search(store, &embedding, &filter, id.as_deref(), top, most)?;
            return Ok(ranked.into_iter().map(|(hit, distance)| (hit, Some(distance))).collect());
        }
        let mut hits = store.search(&embedding, &filter, top + usize::from(id.is_some()))?;
        hits.retain(|hit| Some(&hit.facts.id) != id.as_ref());
        hits.truncate(top);
        Ok(hits.into_iter().map(|hit| (hit, None)).collect::<Vec<_>>())
    };
    // Ranking again looks at every entry.
    let found = if is_long { app.read_long(find).await? } else { app.read(find).await? };
    app.metrics.searched(start.elapsed());
    let verdicts = app.verdicts.as_deref();
    let answer = |(hit, distance)| Answer::new(hit, distance, modality, verdicts);
    Ok(json(StatusCode::OK, &Answers { answers: found.into_iter().map(answer).collect() }))
}
