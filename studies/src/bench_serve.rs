//! `cargo xtask bench serve`: a service under load for minutes: crops come in, images and entries are searched with, all at
//! once; then it is killed and asked again. Beside it, searches of the same rows in another engine.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::{Value, json};
use vireid_core::{Embeddings, Modality, Streams};
use vireid_data::synthetic::{Dials, HEIGHT, WIDTH, World};
use vireid_gallery::{Address, Existing, Facts, Filter, Item, Model, Opening, Store};
use vireid_methods::{CheckpointKind, TrainedNetwork, parse_device};

use crate::bench::Failure;
use crate::results;

/// Entries that are put in at once before the load begins.
const AT_ONCE: usize = 1000;
/// Searches in another engine, and in ours beside it.
const SEARCHES: usize = 200;
/// How many answers each search asks for.
const TOP: usize = 10;

/// What is measured.
pub struct Load<'a> {
    /// The program.
    pub program: &'a Path,
    /// The load generator `oha`.
    pub oha: &'a Path,
    /// Entries that are there when it begins.
    pub rows: usize,
    /// How long it lasts.
    pub minutes: f64,
    /// Crops that come in each second.
    pub arrivals: u32,
    /// Addresses of engines to search the same rows in.
    pub beside: &'a [String],
}

/// One kind of request under load.
#[derive(Debug, Serialize)]
struct Row {
    request: &'static str,
    clients: u32,
    requests: u64,
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    /// Answers by their status.
    statuses: Value,
    /// Requests without an answer: those that were on their way when the time was over are among them.
    failures: u64,
}

impl Row {
    /// Whether it is of what was to be measured: answers to requests that are understood, and of all but the last.
    fn check(&self) -> Result<(), Failure> {
        let statuses = self.statuses.as_object().into_iter().flatten();
        let refused: Vec<&String> =
            statuses.map(|(status, _)| status).filter(|status| !status.starts_with('2')).collect();
        if self.requests == 0 || !refused.is_empty() || self.failures > u64::from(self.clients) {
            return Err(format!("{}: this measures nothing: {self:?}", self.request).into());
        }
        Ok(())
    }
}

pub fn run(load: &Load<'_>, out: Option<&Path>) -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let model = folder.path().join("model");
    succeed(Command::new(load.program).args(["import", "--weights", "builtin:small", "--quiet", "--out"]).arg(&model))?;
    let network = TrainedNetwork::open(&model, CheckpointKind::Last, parse_device("cpu")?)?;
    let recipe = network.recipe();
    let of_model = Model { weights: recipe.weights.clone(), settings: recipe.settings.clone(), dim: network.dim() };
    drop(network);
    let gallery = folder.path().join("gallery");
    let rows = rows(load.rows, of_model.dim);
    fill(&*open(&gallery.display().to_string(), &of_model)?, &rows)?;
    let beside =
        load.beside.iter().map(|address| beside(address, &gallery, &of_model, &rows)).collect::<Result<Vec<_>, _>>()?;

    let boundary = "a-crop-of-nobody";
    let top = TOP.to_string();
    let (crop, question) = (folder.path().join("crop.form"), folder.path().join("question.form"));
    std::fs::write(&crop, form(boundary, &[("modality", "infrared")])?)?;
    std::fs::write(&question, form(boundary, &[("modality", "infrared"), ("among", "visible"), ("top", &top)])?)?;
    let service = Service::start(load.program, &model, &gallery)?;
    let (began_with, _) = service.resident_mib();
    let address = service.address.clone();
    let form = format!("multipart/form-data; boundary={boundary}");
    let post = |path: &str, body: &Path| {
        vec![
            "-m".into(),
            "POST".into(),
            "-D".into(),
            body.display().to_string(),
            "-T".into(),
            form.clone(),
            format!("{address}{path}"),
        ]
    };
    let digits = load.rows.to_string().len() - 1;
    let by_id = format!("{address}/api/v1/crops/r[0-9]{{{digits}}}/similar\\?top={TOP}&among=visible");
    let by_id = ["--rand-regex-url", &by_id].map(String::from).to_vec();
    let arrivals = [vec!["-q".into(), load.arrivals.to_string()], post("/api/v1/crops", &crop)].concat();
    let kinds = [
        ("search by image", 4, post("/api/v1/search", &question)),
        ("search by id", 2, by_id),
        ("add a crop", 4, arrivals),
    ];
    println!("{} entries, {} minutes", load.rows, load.minutes);
    let mut clients = Vec::new();
    for (_, connections, words) in &kinds {
        let mut oha = Command::new(load.oha);
        oha.args(["--no-tui", "--output-format", "json", "-z", &format!("{}s", (60.0 * load.minutes).round())]);
        oha.args(["-c", &connections.to_string()]).args(words);
        clients.push(oha.stdout(Stdio::piped()).spawn()?);
    }
    let mut reports = Vec::new();
    for client in clients {
        let output = client.wait_with_output()?;
        reports.push(serde_json::from_slice::<Value>(&output.stdout)?);
    }
    let requests: Vec<Row> = kinds
        .iter()
        .zip(&reports)
        .map(|((request, connections, _), report)| row(request, *connections, report))
        .collect();
    for row in &requests {
        println!("{row:?}");
        row.check()?;
    }
    let ended_with = service.resident_mib();
    let killed = killed(load.program, service, &model, &gallery)?;
    let report = json!({
        "entries_at_first": load.rows,
        "dim": of_model.dim,
        "minutes": load.minutes,
        "under_load": requests,
        "resident_mib": { "at_first": began_with, "at_the_end": ended_with.0, "peak": ended_with.1 },
        "killed": killed,
        "beside": beside,
    });
    let note = "synthetic rows and one drawn crop; the small network on two CPU cores, which the clients share";
    // An address may hold a password: its kind is enough to say what was beside.
    let engines =
        load.beside.iter().map(|address| format!(" --beside {}://...", address.split(':').next().unwrap_or_default()));
    let (minutes, engines) = (load.minutes, engines.collect::<String>());
    let command = format!("serve --rows {} --minutes {minutes} --arrivals {}{engines}", load.rows, load.arrivals);
    results::write(out, &command, note, &report)
}

