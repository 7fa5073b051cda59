use std::cmp::Ordering;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use vireid::calibration::Calibration;
use vireid::{
    EmbeddingsFile, Hit, OutputKind, Overwriting, ProgramError, ReRanked, SourceArguments, Tile, nearest,
    write_contact_sheet,
};
use vireid_core::{Camera, Embeddings, Modality};
use vireid_data::{CacheBudget, ImageList, Sample};
use vireid_eval::{Distances, EvalError};
use vireid_methods::{MethodError, TrainedNetwork, TrainingImages, parse_device};

use crate::calibrate::file_of;
use crate::extract::{Part, embed, modality};
use crate::model::NetworkArguments;
use crate::output::{Output, table};

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    network: NetworkArguments,
    /// Embeddings to search in, as `vireid extract` writes them; without it the images of --data are embedded first
    #[arg(long, conflicts_with_all = ["data", "dataset", "trial", "world_seed"], required_unless_present_any = ["data", "dataset"])]
    index: Option<PathBuf>,
    #[command(flatten)]
    source: SourceArguments,
    /// Leave out images of --data that can't be decoded
    #[arg(long)]
    skip_corrupt: bool,
    /// Image of the person to search for
    #[arg(long)]
    query: PathBuf,
    /// The query's modality: visible or infrared
    #[arg(long, value_parser = modality)]
    modality: Modality,
    /// Search only among images of this modality
    #[arg(long, value_parser = modality)]
    among: Option<Modality>,
    /// Re-rank by k-reciprocal neighbours among the images that are searched, with k1, k2 and lambda: 20,6,0.3 unless others
    /// are named. Takes the neighbours of every image, so seconds to minutes for large indices
    #[arg(long, value_name = "K1,K2,LAMBDA", num_args = 0..=1, require_equals = true, default_missing_value = "20,6,0.3")]
    rerank: Option<ReRanked>,
    /// How many answers to give
    #[arg(long, default_value_t = 10)]
    top: usize,
    /// PNG of the query (blue frame) and its answers (grey frames), best first
    #[arg(long)]
    sheet: Option<PathBuf>,
    #[command(flatten)]
    overwriting: Overwriting,
    /// Device that embeds the query, such as cpu or cuda:0
    #[arg(long, default_value = "cpu")]
    device: String,
}

#[derive(Debug, Serialize)]
struct Answer {
    rank: usize,
    similarity: f32,
    /// What it was ranked by, smaller is nearer; only where the answers were re-ranked.
    #[serde(skip_serializing_if = "Option::is_none")]
    distance: Option<f32>,
    path: PathBuf,
    modality: String,
    camera: String,
    /// Of being the same person; only with a calibrated network.
    probability: Option<f64>,
    verdict: Option<&'static str>,
}

