//! The files under `docs/results` that benchmarks write: with the command that measures them again.

use std::path::Path;

use serde::Serialize;

use crate::bench::Failure;

/// Writes the rows of a benchmark to `out`, where one is named, with the command that measures them again. `command` is
/// what stands behind `cargo xtask bench`, without `--out`.
pub fn write(out: Option<&Path>, command: &str, note: &str, rows: &impl Serialize) -> Result<(), Failure> {
    let Some(out) = out else { return Ok(()) };
    let command = format!("cargo xtask bench {command} --out {}", out.display());
    let report = serde_json::json!({ "command": command, "note": note, "rows": rows });
    Ok(std::fs::write(out, serde_json::to_string_pretty(&report)? + "\n")?)
}