/// Rows of length 1: people of five images each around a direction of their own.
fn rows(count: usize, dim: usize) -> Embeddings {
    let mut noise = Streams::new(0).stream("bench serve", [0; 3]);
    let mut values = Vec::with_capacity(count * dim);
    let mut person = vec![0.0; dim];
    for row in 0..count {
        if row % 5 == 0 {
            person = (0..dim).map(|_| noise.normal(0.0, 1.0) as f32).collect();
        }
        values.extend(person.iter().map(|value| value + 0.5 * noise.normal(0.0, 1.0) as f32));
    }
    // As many as were asked for.
    Embeddings::new(values, count, dim).unwrap_or_else(|error| unreachable!("{error}")).normalized()
}

fn fill(store: &dyn Store, rows: &Embeddings) -> Result<(), Failure> {
    let digits = rows.rows().to_string().len() - 1;
    let all: Vec<usize> = (0..rows.rows()).collect();
    for part in all.chunks(AT_ONCE) {
        let item = |&row: &usize| {
            let mut facts = Facts::new(format!("r{row:0digits$}"), Modality::ALL[row % 2]);
            facts.camera = format!("camera {}", row % 6);
            Item { facts, embedding: rows.row(row).to_vec(), image: None }
        };
        store.add(part.iter().map(item).collect(), Existing::Refuse)?;
    }
    Ok(())
}

/// Another engine with the same rows: how long its searches take and what they find, beside ours.
fn beside(address: &str, gallery: &Path, model: &Model, rows: &Embeddings) -> Result<Value, Failure> {
    let (ours, theirs) = (open(&gallery.display().to_string(), model)?, open(address, model)?);
    let clock = Instant::now();
    fill(&*theirs, rows)?;
    let filled = clock.elapsed().as_secs_f64();
    let (mut our_times, mut their_times, mut found) = (Vec::new(), Vec::new(), 0);
    for number in 0..SEARCHES {
        let query = rows.row(number * rows.rows() / SEARCHES);
        let exact = timed(&mut our_times, || ours.search(query, &Filter::default(), TOP))?;
        let hits = timed(&mut their_times, || theirs.search(query, &Filter::default(), TOP))?;
        found += hits.iter().filter(|hit| exact.iter().any(|other| other.facts.id == hit.facts.id)).count();
    }
    let recall = found as f64 / (SEARCHES * TOP) as f64;
    let (ours, theirs) = (milliseconds(our_times), milliseconds(their_times));
    let engine = address.split(':').next();
    println!("{engine:?}: {theirs}, recall {recall}; here {ours}");
    Ok(json!({
        "engine": engine, "searches": SEARCHES, "filled_in_seconds": filled, "recall": recall, "engine_ms": theirs, "ours_ms": ours,
    }))
}

fn timed<T, E>(times: &mut Vec<Duration>, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    let clock = Instant::now();
    let done = work();
    times.push(clock.elapsed());
    done
}

fn milliseconds(mut times: Vec<Duration>) -> Value {
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize].as_secs_f64() * 1000.0;
    json!({ "p50": at(0.5), "p99": at(0.99) })
}

fn open(address: &str, model: &Model) -> Result<Box<dyn Store>, Failure> {
    Ok(Address::parse(address)?.open(Opening::OrCreate { model, images: false })?)
}

