//! The program; see [`vireid::program`].

use std::process::ExitCode;

fn main() -> ExitCode {
    vireid::program(std::env::args_os())
}
