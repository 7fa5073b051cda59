#![doc = include_str!("../README.md")]

mod embedder;
mod verdicts;

pub use embedder::{Embedded, Embedder, EmbedderFailed};
pub use verdicts::{Verdict, Verdicts};
