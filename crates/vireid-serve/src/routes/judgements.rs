//! What people say of answers.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use vireid_gallery::{GalleryError, Judgement as GalleryJudgement, Kept, Moment, Store};

use super::path::NoQuery;
use crate::App;
use crate::failure::{Answered, Failure, json};
use crate::json_body::json_body;
use crate::shapes::{Judgement, Kind};

/// What a person says of an answer. Where `query` is there, `query_modality` and `similarity` are the store's to say and what a
/// client says of them does not count; where it is not, both are needed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JudgementBody {
    /// The entry that was searched with; left out where it was an image from outside.
    #[schema(nullable = false)]
    query: Option<String>,
    #[schema(nullable = false)]
    query_modality: Option<Kind>,
    /// The entry that was the answer.
    answer: String,
    /// Cosine between the two, as the search gave it.
    #[schema(nullable = false, minimum = -1, maximum = 1)]
    similarity: Option<f32>,
    /// Whether they show one person.
    same: bool,
}

/// All judgements, the oldest first.
#[derive(Serialize, ToSchema)]
pub struct Judgements {
    judgements: Vec<Judgement>,
}

impl JudgementBody {
    fn complete(self, store: &dyn Store) -> Result<GalleryJudgement, Failure> {
        let find = |id: &str| -> Result<Kept, GalleryError> {
            store.get(id)?.ok_or_else(|| GalleryError::Unknown { id: id.into() })
        };
        let Self { query, query_modality, answer, similarity, same } = self;
        let (query_modality, similarity, found) = match (&query, query_modality, similarity) {
            (Some(query), ..) => {
                let (query, found) = (find(query)?, find(&answer)?);
                let similarity = query.embedding.iter().zip(&found.embedding).map(|(a, b)| a * b).sum();
                (query.facts.modality, similarity, found)
            }
            (None, Some(modality), Some(similarity)) if (-1.0..=1.0).contains(&similarity) => {
                (modality.into(), similarity, find(&answer)?)
            }
            (None, Some(_), Some(_)) => return Err(Failure::bad("similarity is not from -1 to 1")),
            (None, ..) => return Err(Failure::bad("without query, query_modality and similarity are needed")),
        };
        let (answer_modality, time) = (found.facts.modality, Moment::now());
        Ok(GalleryJudgement { query, query_modality, answer, answer_modality, similarity, same, time })
    }
}

/// Keeps what a person says of an answer. A later judgement on the same two entries takes the place of the earlier.
#[utoipa::path(post, path = "/api/v1/judgements", tag = "judgements", request_body = JudgementBody,
    responses((status = 201, body = Judgement)))]
pub async fn judge(State(app): State<App>, request: Request) -> Answered {
    let body: JudgementBody = json_body(request).await?;
    let judge = move |store: &dyn Store| {
        let judgement = body.complete(store)?;
        store.judge(judgement.clone())?;
        Ok(judgement)
    };
    Ok(json(StatusCode::CREATED, &Judgement::from(app.write(judge).await?)))
}

/// All judgements, the oldest first.
#[utoipa::path(get, path = "/api/v1/judgements", tag = "judgements", responses((status = 200, body = Judgements)))]
pub async fn judgements(State(app): State<App>, _: NoQuery) -> Answered {
    let all = app.read(|store| Ok(store.judgements()?)).await?;
    Ok(json(StatusCode::OK, &Judgements { judgements: all.into_iter().map(Judgement::from).collect() }))
}
