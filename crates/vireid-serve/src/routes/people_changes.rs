//! Grouping, merging and splitting people.

use std::collections::BTreeSet;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use tokio::sync::OwnedMutexGuard;
use utoipa::ToSchema;
use vireid_gallery::{Filter, Store};

use crate::App;
use crate::failure::{Answered, Failure, json};
use crate::grouping::Grouping;
use crate::json_body::json_body;
use crate::service::every;

/// The most entries or people of one request.
const MOST: usize = 10_000;

/// How the gallery is to be grouped. All can be left out; what is left out follows the number of entries.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClusterBody {
    /// Neighbours of the k-reciprocal sets: 30, or a twentieth of a smaller gallery, 4 at least.
    #[schema(minimum = 1, maximum = 1000)]
    k1: Option<usize>,
    /// Neighbours whose encodings are averaged, each modality counting equally: a fifth of k1.
    #[schema(minimum = 1, maximum = 1000)]
    k2: Option<usize>,
    /// Largest Jaccard distance of two neighbours: 0.6.
    #[schema(exclusive_minimum = 0, exclusive_maximum = 1)]
    eps: Option<f64>,
    /// Neighbours, the entry itself included, that make a core of a person: 4, or 2 where k1 is below 20.
    #[schema(minimum = 1, maximum = 1000)]
    min_samples: Option<usize>,
}

/// What the grouping found.
#[derive(Serialize, ToSchema)]
pub struct Clustered {
    people: usize,
    /// Entries that are nobody's.
    unassigned: usize,
}

/// People who are one.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MergeBody {
    /// All become the first.
    #[schema(min_items = 1, max_items = 10000)]
    people: Vec<u64>,
}

/// Entries by id.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EntriesBody {
    #[schema(min_items = 1, max_items = 10000)]
    entries: Vec<String>,
}

/// A person that was changed.
#[derive(Serialize, ToSchema)]
pub struct Changed {
    person: u64,
    /// How many entries the person has now.
    crops: usize,
}

/// Entries that are nobody's now.
#[derive(Serialize, ToSchema)]
pub struct Removed {
    removed: usize,
}

/// One change at a time: two that read before either writes would undo each other.
fn alone(app: &App) -> Result<OwnedMutexGuard<()>, Failure> {
    app.people.clone().try_lock_owned().map_err(|_| Failure::under_way("the people of the gallery are being changed"))
}

fn some<T>(what: &str, of: &[T]) -> Result<(), Failure> {
    if of.is_empty() || of.len() > MOST {
        return Err(Failure::bad(format!("{what} has {} values, not 1 to {MOST}", of.len())));
    }
    Ok(())
}

fn number(name: &str, value: usize) -> Result<(), Failure> {
    if (1..=1000).contains(&value) { Ok(()) } else { Err(Failure::bad(format!("{name} is not from 1 to 1000"))) }
}

/// Groups the whole gallery anew, both modalities together. It can take longer than other requests.
#[utoipa::path(post, path = "/api/v1/people/cluster", tag = "people", request_body = ClusterBody,
    responses((status = 200, body = Clustered)))]
pub async fn cluster(State(app): State<App>, request: Request) -> Answered {
    let ClusterBody { k1, k2, eps, min_samples } = json_body(request).await?;
    for (name, value) in [("k1", k1), ("k2", k2), ("min_samples", min_samples)] {
        value.map_or(Ok(()), |value| number(name, value))?;
    }
    if eps.is_some_and(|eps| !(eps > 0.0 && eps < 1.0)) {
        return Err(Failure::bad("eps is not between 0 and 1"));
    }
    let alone = alone(&app)?;
    let most = app.settings.max_group;
    let group = move |store: &dyn Store| {
        let _alone = alone;
        let count = store.count()?;
        let entries = (count.visible + count.infrared) as usize;
        if entries > most {
            return Err(Failure::bad(format!("{entries} entries are more than the {most} that can be grouped")));
        }
        let usual = Grouping::of(entries, k1);
        Grouping {
            k2: k2.unwrap_or(usual.k2),
            eps: eps.unwrap_or(usual.eps),
            min_samples: min_samples.unwrap_or(usual.min_samples),
            ..usual
        }
        .group(store)
    };
    let grouped = app.write_long(group).await?;
    Ok(json(StatusCode::OK, &Clustered { people: grouped.people, unassigned: grouped.unassigned }))
}

/// Makes several people one.
#[utoipa::path(post, path = "/api/v1/people/merge", tag = "people", request_body = MergeBody,
    responses((status = 200, body = Changed)))]
pub async fn merge(State(app): State<App>, request: Request) -> Answered {
    let MergeBody { people } = json_body(request).await?;
    some("people", &people)?;
    let alone = alone(&app)?;
    let merge = move |store: &dyn Store| {
        let _alone = alone;
        let mut missing: BTreeSet<u64> = people.iter().copied().collect();
        let all = missing.clone();
        let (person, mut moved, mut crops) = (people[0], Vec::new(), 0);
        every(store, &Filter::default(), |kept| {
            if let Some(of) = kept.person.filter(|of| all.contains(of)) {
                missing.remove(&of);
                crops += 1;
                if of != person {
                    moved.push((kept.facts.id, Some(person)));
                }
            }
        })?;
        if let Some(person) = missing.first() {
            return Err(Failure::missing(format!("the gallery has no person {person}")));
        }
        store.assign(&moved)?;
        Ok(Changed { person, crops })
    };
    Ok(json(StatusCode::OK, &app.write(merge).await?))
}

/// Makes entries a new person.
#[utoipa::path(post, path = "/api/v1/people/split", tag = "people", request_body = EntriesBody,
    responses((status = 200, body = Changed)))]
pub async fn split(State(app): State<App>, request: Request) -> Answered {
    let entries = entries(request).await?;
    let alone = alone(&app)?;
    let split = move |store: &dyn Store| {
        let _alone = alone;
        let mut last = 0;
        every(store, &Filter::default(), |kept| last = last.max(kept.person.unwrap_or(0)))?;
        let person = last.checked_add(1).ok_or_else(|| Failure::unforeseen("there are no more numbers of people"))?;
        let moved: Vec<_> = entries.into_iter().map(|id| (id, Some(person))).collect();
        store.assign(&moved)?;
        Ok(Changed { person, crops: moved.len() })
    };
    Ok(json(StatusCode::OK, &app.write(split).await?))
}

/// Makes entries nobody's.
#[utoipa::path(post, path = "/api/v1/people/remove", tag = "people", request_body = EntriesBody,
    responses((status = 200, body = Removed)))]
pub async fn remove(State(app): State<App>, request: Request) -> Answered {
    let entries = entries(request).await?;
    let alone = alone(&app)?;
    let remove = move |store: &dyn Store| {
        let _alone = alone;
        let moved: Vec<_> = entries.into_iter().map(|id| (id, None)).collect();
        store.assign(&moved)?;
        Ok(Removed { removed: moved.len() })
    };
    Ok(json(StatusCode::OK, &app.write(remove).await?))
}

/// The entries of a body, each once.
async fn entries(request: Request) -> Result<BTreeSet<String>, Failure> {
    let EntriesBody { entries } = json_body(request).await?;
    some("entries", &entries)?;
    Ok(entries.into_iter().collect())
}
