//! Queries and what a network answers, the failures first.

use std::collections::HashSet;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use vireid::{Tile, nearest};
use vireid_core::{Identity, Modality};

use super::{Embedded, is_same, name, spread};

const LISTS: usize = 10;
/// Of them, those that failed worst; the others are spread over the rest.
const FAILURES: usize = 6;
const ANSWERS: usize = 10;
/// Queries among which the failures are looked for: every gallery row is compared with each.
pub const SCORED: usize = 2000;

/// An infrared query and the visible images most similar to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RankedList {
    pub query: PathBuf,
    /// What the user calls the camera.
    #[serde(deserialize_with = "name")]
    pub camera: String,
    /// Rank of the first right answer among all visible images, where identities are known and there is one.
    pub first_right: Option<usize>,
    /// Average precision over all visible images, likewise.
    pub average_precision: Option<f64>,
    pub answers: Vec<Answer>,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    pub path: PathBuf,
    pub modality: String,
    /// What the user calls the camera.
    #[serde(deserialize_with = "name")]
    pub camera: String,
    pub similarity: f32,
    /// Whether it is the person of the query, where known.
    pub right: Option<bool>,
}

/// Ranked lists, the worst failures first where identities are known, with the rows of their contact sheet. `progress` is
/// called for every query that is looked at.
pub fn ranked(images: &Embedded<'_>, progress: impl Fn()) -> (Vec<RankedList>, Vec<Vec<Tile>>) {
    let (gallery, samples) = (&images.rows.visible, images.samples.visible);
    let queries = images.samples.infrared;
    let mut scored: Vec<(usize, Option<(usize, f64)>)> = spread(SCORED, queries.len())
        .map(|query| {
            progress();
            (query, score(images, query))
        })
        .collect();
    // Stable, so that equal ones stay in the order of the data set; unknown ones last.
    scored.sort_by(|a, b| {
        let precision = |entry: &Option<(usize, f64)>| entry.map_or(2.0, |(_, precision)| precision);
        precision(&a.1).total_cmp(&precision(&b.1))
    });
    let chosen = choose(&scored, |query| queries[query].identity);
    let list = |&(query, score): &(usize, Option<(usize, f64)>)| {
        let answers = nearest(gallery, images.rows.infrared.row(query), ANSWERS).into_iter().map(|hit| {
            let sample = &samples[hit.row];
            Answer {
                path: sample.path.clone(),
                modality: Modality::Visible.to_string(),
                camera: images.names.camera(sample.camera),
                similarity: hit.similarity,
                right: is_same(&queries[query], sample),
            }
        });
        RankedList {
            query: queries[query].path.clone(),
            camera: images.names.camera(queries[query].camera),
            first_right: score.map(|(rank, _)| rank),
            average_precision: score.map(|(_, precision)| precision),
            answers: answers.collect(),
        }
    };
    let lists: Vec<RankedList> = chosen.iter().map(list).collect();
    let sheet = lists.iter().map(tiles).collect();
    (lists, sheet)
}

fn tiles(list: &RankedList) -> Vec<Tile> {
    let frame = |right: Option<bool>| match right {
        Some(true) => Tile::RIGHT,
        Some(false) => Tile::WRONG,
        None => Tile::PLAIN,
    };
    let answers = list.answers.iter().map(|answer| Tile { path: answer.path.clone(), frame: frame(answer.right) });
    std::iter::once(Tile { path: list.query.clone(), frame: Tile::QUERY }).chain(answers).collect()
}

/// Rank of the first right answer and average precision; `None` where no answer is known to be right.
fn score(images: &Embedded<'_>, query: usize) -> Option<(usize, f64)> {
    let of_query = &images.samples.infrared[query];
    of_query.identity?;
    let gallery = &images.rows.visible;
    let ranking = nearest(gallery, images.rows.infrared.row(query), gallery.rows());
    let right =
        ranking.iter().enumerate().filter(|(_, hit)| is_same(of_query, &images.samples.visible[hit.row]) == Some(true));
    let ranks: Vec<usize> = right.map(|(position, _)| position + 1).collect();
    let precisions = ranks.iter().enumerate().map(|(found, &rank)| (found + 1) as f64 / rank as f64);
    Some((*ranks.first()?, precisions.sum::<f64>() / ranks.len() as f64))
}

/// Of queries from bad to good: the worst of different people, then some spread over the others.
fn choose<T: Copy>(sorted: &[(usize, T)], identity: impl Fn(usize) -> Option<Identity>) -> Vec<(usize, T)> {
    let mut people = HashSet::new();
    let is_known = sorted.iter().any(|(query, _)| identity(*query).is_some());
    let failures = if is_known { FAILURES } else { 0 };
    let worst: Vec<(usize, T)> = sorted
        .iter()
        .filter(|(query, _)| identity(*query).is_some_and(|identity| people.insert(identity)))
        .take(failures)
        .copied()
        .collect();
    let taken: HashSet<usize> = worst.iter().map(|(query, _)| *query).collect();
    let rest: Vec<(usize, T)> = sorted.iter().filter(|(query, _)| !taken.contains(query)).copied().collect();
    let others = spread(LISTS.saturating_sub(worst.len()), rest.len()).map(|at| rest[at]);
    worst.iter().copied().chain(others).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use vireid_core::{Camera, Embeddings, PerModality};
    use vireid_data::{Names, Sample};

    fn sample(name: &str, identity: Option<u32>) -> Sample {
        Sample { path: name.into(), identity: identity.map(Identity), camera: Camera(1) }
    }

    #[test]
    fn failures_come_first_and_marks_are_right() {
        let visible = [sample("a", Some(0)), sample("b", Some(1))];
        let infrared = [sample("good", Some(0)), sample("bad", Some(1))];
        let rows = |values: [f32; 4]| Embeddings::new(values.into(), 2, 2).unwrap();
        let images = Embedded {
            samples: PerModality { visible: &visible[..], infrared: &infrared[..] },
            // The second query lies where the first person does.
            rows: PerModality { visible: rows([1.0, 0.0, 0.0, 1.0]), infrared: rows([1.0, 0.0, 1.0, 0.0]) },
            names: &Names { cameras: [(Camera(1), "noto".to_string())].into(), ..Names::default() },
        };
        let (lists, sheet) = ranked(&images, || ());
        assert_eq!(lists[0].query, PathBuf::from("bad"));
        assert_eq!((lists[0].camera.as_str(), lists[0].answers[0].camera.as_str()), ("noto", "noto"));
        assert_eq!((lists[0].first_right, lists[0].average_precision), (Some(2), Some(0.5)));
        assert_eq!(lists[0].answers[0].right, Some(false));
        assert_eq!(lists[1].first_right, Some(1));
        assert_eq!(sheet[0][1].frame, Tile::WRONG);
    }

    #[test]
    fn nothing_is_marked_where_nobody_is_known() {
        let (visible, infrared) = ([sample("a", None)], [sample("q", None)]);
        let row = || Embeddings::new(vec![1.0, 0.0], 1, 2).unwrap();
        let images = Embedded {
            samples: PerModality { visible: &visible[..], infrared: &infrared[..] },
            rows: PerModality { visible: row(), infrared: row() },
            names: &Names::default(),
        };
        let (lists, sheet) = ranked(&images, || ());
        assert_eq!((lists.len(), lists[0].first_right, lists[0].answers[0].right), (1, None, None));
        assert_eq!(sheet[0][1].frame, Tile::PLAIN);
    }
}
