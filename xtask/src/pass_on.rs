//! Tasks that are passed on to the studies' program.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use crate::Failure;

/// Tasks of the studies' program, with what it says of them.
pub const PASSED_ON: [(&str, &str); 9] = [
    ("parity", "Run every golden case and print its largest error"),
    ("pretrain", "Make the small network's starting weights again"),
    ("bench", "Time training steps, loading, clustering and building"),
    ("worlds", "Measure methods on synthetic worlds against their yardsticks"),
    ("dials", "Measure what each dial of the synthetic world does before any training"),
    ("expansions", "Compare query expansions by the joint clusters they give"),
    ("cuts", "Compare clustering parameters chosen without labels with fixed ones, on worlds unlike one another"),
    (
        "reproduce-tables",
        "Train every method on every data set that has no record yet, and set the results beside the papers'",
    ),
    (
        "device-tests",
        "Compare a device with the CPU: golden cases, training steps, and a run that it shares with itself and with the CPU",
    ),
];

/// Whether the words ask for a task of the studies, or for help on one.
pub(crate) fn is_for_studies(words: &[OsString]) -> bool {
    let mut words = words.iter().filter_map(|word| word.to_str()).filter(|word| !word.starts_with('-'));
    let task = match words.next() {
        Some("help") => words.next(),
        task => task,
    };
    task.is_some_and(|task| PASSED_ON.iter().any(|(name, _)| *name == task))
}

/// Builds the studies' program where it is out of date and hands it the words as they are.
pub(crate) fn pass_on(words: &[OsString]) -> Result<ExitCode, Failure> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["run", "--release", "--quiet", "--package", "vireid-studies", "--"]).args(words);
    become_it(cargo)
}

/// The program takes this one's place, as Cargo lets the programs that it runs take its own: signals reach the right one, and
/// its exit code is everybody's.
#[cfg(unix)]
fn become_it(mut program: Command) -> Result<ExitCode, Failure> {
    use std::os::unix::process::CommandExt;
    let error = program.exec();
    Err(format!("{program:?}: {error}").into())
}

#[cfg(not(unix))]
fn become_it(mut program: Command) -> Result<ExitCode, Failure> {
    let code = program.status()?.code();
    Ok(code.and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_task_it_is() {
        let is_theirs = |words: &str| {
            let words: Vec<OsString> = words.split_whitespace().map(OsString::from).collect();
            is_for_studies(&words)
        };
        for theirs in ["parity", "worlds --help", "--force dials --out x", "help bench", "reproduce-tables --quick"] {
            assert!(is_theirs(theirs), "{theirs}");
        }
        for ours in ["", "--help", "help", "tables --check", "help device-kit", "device-kit --out parity", "magic"] {
            assert!(!is_theirs(ours), "{ours}");
        }
    }
}
