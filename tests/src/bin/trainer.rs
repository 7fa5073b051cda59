//! The program under test: an example's entry point.

use std::process::ExitCode;

fn main() -> ExitCode {
    vireid_examples::run("mbccm_sysu")
}
