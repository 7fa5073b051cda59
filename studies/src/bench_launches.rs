//! `cargo xtask bench launches`: how many kernels a training step launches on a graphics card, by name.
//!
//! CubeCL writes a line per kernel that it runs when its profiling log is on. Processes that make one step and three are
//! compared, so what a process does once (drawing weights, first allocations) is not counted.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde::Serialize;

use crate::bench::Failure;
use crate::results;

/// Work and images of a step.
const STEPS: [(&str, &str); 2] = [("small-step", "30"), ("resnet50-step", "6")];
/// Steps of the two processes that are compared.
const RUNS: [usize; 2] = [1, 3];

#[derive(Serialize)]
struct Row {
    work: &'static str,
    images: &'static str,
    launches_per_step: f64,
    /// The same by kernel, the most frequent first.
    kernels: Vec<(String, f64)>,
}

/// Counts the launches on a device, prints them and writes the report to `out`.
pub fn run(device: &str, out: Option<&Path>) -> Result<(), Failure> {
    let mut rows = Vec::new();
    for (work, images) in STEPS {
        let [few, many] = RUNS.map(|steps| launches(work, images, device, steps));
        let (few, many) = (few?, many?);
        let per_step = |name: &str| {
            let count = |of: &BTreeMap<String, usize>| of.get(name).copied().unwrap_or(0) as f64;
            (count(&many) - count(&few)) / (RUNS[1] - RUNS[0]) as f64
        };
        let mut kernels: Vec<(String, f64)> = many.keys().map(|name| (name.clone(), per_step(name))).collect();
        kernels.retain(|(_, count)| *count != 0.0);
        kernels.sort_by(|a, b| b.1.total_cmp(&a.1));
        let launches_per_step = kernels.iter().map(|(_, count)| count).sum();
        println!("{work}, {images} images: {launches_per_step:.0} launches per step");
        kernels.iter().take(12).for_each(|(name, count)| println!("{count:>8.0} {name}"));
        rows.push(Row { work, images, launches_per_step, kernels });
    }
    let note = "kernels that CubeCL's profiling log names, less those of a process's start";
    results::write(out, &format!("launches --device {device}"), note, &rows)
}

/// Launches of a process that makes some steps, by kernel.
fn launches(work: &str, images: &str, device: &str, steps: usize) -> Result<BTreeMap<String, usize>, Failure> {
    let folder = tempfile::tempdir()?;
    let log = folder.path().join("kernels.log");
    // CubeCL looks for its configuration in the working directory.
    let configuration =
        format!("[profiling]\nlogger = {{ level = \"basic\", file = {:?} }}\n", log.display().to_string());
    std::fs::write(folder.path().join("cubecl.toml"), configuration)?;
    let mut one = Command::new(std::env::current_exe()?);
    one.args(["bench", "one", work, "--images", images, "--device", device, "--steps", &steps.to_string()]);
    let output = one.current_dir(&folder).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    let text = std::fs::read_to_string(&log).map_err(|_| "CubeCL wrote no log: is the device a graphics card's?")?;
    let mut counts = BTreeMap::new();
    text.lines().filter_map(kernel).for_each(|name| *counts.entry(name).or_insert(0) += 1);
    Ok(counts)
}

/// The name in a line such as `| 1.8µs | Normalize_1b2c3d4e`, without what it was specialised for.
fn kernel(line: &str) -> Option<String> {
    let name = line.strip_prefix("| ")?.split_once("| ")?.1.split(' ').next()?;
    let (stem, hash) = name.rsplit_once('_').unwrap_or((name, ""));
    let is_hash = hash.len() == 8 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    Some(if is_hash { stem } else { name }.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_by_name() {
        assert_eq!(kernel("| 1.8µs    | SliceAssignKernel_771716ce").as_deref(), Some("SliceAssignKernel"));
        assert_eq!(kernel("| 6.1ms | MatmulEntry | TensorArgs | __Lhs_6570004e").as_deref(), Some("MatmulEntry"));
        assert_eq!(kernel("a line of something else"), None);
    }
}
