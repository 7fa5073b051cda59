//! Runs a folder of golden cases.
//!
//! A case is a safetensors file. Its metadata names the operation (`op`), scalar parameters, and for every output the
//! error allowed (`tol.<name>`: `exact` or an absolute one); its tensors are `in.*` and `out.*`. A case of an unknown
//! operation, a case without outputs, and an output that is not produced are failures: nothing is skipped.

mod case;
mod clustering;
mod efficient;
mod evaluation;
mod images;
mod mbccm;
mod mmm;
mod mult;
mod network;
mod tensors;
mod vit;

use std::error::Error;
use std::path::{Path, PathBuf};

use burn::tensor::Device;

pub use case::{Case, Outputs, Values};
use vireid_compare::largest_difference;

/// The folder of the cases: `VIREID_GOLDEN_DIR`, or the repository's own.
pub fn directory() -> PathBuf {
    std::env::var_os("VIREID_GOLDEN_DIR")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/golden")), PathBuf::from)
}

type Operation = fn(&Case) -> Result<Outputs, Box<dyn Error>>;

/// Where an operation computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum On {
    /// On slices.
    Host,
    /// On the tensors' device.
    Tensors,
    /// There as well, through many layers whose products a card with tensor cores rounds more than a case allows.
    Layers,
}

/// Every operation by name.
const OPERATIONS: &[(&str, On, Operation)] = &[
    ("adam_l2", On::Tensors, tensors::adam_l2),
    ("adjusted_rand_index", On::Host, evaluation::adjusted_rand_index),
    ("batch_hard_triplet_loss", On::Tensors, tensors::batch_hard_triplet_loss),
    ("batch_norm_train", On::Tensors, tensors::batch_norm_train),
    ("cluster_contrast_loss", On::Tensors, tensors::cluster_contrast_loss),
    ("cpython_choice", On::Host, evaluation::cpython_choice),
    ("dbscan_precomputed", On::Host, clustering::dbscan_precomputed),
    ("eval_regdb", On::Host, evaluation::eval_regdb),
    ("eval_sysu", On::Host, evaluation::eval_sysu),
    ("gem_pool", On::Tensors, tensors::gem_pool),
    ("jaccard_distance", On::Host, clustering::jaccard_distance),
    ("jaccard_distance_modality_camera", On::Host, clustering::jaccard_distance_modality_camera),
    ("mbccm_consistency_loss", On::Tensors, mbccm::consistency_loss),
    ("mbccm_match", On::Host, mbccm::matching),
    ("mbccm_step", On::Tensors, mbccm::step),
    ("memory_update_hard", On::Tensors, tensors::memory_update_hard),
    ("memory_update_momentum", On::Tensors, tensors::memory_update_momentum),
    ("mmm_joint_step", On::Tensors, mmm::joint_step),
    ("mmm_match", On::Host, clustering::mmm_match),
    ("mmd_loss", On::Tensors, tensors::mmd_loss),
    ("mult_label_transfer", On::Host, clustering::mult_label_transfer),
    ("mult_oclr_loss", On::Tensors, mult::oclr_loss),
    ("mult_step", On::Tensors, mult::step),
    ("non_local_block", On::Tensors, tensors::non_local_block),
    ("resize_bicubic", On::Host, images::resize),
    ("resize_bilinear", On::Host, images::resize),
    ("resize_lanczos", On::Host, images::resize),
    ("sgd_nesterov_l2", On::Tensors, tensors::sgd_nesterov_l2),
    ("sinkhorn", On::Host, clustering::sinkhorn),
    ("vit", On::Layers, vit::vit),
    ("efficient", On::Layers, efficient::efficient),
];

