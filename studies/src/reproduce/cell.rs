//! The cells of the methods' tables: one training each.

use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser, ValueParser, ValueParserFactory};
use serde::{Deserialize, Serialize};
use vireid::{DataKind, DataSource};
use vireid_data::DataError;
use vireid_data::synthetic::WorldSpec;
use vireid_methods::data_sets::{DataSet, SYSU, data_sets};
use vireid_methods::{Evaluation, MethodError, RunConfig};
use xtask::reproduce::WORLD;

/// What is reproduced: a data set with its protocol.
#[derive(Debug, Clone, Copy)]
pub struct Benchmark(&'static DataSet);

impl Benchmark {
    pub const SYSU: Self = Self(&SYSU);

    /// The licensed data sets that a synthetic world stands in for.
    pub fn all() -> impl Iterator<Item = Self> {
        data_sets().filter(|data_set| data_set.is_licensed && data_set.stand_in.is_some()).map(Self)
    }

    pub fn name(self) -> &'static str {
        self.0.name
    }

    pub fn title(self) -> &'static str {
        self.0.title
    }

    /// The names of its search modes or directions.
    #[cfg(test)]
    pub fn searches(self) -> Vec<&'static str> {
        (self.0.protocol)().searches().to_vec()
    }

    /// Trials that the protocol trains for, one by one. SYSU-MM01's ten draws are of the gallery alone.
    pub fn trials(self) -> std::ops::RangeInclusive<u32> {
        self.0.trials()
    }

    fn kind(self) -> DataKind {
        DataKind::new(self.0)
    }

    fn world(self) -> (DataKind, WorldSpec) {
        let spec = self.0.stand_in.as_ref().map_or_else(WorldSpec::sysu, |world| (world.spec)());
        (DataKind::world(self.0).unwrap_or_default(), spec)
    }
}

impl ValueParserFactory for Benchmark {
    type Parser = ValueParser;

    fn value_parser() -> ValueParser {
        let find = |name: String| Self::all().find(|known| known.name() == name).ok_or("no such data set");
        PossibleValuesParser::new(Self::all().map(Self::name)).try_map(find).into()
    }
}

/// One training of the tables: a method, or one of its ablations, on one data set with one seed.
#[derive(Debug, Clone, Args)]
pub struct Cell {
    #[arg(long)]
    pub method: String,
    /// Key of an ablation; empty for the whole method
    #[arg(long, default_value = "")]
    pub variant: String,
    /// Layers over the preset; may be repeated
    #[arg(long = "layer")]
    pub layers: Vec<String>,
    /// Settings of the ablation, as key=value; may be repeated
    #[arg(long = "set")]
    pub overrides: Vec<String>,
    #[arg(long)]
    pub benchmark: Benchmark,
    #[arg(long)]
    pub seed: u64,
    #[arg(long)]
    pub trial: u32,
    /// Folder of the licensed data; a synthetic world when there is none
    #[arg(long)]
    pub data: Option<PathBuf>,
    #[arg(long)]
    pub world_seed: u64,
    /// Share of the training people whom only one modality sees
    #[arg(long, default_value_t = 0.0)]
    pub unpaired: f64,
    /// The small network and minutes instead of the authors' settings
    #[arg(long)]
    pub quick: bool,
    #[arg(long)]
    pub device: String,
}

impl Cell {
    /// Where it stands among the others: folder and file, without an ending.
    pub fn place(&self) -> PathBuf {
        let synthetic = if self.data.is_none() { "synthetic-" } else { "" };
        let quick = if self.data.is_some() && self.quick { "-quick" } else { "" };
        let variant = if self.variant.is_empty() { String::new() } else { format!("-{}", self.variant) };
        let trial = if self.benchmark.trials().count() > 1 { format!("-t{}", self.trial) } else { String::new() };
        // Every world but the tables' own has a folder of its own.
        let is_fresh = self.data.is_none() && self.world_seed != WORLD;
        let world = if is_fresh { format!("-world{}", self.world_seed) } else { String::new() };
        let unpaired = if self.unpaired > 0.0 { format!("-unpaired{}", percent(self.unpaired)) } else { String::new() };
        PathBuf::from(format!("{synthetic}{}{quick}{world}{unpaired}", self.benchmark.name()))
            .join(format!("{}{variant}-s{}{trial}", self.method, self.seed))
    }

    /// Name of its preset; synthetic worlds are made for the quick ones.
    pub fn preset(&self) -> String {
        let size = if self.quick || self.data.is_none() { "quick" } else { "paper" };
        let layers: String = self.layers.iter().map(|layer| format!("+{layer}")).collect();
        format!("{}_{}_{size}{layers}", self.method, self.benchmark.name())
    }

    /// The settings of its preset, with its seed and the ablation's overrides.
    pub fn config(&self) -> Result<RunConfig, MethodError> {
        let mut overrides = self.overrides.clone();
        overrides.push(format!("seed={}", self.seed));
        vireid_methods::preset(&self.preset(), &overrides)
    }

    /// The licensed data in its folder, or the synthetic world that stands in.
    pub fn source(&self) -> Result<DataSource, DataError> {
        let (path, kind) = match &self.data {
            Some(path) => (Some(path.as_path()), self.benchmark.kind()),
            None => (None, self.benchmark.world().0),
        };
        let mut source = DataSource::new(path, Some(kind), self.world_seed, false)?;
        source.trial = self.trial;
        source.unpaired = self.unpaired;
        Ok(source)
    }

