//! `vireid search`.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use vireid::{
    EmbeddedImage, EmbeddingsFile, Hit, OutputKind, Overwriting, ProgramError, ReRanked, SourceArguments, Tile,
    nearest, write_contact_sheet,
};
use vireid_core::{Camera, Embeddings, Modality};
use vireid_data::{CacheBudget, ImageList, Sample};
use vireid_eval::{Distances, EvalError};
use vireid_gallery::{Facts, Moment};
use vireid_methods::{MethodError, TrainedNetwork, TrainingImages, parse_device};

use crate::calibrate::usable_calibration;
use crate::extract::{Part, embed, modality};
use crate::filter_arguments::FilterArguments;
use crate::gallery;
use crate::model::NetworkArguments;
use crate::output::{Output, table};

/// Entries of a gallery that are read at once.
const PAGE: usize = 1000;

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    network: NetworkArguments,
    /// Embeddings to search in, as `vireid extract` writes them; without it the images of --data are embedded first
    #[arg(long, conflicts_with_all = ["data", "dataset", "trial", "world_seed"], required_unless_present_any = ["data", "dataset", "gallery"])]
    index: Option<PathBuf>,
    /// A gallery to search in: a folder, or the address of an engine
    #[arg(long, conflicts_with_all = ["index", "data", "dataset", "trial", "world_seed", "sheet"])]
    gallery: Option<String>,
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
    #[command(flatten)]
    filter: FilterArguments,
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
    /// When it was seen; only of a gallery.
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<Moment>,
    /// Of being the same person; only with a calibrated network.
    probability: Option<f64>,
    verdict: Option<&'static str>,
}

/// What a search found, before anybody says what it means.
struct Found {
    /// Path of an image, or id of an entry.
    path: PathBuf,
    modality: String,
    camera: String,
    time: Option<Moment>,
    similarity: f32,
    distance: Option<f32>,
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
    let found = match &arguments.gallery {
        Some(address) => of_gallery(address, arguments, &trained)?,
        None => of_images(arguments, &trained, output)?,
    };
    let calibration = usable_calibration(&arguments.network, &trained, output)?;
    let answers: Vec<Answer> = found
        .into_iter()
        .enumerate()
        .map(|(number, found)| {
            let across = found.modality != arguments.modality.name();
            // Only pairs across the modalities were calibrated.
            let calibration = calibration.as_ref().filter(|_| across);
            Answer {
                rank: number + 1,
                similarity: found.similarity,
                distance: found.distance,
                path: found.path,
                modality: found.modality,
                camera: found.camera,
                time: found.time,
                probability: calibration.map(|c| c.probability(f64::from(found.similarity))),
                verdict: calibration.map(|c| c.verdict(f64::from(found.similarity))),
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

/// The nearest entries of a gallery.
fn of_gallery(address: &str, arguments: &Arguments, trained: &TrainedNetwork) -> Result<Vec<Found>, ProgramError> {
    let store = gallery::open(address, Some(&gallery::model_of(trained)))?;
    let query = embed_query(trained, &arguments.query, arguments.modality)?;
    let filter = arguments.filter.filter()?;
    let found = |facts: Facts, similarity, distance| Found {
        path: facts.id.into(),
        modality: facts.modality.to_string(),
        camera: facts.camera,
        time: facts.time,
        similarity,
        distance,
    };
    let Some(re_ranked) = &arguments.rerank else {
        let hits = store.search(&query, &filter, arguments.top)?;
        return Ok(hits.into_iter().map(|hit| found(hit.facts, hit.similarity, None)).collect());
    };
    let (mut values, mut all, mut after) = (Vec::new(), Vec::new(), None);
    loop {
        let page = store.page(after.as_deref(), &filter, PAGE)?;
        for entry in page.entries {
            values.extend(entry.embedding);
            all.push(entry.facts);
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let rows = Embeddings::new(values, all.len(), trained.dim()).map_err(MethodError::from)?;
    let hits = re_ranked_hits(re_ranked, &rows, &query, arguments.top)?;
    Ok(hits.into_iter().map(|(hit, distance)| found(all[hit.row].clone(), hit.similarity, distance)).collect())
}

/// The nearest images of an index, or of a data set.
fn of_images(arguments: &Arguments, trained: &TrainedNetwork, output: Output) -> Result<Vec<Found>, ProgramError> {
    let FilterArguments { among, camera, from, until, meta } = &arguments.filter;
    if from.is_some() || until.is_some() || !meta.is_empty() {
        let message = "--from, --until and --meta need --gallery: an index knows no times and no metadata";
        return Err(ProgramError::Usage(message.into()));
    }
    let (mut index, searched) = images(arguments, trained, output)?;
    if among.is_some() || !camera.is_empty() {
        let is_meant = |image: &EmbeddedImage| {
            among.is_none_or(|among| image.modality == among.name())
                && (camera.is_empty() || camera.contains(&image.camera))
        };
        let rows: Vec<usize> = (0..index.images.len()).filter(|&row| is_meant(&index.images[row])).collect();
        index.embeddings = index.embeddings.select(&rows);
        index.images = rows.iter().map(|&row| index.images[row].clone()).collect();
        if rows.is_empty() {
            output.say(&format!("{} has no such image", searched.display()));
        }
    }
    let query = embed_query(trained, &arguments.query, arguments.modality)?;
    let hits = match &arguments.rerank {
        None => nearest(&index.embeddings, &query, arguments.top).into_iter().map(|hit| (hit, None)).collect(),
        Some(re_ranked) => re_ranked_hits(re_ranked, &index.embeddings, &query, arguments.top)?,
    };
    let found = |(hit, distance): (Hit, Option<f32>)| {
        let EmbeddedImage { path, modality, camera, .. } = index.images[hit.row].clone();
        Found { path, modality, camera, time: None, similarity: hit.similarity, distance }
    };
    Ok(hits.into_iter().map(found).collect())
}

/// What is searched in: an index, or the images of a data set, embedded now; and where it is.
fn images(
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
    let only = arguments.filter.among;
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
