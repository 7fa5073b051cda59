//! `cargo xtask bench clustering`: the clustering engine at the true size of SYSU-MM01 and beyond.
//!
//! Embeddings are drawn over the data set's real structure (images per identity and camera): a sample is the sum of a
//! direction of its identity, one of its modality, one of its camera, one of its identity under that camera, and noise.
//! The weights are chosen so that DBSCAN finds about as many clusters as published logs show (440 infrared, 890 visible).
//! Every measurement is a process of its own, so that its peak memory is its own.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use vireid_clustering::{
    ApproximateNeighbours, Expansion, JaccardEncoding, LabelTransfer, NeighbourGraph, TransferInput, centroids, dbscan,
    nearest_neighbours,
};
use vireid_core::{Embeddings, PerModality, PseudoLabels, Streams};
use vireid_methods::peak_memory_mib;
use vireid_product::{Shape, multiply};

type Failure = Box<dyn std::error::Error>;

/// Images per identity and camera: `id,split,cam1,...,cam6`.
const COUNTS: &str = include_str!("../../crates/vireid-data/src/synthetic/sysu_counts.csv");
const DIM: usize = 2048;
const EPS: f64 = 0.6;
const MIN_SAMPLES: usize = 4;
/// Shares of the identities at which the growth of cost is measured.
const SHARES: [f64; 4] = [0.125, 0.25, 0.5, 1.0];

/// What one process measured of one work at one size.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Measurement {
    work: String,
    rows: usize,
    seconds: f64,
    /// Peak memory of the process during the work, less the embeddings.
    mib_above_input: f64,
    clusters: Option<usize>,
    noise: Option<usize>,
    /// Other figures of the work by name.
    #[serde(default)]
    figures: Vec<(String, f64)>,
}

/// The report as it is written to a file.
#[derive(Serialize)]
struct Report {
    command: &'static str,
    data: &'static str,
    threads: usize,
    /// Best of several products of 1024 x 2048 by 2048 x 1024 on every thread at once.
    product_gflops: f64,
    measurements: Vec<Measurement>,
    /// Least-squares slopes of log seconds over log rows.
    growth: Vec<(String, f64)>,
}

/// Runs every work at four sizes (those named by their size at one), prints a table and the slopes.
pub fn run(works: &[String], out: Option<&Path>) -> Result<(), Failure> {
    println!("{:<14} {:>9} {:>9} {:>9} {:>9} {:>7}  figures", "work", "rows", "s", "MiB", "clusters", "noise");
    let (mut measurements, mut growth) = (Vec::new(), Vec::new());
    for work in works {
        let of_one_size = ["100k", "million"].iter().any(|size| work.starts_with(size));
        let shares = if of_one_size { &SHARES[3..] } else { &SHARES[..] };
        let mut points = Vec::new();
        for share in shares {
            let measured = measure(work, *share)?;
            points.push(((measured.rows as f64).ln(), measured.seconds.ln()));
            print(&measured);
            measurements.push(measured);
        }
        if points.len() > 1 {
            growth.push((work.clone(), slope(&points)));
            println!("{work}: seconds grow as rows to the power {:.2}", slope(&points));
        }
    }
    let report = Report {
        command: "cargo xtask bench clustering",
        data: "synthetic embeddings over the structure of SYSU-MM01; no real image or identity",
        threads: rayon::current_num_threads(),
        product_gflops: product_gflops(),
        measurements,
        growth,
    };
    println!("matrix products on {} threads: {:.0} GFLOP/s", report.threads, report.product_gflops);
    if let Some(out) = out {
        std::fs::write(out, serde_json::to_string_pretty(&report)? + "\n")?;
    }
    Ok(())
}

fn print(measured: &Measurement) {
    let or_dash = |value: Option<usize>| value.map_or("-".into(), |value| value.to_string());
    let figures: Vec<String> = measured.figures.iter().map(|(name, value)| format!("{name} {value:.3}")).collect();
    println!(
        "{:<14} {:>9} {:>9.2} {:>9.0} {:>9} {:>7}  {}",
        measured.work,
        measured.rows,
        measured.seconds,
        measured.mib_above_input,
        or_dash(measured.clusters),
        or_dash(measured.noise),
        figures.join(", ")
    );
}

fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|p| p.0), mean(|p| p.1));
    let covariance: f64 = points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum();
    covariance / points.iter().map(|p| (p.0 - x).powi(2)).sum::<f64>()
}

fn measure(work: &str, share: f64) -> Result<Measurement, Failure> {
    let mut command = Command::new(std::env::current_exe()?);
    let output =
        command.args(["bench", "one-clustering", work, &share.to_string()]).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("{command:?} failed").into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Measures one work on a share of the identities, and prints the measurement as JSON.
pub fn one(work: &str, share: f64) -> Result<(), Failure> {
    let measured = match work {
        "neighbours" => neighbours(share)?,
        "visible" => labels(work, &draw(share, DIM, 1).visible, 30, 6)?,
        "infrared" => labels(work, &draw(share, DIM, 1).infrared, 30, 6)?,
        "joint" => labels(work, &joined(draw(share, DIM, 1))?, 40, 32)?,
        "transfer" => transfer(share)?,
        "100k" => many(work, 100_000, false)?,
        "100k-hnsw" => many(work, 100_000, true)?,
        "million" => many(work, 1_000_000, false)?,
        "million-hnsw" => many(work, 1_000_000, true)?,
        _ => return Err(
            "works are neighbours, visible, infrared, joint, transfer, 100k and million, the last two also with -hnsw"
                .into(),
        ),
    };
    println!("{}", serde_json::to_string(&measured)?);
    Ok(())
}

fn neighbours(share: f64) -> Result<Measurement, Failure> {
    let embeddings = draw(share, DIM, 1).visible;
    let rate = product_gflops();
    let (seconds, mib_above_input, _) = timed(&[&embeddings], || nearest_neighbours(&embeddings, 30))?;
    let rows = embeddings.rows();
    // Symmetry: N^2 d operations are all there is to do.
    let gflops = (rows * rows) as f64 * DIM as f64 / seconds / 1e9;
    let figures = vec![("GFLOP/s".into(), gflops), ("of the product rate".into(), gflops / rate)];
    Ok(Measurement { work: "neighbours".into(), rows, seconds, mib_above_input, clusters: None, noise: None, figures })
}

/// Everything after the neighbours: encoding, graph, DBSCAN.
fn labels(work: &str, embeddings: &Embeddings, k1: usize, k2: usize) -> Result<Measurement, Failure> {
    let ranking = nearest_neighbours(embeddings, k1)?;
    let clock = Instant::now();
    let mut parts = Vec::new();
    let (seconds, mib_above_input, labels) = timed(&[embeddings], || -> Result<_, Failure> {
        let encoding = JaccardEncoding::from_ranking(embeddings, &ranking, &Expansion::Mean { k2 })?;
        parts.push(("encoding".to_string(), clock.elapsed().as_secs_f64()));
        let graph = NeighbourGraph::from_jaccard(&encoding, EPS)?;
        parts.push(("graph".to_string(), clock.elapsed().as_secs_f64() - parts[0].1));
        parts.push(("weights per row".to_string(), encoding.weights().entries() as f64 / embeddings.rows() as f64));
        Ok(dbscan(&graph, MIN_SAMPLES)?)
    })?;
    Ok(Measurement {
        work: work.into(),
        rows: embeddings.rows(),
        seconds,
        mib_above_input,
        clusters: Some(labels.iter().flatten().max().map_or(0, |last| last + 1)),
        noise: Some(labels.iter().filter(|label| label.is_none()).count()),
        figures: parts,
    })
}

/// MULT's two transfers, from the distances of both modalities on.
fn transfer(share: f64) -> Result<Measurement, Failure> {
    let embeddings = draw(share, DIM, 1);
    let encode = |embeddings: &Embeddings| JaccardEncoding::new(embeddings, 30, &Expansion::Mean { k2: 6 });
    let encodings = (encode(&embeddings.visible)?, encode(&embeddings.infrared)?);
    let label = |encoding: &JaccardEncoding| -> Result<Vec<Option<usize>>, Failure> {
        Ok(dbscan(&NeighbourGraph::from_jaccard(encoding, EPS)?, MIN_SAMPLES)?)
    };
    let labels = (PseudoLabels::new(&label(&encodings.0)?)?, PseudoLabels::new(&label(&encodings.1)?)?);
    let centroids = PerModality {
        visible: centroids::<vireid_core::Visible>(&embeddings.visible, &labels.0)?,
        infrared: centroids::<vireid_core::Infrared>(&embeddings.infrared, &labels.1)?,
    };
    let mut entries = 0;
    let (seconds, mib_above_input, labels) =
        timed(&[&embeddings.visible, &embeddings.infrared], || -> Result<_, Failure> {
            let distances = PerModality { visible: encodings.0.within(1.0), infrared: encodings.1.within(1.0) };
            entries = distances.visible.entries();
            let input = TransferInput { embeddings: &embeddings, centroids: &centroids, distances: &distances };
            Ok(LabelTransfer::mult().run(input)?)
        })?;
    Ok(Measurement {
        work: "transfer".into(),
        rows: embeddings.visible.rows() + embeddings.infrared.rows(),
        seconds,
        mib_above_input,
        clusters: Some(centroids.visible.rows() + centroids.infrared.rows()),
        noise: None,
        figures: vec![
            ("distances per row".into(), entries as f64 / embeddings.visible.rows() as f64),
            ("visible rounds".into(), labels.rounds.visible as f64),
            ("infrared rounds".into(), labels.rounds.infrared as f64),
        ],
    })
}

/// Embeddings of 256 numbers, neighbours and all: the data set's structure over and over with other identities.
fn many(work: &str, rows: usize, approximate: bool) -> Result<Measurement, Failure> {
    let images: usize = counts().iter().flatten().sum();
    let embeddings = joined(draw(1.0, 256, rows.div_ceil(images)))?;
    let embeddings = embeddings.select(&(0..rows).collect::<Vec<_>>());
    let mut parts = Vec::new();
    let clock = Instant::now();
    let (seconds, mib_above_input, labels) = timed(&[&embeddings], || -> Result<_, Failure> {
        let ranking = if approximate {
            let mut stream = Streams::new(8).stream("recall", [0; 3]);
            let found = ApproximateNeighbours::default().rank(&embeddings, 30, &mut stream)?;
            parts.push(("recall".to_string(), found.recall));
            found.ranking
        } else {
            nearest_neighbours(&embeddings, 30)?
        };
        parts.push(("neighbours".to_string(), clock.elapsed().as_secs_f64()));
        let encoding = JaccardEncoding::from_ranking(&embeddings, &ranking, &Expansion::Mean { k2: 6 })?;
        Ok(dbscan(&NeighbourGraph::from_jaccard(&encoding, EPS)?, MIN_SAMPLES)?)
    })?;
    Ok(Measurement {
        work: work.into(),
        rows,
        seconds,
        mib_above_input,
        clusters: Some(labels.iter().flatten().max().map_or(0, |last| last + 1)),
        noise: Some(labels.iter().filter(|label| label.is_none()).count()),
        figures: parts,
    })
}

/// Seconds, peak memory above the embeddings, and the result.
fn timed<T, E: Into<Failure>>(
    embeddings: &[&Embeddings],
    work: impl FnOnce() -> Result<T, E>,
) -> Result<(f64, f64, T), Failure> {
    // Forgets the peak so far; where the system does not know this, the peak counts from the start.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    let input = embeddings.iter().map(|embeddings| embeddings.as_slice().len() as f64 * 4.0 / 1048576.0).sum::<f64>();
    let clock = Instant::now();
    let result = work().map_err(Into::into)?;
    let seconds = clock.elapsed().as_secs_f64();
    Ok((seconds, peak_memory_mib().unwrap_or(f64::NAN) - input, result))
}

fn product_gflops() -> f64 {
    let (side, depth) = (1024, DIM);
    let values = vec![0.5f32; side * depth];
    let (left, right) = (Shape::row_major(side, depth), Shape::row_major(depth, side));
    let once = || {
        let clock = Instant::now();
        (0..rayon::current_num_threads()).into_par_iter().for_each(|_| {
            multiply(&mut vec![0.0; side * side], (&values, left), (&values, right), false);
        });
        clock.elapsed().as_secs_f64()
    };
    let best = (0..7).map(|_| once()).fold(f64::INFINITY, f64::min);
    (2 * side * side * depth * rayon::current_num_threads()) as f64 / best / 1e9
}

/// Images of every training identity under every camera.
fn counts() -> Vec<[usize; 6]> {
    let lines = COUNTS.lines().filter(|line| line.contains(",train,") || line.contains(",val,"));
    lines
        .map(|line| {
            let mut numbers = line.split(',').skip(2).map(|number| number.parse().unwrap_or(0));
            std::array::from_fn(|_| numbers.next().unwrap_or(0))
        })
        .collect()
}

/// Weights of the directions: modality, camera, identity under a camera, image; that of an identity is 1.
const MODALITY: f32 = 0.5;
const CAMERA: f32 = 0.3;
const VIEW: f32 = 0.5;
const IMAGE: f32 = 0.6;
/// Deviation of the logarithm of an image's weight: some are much worse than others.
const TAIL: f64 = 0.5;
/// Dimensions in which identities and images differ: few, so that people look alike.
const LOOKS: usize = 24;

/// Embeddings of the first identities, `copies` times with other directions.
fn draw(share: f64, dim: usize, copies: usize) -> PerModality<Embeddings> {
    let counts = counts();
    let identities = ((counts.len() as f64 * share).round() as usize).max(1);
    let streams = Streams::new(7);
    // Of about length 1, within the first `within` dimensions.
    let direction = |name: &str, key: [u64; 3], within: usize| -> Vec<f32> {
        let mut stream = streams.stream(name, key);
        let deviation = 1.0 / (within as f64).sqrt();
        (0..dim).map(|at| if at < within { stream.normal(0.0, deviation) as f32 } else { 0.0 }).collect()
    };
    let of = |infrared: bool| {
        let cameras = (0..6u64).filter(move |camera| [2, 5].contains(camera) == infrared);
        let groups: Vec<(u64, u64, usize)> = (0..(copies * identities) as u64)
            .flat_map(|identity| cameras.clone().map(move |camera| (identity, camera)))
            .map(|(identity, camera)| (identity, camera, counts[identity as usize % identities][camera as usize]))
            .collect();
        let modality = direction("modality", [u64::from(infrared), 0, 0], dim);
        let rows: Vec<Vec<f32>> = groups
            .par_iter()
            .map(|&(identity, camera, images)| {
                let common = [
                    (1.0, direction("identity", [identity, 0, 0], LOOKS)),
                    (MODALITY, modality.clone()),
                    (CAMERA, direction("camera", [camera, 0, 0], dim)),
                    (VIEW, direction("view", [identity, camera, 0], LOOKS)),
                ];
                let sum: Vec<f32> =
                    (0..dim).map(|at| common.iter().map(|(weight, direction)| weight * direction[at]).sum()).collect();
                let image = |image: usize| {
                    let key = [identity, camera, image as u64];
                    let weight = IMAGE * streams.stream("quality", key).log_normal(TAIL) as f32;
                    let own = direction("image", key, LOOKS);
                    let values: Vec<f32> = sum.iter().zip(own).map(|(sum, own)| sum + weight * own).collect();
                    let norm = values.iter().map(|x| x * x).sum::<f32>().sqrt();
                    values.into_iter().map(move |x| x / norm)
                };
                (0..images).flat_map(image).collect()
            })
            .collect();
        let values = rows.concat();
        let count = values.len() / dim;
        Embeddings::new(values, count, dim)
    };
    match (of(false), of(true)) {
        (Ok(visible), Ok(infrared)) => PerModality { visible, infrared },
        _ => unreachable!("rows are whole and finite"),
    }
}

fn joined(embeddings: PerModality<Embeddings>) -> Result<Embeddings, Failure> {
    let (rows, dim) = (embeddings.visible.rows() + embeddings.infrared.rows(), embeddings.visible.dim());
    let values = [embeddings.visible.as_slice(), embeddings.infrared.as_slice()].concat();
    Ok(Embeddings::new(values, rows, dim)?)
}
