//! `cargo xtask bench checkpointing`: the time that recomputing activations costs in training steps,
//! and the memory that it saves.

use std::path::Path;
use std::process::Command;

use serde::Serialize;

use crate::bench::{Failure, Measurement, measure};
use crate::results;

/// What is measured: network, images of a step, and whether in bf16.
const STEPS: [(&str, &str, bool); 3] = [("small", "120", false), ("resnet50", "24", false), ("resnet50", "24", true)];

#[derive(Serialize)]
struct Row {
    network: &'static str,
    precision: &'static str,
    images: usize,
    kept_seconds: f64,
    checkpointed_seconds: f64,
    relative_time: f64,
    kept_peak_mib: f64,
    checkpointed_peak_mib: f64,
    relative_peak: f64,
}

/// Steps of both kinds in turn, a process each; the best of each counts.
pub fn run(rounds: usize, device: &str, out: Option<&Path>) -> Result<(), Failure> {
    let mut rows = Vec::new();
    for (network, images, bf16) in STEPS {
        let work = format!("{network}-step");
        let step = |checkpointing: bool| -> Result<Measurement, Failure> {
            let mut command = Command::new(std::env::current_exe()?);
            command.args(["bench", "one", &work, "--images", images, "--device", device]);
            command.args(bf16.then_some("--bf16")).args(checkpointing.then_some("--checkpointing"));
            measure(&mut command)
        };
        let (mut kept, mut checkpointed) = (step(false)?, step(true)?);
        for _ in 1..rounds {
            for (best, next) in [(&mut kept, step(false)?), (&mut checkpointed, step(true)?)] {
                if next.seconds < best.seconds {
                    *best = next;
                }
            }
        }
        let row = Row {
            network,
            precision: if bf16 { "bf16" } else { "f32" },
            images: kept.images,
            kept_seconds: kept.seconds,
            checkpointed_seconds: checkpointed.seconds,
            relative_time: checkpointed.seconds / kept.seconds,
            kept_peak_mib: kept.peak_mib,
            checkpointed_peak_mib: checkpointed.peak_mib,
            relative_peak: checkpointed.peak_mib / kept.peak_mib,
        };
        println!(
            "{network} {}, {} images: {:.2} of the time that keeping takes, {:.2} of the memory ({:.0} of {:.0} MiB)",
            row.precision,
            row.images,
            row.relative_time,
            row.relative_peak,
            row.checkpointed_peak_mib,
            row.kept_peak_mib
        );
        rows.push(row);
    }
    let command = format!("checkpointing --rounds {rounds} --device {device}");
    results::write(out, &command, "peaks are those of whole processes", &rows)
}
