//! What a run directory tells.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use vireid::ProgramError;
use vireid_methods::RunDir;

use super::chart::Line;
use super::river::Flow;
use crate::evidence::{self, Evidence};

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
}

impl Run {
    /// Reads a run; one that is still going, or was stopped, lacks its last files.
    pub fn open(path: &Path) -> Result<Self, ProgramError> {
        let config = RunDir::open(path)?.1.to_toml();
        let json = |name: &str| -> Value {
            let text = std::fs::read_to_string(path.join(name)).unwrap_or_default();
            serde_json::from_str(&text).unwrap_or(Value::Null)
        };
        let log = std::fs::read_to_string(path.join("events.jsonl")).unwrap_or_default();
        // The last line of a run that was killed may be cut.
        let events = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let (environment, cost) = (json("environment.json"), json("cost.json"));
        let evidence = serde_json::from_value(json(evidence::FILE)).unwrap_or_default();
        let picture = |name: &str| std::fs::read(path.join(name)).ok().map(|png| STANDARD.encode(png));
        let (ranked, pairs) = (picture(evidence::RANKED), picture(evidence::PAIRS));
        Ok(Self { path: path.into(), config, environment, events, cost, evidence, ranked, pairs })
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