pub fn run(arguments: &Arguments, output: Output) -> Result<(), ProgramError> {
    let device = parse_device(&arguments.device)?;
    if let Some(sheet) = &arguments.sheet {
        let mut read = vec![arguments.query.clone()];
        read.extend(arguments.index.clone());
        arguments.overwriting.check(sheet, OutputKind::ContactSheet, &read)?;
        if !sheet.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("png")) {
            return Err(ProgramError::Usage(format!("--sheet writes PNG; {} does not end in .png", sheet.display())));
        }
    }
    let trained = arguments.network.open(device)?;
    let (mut index, searched) = gallery(arguments, &trained, output)?;
    if let Some(among) = arguments.among {
        let name = among.to_string();
        let rows: Vec<usize> = (0..index.images.len()).filter(|&row| index.images[row].modality == name).collect();
        index.embeddings = index.embeddings.select(&rows);
        index.images = rows.iter().map(|&row| index.images[row].clone()).collect();
        if rows.is_empty() {
            output.say(&format!("{} has no {among} image", searched.display()));
        }
    }
    let query = embed_query(&trained, &arguments.query, arguments.modality)?;
    let calibration = match Calibration::load(&file_of(&arguments.network))? {
        Some(calibration) => match calibration.unfit_for(trained.recipe()) {
            None => Some(calibration),
            Some(reason) => {
                output.warn(&reason);
                None
            }
        },
        None => None,
    };
    if let Some(warning) = calibration.as_ref().and_then(|c| c.seen_people?.warning()) {
        output.warn(&format!("of the people whom it was calibrated on, {warning}"));
    }
    let hits = match &arguments.rerank {
        None => nearest(&index.embeddings, &query, arguments.top).into_iter().map(|hit| (hit, None)).collect(),
        Some(re_ranked) => re_ranked_hits(re_ranked, &index.embeddings, &query, arguments.top)?,
    };
    let answers: Vec<Answer> = hits
        .into_iter()
        .enumerate()
        .map(|(number, (hit, distance))| {
            let image = &index.images[hit.row];
            let across = image.modality != arguments.modality.to_string();
            // Only pairs across the modalities were calibrated.
            let calibration = calibration.as_ref().filter(|_| across);
            Answer {
                rank: number + 1,
                similarity: hit.similarity,
                distance,
                path: image.path.clone(),
                modality: image.modality.clone(),
                camera: image.camera.clone(),
                probability: calibration.map(|c| c.probability(f64::from(hit.similarity))),
                verdict: calibration.map(|c| c.verdict(f64::from(hit.similarity))),
            }
        })
        .collect();
    if let Some(sheet) = &arguments.sheet {
        let query = Tile { path: arguments.query.clone(), frame: Tile::QUERY };
        let found = answers.iter().map(|answer| Tile { path: answer.path.clone(), frame: Tile::PLAIN });
        let unreadable = write_contact_sheet(sheet, &[std::iter::once(query).chain(found).collect()])?;
        output.warn_of_grey(sheet, &unreadable, answers.len() + 1);
        output.say(&format!("contact sheet: {}", sheet.display()));
    }
    output.result(&answers, || {
        let rows = answers.iter().map(|answer| {
            vec![
                answer.rank.to_string(),
                answer.path.display().to_string(),
                answer.modality.clone(),
                answer.camera.clone(),
                format!("{:.3}", answer.similarity),
                answer.probability.map_or("-".into(), |p| format!("{p:.2}")),
                answer.verdict.unwrap_or("-").to_string(),
            ]
        });
        table(&["rank", "image", "modality", "camera", "similarity", "same person", "verdict"], rows, 3)
    })
}

/// The nearest rows by re-ranked distances, which are told beside their similarities; ties by row.
fn re_ranked_hits(
    re_ranked: &ReRanked,
    gallery: &Embeddings,
    query: &[f32],
    top: usize,
) -> Result<Vec<(Hit, Option<f32>)>, ProgramError> {
    let alone = Embeddings::new(query.to_vec(), 1, query.len()).map_err(EvalError::from).map_err(MethodError::from)?;
    let distances = re_ranked.between(&alone, gallery).map_err(MethodError::from)?;
    // Of every row, in the order of the rows.
    let mut similar = nearest(gallery, query, gallery.rows());
    similar.sort_unstable_by_key(|hit| hit.row);
    let mut hits: Vec<(Hit, Option<f32>)> = similar.into_iter().zip(distances.into_iter().map(Some)).collect();
    hits.sort_by(|(_, a), (_, b)| a.partial_cmp(b).unwrap_or(Ordering::Equal));
    hits.truncate(top);
    Ok(hits)
}

/// What is searched in: an index, or the images of a data set, embedded now; and where it is.
fn gallery(
    arguments: &Arguments,
    trained: &TrainedNetwork,
    output: Output,
) -> Result<(EmbeddingsFile, PathBuf), ProgramError> {
    if let Some(path) = &arguments.index {
        let index = EmbeddingsFile::load(path)?;
        index.check_recipe(path, trained.recipe())?;
        return Ok((index, path.clone()));
    }
    let source = arguments.source.of_run(&arguments.network.model)?;
    let dataset = source.open_with(!output.quiet)?;
    output.notes(&dataset.notes);
    let images = TrainingImages::listed(dataset, trained.config())?;
    let only = arguments.among;
    Ok((embed(trained, &images, Part::All, only, arguments.skip_corrupt, output)?, source.path))
}

/// The embedding of one image, of length 1.
fn embed_query(trained: &TrainedNetwork, path: &Path, modality: Modality) -> Result<Vec<f32>, ProgramError> {
    let (filter, range) = (trained.config().filter()?, trained.config().range()?);
    let sample = Sample { path: path.into(), identity: None, camera: Camera(0) };
    let list = ImageList::new(vec![sample], trained.size(), filter, CacheBudget::new(usize::MAX)).with_range(range);
    if let Some(bad) = list.check(|| ()).pop() {
        return Err(ProgramError::BadQuery { path: path.into(), reason: bad.reason });
    }
    Ok(trained.embed(&list, modality, |_| ())?.row(0).to_vec())
}