    /// Its data in words that differ between worlds.
    pub fn data_title(&self) -> String {
        let whole = match &self.data {
            Some(_) => self.benchmark.title().to_string(),
            None => format!("synthetic world {}: {:?}", self.world_seed, self.benchmark.world().1),
        };
        match percent(self.unpaired) {
            0 => whole,
            share => format!("{whole}, {share} % of the training people seen by one modality only"),
        }
    }

    /// Where it trains: a folder of its own under `runs/reproduce`.
    pub fn run_dir(&self) -> PathBuf {
        Path::new("runs").join("reproduce").join(self.place())
    }
}

/// A share in whole percent, as it stands in the names of folders.
fn percent(share: f64) -> u32 {
    (100.0 * share).round() as u32
}

/// What a finished cell found. One file each.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    pub method: String,
    pub variant: String,
    pub overrides: Vec<String>,
    pub benchmark: String,
    pub synthetic: bool,
    pub data: String,
    pub data_manifest: String,
    pub preset: String,
    pub config_hash: String,
    pub seed: u64,
    pub trial: u32,
    /// Share of the training people whom only one modality saw.
    #[serde(default)]
    pub unpaired: f64,
    /// The commit of the code; with `+` where files were changed since.
    pub commit: String,
    pub device: String,
    /// Threads that the process could use.
    pub threads: usize,
    pub seconds: f64,
    pub peak_memory_mib: Option<f64>,
    /// What the deviations within the evaluations are over.
    pub std: String,
    /// The untrained network and the ends of the stages.
    pub evaluations: Vec<Evaluation>,
    /// How well the last labels of each stage agree with the truth, as the events tell; none in records of versions that did
    /// not keep them.
    #[serde(default)]
    pub labels: Vec<serde_json::Value>,
}

impl Record {
    /// Whether it is what a cell would find: same settings, same data.
    pub fn answers(&self, cell: &Cell) -> bool {
        let same_settings = cell.config().is_ok_and(|config| config.has_hash(&self.config_hash));
        same_settings && self.data == cell.data_title() && self.trial == cell.trial
    }
}

#[cfg(test)]
mod tests {
    use xtask::reproduce::is_quick;

    use super::*;

    /// A record as the tables read it.
    fn as_read(record: &Record) -> xtask::reproduce::Record {
        serde_json::from_str(&serde_json::to_string(record).unwrap()).unwrap()
    }

    fn cell() -> Cell {
        Cell {
            method: "mbccm".into(),
            variant: String::new(),
            layers: Vec::new(),
            overrides: Vec::new(),
            benchmark: Benchmark::all().find(|benchmark| benchmark.name() == "regdb").unwrap(),
            seed: 2,
            trial: 3,
            data: None,
            world_seed: WORLD,
            unpaired: 0.0,
            quick: true,
            device: "cpu".into(),
        }
    }

    #[test]
    fn synthetic_and_real_cells_never_share_a_folder() {
        let synthetic = cell();
        assert_eq!(synthetic.place(), Path::new("synthetic-regdb/mbccm-s2-t3"));
        let fresh = Cell { world_seed: 41, ..cell() };
        assert_eq!(fresh.place(), Path::new("synthetic-regdb-world41/mbccm-s2-t3"));
        let unpaired = Cell { unpaired: 0.25, ..fresh };
        assert_eq!(unpaired.place(), Path::new("synthetic-regdb-world41-unpaired25/mbccm-s2-t3"));
        let real = Cell { data: Some("RegDB".into()), ..cell() };
        assert_eq!(real.place(), Path::new("regdb-quick/mbccm-s2-t3"));
        let paper = Cell { quick: false, variant: "baseline".into(), ..real };
        assert_eq!(paper.place(), Path::new("regdb/mbccm-baseline-s2-t3"));
        assert_eq!(paper.preset(), "mbccm_regdb_paper");
        assert_eq!(Cell { quick: false, ..cell() }.preset(), "mbccm_regdb_quick");
        let layers = ["in_batch", "even"].map(String::from).to_vec();
        let layered = Cell { method: "dmic".into(), variant: "summary".into(), layers, ..cell() };
        assert_eq!(layered.preset(), "dmic_regdb_quick+in_batch+even");
        assert!(is_quick(&layered.preset()) && !is_quick("dmic_sysu_paper+quick"));
        assert_eq!(layered.place(), Path::new("synthetic-regdb/dmic-summary-s2-t3"));
    }

    #[test]
    fn a_record_answers_only_its_own_settings_and_world() {
        let cell = cell();
        let record = Record {
            method: cell.method.clone(),
            variant: String::new(),
            overrides: Vec::new(),
            benchmark: "regdb".into(),
            synthetic: true,
            data: cell.data_title(),
            data_manifest: String::new(),
            preset: cell.preset(),
            config_hash: cell.config().unwrap().hash(),
            seed: 2,
            trial: 3,
            unpaired: 0.0,
            commit: String::new(),
            device: "cpu".into(),
            threads: 1,
            seconds: 1.0,
            peak_memory_mib: None,
            std: String::new(),
            evaluations: Vec::new(),
            labels: Vec::new(),
        };
        assert!(record.answers(&cell) && !as_read(&record).is_of_fresh_world());
        let fresh = Cell { world_seed: 41, ..cell.clone() };
        assert!(as_read(&Record { data: fresh.data_title(), ..record.clone() }).is_of_fresh_world());
        assert!(!record.answers(&Cell { seed: 3, ..cell.clone() }));
        assert!(!record.answers(&Cell { unpaired: 0.5, ..cell.clone() }));
        assert!(!record.answers(&Cell { world_seed: 6, ..cell.clone() }));
        assert!(!record.answers(&Cell { overrides: vec!["stage1.epochs=1".into()], ..cell }));
    }
}
