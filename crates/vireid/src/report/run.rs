//! What a run directory says.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::ImageFormat;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use vireid::ProgramError;
use vireid_core::guard_parser;
use vireid_methods::{RunConfig, RunDir, without_repeated};

use super::chart::Line;
use super::river::Flow;
use crate::evidence::{self, Evidence};
use crate::misgiving_log::MisgivingLog;

const EVENTS: &str = "events.jsonl";
const RESULTS: &str = "results.json";
/// What every whole PNG ends with; a decoder may not miss it.
const PNG_END: &[u8] = b"IEND\xae\x42\x60\x82";

/// The files of a run, read.
#[derive(Debug)]
pub struct Run {
    pub path: PathBuf,
    pub config: String,
    pub environment: Value,
    pub events: Vec<Value>,
    pub cost: Value,
    /// Ranked lists, matched clusters and the map, where the run ended.
    pub evidence: Evidence,
    /// The two contact sheets, PNGs in base64.
    pub ranked: Option<String>,
    pub pairs: Option<String>,
    /// What is not there, as in a run that has not ended.
    pub missing: Vec<String>,
    /// What can't be read.
    pub faults: Vec<String>,
}

/// Reads the files of a run one by one and keeps what was wrong with them.
struct Files<'a> {
    run: &'a Path,
    missing: Vec<String>,
    faults: Vec<String>,
}

impl Files<'_> {
    fn bytes(&mut self, name: &str) -> Option<Vec<u8>> {
        let path = self.run.join(name);
        match std::fs::read(&path) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                self.missing.push(name.into());
                None
            }
            Err(error) => {
                self.fault(name, error);
                None
            }
        }
    }

    fn fault(&mut self, name: &str, reason: impl std::fmt::Display) {
        self.faults.push(format!("{}: {reason}", self.run.join(name).display()));
    }

    fn json<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        let bytes = self.bytes(name)?;
        serde_json::from_slice(&bytes).map_err(|error| self.fault(name, format!("damaged or cut short: {error}"))).ok()
    }

    /// A picture in base64.
    fn picture(&mut self, name: &str) -> Option<String> {
        let png = self.bytes(name)?;
        let read = guard_parser(|| image::load_from_memory_with_format(&png, ImageFormat::Png));
        match read.and_then(|read| read.map_err(|error| format!("damaged or cut short: {error}"))) {
            Ok(_) if png.ends_with(PNG_END) => return Some(STANDARD.encode(png)),
            Ok(_) => self.fault(name, "cut short"),
            Err(reason) => self.fault(name, reason),
        }
        None
    }

    /// The events that the log holds, each once. Only while a run has not `ended` may its last line be cut.
    fn events(&mut self, config: &RunConfig, ended: bool) -> Vec<Value> {
        let Some(log) = self.bytes(EVENTS) else { return Vec::new() };
        let (mut events, mut bad) = (Vec::new(), Vec::new());
        for (number, line) in log.split_inclusive(|byte| *byte == b'\n').enumerate() {
            let event = serde_json::from_slice(line).ok().filter(|event: &Value| event["event"].is_string());
            let is_cut = !line.ends_with(b"\n");
            match event {
                Some(event) => events.push(event),
                None if is_cut && !ended => {
                    self.missing.push(format!("the end of the last line of {EVENTS}"));
                }
                None => bad.push(number + 1),
            }
        }
        if let Some(first) = bad.first() {
            let more = if bad.len() > 1 { format!(" and {} more lines are", bad.len() - 1) } else { " is".into() };
            self.fault(EVENTS, format!("line {first}{more} damaged or cut short"));
        }
        let events = without_repeated(events);
        let trained = events.iter().filter(|event| event["event"] == "epoch").count();
        if ended && trained < config.engine.epochs() {
            self.fault(
                EVENTS,
                format!("it covers {trained} of the {} epochs that the run ended with", config.engine.epochs()),
            );
        }
        events
    }
}

impl Run {
    /// Reads a run; one that is still going, or was stopped, lacks its last files.
    pub fn open(path: &Path) -> Result<Self, ProgramError> {
        let config = RunDir::open(path)?.1;
        let mut files = Files { run: path, missing: Vec::new(), faults: Vec::new() };
        // Every run begins with it.
        let environment = Value::Object(files.json("environment.json").unwrap_or_default());
        let is_missing = !std::mem::take(&mut files.missing).is_empty();
        if is_missing {
            files.fault("environment.json", "missing");
        }
        let ended = path.join(RESULTS).exists();
        let _: Option<Map<String, Value>> = files.json(RESULTS);
        let events = files.events(&config, ended);
        if ended && files.missing.iter().any(|name| name == EVENTS) {
            files.missing.retain(|name| name != EVENTS);
            files.fault(EVENTS, "missing, though the run has ended");
        }
        let cost = Value::Object(files.json("cost.json").unwrap_or_default());
        let evidence: Evidence = files.json(evidence::FILE).unwrap_or_default();
        let ranked = files.picture(evidence::RANKED);
        let pairs = match evidence.pairs.is_empty() {
            // Where no clusters found each other there is no picture of them.
            true => None,
            false => files.picture(evidence::PAIRS),
        };
        let Files { missing, faults, .. } = files;
        let config = config.to_toml();
        Ok(Self { path: path.into(), config, environment, events, cost, evidence, ranked, pairs, missing, faults })
    }

