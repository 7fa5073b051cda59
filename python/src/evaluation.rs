//! Scores of a search, for Python.

use numpy::PyReadonlyArray1;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use vireid_core::{Camera, Identity};
use vireid_eval::sysu::{self, SearchMode};
use vireid_eval::{Annotations, EvalError, RankMetrics, Score, llcm, regdb};

use crate::arrays::{Rows, contiguous, embeddings};
use crate::call::Call;
use crate::failure::Failure;

/// Identities and cameras of the images of one side.
type People<'py> = (PyReadonlyArray1<'py, u32>, PyReadonlyArray1<'py, u16>);

fn annotations(people: &People) -> Result<Annotations, Failure> {
    Ok(Annotations {
        identities: contiguous(people.0.as_slice())?.iter().copied().map(Identity).collect(),
        cameras: contiguous(people.1.as_slice())?.iter().copied().map(Camera).collect(),
    })
}

/// The figures of one search, in percent.
#[pyfunction]
pub fn evaluate<'py>(
    py: Python<'py>,
    rows: (Rows<'py>, Rows<'py>),
    query_people: People<'py>,
    gallery_people: People<'py>,
    protocol: &str,
    trials: u32,
    threads: usize,
) -> PyResult<Bound<'py, PyDict>> {
    let (query, gallery) = (embeddings(&rows.0)?, embeddings(&rows.1)?);
    let (queries, pool) = (annotations(&query_people)?, annotations(&gallery_people)?);
    let search = protocol.to_string();
    let score = Call::new(py, threads, None).run(move || -> Result<Score, EvalError> {
        let drawn = |mode| sysu::evaluate(&query, &queries, &gallery, &pool, mode, trials);
        let found: Vec<RankMetrics> = match &*search {
            "sysu-all" => drawn(SearchMode::All)?,
            "sysu-indoor" => drawn(SearchMode::Indoor)?,
            "llcm" => llcm::evaluate(&query, &queries, &gallery, &pool, trials)?,
            // All images query all, as RegDB's do.
            _ => vec![regdb::evaluate(&query, &queries.identities, &gallery, &pool.identities)?],
        };
        Ok(Score::of(&search, &found))
    })?;
    let figures = PyDict::new(py);
    let spreads = [
        ("rank1", score.rank1),
        ("rank5", score.rank5),
        ("rank10", score.rank10),
        ("rank20", score.rank20),
        ("mAP", score.map),
        ("mINP", score.minp),
    ];
    for (name, spread) in spreads {
        figures.set_item(name, spread.mean)?;
        figures.set_item(format!("{name}_std"), spread.std)?;
    }
    figures.set_item("trials", score.trials)?;
    if let Some(queries) = score.queries {
        figures.set_item("queries", queries.of)?;
        figures.set_item("queries_counted", queries.counted)?;
    }
    Ok(figures)
}
