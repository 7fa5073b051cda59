//! A run that was killed or interrupted ends with the same bytes as one that was not.

#![cfg(unix)]

use crate::program::{Run, Stop, stderr, world};

/// Epochs of several bundles of step events, so that some fall within an epoch.
pub const LONG: [&str; 4] = ["--set", "stage1.iterations=40", "--set", "stage2.iterations=40"];

/// Within the first epoch of the second stage: told with 30 of its steps still to come.
pub const WITHIN_AN_EPOCH: &str = r#""event":"step","epoch":1,"step":3,"#;

fn undisturbed() -> [Vec<u8>; 2] {
    let run = Run::on(world());
    let output = run.train(&LONG);
    assert!(output.status.success(), "{}", stderr(&output));
    run.ending()
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

/// SIGKILL before the first checkpoint, within an epoch, between two epochs right after a checkpoint, and at the end of the last.
#[test]
fn killed_runs_end_with_the_same_bytes() {
    let expected = undisturbed();
    assert!(undisturbed() == expected, "the same run twice");
    let last = r#""event":"epoch","epoch":2,"#;
    for moment in
        [r#""moment":"untrained""#, WITHIN_AN_EPOCH, r#""event":"clusters","stage":"stage 2","epoch":2"#, last]
    {
        let run = Run::on(world());
        run.train_until(&LONG, Stop { signal: "KILL", moment });
        let output = run.resume();
        assert!(output.status.success(), "{}", stderr(&output));
        assert!(run.ending() == expected, "killed at '{moment}'");
        assert_every_step_is_logged_once(&run);
    }
}

/// Ctrl-C within an epoch: the step is finished, everything saved, and the way on is said.
#[test]
fn an_interrupted_run_saves_and_goes_on_within_the_epoch() {
    let expected = undisturbed();

    let run = Run::on(world());
    run.train_until(&LONG, Stop { signal: "INT", moment: WITHIN_AN_EPOCH });
    let checkpoint = || vireid_methods::Checkpoint::load(&run.out().join("checkpoints/last.safetensors")).unwrap();
    let saved = checkpoint();
    assert!(saved.prepared, "the labels and memories of the epoch are saved");
    let tables = saved.state.floats.keys().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(tables, ["agnostic_infrared", "agnostic_visible", "infrared", "visible"]);
    // The event comes with the tenth step.
    let position = saved.position;
    assert!(position.epoch == 1 && (10..40).contains(&position.step), "{position:?}");

    run.resume_until(Stop { signal: "INT", moment: r#""event":"stage""# });
    let again = checkpoint().position;
    assert!(again.epoch == 1 && again.step >= position.step, "{position:?}, then {again:?}");
    // Its folder is enough: it knows its data.
    let output = run.resume_by_folder();
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(run.ending() == expected);
}

/// A share of the people may be seen by one modality alone; the run keeps that with its data.
#[test]
fn unpaired_people_stay_unpaired_after_a_stop() {
    let run = Run::on(world());
    let stop = Stop { signal: "INT", moment: "\"event\":\"step\",\"epoch\":1" };
    run.train_until(&["--unpaired", "0.4"], stop);
    let seen = |modality: &str| {
        let record: serde_json::Value =
            serde_json::from_slice(&std::fs::read(run.out().join("data.json")).unwrap()).unwrap();
        assert_eq!(record["unpaired"], 0.4, "{record}");
        let events = std::fs::read_to_string(run.out().join("events.jsonl")).unwrap();
        let clusters = events.lines().find(|line| line.contains("\"event\":\"clusters\"")).unwrap();
        let clusters: serde_json::Value = serde_json::from_str(clusters).unwrap();
        clusters[modality]["samples"].as_u64().unwrap()
    };
    let whole = vireid_data::readers::read_sysu(world()).unwrap().train;
    // Of ten people four are unpaired: two of them without visible images, two without infrared ones.
    assert!(seen("visible") < whole.visible.len() as u64 && seen("infrared") < whole.infrared.len() as u64);
    let output = run.resume_by_folder();
    assert!(output.status.success(), "{}", stderr(&output));
    let refused = Run::on(world()).train(&["--unpaired", "1.5"]);
    assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
}
