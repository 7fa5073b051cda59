//! A run that was killed or interrupted ends with the same bytes as one that was not.

use std::io::{BufRead, BufReader};
use std::process::Child;

use crate::program::{Run, stderr, world};

/// Waits until the program's standard error shows a line with these words.
pub fn wait_for(child: &mut Child, words: &str) {
    let stderr = child.stderr.take().unwrap();
    let mut lines = BufReader::new(stderr).lines();
    let seen: Vec<String> = lines.by_ref().map_while(Result::ok).take_while(|line| !line.contains(words)).collect();
    // Keep the pipe open and drained, or the program would stop at its next message.
    std::thread::spawn(move || lines.for_each(drop));
    let _ = seen;
}

/// Epochs long enough that a signal a moment after an epoch's line falls into the next epoch, on a fast machine too.
pub const LONG: [&str; 4] = ["--set", "stage1.iterations=40", "--set", "stage2.iterations=40"];

fn undisturbed() -> Vec<u8> {
    let run = Run::on(world());
    let output = run.train(&LONG);
    assert!(output.status.success(), "{}", stderr(&output));
    run.results()
}

#[cfg(unix)]
pub fn signal(child: &Child, name: &str) {
    let status = std::process::Command::new("kill").args([format!("-{name}"), child.id().to_string()]).status();
    assert!(status.unwrap().success());
}

/// What was done again after a kill stood twice in the log.
fn assert_every_step_is_logged_once(run: &Run) {
    let log = std::fs::read_to_string(run.out().join("events.jsonl")).unwrap();
    let events = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let mut steps: Vec<(u64, u64)> = events
        .filter(|event| event["event"] == "step")
        .map(|event| (event["epoch"].as_u64().unwrap(), event["step"].as_u64().unwrap()))
        .collect();
    let all = steps.len();
    assert!(steps.is_sorted());
    steps.dedup();
    assert_eq!((steps.len(), all), (120, 120), "three epochs of forty steps");
}

/// SIGKILL before the first checkpoint, right after one, and somewhere within a later epoch.
#[cfg(unix)]
#[test]
fn killed_runs_end_with_the_same_bytes() {
    let expected = undisturbed();
    assert_eq!(undisturbed(), expected, "the same run twice");
    for (words, delay) in [("test (untrained)", 0), ("stage 1 epoch 0", 200), ("stage 2 epoch 1", 300)] {
        let run = Run::on(world());
        let mut child = run.start(&LONG);
        wait_for(&mut child, words);
        std::thread::sleep(std::time::Duration::from_millis(delay));
        signal(&child, "KILL");
        assert!(!child.wait().unwrap().success(), "it was too fast to be killed after '{words}'");
        let output = run.resume();
        assert!(output.status.success(), "{}", stderr(&output));
        assert_eq!(run.results(), expected, "killed after '{words}'");
        assert_every_step_is_logged_once(&run);
    }
}

/// Ctrl-C within an epoch: the step is finished, everything saved, and the way on is said.
#[cfg(unix)]
#[test]
fn an_interrupted_run_saves_and_goes_on_within_the_epoch() {
    let expected = undisturbed();

    let run = Run::on(world());
    let mut child = run.start(&LONG);
    wait_for(&mut child, "stage 1 epoch 0");
    std::thread::sleep(std::time::Duration::from_millis(800));
    signal(&child, "INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let checkpoint = vireid_methods::Checkpoint::load(&run.out().join("checkpoints/last.safetensors")).unwrap();
    assert!(checkpoint.prepared, "the labels and memories of the epoch are saved");
    let tables = checkpoint.state.floats.keys().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(tables, ["agnostic_infrared", "agnostic_visible", "infrared", "visible"]);

    let mut again = run.start_resume();
    wait_for(&mut again, "run directory");
    signal(&again, "INT");
    assert_eq!(again.wait().unwrap().code(), Some(130));
    let output = run.resume();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(run.results(), expected);
}
