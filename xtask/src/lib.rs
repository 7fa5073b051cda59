//! Tasks of the project: `cargo xtask --help` lists them. Those that need no other crate of the workspace are here; golden cases,
//! benchmarks, device tests and trainings pass through all of them, and are passed on to the studies' program, which is built
//! when one of them is asked for.

mod book;
mod cargo;
mod device_kit;
mod dist;
mod package;
mod pass_on;
pub mod reproduce;
pub mod tables;
mod terminal;
mod tidy;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

pub use pass_on::PASSED_ON;

type Failure = Box<dyn std::error::Error>;

#[derive(Parser)]
#[command(name = "xtask", bin_name = "cargo xtask", about = "Tasks of the project")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
    /// Write over a file that no task wrote
    #[arg(long, global = true)]
    force: bool,
}

#[derive(Subcommand)]
enum Task {
    /// Make the tables of the pages anew from docs/results
    Tables {
        /// Only say whether they are up to date
        #[arg(long)]
        check: bool,
    },
    /// Check what must hold for the repository as a whole and no compiler sees
    Tidy,
    /// Pack what a machine with a graphics card and without Rust needs to run the device tests and benchmarks
    DeviceKit(device_kit::Arguments),
    /// Pack the program for people without a compiler: archives, a package for Debian, sums
    Dist(dist::Arguments),
    /// Build the pages as a site, and check its links
    Book(book::Arguments),
    /// Record a run of the program as a picture
    Terminal(terminal::Arguments),
    /// Pack every crate that is published, as the registry gets it, and look through what was packed
    Package(package::Arguments),
}

/// All tasks, those that are passed on by name alone.
pub fn command() -> clap::Command {
    Arguments::command().subcommands(PASSED_ON.map(|(name, about)| clap::Command::new(name).about(about)))
}

/// Whether the words behind `cargo xtask` are understood here; words for the studies are theirs to judge.
///
/// # Errors
///
/// What the command line's parser says.
pub fn check(words: &[String]) -> Result<(), clap::Error> {
    parse(words.iter().map(OsString::from)).map(drop)
}

fn parse(words: impl Iterator<Item = OsString>) -> Result<Arguments, clap::Error> {
    let words = std::iter::once(OsString::from("xtask")).chain(words);
    Arguments::from_arg_matches(&command().try_get_matches_from(words)?)
}

/// Does the task that the words behind the program's name ask for.
pub fn run(words: Vec<OsString>) -> ExitCode {
    let done = if pass_on::is_for_studies(&words) {
        pass_on::pass_on(&words)
    } else {
        let Arguments { task, force } = parse(words.into_iter()).unwrap_or_else(|error| error.exit());
        match task {
            Task::Tables { check } => tables::run(check),
            Task::Tidy => tidy::run(),
            Task::DeviceKit(arguments) => device_kit::run(&arguments, force),
            Task::Dist(arguments) => dist::run(&arguments, force),
            Task::Book(arguments) => book::run(&arguments, force),
            Task::Terminal(arguments) => terminal::run(&arguments, force),
            Task::Package(arguments) => package::run(&arguments),
        }
        .map(|()| ExitCode::SUCCESS)
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::FAILURE
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        command().debug_assert();
        assert!(check(&["tables".into(), "--check".into()]).is_ok());
        assert!(check(&["tables".into(), "--chek".into()]).is_err());
        assert!(check(&["magic".into()]).is_err());
    }
}