/// The operations that no case of a folder is of.
///
/// # Errors
///
/// When the folder or a case can't be read.
pub fn operations_without_a_case(directory: &Path) -> Result<Vec<&'static str>, Box<dyn Error>> {
    let cases =
        cases(directory)?.iter().map(|file| Case::load(file, Device::default())).collect::<Result<Vec<_>, _>>()?;
    let has_case = |name: &str| cases.iter().any(|case| case.op() == name);
    Ok(OPERATIONS.iter().map(|(name, ..)| *name).filter(|name| !has_case(name)).collect())
}

fn cases(directory: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(directory)
        .map_err(|error| format!("{}: {error}", directory.display()))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "safetensors"))
        .collect();
    files.sort();
    Ok(files)
}

/// Runs every case of a folder on the CPU, prints a line for each, and fails if any case did.
///
/// # Errors
///
/// When the folder holds no case or a case fails.
pub fn run(directory: &Path) -> Result<(), Box<dyn Error>> {
    run_all(directory, &Device::default(), 0.0, &[On::Host, On::Tensors, On::Layers])
}

/// Runs the cases of operations on tensors on a device. Errors up to `allowed` are let pass beside those that the cases
/// allow: their own were set for a CPU's sums.
///
/// # Errors
///
/// When the folder holds no case or a case fails.
pub fn run_on(directory: &Path, device: &Device, allowed: f64) -> Result<(), Box<dyn Error>> {
    run_all(directory, device, allowed, &[On::Tensors])
}

fn run_all(directory: &Path, device: &Device, allowed: f64, on: &[On]) -> Result<(), Box<dyn Error>> {
    let files = cases(directory)?;
    if files.is_empty() {
        return Err(format!("there is no golden case in {}", directory.display()).into());
    }
    println!("{:<26} {:<34} {:<30} {:>10} {:>10}", "operation", "case", "output", "error", "allowed");
    let results: Vec<Result<bool, String>> = files.iter().map(|file| run_case(file, device, allowed, on)).collect();
    let ran = results.iter().filter(|result| !matches!(result, Ok(false))).count();
    let failures: Vec<String> = results.into_iter().filter_map(Result::err).collect();
    println!("{ran} cases, {} failed", failures.len());
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n").into()) }
}

/// Whether the case is of an operation that computes where asked for.
fn run_case(file: &Path, device: &Device, more: f64, on: &[On]) -> Result<bool, String> {
    let name = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let failed = |reason: &dyn std::fmt::Display| {
        println!("{name}: FAILED: {reason}");
        format!("{name}: {reason}")
    };
    let case = Case::load(file, device.clone()).map_err(|error| failed(&error))?;
    let operation = OPERATIONS.iter().find(|(op, ..)| *op == case.op());
    let (op, place, operation) = operation.ok_or_else(|| failed(&format!("unknown operation '{}'", case.op())))?;
    if !on.contains(place) {
        return Ok(false);
    }
    let produced = operation(&case).map_err(|error| failed(&error))?;
    let expected = case.expected();
    if expected.is_empty() {
        return Err(failed(&"it expects nothing"));
    }
    let label = name.split_once("__").map_or(name.as_str(), |(_, label)| label);
    let mut bad = Vec::new();
    for (output, values) in expected {
        let allowed = case.tolerance(&output).map_err(|error| failed(&error))?.max(more);
        let Some(got) = produced.get(output.as_str()) else {
            bad.push(format!("output '{output}' was not produced"));
            continue;
        };
        if got.len() != values.len() {
            bad.push(format!("output '{output}' has {} values instead of {}", got.len(), values.len()));
        }
        let largest = largest_difference(got, &values);
        let verdict = if largest <= allowed { "" } else { "  FAILED" };
        println!("{op:<26} {label:<34} {output:<30} {largest:>10.2e} {allowed:>10.2e}{verdict}");
        if !verdict.is_empty() {
            bad.push(format!("output '{output}' is off by {largest:e}, {allowed:e} is allowed"));
        }
    }
    if bad.is_empty() { Ok(true) } else { Err(failed(&bad.join("; "))) }
}