/// A drawn crop as a form, with fields beside it.
fn form(boundary: &str, fields: &[(&str, &str)]) -> Result<Vec<u8>, Failure> {
    let dials = Dials { gap: 0.2, camera: 0.3, collision: 0.0, occlusion: 0.0, view: 0.1 };
    let pixels = World::regdb(1, 1, dials).draw(0, 1, 0)?;
    let mut body = Vec::new();
    for (name, value) in fields {
        let field = format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        body.extend(field.bytes());
    }
    body.extend(
        format!("--{boundary}\r\nContent-Disposition: form-data; name=\"image\"; filename=\"crop.png\"\r\n\r\n")
            .bytes(),
    );
    let mut encoder = png::Encoder::new(&mut body, WIDTH as u32, HEIGHT as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header()?.write_image_data(&pixels)?;
    body.extend(format!("\r\n--{boundary}--\r\n").bytes());
    Ok(body)
}

/// Figures of a report of `oha`.
fn row(request: &'static str, clients: u32, report: &Value) -> Row {
    let milliseconds = |share: &str| report["latencyPercentiles"][share].as_f64().unwrap_or(f64::NAN) * 1000.0;
    let count = |of: &Value| of.as_object().into_iter().flatten().filter_map(|(_, count)| count.as_u64()).sum::<u64>();
    let statuses = report["statusCodeDistribution"].clone();
    Row {
        request,
        clients,
        requests: count(&statuses),
        per_second: report["summary"]["requestsPerSec"].as_f64().unwrap_or(f64::NAN),
        p50_ms: milliseconds("p50"),
        p99_ms: milliseconds("p99"),
        failures: count(&report["errorDistribution"]),
        statuses,
    }
}

/// A running service; it ends with this.
struct Service {
    child: Child,
    address: String,
}

impl Service {
    fn start(program: &Path, model: &Path, gallery: &Path) -> Result<Self, Failure> {
        let mut serve = Command::new(program);
        serve.args(["serve", "--listen", "127.0.0.1:0", "--model"]).arg(model).arg("--gallery").arg(gallery);
        let mut child = serve.stderr(Stdio::piped()).spawn()?;
        let said = child.stderr.take().ok_or("no standard error")?;
        let mut lines = BufReader::new(said).lines();
        for line in &mut lines {
            let line = line?;
            if let Some(at) = line.find("http://") {
                let address =
                    line[at..].split_whitespace().next().unwrap_or_default().trim_end_matches('/').to_string();
                // Whatever it says later must not fill the pipe.
                std::thread::spawn(move || lines.for_each(drop));
                return Ok(Self { child, address });
            }
        }
        Err("the service did not start".into())
    }

    /// Memory in use now, and at most so far; NaN where the system does not tell.
    fn resident_mib(&self) -> (f64, f64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let of = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name))?;
            Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? / 1024.0)
        };
        (of("VmRSS:").unwrap_or(f64::NAN), of("VmHWM:").unwrap_or(f64::NAN))
    }

    /// What it answers to a request, headers left out.
    fn answer(&self, path: &str) -> Result<Value, Failure> {
        use std::io::{Read, Write};
        let host = self.address.trim_start_matches("http://");
        let mut stream = std::net::TcpStream::connect(host)?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let body = text.split_once("\r\n\r\n").ok_or("no answer")?.1;
        Ok(serde_json::from_str(
            body.get(body.find('{').ok_or("no JSON")?..=body.rfind('}').ok_or("no JSON")?).ok_or("no JSON")?,
        )?)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Kills a service and asks the next one the same.
fn killed(program: &Path, service: Service, model: &Path, gallery: &Path) -> Result<Value, Failure> {
    let questions: Vec<String> = (1..=20).map(|n| format!("/api/v1/crops/r{n:04}0/similar?top={TOP}")).collect();
    let ask = |service: &Service| questions.iter().map(|path| service.answer(path)).collect::<Result<Vec<_>, _>>();
    let (before, count) = (ask(&service)?, service.answer("/api/v1/gallery")?);
    // The end of a service is SIGKILL.
    drop(service);
    let clock = Instant::now();
    let service = Service::start(program, model, gallery)?;
    let seconds = clock.elapsed().as_secs_f64();
    let entries = |count: &Value| count["visible"].as_u64().unwrap_or(0) + count["infrared"].as_u64().unwrap_or(0);
    let same = ask(&service)? == before && entries(&service.answer("/api/v1/gallery")?) == entries(&count);
    println!("killed with {} entries; the next one answers the same: {same}, after {seconds:.2} s", entries(&count));
    Ok(json!({ "entries": entries(&count), "restarted_in_seconds": seconds, "answers_the_same": same }))
}

fn succeed(command: &mut Command) -> Result<(), Failure> {
    if command.status()?.success() { Ok(()) } else { Err(format!("{command:?} failed").into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Figures of requests that are all refused were once taken for those of a quick service.
    #[test]
    fn refused_requests_are_no_figures() {
        let report = |statuses: Value, failed: u64| {
            json!({
                "summary": { "requestsPerSec": 2.0 },
                "latencyPercentiles": { "p50": 0.001, "p99": 0.002 },
                "statusCodeDistribution": statuses,
                "errorDistribution": { "aborted": failed },
            })
        };
        let row = |statuses: Value, failed: u64| row("search", 4, &report(statuses, failed));
        let good = row(json!({ "200": 7 }), 4);
        assert_eq!((good.requests, good.per_second, good.p50_ms, good.p99_ms), (7, 2.0, 1.0, 2.0));
        assert!(good.check().is_ok());
        for bad in [row(json!({ "400": 7 }), 0), row(json!({ "200": 7, "503": 1 }), 0), row(json!({}), 0)] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
        assert!(row(json!({ "200": 7 }), 5).check().is_err());
    }
}
