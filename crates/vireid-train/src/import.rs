//! Run directories of networks that were trained elsewhere.

use std::path::Path;

use serde::Serialize;
use vireid_backbone::WeightReport;
use vireid_core::Streams;

use crate::networks;
use crate::{Checkpoint, CheckpointKind, MethodError, MethodState, Position, RunConfig, RunDir, parse_device};

/// What stands for a method in the settings of a run directory whose network was not trained here.
pub const IMPORTED: &str = "imported";

/// What an imported network came from: `environment.json` of its run directory.
#[derive(Serialize)]
struct Environment<'a> {
    version: &'static str,
    device: &'static str,
    data: &'static str,
    /// No image was seen.
    data_manifest: &'static str,
    synthetic: bool,
    seed: u64,
    config_hash: String,
    imported_from: &'a str,
    /// Whose names the file has.
    names: Option<&'static str>,
}

/// Makes a run directory of a network with its starting weights, as `config.backbone` names them, that is used like one of
/// a trained network. Of a file without a neck the neck is made the identity, so that embeddings are what the file's
/// network gives. Returns what was read of the file, where that is told.
///
/// # Errors
///
/// `VR0510`, `VR0516` and `VR0517` when the folder is not [vacant](RunDir::vacant), `VR03xx` for weights that can't be used,
/// `VR0509` when the file system refuses. Nothing is left in the folder then but by the last.
pub fn import_network(config: &RunConfig, out: &Path) -> Result<Option<WeightReport>, MethodError> {
    let run = RunDir::vacant(out)?;
    let engine = &config.engine;
    let kind = networks::kind(&engine.backbone.name)?;
    let (mut model, report) =
        kind.imported(&engine.backbone, engine.size(), Streams::new(engine.seed), &parse_device("cpu")?)?;
    let lacks_neck = report.as_ref().is_some_and(|report| report.kept.iter().any(|name| name == "neck.weight"));
    for (_, _, values) in model.iter_mut().filter(|(name, ..)| lacks_neck && name == "neck.weight") {
        values.fill(1.0);
    }
    let environment = Environment {
        version: env!("CARGO_PKG_VERSION"),
        device: "cpu",
        data: "none: imported",
        data_manifest: "",
        synthetic: false,
        seed: engine.seed,
        config_hash: config.hash(),
        imported_from: &engine.backbone.weights,
        names: report.as_ref().map(|report| report.names.name()),
    };
    let _lock = run.start(config, &environment)?;
    let checkpoint = Checkpoint {
        method: engine.method.clone(),
        backbone: engine.backbone.name.clone(),
        seed: engine.seed,
        position: Position::default(),
        evaluations: Vec::new(),
        model,
        optimizer: Vec::new(),
        prepared: false,
        state: MethodState::default(),
    };
    checkpoint.save(&run.checkpoint(CheckpointKind::Last))?;
    Ok(report)
}
