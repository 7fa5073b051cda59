//! How a large gallery on disk does: `million FOLDER [ENTRIES] [random|people] [DIMENSION]` makes one in a folder that is empty or
//! not there. Started again, it opens it, searches it alone and beside a thousand appends a second, compares with every row reckoned,
//! and prints what it saw as JSON. The folder stays.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rayon::prelude::*;
use vireid_core::Modality;
use vireid_gallery::{Existing, Facts, Filter, GalleryError, Item, Keep, Local, Model, Moment, Scalar, Store};

const QUERIES: usize = 50;
const TOP: usize = 20;
/// Entries that look like one person, where there are people.
const NEAR: u64 = 20;
const APPENDS_A_SECOND: usize = 1000;
/// Callers who add.
const LANES: usize = 64;

struct World {
    people: bool,
    dim: usize,
}

impl World {
    /// Numbers of a normal distribution, nearly: the same for the same seed.
    fn normal(seed: u64, dim: usize) -> Vec<f32> {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut next = || {
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB)
        };
        let parts = |bits: u64| (0..4).map(|part| (bits >> (16 * part) & 0xFFFF) as f32 / 65536.0).sum::<f32>() - 2.0;
        (0..dim).map(|_| parts(next())).collect()
    }

    fn unit(mut row: Vec<f32>) -> Vec<f32> {
        let length = row.iter().map(|value| value * value).sum::<f32>().sqrt();
        row.iter_mut().for_each(|value| *value /= length);
        row
    }

    fn row(&self, n: u64) -> Vec<f32> {
        let own = Self::normal(n + (1 << 40), self.dim);
        if !self.people {
            return Self::unit(own);
        }
        let person = Self::normal(n / NEAR, self.dim);
        Self::unit(person.iter().zip(&own).map(|(person, own)| person + 0.6 * own).collect())
    }

    fn item(&self, n: u64) -> Item {
        let mut facts = Facts::new(format!("crop-{n:09}"), Modality::ALL[(n % 2) as usize]);
        facts.camera = format!("camera {}", n % 12);
        facts.time = Moment::from_milliseconds(1_700_000_000_000 + n as i64 * 40);
        facts.metadata = [("site".into(), Scalar::Text("north".into()))].into();
        Item { facts, embedding: self.row(n), image: None }
    }

    fn query(&self, number: usize, entries: u64) -> Vec<f32> {
        let near = self.row(number as u64 * 7919 % entries);
        let away = Self::normal((1 << 41) + number as u64, self.dim);
        let length = (self.dim as f32).sqrt() * 0.58;
        Self::unit(near.iter().zip(&away).map(|(near, away)| near + 0.5 * away / length).collect())
    }
}

/// Seconds to answer each query.
fn ask(store: &Local, queries: &[Vec<f32>], filter: &Filter) -> Result<Vec<f64>, GalleryError> {
    let timed = |query: &Vec<f32>| {
        let start = Instant::now();
        store.search(query, filter, TOP).map(|_| start.elapsed().as_secs_f64())
    };
    queries.iter().map(timed).collect()
}

fn times(mut seconds: Vec<f64>) -> serde_json::Value {
    seconds.sort_by(f64::total_cmp);
    let at = |part: f64| seconds.get(((seconds.len() as f64 - 1.0) * part).round() as usize).map(|value| value * 1e3);
    serde_json::json!({ "count": seconds.len(), "p50_ms": at(0.5), "p99_ms": at(0.99), "max_ms": at(1.0) })
}

/// Share of the best by every row that a search finds, and whether their similarities are the same to the bit.
fn recall(store: &Local, world: &World, entries: u64, queries: &[Vec<f32>]) -> Result<(f64, bool), GalleryError> {
    let mut best: Vec<Vec<(f32, u64)>> = vec![Vec::new(); queries.len()];
    for from in (0..entries).step_by(1 << 14) {
        let rows: Vec<Vec<f32>> = (from..entries.min(from + (1 << 14))).into_par_iter().map(|n| world.row(n)).collect();
        best.par_iter_mut().zip(queries).for_each(|(best, query)| {
            let dot = |row: &Vec<f32>| row.iter().zip(query).map(|(a, b)| a * b).sum::<f32>();
            best.extend(rows.iter().zip(from..).map(|(row, n)| (dot(row), n)));
            best.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            best.truncate(TOP);
        });
    }
    let (mut found, mut same) = (0, true);
    for (query, best) in queries.iter().zip(&best) {
        let hits = store.search(query, &Filter::default(), TOP)?;
        for (hit, (similarity, n)) in hits.iter().zip(best) {
            same &= hit.similarity.to_bits() == similarity.to_bits() && hit.facts.id == format!("crop-{n:09}");
        }
        found += best.iter().filter(|(_, n)| hits.iter().any(|hit| hit.facts.id == format!("crop-{n:09}"))).count();
    }
    Ok((found as f64 / (TOP * queries.len()) as f64, same))
}

