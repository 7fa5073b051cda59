//! `vireid import`.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use vireid_methods::{IMPORTED, MethodError, RunConfig, WeightFile, WeightNames, import_network, networks, preset};

use crate::ProgramError;
use crate::output::Output;
use crate::weights::find_weights;

/// What weights that come with the program are called by.
const BUILTIN: &str = "builtin:";

#[derive(Debug, Args)]
pub struct Arguments {
    /// File of weights, .pth, .pt or .safetensors, or a wheel or zip that has one; a name of `vireid weights list`;
    /// builtin:small; or none, for an untrained network
    #[arg(long)]
    weights: String,
    /// Network, such as resnet50 [default: the one that the file is of]
    #[arg(long)]
    backbone: Option<String>,
    /// Whose names the file has: torchvision, timm, efficientnet-pytorch, usl-vi-reid, transreid, own, or auto, which
    /// finds out
    #[arg(long = "as", value_name = "NAMES", value_parser = names, default_value = "auto")]
    names: WeightNames,
    /// Run directory to make
    #[arg(long)]
    out: PathBuf,
    /// Height and width of the images that it is to embed, in pixels, such as 288x144
    #[arg(long, value_parser = size)]
    size: Option<Size>,
    /// What numbers its first layer learnt to get for bytes: imagenet (torchvision's networks), half (0.5 for all, as in
    /// TransReID's settings) or lite (EfficientNet-Lite's) [default: what the network's usual weights want]
    #[arg(long, value_parser = ["imagenet", "half", "lite"])]
    pixels: Option<String>,
    /// Seed of what the file does not give: of all, without a file
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Override a setting, such as `evaluation.flip_average=true`; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
}

/// Height and width in pixels.
#[derive(Debug, Clone, Copy)]
struct Size(usize, usize);

fn size(text: &str) -> Result<Size, String> {
    let parsed = text.split_once('x').and_then(|(height, width)| Some(Size(height.parse().ok()?, width.parse().ok()?)));
    parsed.filter(|Size(height, width)| *height > 0 && *width > 0).ok_or_else(|| "a size is such as 288x144".into())
}

fn names(text: &str) -> Result<WeightNames, String> {
    let known = || WeightNames::ALL.map(WeightNames::name).join(", ");
    WeightNames::from_name(text).ok_or_else(|| format!("there are {}", known()))
}

#[derive(Serialize)]
struct Imported {
    model: PathBuf,
    backbone: String,
    size: [usize; 2],
    /// Whose names the file has.
    names: Option<&'static str>,
    /// Parameters that the file gave.
    read: usize,
    /// Tensors of the file that no network in use has.
    left_out: Vec<String>,
    /// Parameters that the file lacks.
    kept: Vec<String>,
    #[serde(skip)]
    has_pixels: bool,
}

pub fn run(arguments: &Arguments, output: Output) -> Result<(), ProgramError> {
    let is_file = arguments.weights != "none" && !arguments.weights.starts_with(BUILTIN);
    let file = is_file.then(|| find_weights(&arguments.weights));
    let config = settings(arguments, file.as_deref())?;
    let report = import_network(&config, &arguments.out)?;
    let engine = &config.engine;
    let imported = Imported {
        model: arguments.out.clone(),
        backbone: engine.backbone.name.clone(),
        size: [engine.input.height, engine.input.width],
        names: report.as_ref().map(|report| report.names.name()),
        read: report.as_ref().map_or(0, |report| report.read),
        left_out: report.as_ref().map(|report| report.left_out.clone()).unwrap_or_default(),
        kept: report.map(|report| report.kept).unwrap_or_default(),
        has_pixels: engine.backbone.pixels.is_some(),
    };
    output.result(&imported, || told(&imported))
}

/// A file of weights does not say it, and other numbers give other embeddings.
const NORMALISATION: &str = "images are normalised by ImageNet's mean and deviation; for a network that learnt with 0.5 for all, as \
                             TransReID's and some of timm's did, import it again with --pixels half";

