//! `cargo xtask bench check`: what it costs to check the workspace after an edit, and which crates are checked again.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Instant, SystemTime};

use serde::Serialize;

type Failure = Box<dyn std::error::Error>;

/// How often each file is touched; the fastest check counts, since others of the machine's work only add to it.
const REPEATS: usize = 3;

#[derive(Serialize)]
struct Row {
    edited: PathBuf,
    seconds: f64,
    checked: Vec<String>,
}

/// Checks the workspace in the current folder, then again after each of some files was touched, and writes the report.
pub fn run(files: &[PathBuf], out: Option<&Path>) -> Result<(), Failure> {
    if let Some(missing) = files.iter().find(|file| !file.is_file()) {
        return Err(format!("there is no file {}", missing.display()).into());
    }
    check()?;
    let mut rows = Vec::new();
    for edited in files {
        let mut fastest = Row { edited: edited.clone(), seconds: f64::INFINITY, checked: Vec::new() };
        for _ in 0..REPEATS {
            File::options().append(true).open(edited)?.set_modified(SystemTime::now())?;
            let clock = Instant::now();
            let checked = check()?;
            let seconds = clock.elapsed().as_secs_f64();
            if seconds < fastest.seconds {
                fastest = Row { seconds: (10.0 * seconds).round() / 10.0, checked, ..fastest };
            }
        }
        println!("{}: {:.1} s, {}", edited.display(), fastest.seconds, fastest.checked.join(" "));
        rows.push(fastest);
    }
    let Some(out) = out else { return Ok(()) };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let list: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    let report = serde_json::json!({
        "title": "`cargo check --release --workspace` after a file was touched",
        "command": format!("cargo xtask bench check {} --out {}", list.join(","), out.display()),
        "note": format!("{} {}, {threads} threads, the fastest of {REPEATS}", std::env::consts::OS, std::env::consts::ARCH),
        "rows": rows,
    });
    Ok(std::fs::write(out, serde_json::to_string_pretty(&report)? + "\n")?)
}

/// Checks libraries, programs and examples; the crates that were checked and not found fresh.
fn check() -> Result<Vec<String>, Failure> {
    let mut command = Command::new("cargo");
    command.args(["check", "--release", "--workspace", "--bins", "--lib", "--examples", "--locked"]);
    let output = command.env("CARGO_TERM_COLOR", "never").output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("{command:?} failed: {said}").into());
    }
    let checked = said.lines().filter_map(|line| line.trim_start().strip_prefix("Checking ")?.split(' ').next());
    let mut checked: Vec<String> = checked.map(String::from).collect();
    checked.sort();
    checked.dedup();
    Ok(checked)
}
