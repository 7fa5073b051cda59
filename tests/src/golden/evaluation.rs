//! Golden operations of evaluation.

use std::error::Error;

use vireid_core::{Camera, Identity};
use vireid_eval::Annotations;
use vireid_eval::{CPythonRandom, RankMetrics, quality, regdb, sysu};

use super::{Case, Outputs};

pub fn adjusted_rand_index(case: &Case) -> Result<Outputs, Box<dyn Error>> {
    let class = |name: &str| -> Result<Vec<i64>, Box<dyn Error>> {
        Ok(case.input(name)?.values.iter().map(|&v| v as i64).collect())
    };
    let ari = quality::adjusted_rand_index(&class("predicted")?, &class("truth")?);
    Ok(Outputs::from([("ari", vec![ari])]))
}

pub fn cpython_choice(case: &Case) -> Result<Outputs, Box<dyn Error>> {
    let lengths = case.indices("lengths")?;
    let (first, last) = case
        .parameter::<String>("seeds")?
        .split_once("..")
        .and_then(|(a, b)| Some((a.parse::<u32>().ok()?, b.parse::<u32>().ok()?)))
        .ok_or("seeds are not of the form first..last")?;
    let mut draws = Vec::new();
    for seed in first..=last {
        let mut random = CPythonRandom::new(seed);
        for &length in &lengths {
            draws.push(random.index(length).ok_or("an empty list")? as f64);
        }
    }
    Ok(Outputs::from([("draws", draws)]))
}

fn identities(case: &Case, name: &str) -> Result<Vec<Identity>, Box<dyn Error>> {
    Ok(case.indices(name)?.into_iter().map(|id| Identity(id as u32)).collect())
}

fn outputs(metrics: RankMetrics) -> Outputs {
    Outputs::from([("cmc", metrics.cmc), ("map", vec![metrics.map]), ("minp", vec![metrics.minp])])
}

pub fn eval_regdb(case: &Case) -> Result<Outputs, Box<dyn Error>> {
    let (queries, gallery) = (identities(case, "query_ids")?, identities(case, "gallery_ids")?);
    let depth = case.parameter("max_rank")?;
    Ok(outputs(regdb::evaluate_distances(&case.floats("distance")?, &queries, &gallery, depth)?))
}

pub fn eval_sysu(case: &Case) -> Result<Outputs, Box<dyn Error>> {
    let annotations = |of: &str| -> Result<Annotations, Box<dyn Error>> {
        let cameras = case.indices(&format!("{of}_cameras"))?.into_iter().map(|c| Camera(c as u16)).collect();
        Ok(Annotations { identities: identities(case, &format!("{of}_ids"))?, cameras })
    };
    let (queries, gallery) = (annotations("query")?, annotations("gallery")?);
    let depth = case.parameter("max_rank")?;
    Ok(outputs(sysu::evaluate_distances(&case.floats("distance")?, &queries, &gallery, depth)?))
}
