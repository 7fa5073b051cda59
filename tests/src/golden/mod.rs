//! Runs a folder of golden cases.
//!
//! A case is a safetensors file. Its metadata names the operation (`op`), scalar parameters, and for every output the
//! error allowed (`tol.<name>`: `exact` or an absolute one); its tensors are `in.*` and `out.*`. A case of an unknown
//! operation, a case without outputs, and an output that is not produced are failures: nothing is skipped.

mod case;
mod clustering;
mod evaluation;
mod images;
mod mbccm;
mod mmm;
mod mult;
mod tensors;

use std::error::Error;
use std::path::{Path, PathBuf};

pub use case::{Case, Outputs, Values};

/// The folder of the cases: `VIREID_GOLDEN_DIR`, or the repository's own.
pub fn directory() -> PathBuf {
    std::env::var_os("VIREID_GOLDEN_DIR")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/golden")), PathBuf::from)
}

type Operation = fn(&Case) -> Result<Outputs, Box<dyn Error>>;

/// Every operation by name.
const OPERATIONS: &[(&str, Operation)] = &[
    ("adam_l2", tensors::adam_l2),
    ("adjusted_rand_index", evaluation::adjusted_rand_index),
    ("batch_hard_triplet_loss", tensors::batch_hard_triplet_loss),
    ("batch_norm_train", tensors::batch_norm_train),
    ("cluster_contrast_loss", tensors::cluster_contrast_loss),
    ("cpython_choice", evaluation::cpython_choice),
    ("dbscan_precomputed", clustering::dbscan_precomputed),
    ("eval_regdb", evaluation::eval_regdb),
    ("eval_sysu", evaluation::eval_sysu),
    ("gem_pool", tensors::gem_pool),
    ("jaccard_distance", clustering::jaccard_distance),
    ("jaccard_distance_modality_camera", clustering::jaccard_distance_modality_camera),
    ("mbccm_consistency_loss", mbccm::consistency_loss),
    ("mbccm_match", mbccm::matching),
    ("mbccm_step", mbccm::step),
    ("memory_update_hard", tensors::memory_update_hard),
    ("memory_update_momentum", tensors::memory_update_momentum),
    ("mmm_joint_step", mmm::joint_step),
    ("mmm_match", clustering::mmm_match),
    ("mmd_loss", tensors::mmd_loss),
    ("mult_label_transfer", clustering::mult_label_transfer),
    ("mult_oclr_loss", mult::oclr_loss),
    ("mult_step", mult::step),
    ("non_local_block", tensors::non_local_block),
    ("resize_bicubic", images::resize),
    ("resize_bilinear", images::resize),
    ("resize_lanczos", images::resize),
    ("sgd_nesterov_l2", tensors::sgd_nesterov_l2),
    ("sinkhorn", clustering::sinkhorn),
];

/// Runs every case of a folder, prints a line for each, and fails if any case did.
///
/// # Errors
///
/// When the folder holds no case or a case fails.
pub fn run(directory: &Path) -> Result<(), Box<dyn Error>> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(directory)
        .map_err(|error| format!("{}: {error}", directory.display()))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "safetensors"))
        .collect();
    files.sort();
    if files.is_empty() {
        return Err(format!("there is no golden case in {}", directory.display()).into());
    }
    println!("{:<26} {:<34} {:<30} {:>10} {:>10}", "operation", "case", "output", "error", "allowed");
    let failures: Vec<String> = files.iter().filter_map(|file| run_case(file).err()).collect();
    println!("{} cases, {} failed", files.len(), failures.len());
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n").into()) }
}

fn run_case(file: &Path) -> Result<(), String> {
    let name = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let failed = |reason: &dyn std::fmt::Display| {
        println!("{name}: FAILED: {reason}");
        format!("{name}: {reason}")
    };
    let case = Case::load(file).map_err(|error| failed(&error))?;
    let operation = OPERATIONS.iter().find(|(op, _)| *op == case.op());
    let (op, operation) = operation.ok_or_else(|| failed(&format!("unknown operation '{}'", case.op())))?;
    let produced = operation(&case).map_err(|error| failed(&error))?;
    let expected = case.expected();
    if expected.is_empty() {
        return Err(failed(&"it expects nothing"));
    }
    let label = name.split_once("__").map_or(name.as_str(), |(_, label)| label);
    let mut bad = Vec::new();
    for (output, values) in expected {
        let allowed = case.tolerance(&output).map_err(|error| failed(&error))?;
        let Some(got) = produced.get(output.as_str()) else {
            bad.push(format!("output '{output}' was not produced"));
            continue;
        };
        if got.len() != values.len() {
            bad.push(format!("output '{output}' has {} values instead of {}", got.len(), values.len()));
            continue;
        }
        let difference = |(a, b): (&f64, &f64)| if a == b { 0.0 } else { (a - b).abs() };
        // NaN is worse than any number.
        let largest =
            got.iter().zip(&values).map(difference).fold(0.0, |m, d| if d.is_nan() { f64::NAN } else { d.max(m) });
        let verdict = if largest <= allowed { "" } else { "  FAILED" };
        println!("{op:<26} {label:<34} {output:<30} {largest:>10.2e} {allowed:>10.2e}{verdict}");
        if !verdict.is_empty() {
            bad.push(format!("output '{output}' is off by {largest:e}, {allowed:e} is allowed"));
        }
    }
    if bad.is_empty() { Ok(()) } else { Err(failed(&bad.join("; "))) }
}
