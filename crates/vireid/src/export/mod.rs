//! `vireid export`: a trained network as a file for other programs.

mod check;
mod facts;
#[cfg(feature = "export-check")]
mod images;
#[cfg(feature = "export-check")]
mod run_graph;
mod weight_bytes;

use std::path::{Path, PathBuf};

use clap::Args;
#[cfg(feature = "export-check")]
use vireid::DataSource;
use vireid::{DataKind, OutputKind, Overwriting, ProgramError};
use vireid_backbone::{OutwardNames, outward_named};
use vireid_core::Modality;
use vireid_methods::{MethodError, TrainedNetwork, parse_devices};

use crate::model::NetworkArguments;
use crate::output::Output;
use crate::overwriting::write_all;

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    network: NetworkArguments,
    /// File to write; of both modalities two files, with -visible and -infrared before the ending
    #[arg(long)]
    out: PathBuf,
    /// What kind of file; by default the one that the ending of --out says
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Whose images the exported network takes: each modality has first layers of its own
    #[arg(long, value_enum, default_value_t = Which::Both)]
    modality: Which,
    /// ONNX of the network alone: it takes normalised numbers, [batch, 3, height, width], and gives embeddings of any length
    #[arg(long)]
    raw: bool,
    /// Whose names the weights get (safetensors): by default the published code's for residual networks, else our own
    #[arg(long, value_enum)]
    names: Option<Names>,
    /// Run the file and compare it with the network before it is written, which a build with the feature export-check does
    /// unasked
    #[arg(long, overrides_with = "no_check")]
    check: bool,
    /// Compare on images of these data, a folder or a manifest, instead of drawn ones (ONNX)
    #[arg(long)]
    data: Option<PathBuf>,
    /// Kind of data [default: detected]
    #[arg(long, requires = "data")]
    dataset: Option<DataKind>,
    /// Write the file without comparing it with the network
    #[arg(long, conflicts_with_all = ["data", "dataset"])]
    no_check: bool,
    #[command(flatten)]
    overwriting: Overwriting,
}

/// A kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// The network as a graph with its weights, for onnxruntime, TensorRT and others
    Onnx,
    /// The weights alone, for PyTorch
    Safetensors,
    /// Not written: says what to do instead
    Torch,
}

/// Images of which modality.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Which {
    /// Colour images
    Visible,
    /// Infrared images
    Infrared,
    /// Two files of a graph, or weights that have both
    Both,
}

/// Whose names weights get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Names {
    /// This project's
    Own,
    /// The published two-stream code's: visible_module, thermal_module, base_resnet, bottleneck
    Published,
    /// torchvision's ResNet, with the first layers of --modality
    Torchvision,
    /// timm's vision transformer, with the patch embedding of --modality
    Timm,
}

/// A file to be, and how far what it computes is from the network.
struct Exported {
    path: PathBuf,
    modality: Which,
    bytes: Vec<u8>,
    checked: Option<Checked>,
}

/// What a comparison came to.
#[derive(Debug, Clone, Copy)]
struct Checked {
    /// The largest difference of any number.
    difference: f32,
    /// How many images were embedded; of weights none.
    images: usize,
}

pub fn run(arguments: &Arguments, output: Output) -> Result<(), ProgramError> {
    let format = arguments.format()?;
    let paths = arguments.paths(format);
    let read = [arguments.network.model.join("config.toml")];
    for (path, _) in &paths {
        arguments.overwriting.check(path, OutputKind::Export, &read)?;
    }
    let trained = TrainedNetwork::open_in_f32(
        &arguments.network.model,
        arguments.network.which.checkpoint(),
        parse_devices("cpu")?,
    )?;
    let mut exported = Vec::with_capacity(paths.len());
    for (path, modality) in paths {
        let (bytes, checked) = match format {
            Format::Onnx => graph(arguments, &trained, modality, output)?,
            _ => weights(arguments, &trained, modality, output)?,
        };
        exported.push(Exported { path, modality, bytes, checked });
    }
    // After all were made and checked.
    write_all(exported.iter().map(|file| (&*file.path, &*file.bytes)))?;
    tell(&exported, &trained, output)
}

impl Arguments {
    fn format(&self) -> Result<Format, ProgramError> {
        let usage = |message: &str| Err(ProgramError::Usage(message.into()));
        let ending = self.out.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
        let format = match (self.format, ending.as_str()) {
            (Some(format), _) => format,
            (None, "onnx") => Format::Onnx,
            (None, "safetensors") => Format::Safetensors,
            (None, _) => return usage("--format says what kind of file --out is to be: onnx or safetensors"),
        };
        match format {
            Format::Torch => usage(
                "no crate that is kept up writes PyTorch's own format; --format safetensors does for it: safetensors.torch.load_file reads it, and load_state_dict takes the result",
            ),
            Format::Onnx if self.names.is_some() => usage("--names is for --format safetensors"),
            Format::Safetensors if self.raw => usage("--raw is for --format onnx"),
            Format::Safetensors if self.data.is_some() => {
                usage("--data is for --format onnx: weights are compared number by number")
            }
            format => Ok(format),
        }
    }

    /// The files to write.
    fn paths(&self, format: Format) -> Vec<(PathBuf, Which)> {
        match (format, self.modality) {
            (Format::Onnx, Which::Both) => {
                [Which::Visible, Which::Infrared].map(|which| (with_modality(&self.out, which), which)).to_vec()
            }
            (_, which) => vec![(self.out.clone(), which)],
        }
    }
}

