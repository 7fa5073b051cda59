//! Whether a device computes what the CPU computes: the golden cases of everything that runs on tensors, twenty training
//! steps from the same weights on the same images, and short runs in which two devices share every batch.

use std::path::Path;
use std::time::Instant;

use burn::tensor::Device;
use serde::Serialize;
use vireid_compare::{largest_difference, largest_relative_difference, worse};
use vireid_core::Streams;
use vireid_methods::{available_devices, build_network, parse_device, preset, resolve_device};

use crate::lender::Lender;
use crate::shared_run;
use crate::steps::Steps;

/// Largest error of a golden output, where the case itself allows less. Cases allow for a CPU's sums; a device that adds
/// in another order, or in fused steps, is off by a few units in the last place of the largest term.
const GOLDEN: f64 = 5e-5;
/// Training steps that are compared.
const STEPS: usize = 20;
/// Largest relative difference of a loss at the first step, before anything has been trained on either device.
const FIRST_STEP: f64 = 1e-4;
/// The same at any later step: differences grow as training goes on.
const ANY_STEP: f64 = 2e-2;
/// Both where convolutions run in TF32, whose factors keep 11 bits: a step begins some thousand times farther off than
/// one whose sums were made in another order. Products of losses, memories and neighbours keep all digits everywhere, so
/// golden cases are held to the same.
const STEPS_TF32: [f64; 2] = [1e-3, 1e-1];
/// Largest difference of a memory's entry (rows have length 1) after the last step.
const MEMORIES: f64 = 2e-2;
/// Images per modality in a step.
const SLOTS: usize = 10;
const SIZE: [usize; 2] = [96, 48];

type Failure = Box<dyn std::error::Error>;

#[derive(Serialize)]
struct Report {
    title: &'static str,
    command: String,
    version: &'static str,
    device: String,
    description: String,
    golden_allowed: f64,
    /// Golden cases that are off by more.
    golden_failures: Vec<String>,
    steps: usize,
    /// Largest relative difference of a loss that is allowed at the first step and later.
    steps_allowed: [f64; 2],
    /// Largest relative difference of any part of the loss, step by step.
    loss_differences: Vec<f64>,
    memory_difference: f64,
    /// Runs on two devices against the same run on the CPU alone.
    shared: Vec<SharedRun>,
    seconds: f64,
}

#[derive(Serialize)]
struct SharedRun {
    devices: String,
    /// Largest relative difference of any part of the loss, step by step.
    loss_differences: Vec<f64>,
}

