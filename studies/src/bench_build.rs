//! `cargo xtask bench build`: what it costs to build the program from nothing, per set of features.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use serde::Serialize;

type Failure = Box<dyn std::error::Error>;

#[derive(Serialize)]
struct Row {
    features: String,
    wall_seconds: u64,
    core_seconds: Option<u64>,
    binary_mib: u64,
}

/// Builds the program in empty folders, one set of features after another, and writes the report after each. Sets are
/// separated by commas, features within one by `+`.
pub fn run(sets: &[String], out: Option<&Path>) -> Result<(), Failure> {
    succeed(Command::new("cargo").args(["fetch", "--locked"]))?;
    let mut rows = Vec::new();
    println!("{:<16} {:>8} {:>12} {:>10}", "features", "wall s", "core s", "MiB");
    for features in sets {
        let target = std::env::temp_dir().join(format!("vireid-build-{}", std::process::id()));
        let mut build = Command::new("cargo");
        build.args(["build", "--release", "--quiet", "--locked", "--package", "vireid", "--bin", "vireid"]);
        if features != "default" {
            build.args(["--features", &features.replace('+', ",")]);
        }
        build.env("CARGO_TARGET_DIR", &target).env("CARGO_INCREMENTAL", "0");
        let (clock, cores) = (Instant::now(), children_seconds());
        succeed(&mut build)?;
        let wall_seconds = clock.elapsed().as_secs();
        let core_seconds = children_seconds().zip(cores).map(|(after, before)| after - before);
        let binary = target.join("release").join(format!("vireid{}", std::env::consts::EXE_SUFFIX));
        let binary_mib = std::fs::metadata(binary)?.len() >> 20;
        std::fs::remove_dir_all(&target)?;
        let cores = core_seconds.map_or("-".into(), |seconds| seconds.to_string());
        println!("{features:<16} {wall_seconds:>8} {cores:>12} {binary_mib:>10}");
        rows.push(Row { features: features.clone(), wall_seconds, core_seconds, binary_mib });
        write(sets, &rows, out)?;
    }
    Ok(())
}

fn write(sets: &[String], rows: &[Row], out: Option<&Path>) -> Result<(), Failure> {
    let Some(out) = out else { return Ok(()) };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let report = serde_json::json!({
        "title": "Cold release builds of the program",
        "command": format!("cargo xtask bench build {} --out {}", sets.join(","), out.display()),
        "note": format!("{} {}, {threads} threads", std::env::consts::OS, std::env::consts::ARCH),
        "rows": rows,
    });
    Ok(std::fs::write(out, serde_json::to_string_pretty(&report)? + "\n")?)
}

fn succeed(command: &mut Command) -> Result<(), Failure> {
    if command.status()?.success() { Ok(()) } else { Err(format!("{command:?} failed").into()) }
}

/// Processor seconds of all children that have ended; `None` where the system does not tell.
fn children_seconds() -> Option<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // After the program's name, which may hold anything but ends with the last bracket, fields start with the third.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    /// Linux counts in hundredths of a second here on every common machine.
    const TICKS: u64 = 100;
    Some((ticks(16)? + ticks(17)?) / TICKS)
}