/// What was imported, in words, and what may follow.
fn told(imported: &Imported) -> String {
    let model = vireid::quote(&imported.model.display().to_string());
    let [height, width] = imported.size;
    let mut lines = vec![match imported.names {
        Some(names) => format!(
            "{} for images of {height} x {width}, read as {names}: {} parameters",
            imported.backbone, imported.read
        ),
        None => format!("{} for images of {height} x {width}, untrained", imported.backbone),
    }];
    if !imported.left_out.is_empty() {
        lines.push(format!("left out: {}", few(&imported.left_out)));
    }
    if !imported.kept.is_empty() {
        let identity =
            if imported.kept.iter().any(|name| name == "neck.weight") { " (the neck is the identity)" } else { "" };
        lines.push(format!("not in the file: {}{identity}", few(&imported.kept)));
    }
    if imported.backbone.starts_with("vit_") && imported.names.is_some() && !imported.has_pixels {
        lines.push(NORMALISATION.into());
    }
    lines.push(format!("next: vireid search --model {model} --data crops --query person.jpg --modality infrared"));
    lines.push(format!("  or: vireid train --start {model} --data crops"));
    lines.join("\n")
}

fn few(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [first] => first.clone(),
        [first, rest @ ..] => format!("{first} and {} more", rest.len()),
    }
}

/// The settings of the run directory: those of a preset, without a method and without an epoch.
fn settings(arguments: &Arguments, file: Option<&Path>) -> Result<RunConfig, ProgramError> {
    let found =
        file.map(|path| WeightFile::Path(path.into()).found(arguments.names)).transpose().map_err(MethodError::from)?;
    let of_file = || match arguments.weights.strip_prefix(BUILTIN) {
        Some(name) => Some(name.to_string()),
        None => Some(found.as_ref()?.backbone?.to_string()),
    };
    let backbone = arguments.backbone.clone().or_else(of_file);
    let backbone = backbone.ok_or_else(|| {
        let known = networks::names().join(", ");
        ProgramError::Usage(match &found {
            Some(found) => format!("the file holds {}: name the network with --backbone ({known})", found.description),
            None => format!("without a file of weights --backbone must name a network: {known}"),
        })
    })?;
    // The preset whose network it is says the size of images, and how they are tested.
    let sizes = ["quick", "photo"].map(|size| format!("mbccm_sysu_{size}"));
    let mut config = preset("mbccm_sysu_paper", &[])?;
    for size in &sizes {
        let of_size = preset(size, &[])?;
        if of_size.engine.backbone.name == backbone {
            config = of_size;
        }
    }
    config.engine.method = IMPORTED.into();
    config.engine.preset = IMPORTED.into();
    config.engine.stages.truncate(1);
    config.engine.stages.iter_mut().for_each(|stage| stage.epochs = 0);
    config.method.clear();
    let text = |text: &str| serde_json::to_string(text).unwrap_or_default();
    let weights = match file {
        Some(path) => std::path::absolute(path).unwrap_or_else(|_| path.into()).display().to_string(),
        None => arguments.weights.clone(),
    };
    let mut overrides = vec![
        format!("seed={}", arguments.seed),
        format!("backbone.name={}", text(&backbone)),
        format!("backbone.weights={}", text(&weights)),
        format!("backbone.names={}", text(arguments.names.name())),
        format!("backbone.non_local={}", found.is_some_and(|found| found.non_local)),
        "backbone.bn_groups=1".into(),
    ];
    let size = arguments.size.or(backbone.starts_with("vit_").then_some(Size(256, 128)));
    overrides.extend(
        size.into_iter()
            .flat_map(|Size(height, width)| [format!("input.height={height}"), format!("input.width={width}")]),
    );
    overrides.extend(arguments.pixels.iter().map(|pixels| format!("backbone.pixels={}", text(pixels))));
    overrides.extend(arguments.overrides.iter().cloned());
    let config = RunConfig::from_toml(&config.to_toml(), &overrides)?;
    match config.method.keys().next().cloned() {
        None => Ok(config),
        Some(key) => Err(MethodError::UnknownKey { key, suggestion: None }.into()),
    }
}