/// Runs the suite and writes the report.
pub fn run(device: &str, out: Option<&Path>) -> Result<(), Failure> {
    let clock = Instant::now();
    let name = resolve_device(device);
    let opened = parse_device(&name)?;
    let description =
        available_devices().into_iter().find(|entry| entry.name == name || entry.name == format!("{name}:0"));
    let description = description.map_or_else(|| "unnamed".into(), |entry| entry.description);
    println!("{name}: {description}");
    let steps_allowed = if name.starts_with("cuda") { STEPS_TF32 } else { [FIRST_STEP, ANY_STEP] };
    // A part that is off ends the suite as failed, but only after all parts have run.
    let golden = vireid_tests::golden::run_on(&vireid_tests::golden::directory(), &opened, GOLDEN);
    let golden_failures = golden.err().map(|error| error.to_string().lines().map(String::from).collect());

    let (reference, on_cpu) = trajectory(&parse_device("cpu")?)?;
    let (found, on_device) = trajectory(&opened)?;
    let loss_differences = differences(&reference, &found);
    let memory_difference = largest_difference(&on_cpu, &on_device);
    for (step, difference) in loss_differences.iter().enumerate() {
        println!("step {step:>2}: losses differ by up to {difference:.1e} of their value");
    }
    println!("memories differ by up to {memory_difference:.1e}");
    let alone = shared_run::losses("cpu")?;
    let mut shared = Vec::new();
    let mut runs: Vec<(String, String)> =
        [format!("{name},{name}"), format!("cpu,{name}")].map(|names| (names.clone(), names)).into();
    runs.dedup();
    let lender = match cfg!(feature = "remote") && std::env::var_os("VIREID_TOKEN").is_some() {
        true => Some(Lender::start(&name)?),
        false => None,
    };
    match &lender {
        Some(lender) => runs.push((format!("cpu,{name} lent over a socket"), format!("cpu,{}", lender.device))),
        None => println!("not lent over a socket: that takes the feature remote and any word in VIREID_TOKEN"),
    }
    for (devices, names) in runs {
        let loss_differences = differences(&alone, &shared_run::losses(&names)?);
        let largest = loss_differences.iter().copied().fold(0.0, worse);
        println!("{devices} share {} steps: losses differ by up to {largest:.1e} of their value", alone.len());
        shared.push(SharedRun { devices, loss_differences });
    }
    let report = Report {
        title: "A device against the CPU",
        command: format!("cargo xtask device-tests --device {device}"),
        version: env!("CARGO_PKG_VERSION"),
        device: name,
        description,
        golden_allowed: GOLDEN,
        golden_failures: golden_failures.unwrap_or_default(),
        steps: STEPS,
        steps_allowed,
        loss_differences,
        memory_difference,
        shared,
        seconds: clock.elapsed().as_secs_f64(),
    };
    if let Some(out) = out {
        std::fs::write(out, serde_json::to_string_pretty(&report)? + "\n")?;
    }
    if !report.golden_failures.is_empty() {
        return Err(report.golden_failures.join("\n").into());
    }
    let of_shared = report.shared.iter().map(|run| &run.loss_differences);
    if !of_shared.chain([&report.loss_differences]).all(|differences| is_within(differences, steps_allowed)) {
        return Err(
            format!("a loss is off by more than {} at first or {} later", steps_allowed[0], steps_allowed[1]).into()
        );
    }
    if memory_difference.is_nan() || memory_difference > MEMORIES {
        return Err(format!("the memories are off by more than {MEMORIES}").into());
    }
    println!("passed in {:.0} s", report.seconds);
    Ok(())
}

/// The largest relative difference of any part of the loss, step by step; a step or a part that is missing differs by NaN.
fn differences(reference: &[Vec<f64>], found: &[Vec<f64>]) -> Vec<f64> {
    let parts = |steps: &[Vec<f64>]| steps.iter().map(Vec::len).collect::<Vec<_>>();
    if parts(reference) != parts(found) {
        return vec![f64::NAN];
    }
    reference.iter().zip(found).map(|(a, b)| largest_relative_difference(a, b, 1e-6)).collect()
}

fn is_within(differences: &[f64], [first, later]: [f64; 2]) -> bool {
    let allowed = |step| if step == 0 { first } else { later };
    !differences.is_empty() && differences.iter().enumerate().all(|(step, &difference)| difference <= allowed(step))
}

/// The parts of the loss at each step, and the memories at the end.
fn trajectory(device: &Device) -> Result<(Vec<Vec<f64>>, Vec<f64>), Failure> {
    let config = preset("mbccm_sysu_quick", &[])?;
    let network = build_network(&config.engine.backbone, Streams::new(0), device)?;
    let mut stream = Streams::new(0).stream("device tests", [0; 3]);
    let mut steps = Steps::new(network, SLOTS, SIZE, &mut stream, device);
    let read = |data: burn::tensor::TensorData| data.convert::<f64>().try_to_vec::<f64>().map_err(|e| format!("{e:?}"));
    let mut losses = Vec::with_capacity(STEPS);
    for _ in 0..STEPS {
        losses.push(read(steps.step().into_data())?);
    }
    let memories: Result<Vec<Vec<f64>>, String> = steps.memories().into_iter().map(|m| read(m.into_data())).collect();
    Ok((losses, memories?.concat()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_steps_and_nan_do_not_pass() {
        let reference = vec![vec![1.0, 2.0], vec![3.0, 4.0]];
        assert!(is_within(&differences(&reference, &reference), [FIRST_STEP, ANY_STEP]));
        for found in
            [vec![], vec![vec![1.0, 2.0]], vec![vec![1.0], vec![3.0]], vec![vec![1.0, 2.0], vec![3.0, f64::NAN]]]
        {
            assert!(!is_within(&differences(&reference, &found), [FIRST_STEP, ANY_STEP]), "{found:?}");
        }
        assert!(!is_within(&differences(&reference, &[vec![1.001, 2.0], vec![3.0, 4.0]]), [FIRST_STEP, ANY_STEP]));
    }
}
