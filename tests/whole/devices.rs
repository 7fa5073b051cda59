//! A run on several devices: the CPU twice, which takes two parts of every batch.

use serde_json::Value;
use vireid_compare::largest_relative_difference;

use crate::methods::{arguments, settings};
#[cfg(unix)]
use crate::program::Stop;
use crate::program::{Run, check_error, stderr, world};
#[cfg(unix)]
use crate::resume::{LONG, WITHIN_AN_EPOCH};

const TWO_GROUPS: [&str; 2] = ["--set", "backbone.bn_groups=2"];
const TWICE: [&str; 2] = ["--device", "cpu,cpu"];

/// The scores before training, and the losses of every step, with its epoch.
fn train(method: &str, more: &[&str]) -> (Value, Vec<(u64, Vec<f64>)>) {
    let settings = settings(method);
    let arguments = [&arguments(&settings), &TWO_GROUPS[..], more].concat();
    let run = Run::on(world());
    let output = run.train(&arguments);
    assert!(output.status.success(), "{}", stderr(&output));
    let results: Value = serde_json::from_slice(&run.results()).unwrap();
    let events = std::fs::read_to_string(run.out().join("events.jsonl")).unwrap();
    let steps =
        events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).filter(|e| e["event"] == "step");
    let losses = steps.map(|step| {
        let parts = step["losses"].as_array().unwrap().iter();
        (step["epoch"].as_u64().unwrap(), parts.map(|part| part[1].as_f64().unwrap()).collect())
    });
    (results["evaluations"][0].clone(), losses.collect())
}

/// With as many groups of batch norm in all, two devices lose what one does, as long as rounding has not grown to where it
/// changes a label: within a first epoch, and within that of MMM's third stage, which starts over with a classifier.
#[test]
fn two_devices_train_as_one_with_two_groups() {
    for (method, more, epochs) in [("mbccm", "stage2.epochs=0", &[0][..]), ("mmm", "stage3.epochs=1", &[0, 2])] {
        let one = train(method, &["--set", more]);
        let two = train(method, &["--set", more, "--device", "cpu,cpu"]);
        assert_eq!(one.0, two.0, "{method}: batches of test images are the same, so embeddings are");
        assert_eq!(one.1.len(), two.1.len());
        for epoch in epochs {
            let steps = one.1.iter().zip(&two.1).filter(|(one, _)| one.0 == *epoch).take(12);
            let (mut losses, mut shared) = (Vec::new(), Vec::new());
            for (one, two) in steps {
                losses.extend_from_slice(&one.1);
                shared.extend_from_slice(&two.1);
            }
            assert!(losses.len() >= 12, "{method}, epoch {epoch}: {losses:?}");
            let difference = largest_relative_difference(&losses, &shared, 1.0);
            assert!(difference <= 1e-2, "{method}, epoch {epoch}: off by {difference:e}: {losses:?} {shared:?}");
        }
    }
}

/// A run that was killed on two devices goes on there to the same bytes.
#[cfg(unix)]
#[test]
fn killed_runs_on_two_devices_end_with_the_same_bytes() {
    let arguments: Vec<&str> = LONG.into_iter().chain(TWO_GROUPS).chain(TWICE).collect();
    let undisturbed = Run::on(world());
    let output = undisturbed.train(&arguments);
    assert!(output.status.success(), "{}", stderr(&output));
    let run = Run::on(world());
    run.train_until(&arguments, Stop { signal: "KILL", moment: WITHIN_AN_EPOCH });
    let output = run.resume_with(&TWICE);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(run.ending() == undisturbed.ending());
}

/// A copy of the network that kept its gradient graph would show here, by megabytes a step. Peaks of the same run differ by
/// tens of megabytes, as threads happen to meet.
#[cfg(target_os = "linux")]
#[test]
fn copies_are_let_go_of() {
    let peak = |iterations: &str| {
        let run = Run::on(world());
        let output = run.train(&[&["--set", iterations, "--set", "stage2.epochs=0"], &TWO_GROUPS[..], &TWICE].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        let cost: Value = serde_json::from_slice(&std::fs::read(run.out().join("cost.json")).unwrap()).unwrap();
        cost["peak_memory_mib"].as_f64().unwrap()
    };
    let (few, many) = (peak("stage1.iterations=40"), peak("stage1.iterations=200"));
    assert!(many - few < 160.0, "160 more steps hold {:.0} MiB more", many - few);
}

#[test]
fn devices_that_can_not_share_a_batch() {
    let refused = |arguments: &[&str], code: &str, words: &[&str]| {
        check_error(&Run::on(world()).train(arguments), code, words);
    };
    refused(&TWICE, "VR0502", &["backbone.bn_groups", "2 devices"]);
    refused(&["--device", "cpu,cpu", "--plan"], "VR0502", &["backbone.bn_groups"]);
    refused(&["--device", "cpu,cpu,cpu", "--set", "backbone.bn_groups=2"], "VR0502", &["3 devices"]);
    refused(&["--device", "cpu,tpu"], "VR0504", &["'tpu'"]);
    refused(&["--device", "cpu,"], "VR0504", &["names are"]);
}
