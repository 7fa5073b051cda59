//! What a run leaves in its directory, that the seed decides it, and that a resumed run keeps its account of seconds.

use serde_json::Value;

use crate::program::{Run, stderr, world};

#[test]
fn a_run_leaves_its_directory_and_prints_the_table() {
    let run = Run::on(world());
    let output = run.train(&[]);
    assert!(output.status.success(), "{}", stderr(&output));
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    for words in [
        "synthetic world",
        "Rank-1",
        "mINP",
        "all",
        "indoor",
        "untrained",
        "stage 1",
        "final",
        "peak memory",
        "report.html",
    ] {
        assert!(table.contains(words), "'{words}' is missing in:\n{table}");
    }
    for file in ["config.toml", "environment.json", "events.jsonl", "results.json", "cost.json"] {
        assert!(run.out().join(file).is_file(), "{file}");
    }
    for file in ["last.safetensors", "best.safetensors"] {
        assert!(vireid_methods::Checkpoint::load(&run.out().join("checkpoints").join(file)).is_ok(), "{file}");
    }
    let results: Value = serde_json::from_slice(&run.results()).unwrap();
    assert_eq!(results["synthetic"], true);
    let moments: Vec<&str> =
        results["evaluations"].as_array().unwrap().iter().map(|e| e["moment"].as_str().unwrap()).collect();
    assert_eq!(moments, ["untrained", "stage 1", "final"]);

    let events = std::fs::read_to_string(run.out().join("events.jsonl")).unwrap();
    let events: Vec<Value> = events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |kind: &str| events.iter().filter(|e| e["event"] == kind).cloned().collect::<Vec<Value>>();
    assert_eq!((of("step").len(), of("epoch").len(), of("clusters").len(), of("evaluation").len()), (12, 3, 3, 3));
    let clusters = of("clusters");
    assert!(clusters.iter().all(|epoch| epoch["association"]["precision"].is_number()));
    for figure in ["clusters", "noise", "ari", "nmi", "purity"] {
        assert!(clusters[0]["visible"][figure].is_number() && clusters[0]["infrared"][figure].is_number());
    }
    // Each view's loss for itself, from the first stage on.
    let parts = |step: usize| -> Vec<String> {
        let losses = of("step")[step]["losses"].clone();
        losses.as_array().unwrap().iter().map(|part| part[0].as_str().unwrap().to_string()).collect()
    };
    let views = ["visible_plain", "visible_augmented", "infrared"];
    assert_eq!(parts(0), views);
    assert_eq!(parts(11)[..3], views);
    assert_eq!(parts(11)[3..], ["agnostic_visible", "agnostic_infrared", "consistency"]);
}

#[test]
fn the_seed_decides() {
    let results = |seed: &str| {
        let run = Run::on(world());
        let output = run.train(&["--seed", seed, "--set", "stage2.epochs=0"]);
        assert!(output.status.success(), "{}", stderr(&output));
        let results: Value = serde_json::from_slice(&run.results()).unwrap();
        results["evaluations"].clone()
    };
    assert_eq!(results("1"), results("1"));
    assert_ne!(results("1"), results("2"));
}

/// What a run cost is the sum over its sessions: going on with a finished run takes no second off it.
#[test]
fn a_resumed_run_keeps_its_account() {
    let run = Run::on(world());
    assert!(run.train(&[]).status.success());
    let cost = || -> Value { serde_json::from_slice(&std::fs::read(run.out().join("cost.json")).unwrap()).unwrap() };
    let before = cost();
    let output = run.resume();
    assert!(output.status.success(), "{}", stderr(&output));
    let after = cost();
    assert_eq!(after["seconds"]["backward"], before["seconds"]["backward"]);
    assert!(after["wall_seconds"].as_f64() > before["wall_seconds"].as_f64());
}