impl Which {
    /// The one that it is; of both none.
    fn only(self) -> Option<Modality> {
        match self {
            Which::Visible => Some(Modality::Visible),
            Which::Infrared => Some(Modality::Infrared),
            Which::Both => None,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Which::Visible => "visible",
            Which::Infrared => "infrared",
            Which::Both => "both",
        }
    }
}

/// `person.onnx` to `person-visible.onnx`.
fn with_modality(path: &Path, which: Which) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let ending = path.extension().map_or(String::new(), |ending| format!(".{}", ending.to_string_lossy()));
    path.with_file_name(format!("{stem}-{}{ending}", which.title()))
}

/// An ONNX file, and how far it is from the network.
fn graph(
    arguments: &Arguments,
    trained: &TrainedNetwork,
    which: Which,
    output: Output,
) -> Result<(Vec<u8>, Option<Checked>), ProgramError> {
    let modality = which.only().unwrap_or(Modality::Visible);
    let graph = trained.onnx(modality, arguments.raw)?;
    let mut facts = facts::of(&arguments.network, trained, output)?;
    facts.extend(facts::of_graph(trained, modality, arguments.raw));
    let bytes = graph.into_bytes(&facts).map_err(MethodError::from)?;
    let checked = if arguments.no_check { None } else { check_graph(&bytes, arguments, trained, modality, output)? };
    Ok((bytes, checked))
}

#[cfg(feature = "export-check")]
fn check_graph(
    bytes: &[u8],
    arguments: &Arguments,
    trained: &TrainedNetwork,
    modality: Modality,
    output: Output,
) -> Result<Option<Checked>, ProgramError> {
    let images = match &arguments.data {
        Some(data) => {
            let source = DataSource::new(Some(data), arguments.dataset, 0, false)?;
            images::of_data(&source, trained, modality, output)?
        }
        None => images::drawn(trained.size()),
    };
    let difference = run_graph::difference(bytes, trained, modality, arguments.raw, &images)?;
    Ok(Some(Checked { difference, images: images.len() }))
}

#[cfg(not(feature = "export-check"))]
fn check_graph(
    _: &[u8],
    arguments: &Arguments,
    _: &TrainedNetwork,
    modality: Modality,
    output: Output,
) -> Result<Option<Checked>, ProgramError> {
    let message = "this build has no runtime to check ONNX files with; build it with --features export-check";
    if arguments.check || arguments.data.is_some() {
        return Err(ProgramError::Usage(message.into()));
    }
    output.warn(&format!("the {modality} graph is not checked: {message}"));
    Ok(None)
}

/// A safetensors file, and how far what is read from it is from the network's weights.
fn weights(
    arguments: &Arguments,
    trained: &TrainedNetwork,
    which: Which,
    output: Output,
) -> Result<(Vec<u8>, Option<Checked>), ProgramError> {
    let parameters = trained.parameters();
    let is_residual = parameters.iter().any(|(name, ..)| name.starts_with("stem_visible."));
    let names = arguments.names.unwrap_or(if is_residual { Names::Published } else { Names::Own });
    let one = || {
        which.only().ok_or_else(|| {
            let message = "such a network has one set of first layers: say whose with --modality visible or infrared";
            ProgramError::Usage(message.into())
        })
    };
    let names = match names {
        Names::Own => OutwardNames::Own,
        Names::Published => OutwardNames::Published,
        Names::Torchvision => OutwardNames::Torchvision(one()?),
        Names::Timm => OutwardNames::Timm(one()?),
    };
    if let (OutwardNames::Own | OutwardNames::Published, Some(_)) = (names, which.only()) {
        output.say(
            "note: the file has both modalities' first layers; --modality picks some with --names torchvision or timm",
        );
    }
    let named = outward_named(parameters, names).map_err(MethodError::from)?;
    let facts = facts::of(&arguments.network, trained, output)?;
    let bytes = weight_bytes::bytes_of(&named, names == OutwardNames::Own, &facts);
    if arguments.no_check {
        return Ok((bytes, None));
    }
    let difference = check::weights(&bytes, &named)?;
    Ok((bytes, Some(Checked { difference, images: 0 })))
}

fn tell(exported: &[Exported], trained: &TrainedNetwork, output: Output) -> Result<(), ProgramError> {
    let file = |file: &Exported| {
        serde_json::json!({
            "file": file.path,
            "modality": file.modality.title(),
            "bytes": file.bytes.len(),
            "largest_difference": file.checked.map(|checked| checked.difference),
            "images": file.checked.map(|checked| checked.images),
        })
    };
    let files: Vec<serde_json::Value> = exported.iter().map(file).collect();
    let result = serde_json::json!({ "files": files, "dim": trained.dim(), "model": trained.hash() });
    output.result(&result, || {
        let line = |file: &Exported| {
            let checked = match file.checked {
                None => "not checked".into(),
                Some(Checked { difference, images: 0 }) => {
                    format!("checked: at most {difference:.1e} from the network")
                }
                Some(Checked { difference, images }) => {
                    format!("checked on {images} images: at most {difference:.1e} from the network")
                }
            };
            format!("{} ({:.1} MB, {checked})", file.path.display(), file.bytes.len() as f64 / 1e6)
        };
        exported.iter().map(line).collect::<Vec<_>>().join("\n")
    })
}
