//! What the program and the engine read: embeddings, checkpoints, weights, configurations, the files of a run.

use std::fs;
use std::path::Path;

use burn::tensor::Bytes;
use vireid::calibration::Calibration;
use vireid::npy::Entries;
use vireid::{DataSource, EmbeddingsFile, read_npy, report, write_npy};
use vireid_backbone::{BackboneError, WeightFile};
use vireid_core::guard_parser;
use vireid_data::Names;
use vireid_methods::{Checkpoint, EmbeddingRecipe, MethodError, RunConfig, RunDir, adam, presets, registry};

use crate::{Target, checked, choice, scratch, seeds};

pub const TARGETS: &[Target] = &[
    Target { name: "checkpoint", run: checkpoint, seeds: seeds::checkpoints },
    Target { name: "config", run: config, seeds: seeds::configs },
    Target { name: "events", run: events, seeds: seeds::run_files },
    Target { name: "index_npy", run: index_npy, seeds: seeds::indices_npy },
    Target { name: "index_parquet", run: index_parquet, seeds: seeds::indices_parquet },
    Target { name: "optimizer_record", run: optimizer_record, seeds: seeds::optimizer_records },
    Target { name: "setting", run: setting, seeds: seeds::settings },
    Target { name: "weights_pth", run: weights_pth, seeds: seeds::weights_pth },
    Target { name: "weights_safetensors", run: weights_safetensors, seeds: seeds::weights_safetensors },
];

/// The preset that settings are laid over, and whose run the report is of.
const PRESET: &str = "mbccm_sysu_quick";

/// A checkpoint, which is the same after another round; its floats compared as bits, for a NaN is no reason to differ.
fn checkpoint(bytes: &[u8]) {
    let Some(read) = checked(Checkpoint::load(&scratch::file("last.safetensors", bytes))) else { return };
    for (name, shape, values) in &read.model {
        assert_eq!(shape.iter().product::<usize>(), values.len(), "{name}");
    }
    for (name, (shape, values)) in &read.state.floats {
        assert_eq!(shape.iter().product::<usize>(), values.len(), "{name}");
    }
    let again = scratch::path("again.safetensors");
    let written = |checkpoint: &Checkpoint| {
        checked(checkpoint.save(&again)).expect("what was read can be written");
        fs::read(&again).unwrap()
    };
    let first = written(&read);
    assert_eq!(first, written(&checked(Checkpoint::load(&again)).expect("what was written can be read")));
}

/// The optimiser's record within a checkpoint.
fn optimizer_record(bytes: &[u8]) {
    let _ = guard_parser(|| adam(0.0).from_bytes(Bytes::from_bytes_vec(bytes.to_vec())).is_ok());
}

fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    check_config(RunConfig::from_toml(text, &[]));
}

/// Settings, one a line, over a preset.
fn setting(bytes: &[u8]) {
    let Some((which, rest)) = choice(bytes) else { return };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    let names: Vec<String> = presets().collect();
    let overrides: Vec<String> = text.lines().map(str::to_string).collect();
    check_config(vireid_methods::preset(&names[which % names.len()], &overrides));
}

/// A configuration that is taken can be written, read, and asked about any epoch; its method is built or refused.
fn check_config(read: Result<RunConfig, MethodError>) {
    let Some(config) = checked(read) else { return };
    let again = checked(RunConfig::from_toml(&config.to_toml(), &[])).expect("a configuration that was taken");
    assert_eq!(config.to_toml(), again.to_toml());
    for epoch in [0, 1, config.engine.epochs().saturating_sub(1), config.engine.epochs(), usize::MAX] {
        let at = config.engine.at(epoch);
        assert!(config.engine.stage(at).rate(at.in_stage) > 0.0);
    }
    if let Some(method) = checked(registry::build(&config)) {
        method.stages();
        method.composition();
    }
}