    /// What the page lacks and why, in sentences.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if !self.missing.is_empty() {
            let (name, missing) = (self.name(), self.missing.join(", "));
            notes.push(format!("{name}: not there, as in a run that has not ended: {missing}"));
        }
        notes.extend(self.faults.iter().map(|fault| format!("can't be read: {fault}")));
        notes
    }

    /// What spoke against the run's labels, a sentence for each kind: how often, when last, and what.
    pub fn misgivings(&self) -> Vec<String> {
        let mut log = MisgivingLog::default();
        for event in self.of_kind("clusters") {
            let Some(epoch) = event["epoch"].as_u64() else { continue };
            log.see(epoch as usize);
            for misgiving in event["misgivings"].as_array().into_iter().flatten() {
                if let (Some(kind), Some(sentence)) = (misgiving["kind"].as_str(), misgiving["sentence"].as_str()) {
                    log.add(epoch as usize, kind, sentence);
                }
            }
        }
        log.summary().into_iter().map(|line| format!("{}: {line}", self.name())).collect()
    }

    /// The run's name in legends.
    pub fn name(&self) -> String {
        self.path.file_name().map_or_else(|| self.path.display().to_string(), |name| name.to_string_lossy().into())
    }

    pub fn is_synthetic(&self) -> bool {
        self.environment["synthetic"].as_bool().unwrap_or(false)
    }

    /// Events of a kind.
    pub fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.events.iter().filter(move |event| event["event"] == kind)
    }

    /// A figure of the labels over the epochs, by its path in the event.
    pub fn labels(&self, name: &str, pointer: &str) -> Line {
        let figure = |event: &Value| Some((event["epoch"].as_f64()?, event.pointer(pointer)?.as_f64()?));
        Line { name: name.into(), points: self.of_kind("clusters").filter_map(figure).collect() }
    }

    /// Epoch by epoch the clusters of a modality by where they came from, and those that ended.
    pub fn flow(&self, modality: &str) -> Vec<Flow> {
        let flow = |event: &Value| {
            let count = |part: &str| event[modality]["flow"][part].as_f64();
            let came = [count("kept")?, count("split")?, count("merged")?, count("born")?];
            Some(Flow { epoch: event["epoch"].as_f64()?, came, gone: count("gone")? })
        };
        self.of_kind("clusters").filter_map(flow).collect()
    }

    /// Mean losses by part over the epochs.
    pub fn losses(&self) -> Vec<Line> {
        let mut lines: Vec<Line> = Vec::new();
        for event in self.of_kind("epoch") {
            let Some(epoch) = event["epoch"].as_f64() else { continue };
            for part in event["losses"].as_array().into_iter().flatten() {
                let (Some(name), Some(value)) = (part[0].as_str(), part[1].as_f64()) else { continue };
                match lines.iter_mut().find(|line| line.name == name) {
                    Some(line) => line.points.push((epoch, value)),
                    None => lines.push(Line { name: name.into(), points: vec![(epoch, value)] }),
                }
            }
        }
        lines
    }

    /// The learning rate at each epoch's first step.
    pub fn learning_rate(&self) -> Line {
        let first = self.of_kind("step").filter(|event| event["step"] == 0);
        let rate = |event: &Value| Some((event["epoch"].as_f64()?, event["learning_rate"].as_f64()?));
        Line { name: "learning rate".into(), points: first.filter_map(rate).collect() }
    }

    /// A figure of the test over the epochs, a line per search.
    pub fn scores(&self, figure: &str) -> Vec<Line> {
        let mut lines: Vec<Line> = Vec::new();
        for event in self.of_kind("evaluation") {
            for score in event["scores"].as_array().into_iter().flatten() {
                let (Some(epochs), Some(name), Some(value)) =
                    (event["epochs"].as_f64(), score["search"].as_str(), score[figure]["mean"].as_f64())
                else {
                    continue;
                };
                match lines.iter_mut().find(|line| line.name == name) {
                    Some(line) => line.points.push((epochs, value)),
                    None => lines.push(Line { name: name.into(), points: vec![(epochs, value)] }),
                }
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A run of one epoch that has ended.
    fn run() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let settings = ["stage1.epochs=1", "stage2.epochs=0"].map(String::from);
        let config = vireid_methods::preset("mbccm_sysu_quick", &settings).unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("config.toml", &config.to_toml());
        write("environment.json", "{\"data\": \"drawn\"}");
        write(EVENTS, "{\"event\":\"step\",\"epoch\":0,\"step\":0}\n{\"event\":\"epoch\",\"epoch\":0,\"losses\":[]}\n");
        write(RESULTS, "{}");
        write("cost.json", "{}");
        write(evidence::FILE, r#"{"part": "test", "ranked": [], "pairs": [], "map": []}"#);
        image::RgbImage::new(4, 4).save(folder.path().join(evidence::RANKED)).unwrap();
        folder
    }

    #[test]
    fn a_whole_run_has_no_notes() {
        assert_eq!(Run::open(run().path()).unwrap().notes(), Vec::<String>::new());
    }

    #[test]
    fn what_speaks_against_labels_is_summed_up() {
        let folder = run();
        let event = |epoch: usize, said: &str| {
            format!("{{\"event\":\"clusters\",\"epoch\":{epoch},\"misgivings\":[{said}]}}\n")
        };
        let noise =
            |epoch: usize| event(epoch, &format!("{{\"kind\":\"mostly_noise\",\"sentence\":\"noise of {epoch}\"}}"));
        let events = [event(0, ""), noise(1), noise(1), noise(2), event(3, "")].concat();
        fs::write(folder.path().join(EVENTS), events).unwrap();
        let said = Run::open(folder.path()).unwrap().misgivings();
        assert!(said.len() == 1 && said[0].ends_with(": in 2 of 4 epochs, last in epoch 2: noise of 2"), "{said:?}");
    }

    /// Whatever was left was drawn, without a word.
    #[test]
    fn a_file_that_is_cut_is_named() {
        for name in [RESULTS, EVENTS, "environment.json", "cost.json", evidence::FILE, evidence::RANKED] {
            let folder = run();
            let path = folder.path().join(name);
            let whole = fs::read(&path).unwrap();
            for length in [whole.len() - 2, whole.len() / 2, 1] {
                fs::write(&path, &whole[..length]).unwrap();
                let faults = Run::open(folder.path()).unwrap().faults;
                assert!(!faults.is_empty() && faults.iter().all(|fault| fault.contains(name)), "{name}: {faults:?}");
            }
        }
        for name in [EVENTS, "environment.json"] {
            let folder = run();
            fs::remove_file(folder.path().join(name)).unwrap();
            let faults = Run::open(folder.path()).unwrap().faults;
            assert!(faults.len() == 1 && faults[0].contains(name), "{faults:?}");
        }
        let folder = run();
        let log = folder.path().join(EVENTS);
        let whole = fs::read(&log).unwrap();
        let damaged = whole.iter().enumerate().map(|(at, byte)| if at == 3 { 0xff } else { *byte });
        fs::write(&log, damaged.collect::<Vec<u8>>()).unwrap();
        let faults = Run::open(folder.path()).unwrap().faults;
        assert!(faults.len() == 1 && faults[0].contains("line 1"), "{faults:?}");
    }

    #[test]
    fn what_a_running_run_lacks_is_said_and_no_fault() {
        let folder = run();
        for name in [RESULTS, "cost.json", evidence::FILE, evidence::RANKED] {
            fs::remove_file(folder.path().join(name)).unwrap();
        }
        let log = fs::read_to_string(folder.path().join(EVENTS)).unwrap();
        fs::write(folder.path().join(EVENTS), log + "{\"event\":\"st").unwrap();
        let run = Run::open(folder.path()).unwrap();
        assert_eq!((run.faults.len(), run.events.len()), (0, 2));
        let notes = run.notes();
        let said = |words: &str| notes.iter().any(|note| note.contains(words));
        assert!(said(RESULTS) && said("cost.json") && said("last line of events.jsonl"), "{notes:?}");
    }

    #[test]
    fn steps_that_an_older_version_logged_twice_are_drawn_once() {
        let folder = run();
        let stage = "{\"event\":\"stage\",\"first_epoch\":0,\"epochs\":1,\"steps\":1,\"done\":0}\n";
        let log = fs::read_to_string(folder.path().join(EVENTS)).unwrap();
        fs::write(folder.path().join(EVENTS), format!("{stage}{log}{stage}{log}")).unwrap();
        let run = Run::open(folder.path()).unwrap();
        assert_eq!(run.of_kind("step").count(), 1);
        assert_eq!(run.of_kind("epoch").count(), 1);
    }
}