/// Searches while entries are added at a steady rate; how long each took, and how many were added in a second.
#[allow(clippy::type_complexity)]
fn beside(
    store: &Local,
    world: &World,
    entries: u64,
    queries: &[Vec<f32>],
) -> Result<(Vec<f64>, Vec<f64>, f64), GalleryError> {
    let (done, added, took) = (AtomicBool::new(false), AtomicUsize::new(0), Mutex::new(Vec::new()));
    let start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let number = added.fetch_add(1, Ordering::Relaxed);
                    let item = world.item(entries + number as u64);
                    let due = Duration::from_secs_f64(number as f64 / APPENDS_A_SECOND as f64);
                    thread::sleep(due.saturating_sub(start.elapsed()));
                    let asked = Instant::now();
                    if store.add(vec![item], Existing::Refuse).is_ok()
                        && let Ok(mut took) = took.lock()
                    {
                        took.push(asked.elapsed().as_secs_f64());
                    }
                }
            });
        }
        let mut searches = Vec::new();
        for _ in 0..4 {
            searches.extend(ask(store, queries, &Filter::default())?);
        }
        done.store(true, Ordering::Relaxed);
        Ok(searches)
    })
    .map(|searches| {
        let took = took.into_inner().unwrap_or_default();
        let rate = took.len() as f64 / start.elapsed().as_secs_f64();
        (searches, took, rate)
    })
}

/// Memory of this process that is in use, in MB, where the system says so.
fn memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? / 1024)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let folder = arguments.first().ok_or("million FOLDER [ENTRIES] [random|people] [DIMENSION]")?;
    let entries: u64 = arguments.get(1).map_or(Ok(1_000_000), |text| text.parse())?;
    let people = arguments.get(2).is_some_and(|kind| kind == "people");
    let dim: usize = arguments.get(3).map_or(Ok(512), |text| text.parse())?;
    let world = World { people, dim };
    let model = Model { weights: "random".into(), settings: BTreeMap::new(), dim };
    let start = Instant::now();
    let started = memory();
    let store = Local::open_or_create(folder, model, Keep::default())?;
    let (opened, open) = (start.elapsed().as_secs_f64(), memory());
    let before: u64 = store.count().map(|count| count.visible + count.infrared)?;
    for from in (before..entries).step_by(2000) {
        let items = (from..entries.min(from + 2000)).into_par_iter().map(|n| world.item(n)).collect();
        store.add(items, Existing::Refuse)?;
    }
    let made = before < entries;
    if made {
        println!(
            "made in {:.1} s; start it again to measure in a process that has made nothing",
            start.elapsed().as_secs_f64()
        );
        return Ok(());
    }
    let queries: Vec<Vec<f32>> = (0..QUERIES).map(|number| world.query(number, entries)).collect();
    let first = ask(&store, &queries, &Filter::default())?;
    let alone = ask(&store, &queries, &Filter::default())?;
    let narrow = Filter { modality: Some(Modality::Infrared), cameras: vec!["camera 3".into()], ..Filter::default() };
    let filtered = ask(&store, &queries, &narrow)?;
    let wide = Filter { modality: Some(Modality::Infrared), ..Filter::default() };
    let half = ask(&store, &queries, &wide)?;
    let (recall, same) = recall(&store, &world, entries, &queries)?;
    let (searches, appends, rate) = beside(&store, &world, entries, &queries)?;
    let start = Instant::now();
    let added: Vec<String> =
        (entries..entries + 10 * appends.len() as u64 + 1000).map(|n| world.item(n).facts.id).collect();
    let deleted = store.delete(&added)?;
    let deleting = start.elapsed().as_secs_f64();
    let report = serde_json::json!({
        "entries": entries, "dimension": dim, "people": people, "threads": rayon::current_num_threads(),
        "opened_s": opened, "memory_before_mb": started, "memory_open_mb": open, "memory_end_mb": memory(),
        "recall": recall, "same_bits": same, "queries_first": times(first), "queries": times(alone),
        "queries_one_in_twelve": times(filtered), "queries_one_in_two": times(half),
        "queries_beside_appends": times(searches), "appends": times(appends), "appends_a_second": rate,
        "deleted": deleted, "deleted_in_s": deleting,
    });
    println!("{report:#}");
    Ok(())
}
