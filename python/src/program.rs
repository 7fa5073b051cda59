//! The command line, for Python.

use std::ffi::OsString;
use std::process::ExitCode;

use pyo3::prelude::*;
use vireid::EXIT_INTERRUPTED;

/// The command line: see `vireid::program`. Wrong arguments end the process.
#[pyfunction]
pub fn program(py: Python<'_>, arguments: Vec<OsString>) -> u8 {
    let code = py.detach(|| vireid::program(arguments));
    // An `ExitCode` does not tell its number.
    [0, EXIT_INTERRUPTED].into_iter().find(|&number| code == ExitCode::from(number)).unwrap_or(1)
}

/// What an error code means and what to do about it; none for one that there is not.
#[pyfunction]
pub fn explain(code: &str) -> Option<&'static str> {
    vireid::explain_code(code)
}
