//! Commands that tasks run.

use std::process::{Command, Stdio};

use crate::Failure;

/// The Cargo that runs this.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Runs a command to its end.
pub(crate) fn succeed(command: &mut Command) -> Result<(), Failure> {
    if command.status()?.success() { Ok(()) } else { Err(format!("this failed: {command:?}").into()) }
}

/// What a command prints, without the last line's end.
pub(crate) fn output(command: &mut Command) -> Result<String, Failure> {
    let output = command.stderr(Stdio::inherit()).output()?;
    match output.status.success() {
        true => Ok(String::from_utf8(output.stdout)?.trim_end().to_string()),
        false => Err(format!("this failed: {command:?}").into()),
    }
}
