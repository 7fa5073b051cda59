//! Errors on their way to Python.

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use vireid_core::{Coded, CoreError};

/// An error on its way to Python: its code, and its message without it.
#[derive(Debug)]
pub struct Failure {
    code: String,
    message: String,
}

impl<E: Coded> From<E> for Failure {
    fn from(error: E) -> Self {
        let (code, text) = (error.code(), error.to_string());
        let message = text.strip_prefix(&code).map_or(&*text, |rest| rest.trim_start_matches([':', ' '])).to_string();
        Self { code, message }
    }
}

impl Failure {
    /// Of a panic, whose words are `text`: a fault of this library, which must not end the interpreter.
    pub fn of_panic(text: &str) -> Self {
        CoreError::Fault(text.into()).into()
    }
}

impl From<Failure> for PyErr {
    fn from(failure: Failure) -> Self {
        Python::attach(|py| {
            let class = py.import("vireid._error").and_then(|module| module.getattr("VireidError"));
            match class.and_then(|class| class.call1((failure.code, failure.message))) {
                Ok(error) => PyErr::from_value(error),
                Err(error) => PyRuntimeError::new_err(error.to_string()),
            }
        })
    }
}
