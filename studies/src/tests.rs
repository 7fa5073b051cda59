//! What tasks are called, and that pages and scripts call them so.

use std::collections::BTreeMap;

use clap::CommandFactory;

use super::*;

#[test]
fn the_command_line_is_sound() {
    Arguments::command().debug_assert();
}

/// The files in the repository may be written again; other files may not be lost.
#[test]
fn a_report_is_known_again() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let (reports, weights) = (root.join("docs/results"), "crates/vireid-backbone/weights/small.safetensors");
    for name in
        ["bench_train.json", "bench_clustering.json", "device_tests_wgpu.json", "worlds_sysu.json", "dials.json"]
    {
        Overwriting::default().check(&reports.join(name), OutputKind::TaskReport, &[]).unwrap();
    }
    Overwriting::default().check(&root.join(weights), OutputKind::Weights, &[]).unwrap();
    let refused = |file: &str, kind| Overwriting::default().check(&root.join(file), kind, &[]).is_err();
    assert!(refused("README.md", OutputKind::TaskReport) && refused("README.md", OutputKind::Weights));
    let task = |words: &[&str]| Arguments::try_parse_from([&["studies"], words].concat()).unwrap().task;
    for words in [
        &["worlds", "--out", "x"][..],
        &["dials", "--out", "x"],
        &["bench", "build", "--out", "x"],
        &["device-tests", "--out", "x"],
    ] {
        assert_eq!(output(&task(words)).map(|(out, _)| out), Some(Path::new("x")), "{words:?}");
    }
}

/// What `cargo xtask` passes on is what is here, and it says of it what is said here.
#[test]
fn every_task_can_be_asked_for() {
    let command = Arguments::command();
    let here: BTreeMap<String, String> = command
        .get_subcommands()
        .filter(|task| !task.is_hide_set())
        .map(|task| (task.get_name().into(), task.get_about().unwrap_or_default().to_string()))
        .collect();
    let passed_on = xtask::PASSED_ON.map(|(name, about)| (name.to_string(), about.to_string()));
    assert_eq!(here, BTreeMap::from(passed_on));
}

fn understood(words: &[String]) -> Result<(), clap::Error> {
    Arguments::try_parse_from(std::iter::once("studies").chain(words.iter().map(String::as_str))).map(drop)
}

/// Commands of the device kit's script, with the shell's variables as words.
#[test]
fn the_kit_asks_for_what_is_here() {
    let script = include_str!("../../benches/device-kit/run.sh").replace("\\\n", " ");
    let mut asked = 0;
    for line in script.lines().filter_map(|line| Some(line.split_once("\"$studies\" ")?.1)) {
        let words = line.split(" ;;").next().unwrap_or_default().replace("\"$@\"", "").replace("$images", "63");
        let words: Vec<String> = words.replace('"', "").split_whitespace().map(str::to_string).collect();
        understood(&words).unwrap_or_else(|error| panic!("{words:?}: {error}"));
        asked += 1;
    }
    assert_eq!(asked, 4);
}

/// Every task that the README and the book name, and every command that a file of results says it was made by.
#[test]
fn documented_tasks_are_understood() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut tasks = vireid_tests::documented::commands(&root, &["cargo xtask "]);
    for entry in std::fs::read_dir(root.join("docs/results")).unwrap().flatten() {
        let Ok(text) = std::fs::read_to_string(entry.path()) else { continue };
        let report = serde_json::from_str::<serde_json::Value>(&text).unwrap_or_default();
        let Some(task) = report["command"].as_str().and_then(|command| command.strip_prefix("cargo xtask ")) else {
            continue;
        };
        if !task.contains('\'') && !task.contains('<') {
            tasks.push(task.split_whitespace().map(str::to_string).collect());
        }
    }
    for words in &tasks {
        let is_ours = words.first().is_some_and(|task| xtask::PASSED_ON.iter().any(|(name, _)| name == task));
        let understood = if is_ours { understood(words) } else { xtask::check(words) };
        understood.unwrap_or_else(|error| panic!("{words:?}: {error}"));
    }
    assert!(tasks.len() > 4, "{}", tasks.len());
    let with_features = "VIREID_TOKEN=x cargo run --release -p vireid-studies --features wgpu,remote -- ";
    let direct = vireid_tests::documented::commands(&root, &[with_features]);
    assert!(!direct.is_empty());
    direct.iter().for_each(|words| understood(words).unwrap_or_else(|error| panic!("{words:?}: {error}")));
}