/// One of the three files of an index, chosen by the first byte; the other two are whole. The matrix may be any array.
fn index_npy(bytes: &[u8]) {
    let Some((which, part)) = choice(bytes) else { return };
    let npy = scratch::path("gallery.npy");
    seeds::embeddings().save(&npy).unwrap();
    const PARTS: [&str; 3] = ["gallery.npy", "gallery.csv", "gallery.json"];
    scratch::file(PARTS[which % PARTS.len()], part);
    check_index(checked(EmbeddingsFile::load(&npy)));
    if let Some(matrix) = checked(read_npy(&npy)) {
        let again = scratch::path("again.npy");
        write_npy(&again, &matrix).unwrap();
        assert_eq!(read_npy(&again).unwrap().as_slice(), matrix.as_slice());
    }
    if let Ok(entries) = Entries::read(&npy) {
        assert!(entries.numbered().iter().all(|&number| number < entries.len()));
    }
}

fn index_parquet(bytes: &[u8]) {
    check_index(checked(EmbeddingsFile::load(&scratch::file("gallery.parquet", bytes))));
}

/// Rows and images belong together, and the index is the same after another round.
fn check_index(read: Option<EmbeddingsFile>) {
    let Some(index) = read else { return };
    assert_eq!(index.embeddings.rows(), index.images.len());
    let again = scratch::path("again.parquet");
    index.save(&again).unwrap();
    let loaded = checked(EmbeddingsFile::load(&again)).expect("what was written can be read");
    assert_eq!((loaded.embeddings, loaded.images), (index.embeddings, index.images));
}

/// One of the files of a run, chosen by the first byte; the others are whole.
fn events(bytes: &[u8]) {
    let Some((which, part)) = choice(bytes) else { return };
    let run = scratch::path("run");
    let files = seeds::whole_run_files();
    scratch::file_once("run/config.toml", vireid_methods::preset(PRESET, &[]).unwrap().to_toml().as_bytes());
    files.iter().for_each(|(name, whole)| scratch::file_once(&format!("run/{name}"), whole));
    let (name, whole) = &files[which % files.len()];
    let chosen = scratch::file(&format!("run/{name}"), part);
    match *name {
        "calibration.json" => check_calibration(&chosen),
        "training_set.json" => {
            if let Some(record) = checked(RunDir::open(&run).unwrap().0.training_record()) {
                record.seen(&[], &Names::default());
            }
        }
        "data.json" => check_source(&run),
        _ => check_report(&run),
    }
    fs::write(chosen, whole).unwrap();
}

/// A page is whole, and no tag of the run's files gets into it.
fn check_report(run: &Path) {
    let page = run.join("report.html");
    if checked(report::write(&[run.into()], &page)).is_some() {
        let html = fs::read_to_string(&page).unwrap();
        assert!(html.ends_with("</html>\n") || html.ends_with("</html>"), "a page that is not whole");
        assert!(!html.contains("<fuzz"), "a tag of the run's files is in the page");
    }
}

/// What a run says of its data is the same after another round.
fn check_source(run: &Path) {
    let Some(source) = checked(DataSource::of_run(run)).flatten() else { return };
    source.record(&RunDir::open(run).unwrap().0, DataSource::is_skipping(run).unwrap()).unwrap();
    let again = DataSource::of_run(run).unwrap().expect("what was written can be read");
    assert_eq!((source.kind, source.lists().len()), (again.kind, again.lists().len()));
}

/// Whatever a calibration holds, a similarity has a probability and a verdict.
fn check_calibration(path: &Path) {
    let Some(calibration) = checked(Calibration::load(path)).flatten() else { return };
    let network = EmbeddingRecipe { weights: calibration.model.clone(), settings: [].into() };
    calibration.unfit_for(&network);
    calibration.seen_people.and_then(|seen| seen.warning());
    for similarity in [-1.0, 0.0, 0.5, 1.0] {
        assert!(!calibration.probability(similarity).is_nan());
        calibration.verdict(similarity);
    }
}

/// A PyTorch file.
fn weights_pth(bytes: &[u8]) {
    check_weights(WeightFile::Path(scratch::file("weights.pth", bytes)).read());
}

fn weights_safetensors(bytes: &[u8]) {
    check_weights(WeightFile::Path(scratch::file("weights.safetensors", bytes)).read());
}

/// Every tensor has as many values as its shape says.
fn check_weights<T>(read: Result<T, BackboneError>)
where
    T: IntoIterator<Item = (String, (Vec<usize>, Vec<f32>))>,
{
    for (name, (shape, values)) in checked(read).into_iter().flatten() {
        assert_eq!(shape.iter().product::<usize>(), values.len(), "{name}");
    }
}
