//! People and their entries.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use vireid_gallery::Filter;

use super::path::{NoQuery, PersonNumber};
use crate::App;
use crate::document::PeopleQuery;
use crate::failure::{Answered, Failure, json};
use crate::fields::{Fields, Known};
use crate::service::every;
use crate::shapes::Entry;

/// Entries that are shown of each person in a list.
const SHOWN: usize = 12;

/// A page of people, those of most entries first.
#[derive(Serialize, ToSchema)]
pub struct People {
    people: Vec<Many>,
    /// Entries that are nobody's.
    unassigned: u64,
    /// What to give as `after` for the next page; left out on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next: Option<String>,
}

/// A person of a list.
#[derive(Serialize, ToSchema)]
pub struct Many {
    person: u64,
    /// How many entries the person has.
    crops: u64,
    /// The first of them.
    #[schema(max_items = 12)]
    entries: Vec<Entry>,
}

/// A person with all entries.
#[derive(Serialize, ToSchema)]
pub struct One {
    person: u64,
    entries: Vec<Entry>,
}

const PEOPLE: Known = Known { names: &["after", "limit"], filter: false };

/// People, those of most entries first.
#[utoipa::path(get, path = "/api/v1/people", tag = "people", params(PeopleQuery), responses((status = 200, body = People)))]
pub async fn people(State(app): State<App>, RawQuery(query): RawQuery) -> Answered {
    let fields = Fields::of_query(query.as_deref(), PEOPLE)?;
    let limit = fields.number("limit", 1..=1000)?.unwrap_or(100);
    let after = fields.number("after", 0..=usize::MAX)?;
    let (all, unassigned) = app
        .read_long(|store| {
            let (mut people, mut unassigned) = (BTreeMap::<u64, Many>::new(), 0);
            every(store, &Filter::default(), |kept| match kept.person {
                None => unassigned += 1,
                Some(person) => {
                    let many = people.entry(person).or_insert(Many { person, crops: 0, entries: Vec::new() });
                    many.crops += 1;
                    if many.entries.len() < SHOWN {
                        many.entries.push(kept.into());
                    }
                }
            })?;
            let mut people: Vec<Many> = people.into_values().collect();
            people.sort_by_key(|many| (Reverse(many.crops), many.person));
            Ok((people, unassigned))
        })
        .await?;
    let start = match after {
        None => 0,
        Some(after) => {
            let place = all.iter().position(|many| many.person == after as u64);
            place.ok_or_else(|| Failure::bad("after is no person of the gallery").hint("begin anew without `after`"))?
                + 1
        }
    };
    let more = all.len() > start + limit;
    let people: Vec<Many> = all.into_iter().skip(start).take(limit).collect();
    let next = people.last().filter(|_| more).map(|last| last.person.to_string());
    Ok(json(StatusCode::OK, &People { people, unassigned, next }))
}

/// One person with all entries.
#[utoipa::path(get, path = "/api/v1/people/{person}", tag = "people", params(("person" = u64, Path)),
    responses((status = 200, body = One)))]
pub async fn person(State(app): State<App>, PersonNumber(person): PersonNumber, _: NoQuery) -> Answered {
    let entries = app
        .read(move |store| {
            let mut entries: Vec<Entry> = Vec::new();
            every(store, &Filter::default(), |kept| {
                if kept.person == Some(person) {
                    entries.push(kept.into());
                }
            })?;
            Ok(entries)
        })
        .await?;
    match entries.is_empty() {
        true => Err(Failure::missing(format!("the gallery has no person {person}"))),
        false => Ok(json(StatusCode::OK, &One { person, entries })),
    }
}
