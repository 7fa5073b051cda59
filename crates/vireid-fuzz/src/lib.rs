//! Every parser that reads a file, as a function of bytes: what the fuzzers in `fuzz/` call, and what the smoke test feeds
//! with the corpora and damaged copies of them.
//!
//! A target panics when the parser does, when an error has no code, and when what was read is not what is written again.

// A harness: what it can't do itself is a failure.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod data;
pub mod gallery;
pub mod mutation;
#[cfg(feature = "program")]
mod program;
mod scratch;
mod seeds;

use vireid_core::Coded;

/// A parser to feed.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, and that of its fuzzer and of the folder of its corpus.
    pub name: &'static str,
    /// Parses some bytes.
    pub run: fn(&[u8]),
    /// Whole files to start from, by name: synthetic all.
    pub seeds: fn() -> Vec<(&'static str, Vec<u8>)>,
}

/// Every target.
pub fn targets() -> Vec<Target> {
    let all = [data::TARGETS, gallery::TARGETS].concat();
    #[cfg(feature = "program")]
    let all = [all.as_slice(), program::TARGETS].concat();
    all
}

/// The target of a name.
///
/// # Panics
///
/// When there is none.
pub fn target(name: &str) -> Target {
    targets().into_iter().find(|target| target.name == name).unwrap_or_else(|| panic!("no target '{name}'"))
}

/// Takes an answer apart: an error has a code, and its message can be made.
fn checked<T, E: Coded>(answer: Result<T, E>) -> Option<T> {
    let error = match answer {
        Ok(value) => return Some(value),
        Err(error) => error,
    };
    let (message, code) = (error.to_string(), error.code());
    let is_code = code.strip_prefix("VR").is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
    assert!(is_code && message[code.len()..].starts_with(": "), "an error without a code: {message}");
    None
}

/// The first byte, which says what the rest is for.
fn choice(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    Some((usize::from(*first), rest))
}
